import copy
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import DataError, coco
from core.labels import LabelMap
from tests.core.coco_cases import from_env, gt_of, judge

GT = gt_of((1, 1, (0, 0, 10, 10)), (1, 2, (0, 0, 50, 50), {"iscrowd": 1}), (2, 2, (5, 5, 99, 99)), images=4)


def dataset(folder: Path, gt=GT, split="train", pictures=None) -> Path:
    (folder / "annotations").mkdir(parents=True, exist_ok=True)
    (folder / "annotations" / f"instances_{split}.json").write_text(json.dumps(gt))
    (folder / (pictures or split)).mkdir(parents=True, exist_ok=True)
    return folder


def split_of(gt: dict) -> coco.CocoSplit:
    return coco.CocoSplit("train", Path("instances_train.json"), Path("train"), **copy.deepcopy(gt))


def changed(part: str, place: int, **fields) -> dict:
    gt = copy.deepcopy(GT)
    gt[part][place].update(fields)
    return gt


# Finding


@pytest.mark.parametrize("pictures", ["val2017", "images/val2017", "val", "images/val", "images"])
def test_pictures_are_found_in_every_usual_place(tmp_path, pictures):
    dataset(tmp_path, split="val2017", pictures=pictures)
    json_path = tmp_path / "annotations" / "instances_val2017.json"
    assert coco.find_splits(tmp_path) == {"val": (json_path, tmp_path / pictures)}


def test_both_splits_are_found_and_a_plain_name_wins(tmp_path):
    for split in ("train", "train_old", "val"):
        dataset(tmp_path, split=split)
    assert {name: path.name for name, (path, _) in coco.find_splits(tmp_path).items()} == {
        "train": "instances_train.json",
        "val": "instances_val.json",
    }


def test_two_candidates_for_a_split_are_not_guessed_between(tmp_path):
    for split in ("train2014", "train2017"):
        dataset(tmp_path, split=split)
    with pytest.raises(DataError, match="holds instances_train2014.json and instances_train2017.json: keep one"):
        coco.find_splits(tmp_path)


def test_what_is_missing_is_said(tmp_path):
    with pytest.raises(DataError, match="There is no data set folder"):
        coco.find_splits(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"no annotations/instances_train\*.json and no"):
        coco.find_splits(tmp_path)
    dataset(tmp_path, split="train2017")
    (tmp_path / "train2017").rmdir()
    with pytest.raises(DataError, match="no picture folder for instances_train2017.json; looked for train2017/, im"):
        coco.find_splits(tmp_path)


def test_a_split_that_is_not_there_names_those_that_are(tmp_path):
    with pytest.raises(DataError, match="no val split; it has: train"):
        coco.read_split(dataset(tmp_path), "val")


def test_data_sets_are_listed_by_name_without_hidden_and_other_folders(tmp_path):
    for name in ("b", "a", ".half"):
        dataset(tmp_path / name)
    (tmp_path / "notes").mkdir()
    (tmp_path / "file.txt").write_text("")
    assert [folder.name for folder in coco.list_datasets(tmp_path)] == ["a", "b"]
    assert coco.list_datasets(tmp_path / "nowhere") == []


# Reading


