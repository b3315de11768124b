"""Reading in this process and in others, and what goes wrong there."""

import os
import signal

import pytest
import torch

from core import DataError
from core.datasets.part import filter_to_classes
from core.datasets.split import read_split
from core.detr.input.dataset import DetectionDataset
from core.detr.input.loader import loader, step_loader
from core.detr.input.order import epoch_order
from core.labels import COCO_TEN
from tests.core.detr.plain_pictures import dataset, write_dataset


def same(here: list[dict], there: list[dict]) -> bool:
    return [b["image_id"] for b in here] == [b["image_id"] for b in there] and all(
        torch.equal(a["pixel_values"], b["pixel_values"]) for a, b in zip(here, there, strict=True)
    )


@pytest.mark.parametrize("workers", [0, 2])
def test_a_step_is_a_list_of_batches_and_empty_where_no_image_is_left(tmp_path, workers):
    data = dataset(write_dataset(tmp_path / "d", [], sizes=((64, 48),) * 9))
    steps = [list(step_loader(data, 1, 2, 0, workers=workers, rank=rank, world_size=2)) for rank in (0, 1)]
    assert [[len(step) for step in own] for own in steps] == [[2, 2, 1], [2, 2, 0]]
    assert all(len(batch["image_id"]) == 1 for own in steps for step in own for batch in step)
    seen = [image for own in steps for step in own for batch in step for image in batch["image_id"]]
    assert sorted(seen) == list(range(1, 10))


def test_a_step_that_accumulates_has_the_images_of_one_large_batch(street):
    data = dataset(street, augment=("flip", "scale and crop"), seed=3)
    large, small = list(step_loader(data, 4, 1, 0)), list(step_loader(data, 2, 2, 0))
    assert len(large) == len(small) == 3
    for (one,), parts in zip(large, small, strict=True):
        assert one["image_id"] == [image for part in parts for image in part["image_id"]]
        assert all(len(part["image_id"]) == 2 for part in parts)


def test_steps_after_a_resume_are_those_that_were_left(street):
    data = dataset(street, augment=("flip", "scale and crop"), seed=3)
    data.epoch = 2
    whole, rest = list(step_loader(data, 2, 2, 2)), list(step_loader(data, 2, 2, 2, start_step=1, workers=2))
    assert len(whole) == 3 and len(step_loader(data, 2, 2, 2, start_step=1)) == 2
    assert all(same(a, b) for a, b in zip(whole[1:], rest, strict=True))


@pytest.mark.parametrize("order", [None, [4, 1, 9, 0, 2], range(3, 12, 2), []])
def test_reading_in_other_processes_gives_the_same_batches(street, order):
    data = dataset(street, augment=("flip", "scale and crop"))
    here, there = list(loader(data, 5, order=order)), list(loader(data, 5, workers=2, order=order))
    assert same(here, there)
    expected = range(len(data)) if order is None else order
    assert [image for batch in here for image in batch["image_id"]] == [i + 1 for i in expected]


@pytest.mark.parametrize("workers", [0, 1])
def test_reading_leaves_torchs_own_chance_alone(street, workers):
    before = torch.get_rng_state()
    next(iter(step_loader(dataset(street, augment=("flip",)), 2, 1, 0, workers=workers)))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_picture_is_named_in_one_sentence_whoever_reads_it(tmp_path, workers):
    folder = write_dataset(tmp_path / "d", [])
    (folder / "train" / "1.png").unlink()
    with pytest.raises(DataError, match=r"^The picture .* is missing: restore it[^\n]*$"):
        list(loader(dataset(folder), 1, workers))


@pytest.mark.parametrize("workers", [0, 1])
def test_spared_pictures_are_left_out_of_batches_and_have_stand_ins_in_steps(tmp_path, workers):
    folder = write_dataset(tmp_path / "d", [], sizes=((64, 48),) * 6)
    for number in (2, 3, 6):
        (folder / "train" / f"{number}.png").write_bytes(b"none any more")
    data, spared = dataset(folder), []
    batches = list(loader(data, 2, workers, spare=spared.append))
    assert [batch["image_id"] for batch in batches] == [[1], [4], [5]]
    assert [failure.image_id for failure in spared] == [2, 3, 6]
    assert spared[0].message.startswith("The picture ") and "2.png cannot be read" in spared[0].message
    stand_in = {2: 4, 3: 4, 6: 1}
    order = [data.split.images[place]["id"] for place in epoch_order(6, seed=5, epoch=0)]
    steps = list(step_loader(data, 1, 2, 0, workers=workers, seed=5, spare=spared.append))
    seen = [image for step in steps for batch in step for image in batch["image_id"]]
    assert seen == [stand_in.get(image, image) for image in order]


def test_where_no_picture_can_be_read_a_step_ends_with_the_first(tmp_path):
    folder = write_dataset(tmp_path / "d", [], sizes=((64, 48),) * 3)
    data, spared = dataset(folder), []
    for picture in (folder / "train").iterdir():
        picture.unlink()
    with pytest.raises(DataError, match="is missing"):
        list(step_loader(data, 1, 1, 0, spare=spared.append))
    assert len(spared) == 3 and list(loader(data, 2, spare=spared.append)) == []


class Killing(DetectionDataset):
    """A data set that ends whoever reads it, as the system does when memory is short."""

    def __getitem__(self, index):
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_reading_process_that_was_killed_is_said_to_be_so(tmp_path):
    split = read_split(write_dataset(tmp_path / "d", []), "train")
    with pytest.raises(DataError, match="take fewer reading processes, or 0"):
        list(loader(Killing(split, split.label_map(), 48, 64), 1, workers=1))


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
