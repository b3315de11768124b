"""The batch size that is left open: the worst batch is tried, and what does not fit is halved."""

from dataclasses import replace

import pytest
import torch

from core import ConfigError
from core.config import PLAIN_BATCH, TrainConfig
from core.datasets.split import read_split
from core.detr.input.dataset import DetectionDataset
from core.detr.small import small_detr
from core.training import batch_size as module
from core.training import step
from core.training.batch_size import with_batch_size, worst_batch
from core.training.distributed import ProcessGroup
from core.training.step import Stepper

OPEN = TrainConfig(batch_size=0, lr=1e-3, ema=0.9, device="cpu")
CPU = torch.device("cpu")


@pytest.fixture
def data(street):
    split = read_split(street, "train")
    return DetectionDataset(split, split.label_map(), 48, 64)


@pytest.fixture
def a_gpu_of(monkeypatch):
    """Let the CPU be taken for a GPU in which so many images fit; return what was tried."""

    def pretend(images: int) -> list[int]:
        tried, real = [], step.forward

        def small_memory(model, batch, *rest):
            tried.append(len(batch["image_id"]))
            if tried[-1] > images:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return real(model, batch, *rest)

        monkeypatch.setattr(step, "forward", small_memory)
        monkeypatch.setattr(
            module, "Stepper", lambda model, config, steps, _, group: Stepper(model, config, steps, CPU, group)
        )
        return tried

    return pretend


def choose(config, data, kind="cuda"):
    return with_batch_size(config, small_detr(data.label_map), data, torch.device(kind), ProcessGroup())


def test_a_size_that_is_stated_stays(data):
    assert choose(replace(OPEN, batch_size=3), data) == (replace(OPEN, batch_size=3), "")


@pytest.mark.parametrize("kind", ["cpu", "mps"])
def test_without_a_gpu_it_is_the_experiments(data, kind):
    config, sentence = choose(OPEN, data, kind)
    assert config == replace(OPEN, batch_size=PLAIN_BATCH) and "Batch size 4" in sentence


@pytest.mark.parametrize(("fit", "size"), [(1, 1), (2, 2), (3, 2), (5, 4), (64, 8)])
def test_it_is_the_largest_power_of_two_that_fits_and_the_data_has(data, a_gpu_of, fit, size):
    tried = a_gpu_of(fit)
    config, sentence = choose(OPEN, data)
    assert len(data) == 12 and config.batch_size == size and max(tried) == 8
    assert f" Batch size {size}, by images of 64 × 64 with " in sentence
    assert (f"{2 * size} do not fit" in sentence) == (size < 8)


def test_where_not_one_image_fits_that_is_said(data, a_gpu_of):
    a_gpu_of(0)
    with pytest.raises(ConfigError, match="Not even one image fits"):
        choose(OPEN, data)


def test_trying_leaves_the_model_and_torchs_chance_as_they_were(data, a_gpu_of):
    a_gpu_of(4)
    model = small_detr(data.label_map)
    before, chance = {k: v.clone() for k, v in model.state_dict().items()}, torch.get_rng_state()
    with_batch_size(OPEN, model, data, torch.device("cuda"), ProcessGroup())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), chance) and all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("augment", [("none",), ("flip", "scale and crop"), ("quarter turns", "zoom")])
def test_the_worst_batch_has_the_largest_sides_and_most_objects(street, augment):
    split = read_split(street, "train")
    split.images[3].update(width=72, height=96)
    data = DetectionDataset(split, split.label_map(), 48, 64, augment)
    batch = worst_batch(data, 2)
    assert batch["pixel_values"].shape == (2, 3, 64, 64)  # as wide as the landscapes, as high as the portrait
    assert {len(one["boxes"]) for one in batch["labels"]} == {max(len(data.targets(i)["boxes"]) for i in split.images)}
