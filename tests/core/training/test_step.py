"""One step: the same however the batch is cut, and harmless where its losses are no numbers."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim.swa_utils import AveragedModel

from core import PROJECT, ConfigError, RunError
from core.config import TrainConfig
from core.datasets.split import read_split
from core.detr.device import deterministic
from core.detr.input.batch import Collator
from core.detr.input.dataset import DetectionDataset
from core.detr.model import load_model
from core.detr.small import small_detr
from core.training import step as module
from core.training.distributed import ProcessGroup
from core.training.step import MOST_SKIPPED, Stepper, ema_decay, learning_rate_factor
from core.training.trainer_state import TrainerState
from tests.core.detr.plain_pictures import broken_image
from tests.core.detr.released import TEN, released

CPU = torch.device("cpu")
CONFIG = TrainConfig(lr=1e-3, lr_backbone=1e-4, lr_head=1e-3, dropout=0.0, freeze="none", device="cpu")


@pytest.fixture
def samples(street):
    data = DetectionDataset(read_split(street, "train"), TEN, 72, 96)
    return [data[i] for i in range(4)]


def stepper(config=CONFIG, steps=100, model=None):
    torch.manual_seed(0)
    return Stepper(model or small_detr(TEN, config.dropout), config, steps, CPU, ProcessGroup())


def weights(model):
    return {name: value.clone() for name, value in model.inner.state_dict().items()}


def losses(metrics):
    return {name: value for name, value in metrics.items() if "loss" in name}


@pytest.mark.parametrize("cut", [(2, 2), (1, 3), (1, 1, 1, 1)])
@pytest.mark.parametrize("kind", ["detr", "deformable_detr"])
def test_accumulated_parts_are_the_step_of_the_whole_batch(samples, kind, cut, tmp_path):
    results = []
    for sizes in ((4,), cut):
        model, _ = load_model(str(released(kind, tmp_path / str(len(sizes)))), TEN, 0.0)
        whole = stepper(model=model)
        bounds = np.cumsum((0, *sizes))
        batches = [Collator()(samples[a:b]) for a, b in pairwise(bounds)]
        results.append([whole.step(i, batches) for i in range(3)])
    for one, parts in zip(*results, strict=True):
        assert parts == pytest.approx(one, rel=1e-4)


def test_a_step_reports_every_layers_losses_its_rates_and_gradient(samples):
    metrics = stepper().step(0, [Collator()(samples)])
    parts = {f"train/{name}" for name in ("loss_ce", "loss_bbox", "loss_giou")}
    layers = {f"{part}/layer{n}" for part in parts for n in (1, 2, 3)}
    rates = {"train/lr", "train/lr_backbone", "train/lr_head"}
    errors = {"train/class_error", "train/cardinality_error"}
    assert set(metrics) == parts | layers | rates | errors | {"train/loss", "train/grad_norm"}
    assert metrics["train/loss_ce/layer3"] == metrics["train/loss_ce"]
    weighed = sum(
        factor * metrics[f"train/{name}/layer{n}"]
        for name, factor in (("loss_ce", 1), ("loss_bbox", 5), ("loss_giou", 2))
        for n in (1, 2, 3)
    )
    assert metrics["train/loss"] == pytest.approx(weighed)


def test_of_a_long_training_few_steps_report_their_layers(samples):
    run = stepper(replace(CONFIG, lr=1e-6, lr_head=1e-6), steps=module.DETAILED_STEPS * 2)
    detailed = [any("layer" in tag for tag in run.step(i, [Collator()(samples)])) for i in range(3)]
    assert detailed == [True, False, True]


def test_the_losses_of_a_batch_that_is_seen_again_and_again_fall_by_nine_tenths(samples):
    model, _ = load_model(str(PROJECT / "checkpoints/starter"), TEN, 0.0)
    run = stepper(replace(CONFIG, lr=5e-4, lr_backbone=2e-4, lr_head=5e-4, clip=1.0), model=model)
    batch = Collator()(samples[:2])
    first, lowest = run.step(0, [batch])["train/loss"], math.inf
    for i in range(1, 100):
        lowest = min(lowest, run.step(i, [batch])["train/loss"])
        if lowest < 0.1 * first:
            return
    raise AssertionError(f"{first} fell to {lowest} only")


def test_a_step_without_any_object_teaches_that_there_is_none(samples):
    for sample in samples:
        sample["labels"] = {"class_labels": torch.zeros(0, dtype=torch.int64), "boxes": torch.zeros(0, 4)}
    run = stepper()
    values = [run.step(i, [Collator()(samples)]) for i in range(5)]
    assert values[0]["train/loss_bbox"] == values[0]["train/loss_giou"] == 0.0
    assert values[-1]["train/loss_ce"] < values[0]["train/loss_ce"]


def broken_step(run, number, samples):
    with broken_image(run.model, 1):
        return run.step(number, [Collator()(samples)])


def test_a_loss_that_is_no_number_stops_with_its_images_and_leaves_the_weights(samples):
    run = stepper()
    before = weights(run.model)
    named = ", ".join(str(sample["image_id"]) for sample in samples)
    with pytest.raises(RunError, match=rf"The loss was not a finite number at step 7 \(images {named}\)"):
        broken_step(run, 6, samples)
    assert all(torch.equal(value, before[name]) for name, value in run.model.inner.state_dict().items())


def test_such_a_step_is_left_out_where_that_is_asked_for_until_there_are_too_many(samples):
    run = stepper(replace(CONFIG, not_finite="skip"))
    before = weights(run.model)
    assert broken_step(run, 0, samples) == {"train/skipped": 1.0}
    assert all(torch.equal(value, before[name]) for name, value in run.model.inner.state_dict().items())
    assert run.skipped_images == tuple(sample["image_id"] for sample in samples) and not run.remarks
    assert "train/loss" in run.step(1, [Collator()(samples)]) and run.skipped_images == ()
    for i in range(MOST_SKIPPED):
        broken_step(run, 2 + i, samples)
    with pytest.raises(RunError, match="11 times in a row"):
        broken_step(run, 20, samples)


def test_a_batch_that_does_not_fit_is_halved_and_gives_the_same_step(samples, monkeypatch):
    expected = stepper().step(0, [Collator()(samples)])
    real, tried = module.forward, []

    def small_memory(model, batch, *rest):
        tried.append(len(batch["image_id"]))
        if tried[-1] > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(model, batch, *rest)

    monkeypatch.setattr(module, "forward", small_memory)
    run = stepper()
    assert run.step(0, [Collator()(samples)]) == pytest.approx(expected, rel=1e-4)
    assert tried == [4, 2, 1, 1, 1, 1]
    assert [remark.rule for remark in run.remarks] == ["batch_halved", "batch_halved"]
    assert "set batch size 1 and accumulate 4" in run.remarks[-1].advice
    run.step(1, [Collator()(samples)])
    assert tried[6:] == [1, 1, 1, 1]  # it is not tried again


def test_an_image_that_does_not_fit_alone_is_a_sentence(samples, monkeypatch):
    monkeypatch.setattr(module, "forward", lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError("out of memory")))
    with pytest.raises(ConfigError, match="Not even one image fits"):
        stepper().step(0, [Collator()(samples)])


@pytest.mark.parametrize(
    ("kind", "batch", "expected"), [("cpu", 4, 4), ("cuda", 4, 16), ("cuda", 16, 32), ("cuda", 64, 64)]
)
def test_an_evaluation_takes_more_images_at_a_time_where_a_gpu_gains_by_it(kind, batch, expected):
    run = stepper(replace(CONFIG, batch_size=batch))
    run.device = torch.device(kind)
    assert run.images_evaluated_at_once == expected


def test_the_average_is_torchs_own_with_the_same_decays(samples):
    run = stepper(replace(CONFIG, ema=0.5))
    average = AveragedModel(run.model.inner, avg_fn=lambda mean, new, n: torch.lerp(new, mean, ema_decay(0.5, int(n))))
    for i in range(14):
        run.step(i, [Collator()(samples)])
        average.update_parameters(run.model.inner)
    for name, value in run.evaluated.inner.named_parameters():
        torch.testing.assert_close(value, average.module.get_parameter(name))
    assert not torch.equal(next(run.evaluated.inner.parameters()), next(run.model.inner.parameters()))
    plain = stepper()
    assert plain.evaluated is plain.model and run.evaluated is not run.model


@given(st.floats(0.1, 0.99999), st.integers(0, 10**6))
def test_the_decay_of_the_average_rises_to_the_settings(most, updates):
    now, later = ema_decay(most, updates), ema_decay(most, updates + 1)
    assert 0.1 <= now <= later <= most
    assert now == pytest.approx(min(most, 1 - 9 / (10 + updates)))  # the ninth of all steps that it spans
    assert ema_decay(most, 10**9) == most


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_stepper_goes_on_from_its_state_as_if_it_had_not_stopped(samples, ema):
    config, batch = replace(CONFIG, ema=ema, dropout=0.1), Collator()(samples)
    whole = stepper(config)
    expected = [whole.step(i, [batch]) for i in range(4)]
    first = stepper(config)
    for i in range(2):
        first.step(i, [batch])
    state, kept = first.state(), first.evaluated.inner.state_dict()
    model = small_detr(TEN, 0.1)
    model.inner.load_state_dict(kept)
    second = stepper(config, model=model)
    second.restore(TrainerState(epoch=0, step=2, best_ap=-1, evaluated=None, since_best=0, **state))
    assert [second.step(i, [batch]) for i in (2, 3)] == expected[2:]
    for name, value in whole.evaluated.inner.state_dict().items():
        assert torch.equal(value, second.evaluated.inner.state_dict()[name]), name


@pytest.mark.few(1)
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_learns_much_the_same(samples, precision):
    whole, half = stepper(), stepper(replace(CONFIG, precision=precision))
    batch = Collator()(samples)
    for i in range(5):
        one, other = whole.step(i, [batch]), half.step(i, [batch])
    assert other["train/loss"] == pytest.approx(one["train/loss"], rel=0.1)
    assert next(half.model.parameters()).dtype == torch.float32


def test_dropout_draws_by_seed_and_step_alone(samples):
    batch, config = Collator()(samples), replace(CONFIG, dropout=0.3)
    first = stepper(config).step(5, [batch])
    torch.rand(7)
    again, later = stepper(config), stepper(config)
    assert losses(again.step(5, [batch])) == losses(first)
    assert losses(later.step(6, [batch])) != losses(first)


def test_a_step_leaves_torchs_generator_alone(samples):
    run = stepper(replace(CONFIG, dropout=0.1))
    torch.manual_seed(99)
    expected = torch.rand(3)
    torch.manual_seed(99)
    run.step(0, [Collator()(samples)])
    assert torch.equal(torch.rand(3), expected)


def test_determinism_is_asked_for_inside_only():
    with deterministic(True):
        assert torch.are_deterministic_algorithms_enabled()
    assert not torch.are_deterministic_algorithms_enabled()


def test_where_every_rate_is_zero_nothing_would_learn():
    with pytest.raises(ConfigError, match="Every learning rate is 0"):
        stepper(replace(CONFIG, lr=0.0, lr_backbone=0.0, lr_head=0.0))


def test_learning_rates_rise_hold_and_fall():
    step = TrainConfig(schedule="step", warmup_steps=4)
    assert [learning_rate_factor(s, 100, step) for s in (0, 1, 3, 4, 79, 80, 99)] == [0.25, 0.5, 1, 1, 1, 0.1, 0.1]
    cosine = TrainConfig(schedule="cosine")
    assert learning_rate_factor(0, 100, cosine) == 1 and learning_rate_factor(99, 100, cosine) < 0.001
    assert {learning_rate_factor(s, 10, TrainConfig()) for s in range(10)} == {1.0}
