"""A part of a data set: the images that were asked for and what is on them, seen or kept as a folder of its own."""

import contextlib
import errno
import io
import json
import os
import tempfile
from codecs import BOM_UTF8
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO

from core import DataError
from core.datasets.layouts import SplitLocation, find_splits
from core.datasets.part import save_subset, subset_image_ids, take_subset
from core.datasets.split import examine_split, read_split
from core.datasets.subset import Subset, choose_images
from tests.core.coco_cases import gt_of

CARS = Subset(("car",))
POLYGON = '"segmentation": [[1.50, 2e0, 3,4.125 ,5,6]]'
CROWD = '"segmentation": {"counts": [0, 12, 19988], "size": [100,200]}'
FULL = OSError(errno.ENOSPC, "No space left on device")

numbers = st.integers(1, 10**9)
subsets = st.builds(
    Subset, st.sampled_from([("car",), ("dog",), ("car", "dog")]), st.integers(0, 8), st.integers(0, 4),
    st.sampled_from([0.0, 0.2, 0.29, 0.5, 0.9]), st.integers(0, 5),
)  # fmt: skip


@st.composite
def truths(draw):
    """Up to twelve images with any ids, some without objects, some with crowds alone."""
    images = draw(st.lists(numbers, unique=True, max_size=12))
    if not images:
        return gt_of(images=0)
    row = st.tuples(st.sampled_from(images), st.integers(1, 3), st.booleans())
    rows = draw(st.lists(row, max_size=20))
    boxes = [(i, k, (n, 0, 10, 10), {"iscrowd": int(crowd)}) for n, (i, k, crowd) in enumerate(rows)]
    gt = gt_of(*boxes, categories=("car", "dog", "bus"))
    gt["images"] = [{"id": i, "file_name": f"{i}.jpg", "width": 200, "height": 100} for i in images]
    ids = draw(st.lists(numbers, unique=True, min_size=len(rows), max_size=len(rows)))
    for annotation, own in zip(gt["annotations"], ids, strict=True):
        annotation["id"] = own
    return gt


def dataset(folder: Path, **splits: dict | str) -> Path:
    """A folder with these splits; one that is called `single` is a file without splits. One empty picture each."""
    for name, gt in splits.items():
        stem, place = ("all", "images") if name == "single" else (f"instances_{name}", name)
        (folder / "annotations").mkdir(parents=True, exist_ok=True)
        (folder / place).mkdir()
        (folder / place / "1.jpg").touch()
        text = gt if isinstance(gt, str) else json.dumps(gt)
        (folder / "annotations" / f"{stem}.json").write_text(text, encoding="utf-8")
    return folder


def splits_of(folder: Path) -> dict:
    return {name: examine_split(place, name) for name, place in find_splits(folder).items()}


def saved(folder: Path, subset: Subset, out: Path) -> dict:
    """What was saved of the folder, read again."""
    save_subset(splits_of(folder), subset, out)
    return splits_of(out)


def refused(folder: Path, subset: Subset, out: Path) -> str:
    """What is said; nothing is left behind, and the folder is as it was."""
    before, around = files(folder), sorted(out.parent.iterdir()) if out.parent.is_dir() else None
    with pytest.raises(DataError) as caught:
        save_subset(splits_of(folder), subset, out)
    assert files(folder) == before
    assert around is None or sorted(out.parent.iterdir()) == around, "something is left behind"
    message = str(caught.value)
    assert message.endswith(".") and "\n" not in message
    return message


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def file_with(*annotations: str, images: str = '{"id": 1, "file_name": "1.jpg", "width": 200, "height": 100}') -> str:
    return (
        f'{{"info": {{"year": 2020}}, "licenses": [{{"id": 4}}], "images": [{images}],\n'
        f'"annotations": [{", ".join(annotations)}], "categories": [{{"id": 1, "name": "car"}}, '
        '{"name":"dog", "id": 2}]}'
    )


def written(out: Path, split: str = "train") -> bytes:
    return (out / "annotations" / f"instances_{split}.json").read_bytes()


# Edge cases


def test_without_any_image_nothing_is_chosen_and_nothing_is_saved(tmp_path):
    folder = dataset(tmp_path / "d", train=gt_of(images=0))
    split = splits_of(folder)["train"]
    assert subset_image_ids(split, CARS) == [] and take_subset(split, CARS).images == []
    assert refused(folder, CARS, tmp_path / "out") == "No train image shows car: choose other classes."


def test_a_split_without_an_image_of_the_classes_is_named(tmp_path):
    folder = dataset(tmp_path / "d", train=gt_of((1, 1, (0, 0, 9, 9))), val=gt_of((1, 2, (0, 0, 9, 9))))
    assert refused(folder, CARS, tmp_path / "out") == "No val image shows car: choose other classes."
    assert refused(folder, Subset(("car",), empty_share=0.9), tmp_path / "out").startswith("No val image")


