"""A split as it is read: what is usable of its file, its pictures' places, and its arrays."""

import copy
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import DataError
from core.datasets import split as module
from core.datasets.layouts import SplitLocation
from core.datasets.problems import ProblemKind
from core.labels import LabelMap
from tests.core.coco_cases import boxes, from_env, gt_of

GT = gt_of((1, 1, (0, 0, 10, 10)), (1, 2, (0, 0, 50, 50), {"iscrowd": 1}), (2, 2, (5, 5, 99, 90)), images=4)


def dataset(folder: Path, gt=GT, split="train") -> Path:
    (folder / "annotations").mkdir(parents=True, exist_ok=True)
    for name, data in {**dict.fromkeys(("train", "val"), gt_of(images=0)), split: gt}.items():
        (folder / "annotations" / f"instances_{name}.json").write_text(json.dumps(data))
        (folder / name).mkdir(exist_ok=True)
    return folder


def split_of(gt: dict) -> module.CocoSplit:
    return module.CocoSplit("train", Path("instances_train.json"), Path("train"), **copy.deepcopy(gt))


def counts(split) -> dict[ProblemKind, int]:
    return {p.kind: p.count for p in split.problems}


# Reading


def test_a_clean_split_is_what_its_file_says(tmp_path):
    split = module.read_split(dataset(tmp_path), "train")
    assert split.to_dict() == GT
    assert (split.problems, split.dropped, split.name) == ((), 0, "train")
    assert split.json_path == tmp_path / "annotations/instances_train.json"
    assert split.image_dir == tmp_path / "train"


def test_a_split_that_is_not_there_names_those_that_are(tmp_path):
    (dataset(tmp_path) / "annotations/instances_train.json").unlink()
    with pytest.raises(DataError, match="no train split; it has: val"):
        module.read_split(tmp_path, "train")


def test_single_broken_annotations_are_left_out_and_counted(tmp_path):
    broken = [[0, 0, 0, 5], [0, 0, 5, -1], [0, 0, float("nan"), 5], [0, 0, float("inf"), 5], [], [1, 2, 3], None, "box"]
    broken += [[0, 0, 10**400, 5], [0, 0, "wide", 5], [200, 0, 5, 5], [0, 0, 10, 10]]
    annotations = [{"id": i, "image_id": 1, "category_id": 1, "bbox": box} for i, box in enumerate(broken, 100)]
    annotations += [{"id": 200, "image_id": 9, "category_id": 1}, {"id": 201, "image_id": 1, "category_id": 9}]
    split = module.read_split(dataset(tmp_path, GT | {"annotations": GT["annotations"] + annotations}), "train")
    assert split.annotations == GT["annotations"]
    assert split.dropped == len(annotations)
    assert counts(split) == {
        ProblemKind.NO_AREA: 12, ProblemKind.UNKNOWN_IMAGE: 1, ProblemKind.UNKNOWN_CATEGORY: 1,
        ProblemKind.NO_EXTENT: 2, ProblemKind.NO_NUMBERS: 8, ProblemKind.OUTSIDE: 1, ProblemKind.SAME_ANNOTATION: 1,
    }  # fmt: skip
    assert all(image["id"] in split.annotations_by_image for image in split.images)


def test_what_is_repaired_stays_with_its_own_id_where_it_has_one(tmp_path):
    gt = gt_of((1, 1, (0, 0, 10, 10)), (1, 1, (0, 0, 20, 10)), (1, 1, (0, 0, 300, 10)))
    gt["annotations"][0]["id"], gt["annotations"][1]["id"] = 900, 900
    del gt["annotations"][2]["area"]
    split = module.read_split(dataset(tmp_path, gt), "train")
    assert [a["id"] for a in split.annotations] == [900, 901, 3]
    assert split.annotations[2]["area"] == 3000
    assert split.dropped == 0
    assert counts(split) == {ProblemKind.ANNOTATION_ID: 1, ProblemKind.NO_AREA: 1, ProblemKind.BEYOND: 1}


def test_a_file_that_is_none_is_refused(tmp_path):
    folder = dataset(tmp_path)
    for text, says in (("", "is empty"), ("{", "not valid JSON"), ("{}", "not a COCO annotation file")):
        (folder / "annotations/instances_train.json").write_text(text)
        with pytest.raises(DataError, match=says):
            module.read_split(folder, "train")


NUMBERS = st.sampled_from([0, 1, 2.5, -3, 500, float("nan"), 10**400, "5", None, True, [1]])
ODD = st.fixed_dictionaries(
    {},
    optional={
        "id": NUMBERS, "image_id": st.just(1) | NUMBERS, "category_id": st.just(1) | NUMBERS,
        "bbox": st.lists(NUMBERS, max_size=5), "area": NUMBERS, "iscrowd": NUMBERS, "supercategory": NUMBERS,
        "file_name": st.sampled_from(["a.jpg", "../a", 7, ""]), "width": NUMBERS, "name": st.sampled_from(["car", 7]),
    },
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(ODD, max_size=2), st.lists(ODD, max_size=5), st.lists(ODD, max_size=2), st.booleans())
def test_whatever_stands_in_a_file_what_is_read_can_be_computed_with(tmp_path_factory, images, rows, classes, shared):
    path = tmp_path_factory.mktemp("odd") / "file.json"
    gt = {part: GT[part] + odd for part, odd in (("images", images), ("annotations", rows), ("categories", classes))}
    path.write_text(json.dumps(gt))
    for name in ("train", "val"):
        split = module.examine_split(SplitLocation(path, path.parent, shared), name)
        try:
            module.require_usable(split)
        except DataError:
            assert not split.annotations
        else:
            assert np.isfinite(split.columns.xywh).all() and (split.columns.xywh[:, 2:] > 0).all()
            assert len({a["id"] for a in split.annotations}) == len(split.annotations)
            json.dumps(split.to_dict())


