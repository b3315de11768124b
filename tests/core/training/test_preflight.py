"""The checks before the first step: each passes on sound data, and says what it found where something is wrong."""

import math
from collections import namedtuple
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from core.config import TrainConfig
from core.datasets.split import read_split
from core.detr.input.batch import Collator
from core.detr.input.dataset import DetectionDataset
from core.detr.small import small_detr
from core.labels import COCO_TEN, LabelMap
from core.training import preflight
from core.training.distributed import ProcessGroup
from core.training.step import Stepper

TEN = LabelMap(tuple(COCO_TEN), tuple(COCO_TEN.values()))
CONFIG = TrainConfig(device="cpu")


@pytest.fixture
def data(street):
    return DetectionDataset(read_split(street, "val"), TEN, 72, 96)


@pytest.fixture
def stepper():
    return Stepper(small_detr(TEN), CONFIG, 10, torch.device("cpu"), ProcessGroup())


def test_the_ground_truth_as_its_own_prediction_is_perfect(data):
    check = preflight.check_mapping(data, TEN)
    assert check.ok and "AP 100.0" in check.evidence


def test_a_wrong_mapping_is_found_and_its_classes_named(data):
    ids = list(TEN.category_ids)
    data.label_map = LabelMap(TEN.names, (ids[1], ids[0], *ids[2:]))  # two classes exchanged on the way to the model
    check = preflight.check_mapping(data, TEN)
    assert not check.ok and ("person 0.0" in check.evidence or "bicycle 0.0" in check.evidence)


def test_boxes_in_another_format_are_found(data, monkeypatch):
    real = data.targets
    monkeypatch.setattr(data, "targets", lambda image: real(image) | {"boxes": real(image)["boxes"][:, [0, 1, 0, 1]]})
    assert not preflight.check_mapping(data, TEN).ok


def test_data_with_nothing_to_find_passes(data):
    empty = replace(data.split, annotations=[])
    crowds = replace(data.split, annotations=[{**a, "iscrowd": 1} for a in data.split.annotations])
    for split in (empty, crowds):
        check = preflight.check_mapping(DetectionDataset(split, TEN, 72, 96), TEN)
        assert check.ok and "no object that could be found" in check.evidence


def test_a_full_disk_is_found_before_the_first_step(stepper, tmp_path, monkeypatch):
    assert preflight.check_disk(tmp_path / "new", stepper.model, averaged=False).ok
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda _: usage(10**12, 10**12, 1000))
    check = preflight.check_disk(tmp_path, stepper.model, averaged=False)
    assert not check.ok and "0.0 GB free, 0.3 GB needed" in check.evidence


def test_images_with_more_objects_than_queries_are_counted(data):
    fullest = max(len(v) for v in data.split.annotations_by_image.values())
    model = SimpleNamespace(num_queries=fullest, smallest_side=32)
    assert preflight.check_queries([data], model).evidence.endswith("queries.")
    model.num_queries = 0
    check = preflight.check_queries([data], model)
    assert check.ok and "images hold more than it can find" in check.evidence


@pytest.mark.parametrize(("augment", "square", "smallest"), [
    (("flip",), True, "96 × 96"), (("scale and crop",), True, "64 × 64"), (("flip",), False, "96 × 96"),
    (("scale and crop",), False, "64 × 64"),
])  # fmt: skip
def test_pictures_without_a_place_for_every_query_stop_a_training_before_it_begins(data, augment, square, smallest):
    shown = DetectionDataset(data.split, TEN, 90, 96, augment, square=square)
    model = SimpleNamespace(num_queries=300, smallest_side=128)
    check = preflight.check_queries([shown], model)
    assert not check.ok and check.evidence == (
        f"A picture may be shown with {smallest} pixels, but the model needs 128 × 128 for its 300 queries: take "
        "larger edges, or images that are whole from the start, or an augmentation without crops."
    )
    model.smallest_side = 64
    assert preflight.check_queries([shown], model).ok


def test_the_first_batch_goes_forward_and_backward_and_changes_nothing(data, stepper):
    before = {name: value.clone() for name, value in stepper.model.state_dict().items()}
    torch.manual_seed(4)
    state = torch.get_rng_state()
    check = preflight.check_first_batch(stepper, [Collator()([data[0], data[1]])])
    assert check.ok and "2 images" in check.evidence and "loss_giou" in check.evidence
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in stepper.model.state_dict().items())
    assert all(p.grad is None for p in stepper.model.parameters())


def test_a_first_batch_whose_losses_are_no_numbers_is_named(data, stepper):
    batch = Collator()([data[0], data[1]])
    batch["labels"][1]["boxes"][:, 2] = math.nan
    check = preflight.check_first_batch(stepper, [batch])
    assert not check.ok and str(batch["image_id"]) in check.evidence and "loss_bbox" in check.evidence