def test_an_image_with_nothing_but_a_crowd_shows_the_class_as_in_a_download(tmp_path):
    gt = gt_of((2, 1, (0, 0, 9, 9), {"iscrowd": 1}), images=3)
    folder = dataset(tmp_path / "d", train=gt)
    assert subset_image_ids(splits_of(folder)["train"], CARS) == [2]
    found = saved(folder, CARS, tmp_path / "out")["train"]
    assert [a["iscrowd"] for a in found.annotations] == [1]


def test_a_class_that_is_not_there_is_named(tmp_path):
    folder = dataset(tmp_path / "d", train=gt_of((1, 1, (0, 0, 9, 9))))
    with pytest.raises(DataError, match="unicorn"):
        take_subset(splits_of(folder)["train"], Subset(("unicorn",)))
    assert "unicorn" in refused(folder, Subset(("car", "unicorn")), tmp_path / "out")


@pytest.mark.parametrize(("part_", "key", "value"), [
    ("images", "id", None), ("images", "width", None), ("images", "file_name", "../1.jpg"), ("categories", "id", "x"),
    ("categories", "name", "dog"),
])  # fmt: skip
def test_a_broken_file_is_refused_with_what_is_wrong(tmp_path, part_, key, value):
    gt = gt_of((1, 1, (0, 0, 9, 9)))
    gt[part_][0][key] = value
    folder = dataset(tmp_path / "d", train=gt)
    with pytest.raises(DataError, match=r"instances_train.json cannot be used. 1 "):
        take_subset(splits_of(folder)["train"], CARS)
    assert "instances_train.json cannot be used. 1 " in refused(folder, CARS, tmp_path / "out")


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch])
def test_what_is_there_already_is_kept(tmp_path, make):
    folder = dataset(tmp_path / "d", train=gt_of((1, 1, (0, 0, 9, 9))))
    make(tmp_path / "out")
    assert refused(folder, CARS, tmp_path / "out") == f"{tmp_path}/out is there already: choose another name."


def test_a_place_that_cannot_be_is_refused(tmp_path):
    folder = dataset(tmp_path / "d", train=gt_of((1, 1, (0, 0, 9, 9))))
    (tmp_path / "file").touch()
    assert "cannot be written: Not a directory." in refused(folder, CARS, tmp_path / "file" / "out")
    assert "cannot be written: File name too long." in refused(folder, CARS, tmp_path / ("x" * 300))


@pytest.mark.parametrize("moment", ["mkdir", "write", "link", "place"])
@pytest.mark.parametrize("error", [FULL, PermissionError(errno.EACCES, "Permission denied")])
def test_a_full_or_closed_disk_leaves_nothing_behind(tmp_path, monkeypatch, moment, error):
    folder = dataset(tmp_path / "d", train=gt_of((1, 1, (0, 0, 9, 9))), val=gt_of((1, 1, (0, 0, 9, 9))))
    where = {"mkdir": "pathlib.Path.mkdir", "write": "core.disk.os.fsync", "link": "pathlib.Path.symlink_to"}
    calls = []

    def fail(*arguments, **options):
        calls.append(arguments)
        raise error

    with monkeypatch.context() as broken:
        broken.setattr(where.get(moment, "core.disk.os.replace"), fail)
        if moment == "place":  # the last of them, after those of the annotation files
            whole = os.replace
            broken.setattr("core.disk.os.replace", lambda a, b: fail() if Path(a).is_dir() else whole(a, b))
        said = refused(folder, CARS, tmp_path / "out")
    assert said == f"{tmp_path}/out cannot be written: {error.strerror}."
    assert calls  # it did fail there


def test_a_folder_that_has_come_meanwhile_is_not_written_over(tmp_path, monkeypatch):
    folder, out = dataset(tmp_path / "d", train=gt_of((1, 1, (0, 0, 9, 9)))), tmp_path / "out"
    link = Path.symlink_to

    def late(self, *arguments, **options):
        (out / "mine").mkdir(parents=True)
        link(self, *arguments, **options)

    monkeypatch.setattr("pathlib.Path.symlink_to", late)
    with pytest.raises(DataError, match="cannot be written: Directory not empty"):
        save_subset(splits_of(folder), CARS, out)
    assert sorted(tmp_path.iterdir()) == [folder, out] and [p.name for p in out.iterdir()] == ["mine"]


# Which images


