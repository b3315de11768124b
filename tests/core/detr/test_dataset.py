"""From COCO files to tensors: targets, resizing, padding, order."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from core import DataError
from core.datasets.split import filter_to_classes, read_split
from core.detr.dataset import (
    STRIDE,
    Collator,
    DetectionDataset,
    EpochOrder,
    StepBatches,
    StepCollator,
    loader,
    step_loader,
)
from core.detr.transforms import AUGMENTS
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
    flipped = DetectionDataset(split, split.label_map(), 72, 96, augment="flip", seed=1)
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
        np.testing.assert_allclose(mirrored, other["labels"]["boxes"], atol=1e-6)
    assert 0 < changed < len(plain)


@pytest.mark.parametrize("augment", ["flip", "flip, scale and crop"])
def test_augmentation_depends_on_seed_epoch_and_index_alone(street, augment):
    split = read_split(street, "train")

    def shown(seed, epoch, backwards=False):
        data = DetectionDataset(split, split.label_map(), 72, 96, augment=augment, seed=seed)
        data.epoch = epoch
        found = [data[i] for i in sorted(range(len(data)), reverse=backwards)]
        return sorted((s["image_id"], s["labels"]["boxes"].tolist(), float(s["pixel_values"].sum())) for s in found)

    assert shown(5, 3) == shown(5, 3, backwards=True)
    assert shown(5, 3) != shown(5, 4) and shown(5, 3) != shown(6, 3)


def test_a_cut_out_keeps_the_original_size_and_boxes_within_what_is_shown(street):
    split = read_split(street, "train")
    data = DetectionDataset(split, split.label_map(), 72, 96, augment="flip, scale and crop", seed=1)
    shapes, counts = set(), []
    for data.epoch in range(5):
        for index, info in enumerate(split.images):
            sample = data[index]
            boxes = sample["labels"]["boxes"]
            assert sample["size"] == (info["width"], info["height"])
            corners = torch.cat([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2])
            assert ((corners > -1e-6) & (corners < 1 + 1e-6)).all() and (boxes[:, 2:] > 0).all()
            assert len(boxes) == len(sample["labels"]["class_labels"])
            shapes.add(sample["pixel_values"].shape)
            counts.append(len(boxes) - len(data.targets(info)["boxes"]))
    assert len(shapes) > 10 and min(counts) < 0 == max(counts)


@pytest.mark.parametrize("augment", AUGMENTS)
def test_an_image_of_crowds_only_has_empty_targets(tmp_path, augment):
    annotations = [{"image_id": 1, "category_id": 18, "bbox": [0, 0, 60, 40], "iscrowd": 1}]
    data = dataset(write_dataset(tmp_path / "d", annotations), augment=augment)
    for data.epoch in range(8):
        labels = Collator()([data[0]])["labels"][0]
        assert labels["class_labels"].shape == (0,) and labels["class_labels"].dtype == torch.int64
        assert labels["boxes"].shape == (0, 4) and labels["boxes"].dtype == torch.float32


def test_an_unknown_augmentation_is_refused(tmp_path):
    with pytest.raises(ValueError, match="must be one of: none, flip"):
        dataset(write_dataset(tmp_path / "d", []), augment=True)


# Batches


def test_a_batch_is_padded_and_its_mask_says_where(tmp_path):
    data = dataset(write_dataset(tmp_path / "d", [], sizes=((64, 48), (48, 64))))
    batch = Collator()([data[0], data[1]])
    assert batch["pixel_values"].shape == (2, 3, 64, 64) and batch["padded"] is True
    for row, (width, height) in enumerate(((64, 48), (48, 64))):
        mask = batch["pixel_mask"][row]
        assert mask[:height, :width].all() and int(mask.sum()) == width * height
        assert not batch["pixel_values"][row][:, mask == 0].any()
    assert batch["size"] == [(64, 48), (48, 64)] and batch["image_id"] == [1, 2]


@given(st.lists(st.tuples(st.integers(1, 130), st.integers(1, 130)), min_size=1, max_size=4))
def test_batches_are_multiples_of_the_stride_and_no_larger_than_needed(sizes):
    samples = [{"pixel_values": torch.ones(3, *s), "labels": None, "image_id": 0, "size": s} for s in sizes]
    batch = Collator()(samples)
    shape = batch["pixel_mask"].shape[1:]
    for side, sides in zip(shape, zip(*sizes, strict=True), strict=True):
        assert side % STRIDE == 0 and 0 <= side - max(sides) < STRIDE
    assert batch["padded"] == (not batch["pixel_mask"].all())
    # the nearest pixel of each cell of the last map says whether the cell has any of the image
    cells = batch["pixel_mask"][:, ::STRIDE, ::STRIDE]
    for mask, (height, width) in zip(cells, sizes, strict=True):
        assert int(mask[:, 0].sum()) == -(-height // STRIDE) and int(mask[0].sum()) == -(-width // STRIDE)


def test_images_that_fill_their_batch_are_not_padded(tmp_path):
    folder = write_dataset(tmp_path / "d", [], sizes=((64, 32), (64, 32)))
    split = read_split(folder, "train")
    data = DetectionDataset(split, split.label_map(), 32, 64)
    assert Collator()([data[0], data[1]])["padded"] is False


def test_pixels_are_normalised_with_imagenets_statistics(tmp_path):
    pixels = dataset(write_dataset(tmp_path / "d", []))[0]["pixel_values"]
    expected = (np.array([90, 20, 200]) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(pixels[:, 10, 10], expected, atol=1e-5)


def test_an_order_goes_on_where_it_stopped():
    whole = list(EpochOrder(50, seed=1, epoch=2))
    assert sorted(whole) == list(range(50))
    assert list(EpochOrder(50, seed=1, epoch=2, start=17)) == whole[17:]
    assert list(EpochOrder(50, seed=1, epoch=3)) != whole


# Steps, and the processes that share them


@given(st.integers(0, 60), st.integers(1, 9), st.integers(1, 4), st.integers(0, 3))
def test_all_processes_together_go_through_the_order_of_one(length, per_rank, ranks, epoch):
    per_step = per_rank * ranks
    shares = [list(StepBatches(length, 7, epoch, per_step, rank=rank, ranks=ranks)) for rank in range(ranks)]
    order = list(EpochOrder(length, 7, epoch))
    alone = [order[start : start + per_step] for start in range(0, length, per_step)]
    assert {len(steps) for steps in shares} == {len(alone)}
    for step, images in enumerate(alone):
        parts = [steps[step] for steps in shares]
        woven = [part[i] for i in range(per_rank) for part in parts if i < len(part)]
        assert woven == images
        assert max(map(len, parts)) - min(map(len, parts)) <= 1 and max(map(len, parts)) <= per_rank


@given(st.integers(0, 60), st.integers(1, 9), st.integers(0, 12), st.integers(1, 3))
def test_an_epoch_goes_on_with_the_steps_it_would_have_had(length, per_step, start, ranks):
    for rank in range(ranks):
        whole = StepBatches(length, 7, 2, per_step, rank=rank, ranks=ranks)
        rest = StepBatches(length, 7, 2, per_step, start, rank, ranks)
        assert list(rest) == list(whole)[start:] and len(rest) == max(0, len(whole) - start)


def same(here: list[dict], there: list[dict]) -> bool:
    return [b["image_id"] for b in here] == [b["image_id"] for b in there] and all(
        torch.equal(a["pixel_values"], b["pixel_values"]) for a, b in zip(here, there, strict=True)
    )


@pytest.mark.parametrize("workers", [0, 2])
def test_a_step_is_a_list_of_batches_and_empty_where_no_image_is_left(tmp_path, workers):
    data = dataset(write_dataset(tmp_path / "d", [], sizes=((64, 48),) * 9))
    steps = [list(step_loader(data, 1, 2, 0, workers=workers, rank=rank, ranks=2)) for rank in (0, 1)]
    assert [[len(step) for step in own] for own in steps] == [[2, 2, 1], [2, 2, 0]]
    assert all(len(batch["image_id"]) == 1 for own in steps for step in own for batch in step)
    seen = [image for own in steps for step in own for batch in step for image in batch["image_id"]]
    assert sorted(seen) == list(range(1, 10))


def test_a_step_that_accumulates_has_the_images_of_one_large_batch(street):
    data = dataset(street, augment="flip, scale and crop", seed=3)
    large, small = list(step_loader(data, 4, 1, 0)), list(step_loader(data, 2, 2, 0))
    assert len(large) == len(small) == 3
    for (one,), parts in zip(large, small, strict=True):
        assert one["image_id"] == [image for part in parts for image in part["image_id"]]
        assert all(len(part["image_id"]) == 2 for part in parts)


def test_steps_after_a_resume_are_those_that_were_left(street):
    data = dataset(street, augment="flip, scale and crop", seed=3)
    data.epoch = 2
    whole, rest = list(step_loader(data, 2, 2, 2)), list(step_loader(data, 2, 2, 2, start_step=1, workers=2))
    assert len(whole) == 3 and len(step_loader(data, 2, 2, 2, start_step=1)) == 2
    assert all(same(a, b) for a, b in zip(whole[1:], rest, strict=True))


def test_the_samples_of_a_step_are_cut_into_batches_of_the_size(street):
    batches = StepCollator(2)([dataset(street)[i] for i in range(5)])
    assert [b["image_id"] for b in batches] == [[1, 2], [3, 4], [5]]


# Reading


@pytest.mark.parametrize("order", [None, [4, 1, 9, 0, 2], range(3, 12, 2), []])
def test_reading_in_other_processes_gives_the_same_batches(street, order):
    data = dataset(street, augment="flip, scale and crop")
    here, there = list(loader(data, 5, order=order)), list(loader(data, 5, workers=2, order=order))
    assert same(here, there)
    expected = range(len(data)) if order is None else order
    assert [image for batch in here for image in batch["image_id"]] == [i + 1 for i in expected]


@pytest.mark.parametrize("workers", [0, 1])
def test_reading_leaves_torchs_own_chance_alone(street, workers):
    before = torch.get_rng_state()
    next(iter(step_loader(dataset(street, augment="flip"), 2, 1, 0, workers=workers)))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_picture_is_named_in_one_sentence_whoever_reads_it(tmp_path, workers):
    folder = write_dataset(tmp_path / "d", [])
    (folder / "train" / "1.png").unlink()
    with pytest.raises(DataError, match="^The picture .* is missing: restore it[^\n]*$"):
        list(loader(dataset(folder), 1, workers))


class Killing(DetectionDataset):
    """A data set that ends whoever reads it, as the system does when memory is short."""

    def __getitem__(self, index):
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_reading_process_that_was_killed_is_said_to_be_so(tmp_path):
    split = read_split(write_dataset(tmp_path / "d", []), "train")
    with pytest.raises(DataError, match="take fewer reading processes, or 0"):
        list(loader(Killing(split, split.label_map(), 48, 64), 1, workers=1))


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
