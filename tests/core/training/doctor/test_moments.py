"""What the doctor says fits the moment: the first epoch, the last, an early stop, a model that knew nothing."""

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config import TrainConfig
from core.presets import PRESETS
from core.training.doctor.advice import LABELS, RATES, more_epochs, nearest_preset
from core.training.doctor.doctor import Doctor
from tests.core.training.doctor.records import FIVE, GOOD, aps, evaluations, losses, steps, told

COMING = re.compile(
    r"next epoch|left to do|goes on|go on|give it|wait for|still to come|stop it|\bstop, and", re.IGNORECASE
)
CHANGES = re.compile(r"\((\w+)\) from (\S+) to (\S+?)(?=[,;:.)]? |[,;.)]*$)")
DEMO = PRESETS["Built-in demo"]
NOTHING = {"AP": 0.0, "AP50": 0.0, "AP75": 0.0, "predicted": 0.0}
CHANCE = NOTHING | {"predicted": 100.0}


def changed(remark):
    """The settings that a remark's advice changes: name to (from, to)."""
    return {name: (float(old), float(new)) for name, old, new in CHANGES.findall(remark.advice) if name in RATES}


def test_a_random_model_of_one_class_that_is_silent_after_an_epoch_is_no_collapse():
    """Two probabilities, so that every query of the untrained model has a score of about a half."""
    remark = told(evaluations(CHANCE, NOTHING), model="random", lr=1e-4, lr_backbone=1e-4)["predicts_nothing"]
    assert remark.level == "info" and remark.title == "Nothing is predicted yet"
    assert not changed(remark) and "lower" not in remark.advice and "slower" not in remark.advice


@pytest.mark.parametrize("settings", [{}, {"epochs": 1}, {"epochs": 1, "lr": 1e-3}])
def test_new_classes_that_are_silent_after_an_epoch_are_no_collapse(settings):
    remark = told(evaluations(CHANCE, NOTHING), **settings)["predicts_nothing"]
    assert remark.level == "info" and not changed(remark)


def test_a_model_that_learned_and_forgot_has_collapsed():
    remark = told(evaluations(CHANCE, {"AP": 0.2}, NOTHING), lr=1e-3)["predicts_nothing"]
    assert remark.level == "critical" and "it made 4 after epoch 1" in remark.evidence
    assert changed(remark) == {"lr": (1e-3, 1e-5)}


def test_a_random_model_is_told_of_time_and_not_of_epochs():
    remark = told(evaluations(*[NOTHING] * 7), model="random")["predicts_nothing"]
    assert remark.level == "info" and remark.advice == "Take a trained “Model” (model)."


@pytest.mark.parametrize(("wrong", "times"), [("lr", 100), ("lr_backbone", 50), ("lr_head", 1000)])
@pytest.mark.parametrize("preset", list(PRESETS))
def test_only_the_rate_that_is_wrong_is_lowered(preset, wrong, times):
    right = PRESETS[preset].apply().to_dict()
    if wrong == "lr_backbone" and right["freeze"] == "backbone":
        right["freeze"] = "stem"
    config = right | {wrong: min(1.0, times * right[wrong])}
    record = [*steps(100), *steps(200, 100, loss=30.0, lr=config["lr"], lr_backbone=config["lr_backbone"])]
    remark = told(record, **config)["learning_rate_too_high"]
    assert changed(remark) == {wrong: (pytest.approx(config[wrong]), pytest.approx(right[wrong]))}
    assert LABELS[wrong] in remark.evidence and preset in remark.evidence
    worse = told(aps(0.4, 0.3, 0.2), **config)["below_baseline"]
    assert changed(worse) == changed(remark)


def test_all_rates_are_lowered_where_all_are_wrong():
    config = DEMO.apply(TrainConfig()).to_dict()
    record = [*steps(100), *steps(200, 100, loss=30.0)]
    wrong = {name: 10 * config[name] for name in RATES}
    remark = told(record, **config | wrong)["learning_rate_too_high"]
    assert changed(remark) == {n: (pytest.approx(wrong[n]), pytest.approx(config[n])) for n in RATES}


def test_a_rate_that_does_not_learn_is_not_blamed():
    record = [*steps(100), *steps(200, 100, loss=30.0)]
    remark = told(record, lr_backbone=1.0, freeze="backbone")["learning_rate_too_high"]
    assert not changed(remark) and remark.title == "The training has lost its way"
    assert "none is shown to be at fault" in remark.advice


def test_a_backbone_that_keeps_up_with_a_transformer_that_is_too_slow_is_not_slowed():
    record = steps(lr=1e-7, lr_backbone=1e-6)
    assert changed(told(record, lr=1e-7)["backbone_rate"]) == {"lr": (1e-7, 1e-5)}


@pytest.mark.parametrize("epochs", [1, 2, 30])
def test_what_may_come_is_said_by_the_epochs_that_are_left(epochs):
    advice = told(evaluations({}, {"AP": 0.3}), epochs=epochs)["below_baseline"].advice
    assert ("the run has 29 of its 30 epochs left" in advice) == (epochs == 30)
    assert ("set “Epochs” (epochs) from 1 to 2" in advice) == (epochs == 1)


def test_a_run_that_stopped_early_has_no_epochs_left():
    advice = told(aps(0.0, 0.0, 0.0, 0.0), early_stopping=2, epochs=50)["ap_near_zero"].advice
    assert "set “Stop early after” (early_stopping) from 2 to 4" in advice