@given(truths(), subsets)
@settings(max_examples=60, deadline=None)
def test_the_images_and_objects_are_those_that_plain_python_finds(gt, subset):
    with tempfile.TemporaryDirectory() as place:
        folder = dataset(Path(place), train=gt)
        split = splits_of(folder)["train"]
        found = take_subset(split, subset)
        path = folder / "annotations/instances_train.json"
        downloaded = _or_none(lambda: [p.id for p in choose_images(path, subset, "train")])
    names = {c["id"]: c["name"] for c in gt["categories"]}
    shown = {a["image_id"] for a in gt["annotations"] if names[a["category_id"]] in subset.classes}
    ids = [image["id"] for image in found.images]
    empty = len(set(ids) - shown)
    assert ids == subset_image_ids(split, subset) == (downloaded or [])
    assert ids == [image["id"] for image in gt["images"] if image["id"] in set(ids)]
    assert empty <= Fraction(str(subset.empty_share)) * len(ids)
    assert len(ids) <= subset.max_train or not subset.max_train
    assert subset.max_train or shown <= set(ids)
    assert found.annotations == [
        a for a in gt["annotations"] if names[a["category_id"]] in subset.classes and a["image_id"] in set(ids)
    ]
    assert found.categories == [c for c in gt["categories"] if c["name"] in subset.classes]
    assert split.to_dict() == gt, "the whole is changed"


def _or_none(action):
    with contextlib.suppress(DataError):
        return action()


@given(truths(), subsets, st.integers(1, 8))
@settings(max_examples=40, deadline=None)
def test_more_images_are_those_of_before_and_others(gt, subset, more):
    with tempfile.TemporaryDirectory() as place:
        split = splits_of(dataset(Path(place), train=gt))["train"]
    most = [subset.max_train or 1, (subset.max_train or 1) + more, 0]
    smaller, larger, all_ = (
        set(subset_image_ids(split, Subset(subset.classes, n, 0, subset.empty_share, subset.seed))) for n in most
    )
    assert smaller <= larger <= all_


def test_training_and_validation_have_limits_of_their_own(tmp_path):
    gt = gt_of(*((i, 1, (0, 0, 9, 9)) for i in range(1, 8)), images=7)
    found = saved(dataset(tmp_path / "d", train=gt, val=gt), Subset(("car",), 5, 2), tmp_path / "out")
    assert {name: len(split.images) for name, split in found.items()} == {"train": 5, "val": 2}


# What is kept


@given(truths(), subsets)
@settings(max_examples=30, deadline=None)
def test_what_is_saved_is_read_as_the_part_that_was_seen_and_by_pycocotools_too(gt, subset):
    with tempfile.TemporaryDirectory() as place:
        folder, out = dataset(Path(place) / "d", train=gt), Path(place) / "out"
        seen = take_subset(splits_of(folder)["train"], subset)
        if not seen.images:
            assert "No train image" in refused(folder, subset, out)
            return
        save_subset(splits_of(folder), subset, out)
        assert read_split(out, "train").to_dict() == seen.to_dict()
        with contextlib.redirect_stdout(io.StringIO()):
            judge = COCO(out / "annotations/instances_train.json")
    assert judge.dataset["images"] == seen.images
    assert judge.dataset["annotations"] == seen.annotations
    assert judge.dataset["info"]["subset"] == subset.to_dict()


def test_polygons_crowds_and_what_else_an_annotation_says_keep_their_bytes(tmp_path):
    rows = (
        f'{{"id": 71, "image_id": 1,{POLYGON}, "category_id": 1, "bbox": [0.10,0,9.0e0,9], "area": 1E1, "iscrowd": 0}}',
        f'{{"iscrowd":1,{CROWD},"id":70,"image_id":1,"category_id":1,"bbox":[0,0,50,50],"area":1.0, "z":"\\u00e4"}}',
        f'{{"id": 5, "image_id": 1,{POLYGON}, "category_id": 2, "bbox": [0,0,8,8], "area": 64, "iscrowd": 0}}',
    )
    image = '{"id":1, "file_name":"1.jpg","width":200,"height":100, "mine": [1.0 , "é"]}'
    folder = dataset(tmp_path / "d", train=file_with(*rows, images=image))
    found = saved(folder, CARS, tmp_path / "out")["train"]
    text = written(tmp_path / "out")
    assert all(row.encode() in text for row in (*rows[:2], image))
    assert rows[2].encode() not in text and b'"dog"' not in text
    assert [a["id"] for a in found.annotations] == [71, 70]
    data = json.loads(text)
    assert data["info"] == {"year": 2020, "subset": CARS.to_dict()} and data["licenses"] == [{"id": 4}]


