"""Rehearsal: 0 for the model that has not changed, and it holds what is known, fresh classes apart."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from core import ConfigError
from core.config import TrainConfig
from core.datasets.split import read_split
from core.detr.detect import forward
from core.detr.input.batch import Collator
from core.detr.input.dataset import DetectionDataset
from core.detr.losses import LossNormalizers
from core.detr.model import FAMILIES, load_model
from core.training.distributed import ProcessGroup
from core.training.new_classes.rehearsal import Rehearsal, _binary_divergence, _divergence
from core.training.step import Stepper
from tests.core.detr.released import TEN, released

CPU = torch.device("cpu")
CONFIG = TrainConfig(
    lr=1e-3, lr_backbone=1e-4, lr_head=1e-3, rehearsal=2.0, dropout=0.0, freeze="none", device="cpu", clip=0.0
)
FRESH = (2, 5)
CHOSEN_QUERIES = {"rf_detr", "lw_detr", "rt_detr_v2", "rt_detr", "d_fine", "deimv2"}


@pytest.fixture
def samples(street):
    data = DetectionDataset(read_split(street, "train"), TEN, 72, 96)
    return [data[i] for i in range(4)]


def loaded(kind, folder):
    torch.manual_seed(0)
    return load_model(str(released(kind, folder)), TEN, 0.0)[0]


def rehearsed(rehearsal, model, batch):
    """The loss of one pass."""
    normalizers = LossNormalizers.of(batch["labels"], model.num_queries, model.loss_config)
    return rehearsal.loss(forward(model, batch, CPU), batch, normalizers, model.loss_config, "fp32")


@pytest.mark.few(3)
@pytest.mark.parametrize("kind", FAMILIES)
def test_each_family_rehearses_or_says_in_a_sentence_that_it_cannot(samples, kind, tmp_path):
    model, batch = loaded(kind, tmp_path), Collator()(samples[:2])
    rehearsal = Rehearsal(model, FRESH, CONFIG)
    if kind in CHOSEN_QUERIES:
        with pytest.raises(ConfigError, match="chooses its queries anew for each image: set the rehearsal to 0"):
            rehearsed(rehearsal, model.train(), batch)
        return
    model.eval()
    assert rehearsed(rehearsal, model, batch).item() == pytest.approx(0.0, abs=1e-5)
    heads = [m for name, m in model.inner.named_modules() if isinstance(m, torch.nn.Linear)
             and any(f".{part}." in f".{name}." for part in model.class_modules)]  # fmt: skip
    with torch.no_grad():
        for head in heads:
            head.bias[list(FRESH)] += 3.0
    assert rehearsed(rehearsal, model, batch).item() == pytest.approx(0.0, abs=1e-5)  # what is fresh is free
    with torch.no_grad():
        for head in heads:
            head.bias[0] += 1.0
    assert rehearsed(rehearsal, model, batch).item() > 0.01
    assert not any(p.requires_grad for p in rehearsal.teacher.parameters()) and not rehearsal.teacher.training


def test_divergences_are_torchs():
    random = torch.Generator().manual_seed(0)
    now, before = torch.randn(2, 3, 5, 7, generator=random)
    expected = F.kl_div(now.log_softmax(-1), before.log_softmax(-1), log_target=True, reduction="none").sum(-1)
    torch.testing.assert_close(_divergence(now.log_softmax(-1), before.log_softmax(-1)), expected)
    both = [torch.stack([logits, torch.zeros_like(logits)], -1).log_softmax(-1) for logits in (now, before)]
    torch.testing.assert_close(_binary_divergence(now, before), _divergence(*both))


@pytest.mark.parametrize("kind", ["detr", "conditional_detr"])
def test_it_holds_the_answers_of_the_untouched_model(samples, kind, tmp_path):
    batch, distances = Collator()(samples), []
    for weight in (0.0, 20.0):
        model = loaded(kind, tmp_path / str(weight))
        run = Stepper(model, replace(CONFIG, rehearsal=weight), 9, CPU, ProcessGroup(), (), FRESH)
        untouched = Rehearsal(model, FRESH, CONFIG)
        for number in range(8):
            run.step(number, [batch])
        distances.append(rehearsed(untouched, model.eval(), batch).item())
    assert distances[1] < 0.7 * distances[0]


@pytest.mark.parametrize("cut", [(2, 2), (1, 3)])
def test_accumulated_parts_are_the_step_of_the_whole_batch(samples, cut, tmp_path):
    results = []
    for sizes in ((4,), cut):
        model = loaded("detr", tmp_path / str(len(sizes)))
        run = Stepper(model, replace(CONFIG, lr=1e-4, lr_head=1e-4), 9, CPU, ProcessGroup(), (), FRESH)
        batches = [Collator()(samples[a:b]) for a, b in pairwise(np.cumsum((0, *sizes)))]
        results.append([run.step(i, batches) for i in range(3)])
    for one, parts in zip(*results, strict=True):
        assert parts == pytest.approx(one, rel=1e-3)


@pytest.mark.parametrize(("weight", "fresh"), [(0.0, FRESH), (2.0, tuple(range(len(TEN))))])
def test_without_it_or_without_anything_known_there_is_no_second_model(weight, fresh, tmp_path):
    rehearsal = Rehearsal(loaded("detr", tmp_path), fresh, replace(CONFIG, rehearsal=weight))
    assert rehearsal.teacher is None and rehearsal.loss(None, None, None, None, "fp32") == 0.0
    rehearsal.restore()
