"""Pictures that are kept in memory: decoded once by whichever process, and never another sample."""

import pickle

import numpy as np
import psutil
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.augmentation.kinds import KEYS
from core.datasets import pictures
from core.datasets.split import read_split
from core.detr.input import cache as module
from core.detr.input.cache import PictureCache, free_bytes
from core.detr.input.dataset import DetectionDataset
from core.detr.input.loader import step_loader

SIZES = {7: (4, 3), 9: (5, 2), 3: (1, 1)}  # 36, 30 and 3 bytes


def pixels_of(image_id: int) -> torch.Tensor:
    width, height = SIZES[image_id]
    return torch.arange(3 * width * height, dtype=torch.uint8).add(image_id).view(3, height, width)


@given(st.integers(0, 80))
def test_as_many_are_kept_as_fit_and_all_are_as_they_were_read(room):
    cache, reads = PictureCache(SIZES, room), []
    for image_id in (9, 7, 3, 9, 3, 7):
        pixels = cache.get(image_id, lambda i=image_id: reads.append(i) or pixels_of(i))
        assert torch.equal(pixels, pixels_of(image_id)) and pixels.dtype == torch.uint8
    kept = [image_id for image_id, needed in ((7, 36), (9, 66), (3, 69)) if needed <= room]
    assert len(cache) == len(kept) and cache.bytes == {0: 0, 1: 36, 2: 66, 3: 69}[len(kept)] <= room
    assert sorted(reads) == sorted([7, 9, 3] + [i for i in SIZES if i not in kept])


def test_a_picture_that_cannot_be_read_is_tried_again():
    cache = PictureCache(SIZES, 100)
    with pytest.raises(OSError, match="gone"):
        cache.get(7, lambda: (_ for _ in ()).throw(OSError("gone")))
    assert torch.equal(cache.get(7, lambda: pixels_of(7)), pixels_of(7))


def test_where_the_memory_cannot_be_had_nothing_is_kept(monkeypatch):
    def refuse(*_):
        raise OSError("Cannot allocate memory")

    monkeypatch.setattr(module.mmap, "mmap", refuse)
    cache = PictureCache(SIZES, 100)
    assert (len(cache), cache.bytes) == (0, 0) and torch.equal(cache.get(7, lambda: pixels_of(7)), pixels_of(7))


def test_another_process_that_is_sent_it_gets_an_empty_one():
    assert len(pickle.loads(pickle.dumps(PictureCache(SIZES, 100)))) == 0


@pytest.mark.parametrize(
    ("limit", "used", "free"), [("1000", "400", 600), ("300", "400", 0), ("max", "5", 10**6), ("9" * 15, "1", 10**6)]
)
def test_in_a_container_its_limit_counts(tmp_path, monkeypatch, limit, used, free):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 10**6}))
    monkeypatch.setattr(module, "CGROUP", tmp_path)
    assert free_bytes() == 10**6
    (tmp_path / "memory.max").write_text(limit)
    (tmp_path / "memory.current").write_text(used)
    assert free_bytes() == free


def epochs(data: DetectionDataset, workers: int, count: int = 2) -> list[dict]:
    batches = []
    for data.epoch in range(count):
        batches += [batch for step in step_loader(data, 4, 1, data.epoch, workers=workers) for batch in step]
    return batches


@pytest.mark.parametrize("edges", [(48, 64), (72, 96), (144, 200)])
@pytest.mark.parametrize("augment", [("none",), ("flip",), ("flip", "scale and crop"), KEYS])
def test_samples_are_the_same_to_the_bit_whether_pictures_are_kept_or_not(street, augment, edges):
    split = read_split(street, "train")
    plain, keeping = (DetectionDataset(split, split.label_map(), *edges, augment, seed=4) for _ in range(2))
    taken = keeping.keep_pictures(10**8)
    shown = 72 * 96 if "scale and crop" in augment else min(edges[0] * edges[1], 72 * 96)
    assert taken == pytest.approx(3 * shown * len(keeping), rel=0.02)  # never larger than the file's own size
    for one, other in zip(epochs(plain, 0), epochs(keeping, 0), strict=True):
        assert one["image_id"] == other["image_id"] and torch.equal(one["pixel_values"], other["pixel_values"])
        assert all(np.array_equal(a["boxes"], b["boxes"]) for a, b in zip(one["labels"], other["labels"], strict=True))


@pytest.mark.parametrize("workers", [0, 2])
def test_each_picture_is_decoded_once_by_whichever_process(street, workers, tmp_path, monkeypatch):
    split = read_split(street, "train")
    data, real, decoded = (
        DetectionDataset(split, split.label_map(), 48, 64, ("flip",)),
        pictures.read_pixels,
        tmp_path / "n",
    )

    def counting(path, size):
        with decoded.open("a") as file:
            file.write(f"{path.name}\n")
        return real(path, size)

    monkeypatch.setattr("core.detr.input.dataset.read_pixels", counting)
    data.keep_pictures(10**8)
    epochs(data, workers, 3)
    assert sorted(decoded.read_text().split()) == sorted(image["file_name"] for image in split.images)