def test_ids_that_a_tool_wrote_as_floats_are_the_same_images(tmp_path):
    image = '{"id": 7.0, "file_name": "1.jpg", "width": 200, "height": 100}'
    row = '{"id": 3.0, "image_id": 7.0, "category_id": 1.0, "bbox": [0, 0, 9, 9], "area": 81, "iscrowd": 0}'
    folder = dataset(tmp_path / "d", train=file_with(row, images=image))
    found = saved(folder, CARS, tmp_path / "out")["train"]
    assert [i["id"] for i in found.images] == [7] and [a["id"] for a in found.annotations] == [3]
    assert row.encode() in written(tmp_path / "out")


@pytest.mark.parametrize(
    "broken",
    [
        '{"id": 2, "category_id": 1, "bbox": [0, 0, 9, 9]}', '{"id": 2, "image_id": 9, "category_id": 1}',
        '{"id": 2, "image_id": "x", "category_id": 1, "bbox": [0, 0, 9, 9]}', '{}',
        '{"id": 2, "image_id": 1, "category_id": null, "bbox": [0, 0, 9, 9]}',
        '{"id": "b", "image_id": 1.5, "category_id": 1, "bbox": null}',
    ],
)  # fmt: skip
def test_an_annotation_that_belongs_nowhere_is_in_no_part(tmp_path, broken):
    row = '{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "area": 81, "iscrowd": 0}'
    folder = dataset(tmp_path / "d", train=file_with(broken, row))
    assert splits_of(folder)["train"].dropped == 1
    found = saved(folder, CARS, tmp_path / "out")["train"]
    assert [a["id"] for a in found.annotations] == [1] and found.dropped == 0


def test_a_file_with_a_byte_order_mark_is_saved_without_it(tmp_path):
    folder = dataset(tmp_path / "d", train=BOM_UTF8.decode() + json.dumps(gt_of((1, 1, (0, 0, 9, 9)))))
    assert len(saved(folder, CARS, tmp_path / "out")["train"].annotations) == 1
    assert written(tmp_path / "out").startswith(b"{")


def test_of_a_file_as_only_python_writes_it_the_boxes_are_kept(tmp_path):
    gt = gt_of((1, 1, (0, 0, 9, 9), {"segmentation": [[0, 0, 9, 0, 9, 9]]}), (1, 1, (0, 0, 8, 8)))
    gt["annotations"][1]["bbox"][0] = float("nan")
    folder = dataset(tmp_path / "d", train=gt)
    assert len(splits_of(folder)["train"].annotations) == 1
    (kept,) = saved(folder, CARS, tmp_path / "out")["train"].annotations
    assert kept == splits_of(folder)["train"].annotations[0]
    assert json.loads((tmp_path / "out/annotations/instances_train.json").read_text())["info"] == {
        "subset": CARS.to_dict()
    }


# Where the pictures are


def test_pictures_are_linked_and_found_where_they_lie(tmp_path):
    gt = gt_of((1, 1, (0, 0, 9, 9)))
    folder = dataset(tmp_path / "d", train=gt, val=gt)
    found = saved(folder, CARS, tmp_path / "deep" / "out")
    for name, split in found.items():
        link = tmp_path / "deep" / "out" / name
        assert link.is_symlink() and split.resolved_dir == folder / name
        assert split.image_path(split.images[0]) == folder / name / "1.jpg"
        assert split.image_path(split.images[0]).is_file()
    assert sorted(p.name for p in (tmp_path / "deep").iterdir()) == ["out"]


def test_a_part_of_a_part_is_linked_to_the_first_folder(tmp_path):
    gt = gt_of((1, 1, (0, 0, 9, 9)), (2, 1, (0, 0, 9, 9)), images=2)
    folder = dataset(tmp_path / "d", train=gt)
    save_subset(splits_of(folder), Subset(("car",), 1), tmp_path / "one")
    found = saved(tmp_path / "one", CARS, tmp_path / "two")["train"]
    assert os.readlink(tmp_path / "two" / "train") == str(folder / "train")
    assert len(found.images) == 1


def test_one_file_without_splits_becomes_two_that_share_no_image(tmp_path):
    gt = gt_of(*((i, 1 + i % 2, (0, 0, 9, 9)) for i in range(1, 21)), images=20)
    folder = dataset(tmp_path / "d", single=gt)
    seen = {name: take_subset(split, CARS) for name, split in splits_of(folder).items()}
    found = saved(folder, CARS, tmp_path / "out")
    assert {name: split.to_dict() for name, split in found.items()} == {n: s.to_dict() for n, s in seen.items()}
    ids = [{image["id"] for image in split.images} for split in found.values()]
    assert all(ids) and not ids[0] & ids[1] and ids[0] | ids[1] == set(range(2, 21, 2))
    places = find_splits(tmp_path / "out")
    assert places == {
        name: SplitLocation(tmp_path / f"out/annotations/instances_{name}.json", tmp_path / "out" / name)
        for name in ("train", "val")
    }
