"""The part for testing is read in every layout, and changes nothing of what a training reads."""

import json

import pytest

from core import DataError
from core.datasets.convert.to_coco import convert
from core.datasets.problems import ProblemKind
from core.datasets.split import examine_splits, read_split
from tests.core.datasets.convert.folders import BOX, picture, text, voc, xml, yolo
from tests.core.datasets.folder.exports import TEST, TRAIN, VAL, coco, cvat_with_subsets, pictures, roboflow, write


def names_of(split):
    return [image["file_name"] for image in split.images]


def without_test(folder):
    """What a training reads of the folder."""
    return {name: split.to_dict() for name, split in examine_splits(folder).items()}


# Edge cases


@pytest.mark.parametrize("files", [
    {"annotations/instances_train.json": coco(*TRAIN), "annotations/instances_val.json": coco(*VAL)}
    | pictures(*TRAIN, *VAL, inside="images/"),
    {"result.json": coco(*TRAIN)} | pictures(*TRAIN, inside="images/"),
])  # fmt: skip
def test_a_data_set_without_one_says_what_it_has(tmp_path, files):
    write(tmp_path, files)
    with pytest.raises(DataError, match="has no test split; it has: train, val"):
        read_split(tmp_path, "test")


def test_of_two_files_for_testing_none_is_guessed(tmp_path):
    write(tmp_path, {"test_a.json": coco(*TEST), "test_b.json": coco(*TEST)} | pictures(*TEST))
    says = r"holds test_a.json and test_b.json: keep one, so that the test split is clear"
    with pytest.raises(DataError, match=says):
        read_split(tmp_path, "test")


def test_a_damaged_file_is_told_as_of_any_part(tmp_path):
    write(tmp_path, {"annotations/instances_test.json": "{"} | pictures(*TEST, inside="test/"))
    with pytest.raises(DataError, match=r"instances_test.json"):
        read_split(tmp_path, "test")


def test_a_folder_for_testing_alone_can_be_tested_on_and_not_trained_on(tmp_path):
    write(tmp_path, {"annotations/instances_test.json": coco(*TEST)} | pictures(*TEST, inside="test/"))
    assert names_of(read_split(tmp_path, "test")) == TEST
    with pytest.raises(DataError, match=r"for testing: name it instances_train.json"):
        read_split(tmp_path, "val")


# Layouts


@pytest.mark.parametrize("make", [roboflow, cvat_with_subsets])
def test_a_file_of_its_own_is_read_with_its_boxes_and_pictures(tmp_path, make):
    split = read_split(write(tmp_path, make()), "test")
    assert split.name == "test" and names_of(split) == TEST
    assert len(split.annotations) == 2 * len(TEST)
    assert all(split.image_path(image).is_file() for image in split.images)
    assert not {*names_of(read_split(tmp_path, "train")), *names_of(read_split(tmp_path, "val"))} & set(TEST)


def test_of_one_file_it_is_the_pictures_in_a_folder_for_testing(tmp_path):
    parts = {"train": TRAIN, "valid": VAL, "test": TEST}
    listed = [f"{part}/{name}" for part, some in parts.items() for name in some]
    write(tmp_path, {"result.json": coco(*listed)} | pictures(*listed, inside="images/"))
    split = read_split(tmp_path, "test")
    assert names_of(split) == [f"test/{name}" for name in TEST] and len(split.annotations) == 2 * len(TEST)
    assert set(examine_splits(tmp_path)) == {"train", "val"}


# Converted


def with_test_part(folder, make):
    """A folder with a part for testing, with a class and a damaged picture that only this part has."""
    if make is yolo:
        yolo(folder, yaml="train: images/train\nval: images/val\ntest: images/test\nnames: [car, bus, dog]\n")
        for name, label in (("a", BOX), ("b", "2 .5 .5 .2 .2\n"), ("broken", BOX)):
            picture(folder / f"images/test/{name}.png")
            text(folder / f"labels/test/{name}.txt", label)
        (folder / "images/test/broken.png").write_bytes(b"no picture")
        return folder
    voc(folder, "1", "2", "3", "a", "b", "broken")
    text(folder / "Annotations/b.xml", xml([("dog", (11, 21, 30, 40))]))
    (folder / "JPEGImages/broken.png").write_bytes(b"no picture")
    for part, some in {"train": "1\n2\n", "val": "3\n", "test": "a\nb\nbroken\n"}.items():
        text(folder / f"ImageSets/Main/{part}.txt", some)
    return folder


@pytest.mark.parametrize("make", [yolo, voc])
def test_a_converted_folder_keeps_it_and_trains_as_without_it(tmp_path, make):
    folder = with_test_part(tmp_path / "mine", make)
    out, bare = tmp_path / "out", tmp_path / "bare"
    list(convert(folder, out))
    split = read_split(out, "test")
    assert [name.rsplit("/")[-1] for name in names_of(split)] == ["a.png", "b.png"]
    classes = {category["id"]: category["name"] for category in split.categories}
    assert [classes[a["category_id"]] for a in split.annotations] == ["car", "dog"]
    assert all(split.image_path(image).is_file() for image in split.images)
    assert {p.kind for p in split.problems} == {ProblemKind.UNREADABLE}

    told = {p.kind: p.count for p in examine_splits(out)["train"].problems}
    assert told[ProblemKind.TEST_PART] == 3 and ProblemKind.TEST_BOX not in told
    numbers = {image["id"] for part in ("train", "val") for image in read_split(out, part).images}
    assert numbers == {1, 2} if make is yolo else {1, 2, 3}
    list(convert(with_test_part(tmp_path / "other", make), bare))
    (bare / "annotations/instances_test.json").unlink()
    assert without_test(bare) == without_test(out)
    if make is voc:
        assert [
            c["name"] for c in json.loads((out / "annotations/instances_train.json").read_text())["categories"]
        ] == ["car"]  # what only the part for testing has is no class to train


def test_a_part_for_testing_without_labels_is_told_and_not_read(tmp_path):
    folder = yolo(tmp_path / "mine", yaml="train: images/train\nval: images/val\ntest: images/test\nnames: [car]\n")
    (tmp_path / "mine/images/test").mkdir()
    picture(folder / "images/test/a.png")
    list(convert(folder, tmp_path / "out"))
    split = read_split(tmp_path / "out", "test")
    assert len(split.images) == 1 and not split.annotations
