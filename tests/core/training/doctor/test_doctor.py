"""What the doctor says of a run, from its record alone."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config import TrainConfig
from core.training.doctor.doctor import Doctor
from core.training.doctor.history import WINDOW
from core.training.remark import Level
from tests.core.training.doctor.records import DEMO, FIVE, GOOD, aps, demo, evaluations, steps, told


@pytest.mark.parametrize("seed", range(5))
def test_a_healthy_run_is_told_nothing_but_information(seed):
    doctor = Doctor(TrainConfig.from_dict(DEMO))
    seen = set()
    for step, metrics in demo(seed):
        doctor.update(step, metrics)
        seen |= {(remark.rule, remark.level) for remark in doctor.remarks()}
    assert seen == {("always_clipped", "info")}


def test_nothing_is_said_before_there_is_anything_to_say():
    assert told([]) == {}
    assert told(steps(WINDOW - 1, wait=0.9, gpu_busy=0.0, grad_norm=9.0)) == {}


def test_half_empty_batches_are_no_high_learning_rate():
    """Images without objects have a small loss, so that at batch 1 the loss jumps between two levels."""
    chance = random.Random(0)
    record = [(step, {"train/loss": chance.choice([0.1, 0.1, 0.1, 3.0])}) for step in range(1, 5000)]
    doctor = Doctor(TrainConfig())
    for step, metrics in record:
        doctor.update(step, metrics)
        assert not doctor.remarks(), step


def test_the_same_record_gives_the_same_remarks():
    record = demo(1) + steps(300, 500, loss=30, wait=0.6)
    assert list(told(record).values()) == list(told(record).values())


def test_a_record_read_back_by_step_gives_the_remarks_of_the_live_run():
    record = demo(2) + steps(300, 500, loss=30, wait=0.6) + [(800, GOOD | {"val/AP": 0.1})]
    grouped = {}
    for step, metrics in record:
        grouped[step] = grouped.get(step, {}) | metrics
    assert told(grouped.items()) == told(record)
    assert {"learning_rate_too_high", "waiting_for_data", "below_baseline"} <= set(told(record))


def test_a_remark_keeps_the_step_at_which_it_was_seen_first_and_shows_current_figures():
    first = told(steps(100, wait=0.4))["waiting_for_data"]
    later = told([*steps(100, wait=0.4), *steps(300, 100, wait=0.8)])["waiting_for_data"]
    assert first.step == later.step == 100
    assert "0.40" in first.evidence and "0.80" in later.evidence


def test_a_remark_goes_when_its_rule_no_longer_holds():
    assert "waiting_for_data" not in told([*steps(100, wait=0.9), *steps(100, 100, wait=0.1)])


def test_a_loss_that_was_not_finite_stays_said():
    record = [*steps(2), (3, {"train/skipped": 1.0}), *steps(500, 3)]
    remark = told(record)["not_finite"]
    assert remark.step == 3 and "first at step 3" in remark.evidence


def test_a_step_that_was_left_out_names_its_images_also_after_a_resume():
    doctor = Doctor(TrainConfig())
    for step, metrics in steps(400):
        doctor.update(step, metrics | {"train/skipped": float(step == 200)}, (7, 9) if step == 200 else ())
    (remark,) = doctor.remarks()
    assert (remark.level, remark.images) == (Level.WARNING, (7, 9))
    assert "steps left out: 1, the last one on the images 7, 9." in remark.evidence
    assert "boxes of these images." in remark.advice
    resumed = Doctor(TrainConfig(), skipped_images=remark.images)
    for step, metrics in steps(400):
        resumed.update(step, metrics | {"train/skipped": float(step == 200)})
    assert resumed.remarks() == [remark]


def test_many_left_out_steps_are_critical():
    record = [*steps(10), *((step, {"train/skipped": 1.0}) for step in range(11, 16))]
    assert told(record)["not_finite"].level == "critical"


def test_under_fp16_a_gradient_that_overflows_is_no_mishap():
    assert told(steps(5, grad_norm=math.inf), precision="fp16") == {}


def test_what_is_most_urgent_comes_first():
    record = [*steps(150, wait=0.9, grad_norm=3), (151, {"train/loss": math.nan})]
    assert list(told(record)) == ["not_finite", "waiting_for_data", "always_clipped"]


def test_never_predicted_classes_stand_in_one_remark():
    remark = told(evaluations({}, *[FIVE | {"predicted/a": 3.0}] * 2))["class_never_predicted"]
    assert remark.title == "Never predicted: b, c, d, e"


def test_a_record_without_counts_of_predictions_tells_of_no_class():
    plain = {"val/AP": 0.4, "val/AP/cat": 0.4}
    assert told([(10 * i, plain) for i in range(5)]) == {}


def test_epochs_are_counted_by_the_evaluations():
    remark = told(aps(0.4, 0.3, 0.2), eval_every=3, epochs=5)["below_baseline"]
    assert "AP 20.0 after epoch 5, baseline 40.0: 20.0 points lower" in remark.evidence


def test_memory_does_not_grow_with_the_steps():
    doctor = Doctor(TrainConfig())
    metrics = {"train/loss": 5.0, "train/grad_norm": 1.0, "train/wait": 0.9, "train/gpu_busy": 0.1, "train/lr": 1e-4}
    sizes = []
    for step in range(1, 100_001):
        doctor.update(step, metrics)
        if step in (1000, 100_000):
            sizes.append([len(v) for v in vars(doctor.history).values() if hasattr(v, "__len__")])
    assert sizes[0] == sizes[1] and max(sizes[1]) <= WINDOW
    assert len(doctor.remarks()) == 3


TAGS = [
    *(f"train/{name}" for name in ("loss", "grad_norm", "wait", "gpu_busy", "skipped", "lr", "lr_backbone")),
    *(f"val/{name}" for name in ("AP", "AP50", "AP75", "loss", "loss_ce", "loss_bbox", "predicted", "truths")),
    "val/AP/cat", "val/predicted/cat", "val/AP/", "val/AP/dog", "train/loss/layer1",
]  # fmt: skip
NUMBERS = st.one_of(st.sampled_from([0.0, 1.0, 0.01, 5.0, math.nan, math.inf, -math.inf, 1e300]), st.floats())
METRICS = st.dictionaries(st.sampled_from(TAGS), NUMBERS, max_size=12)
CONFIGS = st.builds(
    TrainConfig, lr=st.sampled_from([0.0, 1e-5, 1.0]), clip=st.sampled_from([0.0, 0.1]), epochs=st.integers(1, 50),
    model=st.sampled_from(["random", "m"]), keep=st.sampled_from(["best", "last"]), workers=st.sampled_from([0, 64]),
    precision=st.sampled_from(["fp16", "fp32"]), augment=st.sampled_from([("none",), ("flip", "scale and crop")]),
)  # fmt: skip


@settings(deadline=None, max_examples=80)
@given(CONFIGS, st.lists(st.tuples(st.integers(0, 10**6), METRICS, st.integers(1, 120)), max_size=12))
def test_whatever_is_recorded_the_doctor_answers(config, record):
    doctor = Doctor(config)
    for step, metrics, times in record:
        for _ in range(times):
            doctor.update(step, metrics)
        remarks = doctor.remarks()
        assert len({remark.rule for remark in remarks}) == len(remarks)
        assert [remark.level for remark in remarks] == sorted([r.level for r in remarks], key=list(Level).index)