def test_a_best_model_that_is_deleted_at_the_end_is_told_of_before_and_after():
    record = aps(0.3, 0.4, 0.37, 0.37)
    before = told(record, keep="last", epochs=4)["past_best"].advice
    after = told(record, keep="last", epochs=3)["past_best"].advice
    assert "is deleted when the run finishes" in before and "is not kept" in after


RECORDED = st.fixed_dictionaries({
    "AP": st.sampled_from([0.0, 0.005, 0.2, 0.3, 0.36, 0.4, math.nan]),
    "loss": st.sampled_from([3.0, 4.0, 5.0, 9.0, math.inf]), "loss_ce": st.sampled_from([0.5, 1.0]),
    "predicted": st.sampled_from([0.0, 0.01, 4.0, 100.0]), "AP75": st.sampled_from([0.0, 0.4]),
})  # fmt: skip
RATE = st.sampled_from([0.0, 1e-7, 1e-6, 1e-5, 1e-4, 4e-4, 1e-2, 1.0])
CONFIGS = st.builds(
    TrainConfig, lr=RATE, lr_backbone=RATE, lr_head=RATE, model=st.sampled_from(["random", "m", "checkpoints/starter"]),
    freeze=st.sampled_from(["none", "stem", "backbone"]), epochs=st.integers(1, 9), early_stopping=st.integers(0, 3),
    keep=st.sampled_from(["best", "last"]), clip=st.sampled_from([0.0, 0.1]), eval_every=st.integers(1, 3),
    warmup_steps=st.sampled_from([0, 10]), schedule=st.sampled_from(["constant", "cosine"]),
    precision=st.sampled_from(["fp16", "fp32"]), not_finite=st.sampled_from(["stop", "skip"]),
)  # fmt: skip
BASES = st.one_of(
    CONFIGS,
    st.builds(
        lambda p, n, r: p.apply().to_dict() | {n: r},
        st.sampled_from(list(PRESETS.values())),
        st.sampled_from(RATES),
        RATE,
    ).map(TrainConfig.from_dict),
)


def whole_run(config, evaluated, classes, loss):
    """Return a run of all its evaluations; its loss changes after the first one, by a factor."""
    record = [(0, GOOD)]
    for n, values in enumerate(evaluated, start=1):
        last = {"lr": config.lr, "lr_backbone": config.lr_backbone, "wait": 0.4, "gpu_busy": 0.2}
        count = 110 if n < 3 else 1
        record += steps(count, 1000 * n, loss=5 * loss ** (n > 1), grad_norm=2000.0 if loss > 2 else 1.0, **last)
        record.append((1000 * n + count, GOOD | {f"val/{name}": value for name, value in (values | classes).items()}))
    return record


@settings(deadline=None, max_examples=200)
@given(BASES, st.lists(RECORDED, min_size=1, max_size=9), st.sampled_from([{}, FIVE, FIVE | {"predicted/a": 3.0}]),
       st.sampled_from([1.0, 1.4, 9.0]))  # fmt: skip
def test_advice_fits_the_moment_and_blames_no_rate_that_is_not_wrong(config, evaluated, classes, loss):
    doctor = Doctor(config)
    _, usual = nearest_preset(config)
    for step, metrics in whole_run(config, evaluated, classes, loss):
        doctor.update(step, metrics)
        if "val/AP" not in metrics:
            continue
        is_over = not config.epochs - doctor.history.evaluations[-1].epoch or doctor.history.has_stalled
        for remark in doctor.remarks():
            words = f"{remark.title} {remark.cause} {remark.advice}"
            assert not (is_over and COMING.search(words)), words
            for name, (old, new) in changed(remark).items():
                assert old == pytest.approx(getattr(config, name), rel=1e-3) and old != new, words
                if remark.rule == "backbone_rate":
                    continue
                assert new == pytest.approx(getattr(usual, name), rel=1e-3), words
                assert old >= 2 * new or 2 * old <= new, words


def test_overfitting_that_still_pays_is_not_told_to_stop_at_its_best():
    record = losses(5, 4, 4.2, 4.4, 4.6, ap=[0.3, 0.35, 0.38, 0.4, 0.42])
    for epochs in (5, 50):
        advice = told(record, epochs=epochs)["overfitting"].advice
        assert "(epochs)" not in advice and "more epochs are worth their time" in advice


def test_a_run_by_minutes_has_the_epochs_that_are_planned_and_is_told_of_minutes():
    doctor = Doctor(TrainConfig(minutes=20.0, epochs=1, model="random"))
    for step, metrics in evaluations(*[NOTHING] * 4):
        doctor.history.set_length(6, 60)  # of which every step tells
        doctor.update(step, metrics)
    assert [one.epoch for one in doctor.history.evaluations] == [0, 1, 2, 3]
    assert doctor.history.epochs_left == 3 and "left to do" in more_epochs(doctor.history)
    doctor.history.set_length(3, 30)
    assert doctor.history.is_over and re.search(r"\(minutes\) from 20\S* to 40", more_epochs(doctor.history))


def test_a_run_by_epochs_has_those_of_its_settings_whatever_is_told():
    doctor = Doctor(TrainConfig(epochs=5))
    doctor.history.set_length(60, 600)
    assert doctor.history.epochs == 5
