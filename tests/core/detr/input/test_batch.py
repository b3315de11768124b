"""Samples of different sizes become batches: padding, its mask, and the batches of a step."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from core.datasets.split import read_split
from core.detr.input.batch import STRIDE, Collator, StepCollator, split_batch
from core.detr.input.dataset import DetectionDataset
from tests.core.detr.plain_pictures import dataset, write_dataset
from tests.core.detr.released import TEN


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


def test_the_samples_of_a_step_are_cut_into_batches_of_the_size(street):
    batches = StepCollator(2)([dataset(street)[i] for i in range(5)])
    assert [b["image_id"] for b in batches] == [[1, 2], [3, 4], [5]]


def test_the_parts_of_a_batch_are_its_images_in_order(street):
    data = DetectionDataset(read_split(street, "val"), TEN, 72, 96)
    batch = Collator()([data[i] for i in range(4)])
    parts = split_batch(batch, 3)
    assert [len(part["labels"]) for part in parts] == [3, 1]
    assert [image for part in parts for image in part["image_id"]] == batch["image_id"]
    assert torch.equal(torch.cat([part["pixel_mask"] for part in parts]), batch["pixel_mask"])
    assert split_batch(batch, 4) == [batch]
