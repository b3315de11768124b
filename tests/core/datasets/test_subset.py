"""A subset: the same images for the same settings, and every annotation of the chosen classes as it was."""

import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import DataError
from core.datasets.subset import Subset, choose_image_ids, choose_images, write_split
from core.labels import COCO_TEN
from tests.core.coco_cases import from_env
from tests.core.datasets.coco2017.coco_server import make_coco

TEN = tuple(COCO_TEN)
ids = st.lists(st.integers(0, 10**6), unique=True, max_size=60)
shares = st.sampled_from([0, 0.1, 0.25, 0.29, 0.5, 0.9])


@pytest.fixture(scope="module")
def coco(tmp_path_factory):
    return make_coco(tmp_path_factory.mktemp("coco") / "coco", train=60, val=10)


def annotation_file(folder, split="train"):
    return folder / "annotations" / f"instances_{split}2017.json"


def written(folder, target, classes, chosen, settings=None):
    write_split(annotation_file(folder), target, chosen, classes, settings or {})
    return json.loads(target.read_text())


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"classes": ()}, "No class is chosen"), ({"classes": "person"}, "must be a list"),
        ({"classes": ("",)}, "must be a list"), ({"classes": (3,)}, "must be a list"),
        ({"max_train": -1}, "training images is -1"), ({"max_val": 2.5}, "validation images is 2.5"),
        ({"max_val": True}, "validation images is True"), ({"seed": -1}, "seed"),
        ({"empty_share": 1}, "below 1"), ({"empty_share": -0.1}, "below 1"), ({"empty_share": float("nan")}, "nan"),
        ({"empty_share": "0.1"}, "below 1"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_refused_with_its_value(wrong, says):
    with pytest.raises(DataError, match=says):
        Subset(**{"classes": ("person",), **wrong})


def test_the_order_of_the_classes_and_repeats_do_not_make_another_subset():
    one, two = Subset(("person", "car"), empty_share=0), Subset(["car", "person", "car"], empty_share=0.0)
    assert one.to_dict() == two.to_dict()
    assert two.classes == ("car", "person")


@given(ids, st.sets(st.integers(0, 10**6)), st.integers(0, 80), shares, st.integers(0, 3))
def test_what_is_chosen_is_there_and_in_order_and_not_too_much(image_ids, others, most, share, seed):
    with_a_class = set(image_ids[::2]) | others
    chosen = choose_image_ids(image_ids, with_a_class, most, share, seed)
    assert chosen == [i for i in image_ids if i in set(chosen)]
    assert not most or len(chosen) <= most
    assert chosen == choose_image_ids(image_ids, with_a_class, most, share, seed)
    assert set(chosen) == set(choose_image_ids(image_ids[::-1], with_a_class, most, share, seed))
    shown = with_a_class & set(image_ids)
    empty = len(set(chosen) - shown)
    assert empty <= Fraction(str(share)) * len(chosen)
    if not most:
        assert shown <= set(chosen)


@given(ids, st.integers(1, 60), st.integers(0, 60), shares, st.integers(0, 3))
def test_more_images_are_those_of_before_and_others(image_ids, most, more, share, seed):
    with_a_class = image_ids[::3]
    smaller = choose_image_ids(image_ids, with_a_class, most, share, seed)
    assert set(smaller) <= set(choose_image_ids(image_ids, with_a_class, most + more, share, seed))
    assert set(smaller) <= set(choose_image_ids(image_ids, with_a_class, 0, share, seed))


@pytest.mark.parametrize(("share", "empty"), [(0, 0), (0.1, 10), (0.29, 29), (0.5, 50), (0.9, 90)])
def test_the_share_of_empty_images_is_what_was_asked_for(share, empty):
    chosen = choose_image_ids(range(1000), range(0, 1000, 2), 100, share, seed=1)
    assert len(chosen) == 100
    assert sum(i % 2 for i in chosen) == empty


def test_too_few_empty_images_are_made_up_for_and_without_a_class_there_is_nothing():
    assert len(choose_image_ids(range(100), range(95), 50, 0.5, seed=0)) == 50
    assert choose_image_ids(range(10), [], 5, 0.5, seed=0) == []
    assert choose_image_ids([], [], 0, 0.5, seed=0) == []


def test_another_seed_chooses_others():
    assert choose_image_ids(range(100), range(100), 10, 0, seed=0) != choose_image_ids(
        range(100), range(100), 10, 0, seed=1
    )


def test_an_image_with_any_of_the_classes_is_chosen(coco):
    data = json.loads(annotation_file(coco).read_text())
    chosen = choose_images(annotation_file(coco), Subset(("cat", "bus")), "train")
    assert {p.id for p in chosen} == {a["image_id"] for a in data["annotations"] if a["category_id"] in (17, 6)}


def judged(folder, target, split):
    """The subset of ten classes is what a plain filter makes of the file."""
    source, subset = annotation_file(folder, split), Subset(TEN, max_train=40, empty_share=0.2, seed=2)
    pictures = choose_images(source, subset, split)
    chosen = {picture.id for picture in pictures}
    write_split(source, target, chosen, subset.classes, subset.to_dict())
    data, found = json.loads(source.read_text()), json.loads(target.read_text())
    wanted = set(COCO_TEN.values())
    assert found["info"] == data["info"] | {"subset": subset.to_dict()}
    assert found["licenses"] == data["licenses"]
    assert found["images"] == [image for image in data["images"] if image["id"] in chosen]
    assert found["annotations"] == [
        a for a in data["annotations"] if a["category_id"] in wanted and a["image_id"] in chosen
    ]
    assert found["categories"] == [c for c in data["categories"] if c["id"] in wanted]
    assert any(a["iscrowd"] for a in found["annotations"])
    return found


def test_every_annotation_of_the_classes_is_kept_with_its_id_and_crowds(coco, tmp_path):
    judged(coco, tmp_path / "out.json", "train")


@pytest.mark.parametrize("split", ["train", "val"])
def test_the_same_holds_of_real_annotations(tmp_path, split):
    assert judged(from_env("DETR_LAB_COCO"), tmp_path / "out.json", split)["annotations"]


def test_numbers_keep_the_digits_they_were_written_with(tmp_path):
    annotation = (
        '{"id": 7, "area":1.50,"bbox" : [1e0, 2.000, 3, 4.10], "image_id": 1, "category_id": 3, "x": "é\\u00e9"}'
    )
    text = (
        '{"images": [{"id":1, "file_name": "a.jpg", "width": 9, "height": 9}], "annotations": [' + annotation + "],"
        ' "categories": [{"id": 3, "name": "car"}]}'
    )
    (tmp_path / "in.json").write_text(text)
    write_split(tmp_path / "in.json", tmp_path / "out.json", [1], ["car"], {"seed": 0})
    assert annotation in (tmp_path / "out.json").read_text()
    assert json.loads((tmp_path / "out.json").read_text())["info"] == {"subset": {"seed": 0}}


def test_the_same_settings_write_the_same_bytes_and_leave_no_other_file(coco, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        written(coco, tmp_path / name / "out.json", TEN, range(200), {"seed": 1})
    assert (tmp_path / "one/out.json").read_bytes() == (tmp_path / "two/out.json").read_bytes()
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["out.json"]


def test_a_subset_without_any_image_is_still_a_coco_file(coco, tmp_path):
    found = written(coco, tmp_path / "out.json", ["cat"], [])
    assert (found["images"], found["annotations"]) == ([], [])


@pytest.mark.parametrize(("name", "says"), [("dgo", "did you mean dog"), ("Person", "did you mean person"),
                                            ("<script>", "it has: person, bicycle")])  # fmt: skip
def test_an_unknown_class_is_told_with_what_may_have_been_meant(coco, tmp_path, name, says):
    with pytest.raises(DataError, match=says):
        choose_images(annotation_file(coco), Subset((name,)), "train")
    with pytest.raises(DataError, match=says):
        written(coco, tmp_path / "out.json", [name], [9])
    assert list(tmp_path.iterdir()) == []


def test_classes_that_no_image_shows_are_told(coco, tmp_path):
    data = json.loads(annotation_file(coco).read_text())
    data["annotations"] = [a for a in data["annotations"] if a["category_id"] != 17]
    (tmp_path / "in.json").write_text(json.dumps(data))
    with pytest.raises(DataError, match=r"No image of .*in.json shows cat"):
        choose_images(tmp_path / "in.json", Subset(("cat",)), "train")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", '{"images": []}', '{"images": 3, "annotations": [], "categories": []}', "\x00\x01"]
)
def test_a_file_of_another_kind_is_refused_by_its_name(tmp_path, text):
    (tmp_path / "in.json").write_text(text)
    with pytest.raises(DataError, match=r"in.json"):
        choose_images(tmp_path / "in.json", Subset(("cat",)), "train")


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(DataError, match=r"no file .*in.json"):
        choose_images(tmp_path / "in.json", Subset(("cat",)), "train")


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "..", "", "a\\b.jpg", "c:x.jpg", "a\0.jpg", "z" * 300]
)
def test_a_picture_that_would_leave_its_folder_is_refused(tmp_path, name):
    with pytest.raises(DataError, match=r"in.json .* no plain file name"):
        choose_images(with_names(tmp_path, name), Subset(("cat",)), "train")


def test_two_images_with_one_file_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"'A.jpg' twice"):
        choose_images(with_names(tmp_path, "a.jpg", "A.jpg"), Subset(("cat",)), "train")


def with_names(folder, *names):
    data = {
        "images": [{"id": i, "file_name": name, "width": 9, "height": 9} for i, name in enumerate(names)],
        "annotations": [{"id": i, "image_id": i, "category_id": 1} for i in range(len(names))],
        "categories": [{"id": 1, "name": "cat"}],
    }
    (folder / "in.json").write_text(json.dumps(data))
    return folder / "in.json"


@pytest.mark.parametrize("info", [b'"\xed"', b'{"a": "\xff"}'])
def test_an_info_that_is_no_text_is_told_of_the_file(tmp_path, info):
    source = tmp_path / "in.json"
    source.write_bytes(b'{"info": ' + info + b', "images": [], "annotations": [], "categories": []}')
    with pytest.raises(DataError, match=r"in\.json is not"):
        write_split(source, tmp_path / "out.json", [], [], {})