@pytest.mark.parametrize(
    "text, says",
    [
        (json.dumps(GT)[:-40], "not valid JSON"),
        ("", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ('{"images": [], "annotations": []}', "not a COCO annotation file"),
        ('{"images": [], "annotations": {}, "categories": []}', "not a COCO annotation file"),
        ('{"images": [1], "annotations": [], "categories": []}', "not a COCO annotation file"),
    ],
)
def test_a_file_that_is_something_else_is_refused(tmp_path, text, says):
    path = tmp_path / "file.json"
    path.write_text(text)
    with pytest.raises(DataError, match=says):
        coco.read_json(path)


def test_a_file_that_cannot_be_opened_is_refused(tmp_path):
    with pytest.raises(DataError, match="There is no file"):
        coco.read_json(tmp_path / "nowhere.json")
    with pytest.raises(DataError, match="cannot be read"):
        coco.read_json(tmp_path)
    (tmp_path / "latin.json").write_bytes(b'{"images": "\xe9"}')
    with pytest.raises(DataError, match="not valid JSON"):
        coco.read_json(tmp_path / "latin.json")


@pytest.mark.parametrize(
    "gt, says",
    [
        (changed("images", 0, id=None), "The id of an image .* is None, but must be a whole number"),
        (changed("images", 0, id=True), "must be a whole number"),
        (changed("images", 0, id=10**400), "must be a whole number"),
        (changed("images", 0, id=2), "The id 2 occurs twice among the images"),
        (changed("images", 0, file_name=""), r"has an image \(1\) without file_name"),
        (changed("images", 0, file_name=7), "without file_name"),
        (changed("images", 0, width=0), "The image 1 .* has no width in pixels"),
        (changed("images", 0, height="100"), "has no height in pixels"),
        (changed("categories", 0, id="1"), "The id of a category"),
        (changed("categories", 0, id=2), "The id 2 occurs twice among the categories"),
        (changed("categories", 0, name=None), "without name"),
        (changed("categories", 0, name="dog"), "The name 'dog' occurs twice"),
        (changed("annotations", 0, id=3), "The id 3 occurs twice among the annotations"),
        (changed("annotations", 0, id="a"), "The id of an annotation"),
        (changed("annotations", 0, image_id=9), "Annotation 1 .* has the image_id 9, which is not listed"),
        (changed("annotations", 0, category_id=9), "has the category_id 9, which is not listed"),
        (changed("annotations", 0, category_id=None), "The category_id of annotation 1"),
        (GT | {"annotations": [{"id": 1, "image_id": 1, "category_id": 1}]}, "Annotation 1 .* has no bbox"),
    ],
)
def test_a_broken_entry_is_named_in_one_sentence(tmp_path, gt, says):
    path = tmp_path / "file.json"
    path.write_text(json.dumps(gt))
    with pytest.raises(DataError, match=says):
        coco.read_json(path)


def test_whole_float_ids_become_ints_and_missing_fields_are_filled(tmp_path):
    annotation = {"id": 0.0, "image_id": 1.0, "category_id": 2.0, "bbox": [0, 0, 4, 5], "segmentation": [[1, 2, 3]]}
    data = coco.read_json(
        dataset(tmp_path, GT | {"annotations": [annotation]}) / "annotations" / "instances_train.json"
    )
    (read,) = data["annotations"]
    assert read == {"id": 0, "image_id": 1, "category_id": 2, "bbox": [0, 0, 4, 5], "area": 20.0, "iscrowd": 0}
    assert [type(read[key]) for key in ("id", "image_id", "category_id")] == [int] * 3


def test_boxes_without_extent_are_left_out_and_counted(tmp_path):
    broken = [[0, 0, 0, 5], [0, 0, 5, -1], [0, 0, float("nan"), 5], [0, 0, float("inf"), 5], [], [1, 2, 3], None, "box"]
    broken += [[0, 0, 10**400, 5], [0, 0, "5", 5]]
    annotations = [{"id": i, "image_id": 1, "category_id": 1, "bbox": box} for i, box in enumerate(broken, 100)]
    split = coco.read_split(dataset(tmp_path, GT | {"annotations": GT["annotations"] + annotations}), "train")
    assert split.annotations == GT["annotations"]
    assert split.dropped == coco.statistics(split).dropped == len(broken)
    assert all(image["id"] in split.by_image for image in split.images)


def test_every_image_has_its_annotations_or_none():
    by_image = split_of(GT).by_image
    assert {image_id: [a["id"] for a in found] for image_id, found in by_image.items()} == {
        1: [1, 2],
        2: [3],
        3: [],
        4: [],
    }


@pytest.mark.parametrize("wrap", [lambda rows: rows, lambda rows: {"annotations": rows, "images": []}])
def test_results_are_a_list_or_the_annotations_of_a_dict(tmp_path, wrap):
    rows = [{"image_id": 1, "score": 0.5}]
    path = tmp_path / "results.json"
    path.write_text(json.dumps(wrap(rows)))
    assert coco.read_results(path) == rows
    for other in ({"images": []}, [1], 3):
        path.write_text(json.dumps(other))
        with pytest.raises(DataError, match="not a COCO results file"):
            coco.read_results(path)


# Paths


@pytest.mark.parametrize(
    "name", ["../secret.jpg", "/etc/passwd", "a/../../secret.jpg", ".", "..", "link.jpg", "ring", "a\0b"]
)
def test_a_picture_outside_its_folder_is_refused(tmp_path, name):
    folder = dataset(tmp_path / "data")
    (tmp_path / "secret.jpg").write_text("")
    (folder / "train" / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (folder / "train" / "ring").symlink_to(folder / "train" / "ring")
    split = coco.read_split(folder, "train")
    for refused in (name, str(folder / "train" / "a.jpg")):  # absolute, though inside
        with pytest.raises(DataError, match="not inside"):
            split.image_path({"file_name": refused})


def test_pictures_inside_are_found_also_in_folders_and_behind_a_linked_folder(tmp_path):
    folder = dataset(tmp_path / "data")
    (tmp_path / "store").mkdir()
    (folder / "train").rmdir()
    (folder / "train").symlink_to(tmp_path / "store")
    split = coco.read_split(folder, "train")
    assert split.image_path({"file_name": "a.jpg"}) == (tmp_path / "store" / "a.jpg").resolve()
    assert split.image_path({"file_name": "b/a.jpg"}) == (tmp_path / "store" / "b" / "a.jpg").resolve()


# Filtering and counting


@st.composite
def splits(draw):
    annotations = draw(st.lists(st.tuples(st.integers(1, 8), st.integers(1, 3), st.booleans()), max_size=12))
    rows = [(image, category, (0, 0, 9, 9), {"iscrowd": int(crowd)}) for image, category, crowd in annotations]
    return split_of(gt_of(*rows, images=8, categories=("car", "dog", "bus")))


names = st.lists(st.sampled_from(["car", "dog", "bus"]), min_size=1, unique=True)


@given(splits(), names, st.sampled_from([0.0, 0.3, 0.5, 0.9]), st.integers(0, 5))
def test_a_filtered_split_has_all_of_its_classes_and_the_share_of_empty_images(split, chosen, share, seed):
    before = copy.deepcopy(split.to_dict())
    part = coco.filter_to_classes(split, chosen, share, seed)
    ids = {c["id"] for c in split.categories if c["name"] in chosen}
    assert part.annotations == [a for a in split.annotations if a["category_id"] in ids]  # crowds too, ids kept
    assert {c["name"] for c in part.categories} == set(chosen)
    assert part.images == [image for image in split.images if image in part.images]  # the file's order
    filled = {a["image_id"] for a in part.annotations}
    assert filled <= {image["id"] for image in part.images}
    empty, available = len(part.images) - len(filled), len(split.images) - len(filled)
    assert empty == min(round(len(filled) * share / (1 - share)), available)
    assert coco.filter_to_classes(split, chosen, share, seed) == part
    assert split.to_dict() == before


@given(splits(), names)
def test_without_a_share_every_image_stays(split, chosen):
    assert coco.filter_to_classes(split, chosen, None).images == split.images


def test_another_seed_draws_other_empty_images():
    split = split_of(gt_of(*((i, 1, (0, 0, 9, 9)) for i in range(1, 21)), images=100))
    assert coco.filter_to_classes(split, ["car"], 0.5, 0) != coco.filter_to_classes(split, ["car"], 0.5, 1)


def test_an_unknown_class_or_share_is_refused():
    with pytest.raises(DataError, match="no class 'cat'; it has: car, dog"):
        coco.filter_to_classes(split_of(GT), ["cat"])
    for share in (-0.1, 1, float("nan")):
        with pytest.raises(DataError, match="share of images without a chosen class"):
            coco.filter_to_classes(split_of(GT), ["car"], share)


def test_the_label_map_keeps_the_files_ids_and_order():
    assert split_of(GT).label_map(["dog", "car"]) == LabelMap(("car", "dog"), (1, 2))


@pytest.mark.parametrize(
    "area, size", [(0, "small"), (1023.9, "small"), (1024, "medium"), (9215.9, "medium"), (9216, "large")]
)
def test_sizes_change_at_32_and_96_squared(area, size):
    assert coco.SIZES[coco.size_indices([area])[0]] == size


@given(splits())
def test_statistics_count_each_object_once_and_crowds_apart(split):
    counts = coco.statistics(split)
    assert sum(counts.objects.values()) + counts.crowds == len(split.annotations)
    assert counts.objects == {name: sum(sizes.values()) for name, sizes in counts.sizes.items()}
    assert list(counts.objects) == ["car", "dog", "bus"]
    assert all(tuple(sizes) == coco.SIZES for sizes in counts.sizes.values())
    assert counts.empty_images == 8 - len({a["image_id"] for a in split.annotations})
    assert counts.images == 8


# Real data


def test_real_coco_files_are_read_with_every_picture_in_its_place():
    folder = from_env("DETR_LAB_COCO")
    for name, images, annotations in (("train", 70, 684), ("val", 72, 604)):
        split = coco.read_split(folder, name)
        assert (len(split.images), len(split.annotations)) == (images, annotations)
        assert coco.statistics(split).crowds == 8
        assert all(split.image_path(image).is_file() for image in split.images)


def test_a_filtered_real_split_is_a_coco_file_that_pycocotools_evaluates():
    split = coco.filter_to_classes(coco.read_split(from_env("DETR_LAB_COCO"), "val"), ["person", "car"])
    perfect = [{key: a[key] for key in ("image_id", "category_id", "bbox")} | {"score": 1.0} for a in split.annotations]
    objects = [row for row, a in zip(perfect, split.annotations, strict=True) if not a["iscrowd"]]
    assert judge(split.to_dict(), objects).stats[0] == pytest.approx(1.0)
