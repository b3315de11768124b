"""From COCO files to tensors: targets, resizing, padding, order."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from core import DataError
from core.coco import filter_to_classes, read_split
from core.data import Collator, DetectionDataset, EpochOrder, loader, resized
from core.labels import COCO_TEN


def write_dataset(folder: Path, annotations: list[dict], sizes=((64, 48),)) -> Path:
    """A data set of plain pictures with the given annotations, the same in train and val."""
    images = [{"id": i, "file_name": f"{i}.png", "width": w, "height": h} for i, (w, h) in enumerate(sizes, start=1)]
    categories = [{"id": 3, "name": "car"}, {"id": 18, "name": "dog"}]
    full = [{"id": n, "iscrowd": 0, "area": 1.0, **a} for n, a in enumerate(annotations, start=1)]
    (folder / "annotations").mkdir(parents=True)
    for split in ("train", "val"):
        (folder / split).mkdir()
        for image in images:
            Image.new("RGB", (image["width"], image["height"]), (90, 20, 200)).save(folder / split / image["file_name"])
        data = {"images": images, "annotations": full, "categories": categories}
        (folder / "annotations" / f"instances_{split}.json").write_text(json.dumps(data))
    return folder


def dataset(folder: Path, **options) -> DetectionDataset:
    split = read_split(folder, "train")
    return DetectionDataset(split, split.label_map(), 48, 64, **options)


def test_an_image_without_objects_has_empty_targets_of_the_right_shape(tmp_path):
    labels = dataset(write_dataset(tmp_path / "d", []))[0]["labels"]
    assert labels["class_labels"].shape == (0,) and labels["class_labels"].dtype == torch.int64
    assert labels["boxes"].shape == (0, 4)


def test_crowds_and_boxes_off_the_image_are_no_targets(tmp_path):
    annotations = [
        {"image_id": 1, "category_id": 18, "bbox": [0, 0, 9, 9], "iscrowd": 1},
        {"image_id": 1, "category_id": 18, "bbox": [70, 0, 9, 9]},
        {"image_id": 1, "category_id": 18, "bbox": [32, 24, 100, 100]},
    ]
    sample = dataset(write_dataset(tmp_path / "d", annotations))[0]
    assert sample["labels"]["class_labels"].tolist() == [1]
    assert sample["labels"]["boxes"].tolist() == [[0.75, 0.75, 0.5, 0.5]]  # cut off at the border


def test_flip_mirrors_picture_and_boxes_together(street):
    split = read_split(street, "train")
    plain = DetectionDataset(split, split.label_map(), 72, 96)
    flipped = DetectionDataset(split, split.label_map(), 72, 96, flip=True, seed=1)
    changed = 0
    for index in range(len(plain)):
        one, other = plain[index], flipped[index]
        if torch.equal(one["pixel_values"], other["pixel_values"]):
            assert torch.equal(one["labels"]["boxes"], other["labels"]["boxes"])
            continue
        changed += 1
        assert torch.equal(one["pixel_values"].flip(2), other["pixel_values"])
        mirrored = one["labels"]["boxes"].clone()
        mirrored[:, 0] = 1 - mirrored[:, 0]
        torch.testing.assert_close(mirrored, other["labels"]["boxes"])
    assert 0 < changed < len(plain)


def test_flips_depend_on_seed_and_epoch_alone(street):
    split = read_split(street, "train")

    def flips(epoch):
        data = DetectionDataset(split, split.label_map(), 72, 96, flip=True, seed=5)
        data.epoch = epoch
        return torch.stack([data[i]["pixel_values"] for i in range(len(data))])

    assert torch.equal(flips(3), flips(3))
    assert not torch.equal(flips(3), flips(4))


@given(st.integers(10, 4000), st.integers(10, 4000), st.integers(32, 900), st.integers(0, 900))
def test_resizing_keeps_the_aspect_and_both_limits(width, height, shortest, more):
    new = resized((width, height), shortest, shortest + more)
    assert max(new) <= shortest + more + 0.5 and min(new) <= shortest + 0.5
    assert min(new) == shortest or max(new) == shortest + more
    scale = max(new) / max(width, height)
    assert abs(min(new) - min(width, height) * scale) <= 1


def test_a_batch_is_padded_and_its_mask_says_where(tmp_path):
    data = dataset(write_dataset(tmp_path / "d", [], sizes=((64, 48), (48, 64))))
    batch = Collator()([data[0], data[1]])
    assert batch["pixel_values"].shape == (2, 3, 64, 64)
    for row, (width, height) in enumerate(((64, 48), (48, 64))):
        mask = batch["pixel_mask"][row]
        assert mask[:height, :width].all() and int(mask.sum()) == width * height
        assert not batch["pixel_values"][row][:, mask == 0].any()
    assert batch["size"] == [(64, 48), (48, 64)] and batch["image_id"] == [1, 2]


def test_pixels_are_normalised_with_imagenets_statistics(tmp_path):
    pixels = dataset(write_dataset(tmp_path / "d", []))[0]["pixel_values"]
    expected = (np.array([90, 20, 200]) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(pixels[:, 10, 10], expected, atol=1e-5)


def test_an_order_goes_on_where_it_stopped():
    whole = list(EpochOrder(50, seed=1, epoch=2))
    assert sorted(whole) == list(range(50))
    assert list(EpochOrder(50, seed=1, epoch=2, start=17)) == whole[17:]
    assert list(EpochOrder(50, seed=1, epoch=3)) != whole


def test_reading_in_other_processes_gives_the_same_batches(street):
    data = dataset(street)
    for here, there in zip(loader(data, 5), loader(data, 5, workers=2), strict=True):
        assert torch.equal(here["pixel_values"], there["pixel_values"]) and here["image_id"] == there["image_id"]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda p: p.unlink(), "is missing"),
        (lambda p: p.write_bytes(b"no picture"), "cannot be read"),
        (lambda p: p.write_bytes(p.read_bytes()[:60]), "cannot be read"),
        (lambda p: Image.new("RGB", (10, 10)).save(p), "10 × 10 pixels, but its JSON 64 × 48"),
    ],
)
def test_a_broken_picture_is_named(tmp_path, damage, said):
    folder = write_dataset(tmp_path / "d", [])
    damage(folder / "train" / "1.png")
    with pytest.raises(DataError, match=said):
        dataset(folder)[0]


@pytest.mark.skipif("DETR_LAB_COCO" not in os.environ, reason="DETR_LAB_COCO does not name a folder of real COCO")
def test_real_photographs_become_batches():
    split = filter_to_classes(read_split(os.environ["DETR_LAB_COCO"], "val"), list(COCO_TEN), None)
    data = DetectionDataset(split, split.label_map(), 192, 256)
    objects = 0
    for batch in loader(data, 8):
        for labels in batch["labels"]:
            objects += len(labels["boxes"])
            assert ((labels["boxes"] >= 0) & (labels["boxes"] <= 1)).all()
    assert objects == sum(not a["iscrowd"] for a in split.annotations)