# Categories


def roboflow(*used, above="animals"):
    categories = [{"id": 0, "name": "animals", "supercategory": "none"}]
    categories += [{"id": i, "name": name, "supercategory": above} for i, name in enumerate(("cat", "dog"), start=1)]
    return gt_of(*((1, k, (5 * k, 0, 9, 9)) for k in used)) | {"categories": categories}


def test_the_placeholder_above_all_classes_is_left_out(tmp_path):
    split = module.read_split(dataset(tmp_path, roboflow(1)), "train")
    assert [c["name"] for c in split.categories] == ["cat", "dog"]  # also a class without objects
    assert counts(split) == {ProblemKind.PLACEHOLDER: 1}
    assert split.problems[0].examples[0].detail == "'animals'"
    assert split.columns.category.tolist() == [0]


@pytest.mark.parametrize(
    "gt",
    [
        roboflow(0, 1),  # it has objects
        roboflow(1, above="pets"),
        gt_of() | {"categories": [{"id": 1, "name": "person", "supercategory": "person"}]},  # as COCO has it
        gt_of() | {"categories": [{"id": 1, "name": "cat", "supercategory": ["cat"]}, {"id": 2, "name": "dog"}]},
    ],
)
def test_a_class_of_its_own_stays(tmp_path, gt):
    split = module.read_split(dataset(tmp_path, gt), "train")
    assert (split.categories, split.problems) == (gt["categories"], ())


# Columns


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3), boxes(), st.integers(0, 1)), max_size=12))
def test_columns_say_the_same_as_the_dicts(rows):
    gt = gt_of(*((i, k, box, {"iscrowd": c}) for i, k, box, c in rows), images=4, categories=("car", "dog", "bus"))
    gt["images"], gt["categories"] = gt["images"][::-1], gt["categories"][::-1]
    gt["images"][0] |= {"width": 321, "height": 50.5}
    split = split_of(gt)
    c = split.columns
    assert [split.images[i]["id"] for i in c.image] == [a["image_id"] for a in gt["annotations"]]
    assert [split.categories[i]["id"] for i in c.category] == [a["category_id"] for a in gt["annotations"]]
    assert c.xywh.tolist() == [a["bbox"] for a in gt["annotations"]]
    assert c.area.tolist() == [a["area"] for a in gt["annotations"]]
    assert c.crowd.tolist() == [bool(a["iscrowd"]) for a in gt["annotations"]]
    assert c.size.tolist() == [[image["width"], image["height"]] for image in gt["images"]]
    dtypes = [(column.dtype, column.shape[1:]) for column in vars(c).values()]
    whole, real = np.dtype(np.int64), np.dtype(np.float64)
    assert dtypes == [(whole, ()), (whole, ()), (real, (4,)), (real, ()), (np.dtype(bool), ()), (real, (2,))]
    assert split.columns is c


def test_every_image_has_its_annotations_or_none():
    by_image = split_of(GT).annotations_by_image
    assert {image_id: [a["id"] for a in found] for image_id, found in by_image.items()} == {
        1: [1, 2],
        2: [3],
        3: [],
        4: [],
    }


# Paths


@pytest.mark.parametrize("name", ["../secret.jpg", "/etc/passwd", "a/../../secret.jpg", ".", "..", "link.jpg", "a\0b"])
def test_a_picture_outside_its_folder_is_refused(tmp_path, name):
    folder = dataset(tmp_path / "data")
    (tmp_path / "secret.jpg").write_text("")
    (folder / "train" / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    split = module.read_split(folder, "train")
    for refused in (name, str(folder / "train" / "a.jpg")):  # absolute, though inside
        with pytest.raises(DataError, match="not inside"):
            split.image_path({"file_name": refused})


def test_pictures_inside_are_found_also_in_folders_and_behind_a_linked_folder(tmp_path):
    folder = dataset(tmp_path / "data")
    (tmp_path / "store").mkdir()
    (folder / "train").rmdir()
    (folder / "train").symlink_to(tmp_path / "store")
    split = module.read_split(folder, "train")
    assert split.image_path({"file_name": "a.jpg"}) == (tmp_path / "store" / "a.jpg").resolve()
    assert split.image_path({"file_name": "b/a.jpg"}) == (tmp_path / "store" / "b" / "a.jpg").resolve()


def test_a_class_that_one_part_lacks_is_told_with_the_part():
    """The parts may name their classes differently: one that is missing in a part may stand in the other file."""
    with pytest.raises(DataError, match="The data set's part val has no class 'human'; it has: "):
        replace(split_of(GT), name="val").label_map(["human"])


def test_the_label_map_keeps_the_files_ids_and_order():
    assert split_of(GT).label_map(["dog", "car"]) == LabelMap(("car", "dog"), (1, 2))


@pytest.mark.parametrize(
    "area, size", [(0, "small"), (1023.9, "small"), (1024, "medium"), (9215.9, "medium"), (9216, "large")]
)
def test_sizes_change_at_32_and_96_squared(area, size):
    assert module.SIZES[module.size_indices([area])[0]] == size


# Real data


def test_real_coco_files_are_read_with_every_picture_in_its_place():
    folder = from_env("DETR_LAB_COCO")
    for name, images, annotations in (("train", 70, 684), ("val", 72, 604)):
        split = module.read_split(folder, name)
        assert (len(split.images), len(split.annotations)) == (images, annotations)
        assert split.columns.crowd.sum() == 8
        assert all(split.image_path(image).is_file() for image in split.images)
