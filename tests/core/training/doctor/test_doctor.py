"""What the doctor says of a run, from its record alone: each rule, and its silence beside it."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config import PRESETS, TrainConfig
from core.training.doctor.advice import LABELS
from core.training.doctor.doctor import ORDER, Doctor
from core.training.doctor.history import WINDOW
from core.training.remark import Level, TrainingRule

STEPS = [(step, {"train/loss": 5.0, "train/grad_norm": 0.05}) for step in range(1, 3 * WINDOW + 1)]
GOOD = {"val/AP": 0.4, "val/AP50": 0.6, "val/AP75": 0.4, "val/loss": 5.0, "val/predicted": 4.0, "val/truths": 5.0}


def told(record, **settings) -> dict:
    """Rule to remark, after the doctor has seen the record: pairs of step and metrics."""
    doctor = Doctor(TrainConfig(**settings))
    for step, metrics in record:
        doctor.update(step, metrics)
    return {remark.rule: remark for remark in doctor.remarks()}


def steps(count=WINDOW, after=0, **metrics):
    """Training steps of a quiet run that differ by these metrics."""
    values = {"train/loss": 5.0, "train/grad_norm": 0.05} | {f"train/{name}": value for name, value in metrics.items()}
    return [(step, dict(values)) for step in range(after + 1, after + count + 1)]


def evaluations(*changes, train=None):
    """One evaluation every ten steps from the untouched model on; `train` gives each epoch's train/loss."""
    record = []
    for i, change in enumerate(changes):
        if i:
            record += steps(10, 10 * (i - 1), **({"loss": train[i - 1]} if train else {}))
        record.append((10 * i, GOOD | {f"val/{name}": value for name, value in change.items()}))
    return record


def aps(*values):
    return evaluations(*({"AP": value} for value in values))


def losses(*values, ap=None, fall=0.9):
    train = [5 * fall**i for i in range(len(values))]
    ap = ap or [0.4] * len(values)
    changes = [{"loss": loss, "AP": a} for loss, a in zip(values, ap, strict=True)]
    return evaluations({"AP": ap[0]}, *changes, train=train)


def demo(seed=0, epochs=10, per_epoch=50):
    """The record of a healthy run like the built-in demo's."""
    chance = random.Random(seed)
    share = [i / epochs for i in range(epochs + 1)]

    def evaluation(x):
        up = 1 - (1 - x) ** 2
        return {
            "val/AP": 0.26 + 0.18 * up + chance.gauss(0, 0.003), "val/AP50": 0.486 + 0.21 * up,
            "val/AP75": 0.27 + 0.2 * up, "val/loss": 7.5 - 2.7 * up + chance.gauss(0, 0.05),
            "val/loss_ce": 1.09 - 0.55 * up, "val/loss_bbox": 0.136 - 0.046 * up, "val/loss_giou": 0.353 - 0.085 * up,
            "val/predicted": 7.0, "val/truths": 7.5, "val/AP/car": 0.5, "val/predicted/car": 300.0,
            "val/AP/person": 0.2, "val/predicted/person": 90.0,
        }  # fmt: skip

    record = [(0, evaluation(0))]
    for step in range(1, epochs * per_epoch + 1):
        x = step / (epochs * per_epoch)
        record.append(
            (step, {
                "train/loss": (6.8 - 3.4 * x) * math.exp(chance.gauss(0, 0.2)), "train/lr": 2e-4,
                "train/lr_backbone": 4e-4, "train/grad_norm": chance.uniform(5, 20),
                "train/wait": chance.uniform(0, 0.1),
            })
        )  # fmt: skip
        if step % per_epoch == 0:
            record.append((step, evaluation(share[step // per_epoch])))
    return record


DEMO = PRESETS["Built-in demo"].apply().to_dict()
FIVE = {f"AP/{name}": 0.1 for name in "abcde"}

# rule, level, a record in which it holds, its neighbour in which it does not, settings
CASES = [
    ("not_finite", "critical", [*steps(3), (4, {"train/loss": math.nan})], steps(4), {}),
    ("not_finite", "critical", [*steps(3), *steps(1, 3, grad_norm=math.inf)], steps(4), {}),
    ("not_finite", "critical", evaluations({}, {"loss": math.inf}), evaluations({}, {}), {}),
    ("not_finite", "warning", [*steps(3), (4, {"train/skipped": 1.0})], [*steps(3), (4, {"train/skipped": 0.0})], {}),
    ("learning_rate_too_high", "critical", STEPS[:WINDOW] + steps(WINDOW, WINDOW, loss=9),
     STEPS[:WINDOW] + steps(WINDOW, WINDOW, loss=7), {}),
    ("learning_rate_too_high", "critical", [(0, {"val/loss": 5.0}), *steps(1), *steps(WINDOW, 1, loss=20)],
     [(0, {"val/loss": 5.0}), *steps(1), *steps(WINDOW, 1, loss=6)], {}),
    ("learning_rate_too_high", "critical", STEPS[:WINDOW] + [s for i in range(50) for s in
     steps(1, WINDOW + 2 * i) + steps(1, WINDOW + 2 * i + 1, loss=20)],
     STEPS[:WINDOW] + steps(95, WINDOW) + steps(5, WINDOW + 95, loss=50), {}),
    ("learning_rate_too_high", "critical", STEPS[:WINDOW] + steps(WINDOW, WINDOW, grad_norm=1, loss=6.5),
     STEPS[:WINDOW] + steps(WINDOW, WINDOW, grad_norm=1, loss=3), {}),
    ("waiting_for_data", "warning", steps(wait=0.46), steps(wait=0.25), {}),
    ("waiting_for_data", "warning", steps(wait=0.31), [*steps(50, wait=0.9), *steps(150, 50, wait=0.05)], {}),
    ("gpu_idle", "warning", steps(gpu_busy=0.3), steps(gpu_busy=0.9), {}),
    ("backbone_rate", "info", steps(lr=1e-4, lr_backbone=1e-4), steps(lr=1e-4, lr_backbone=1e-5),
     {"lr": 1e-4, "lr_backbone": 1e-4}),
    ("backbone_rate", "info", steps(lr=1e-4, lr_backbone=2e-4), [], {"lr": 1e-4, "lr_backbone": 2e-4}),
    ("always_clipped", "info", steps(grad_norm=20), steps(grad_norm=0.09), {}),
    ("always_clipped", "warning", steps(grad_norm=2000), steps(99, grad_norm=2000), {}),
    ("predicts_nothing", "critical", evaluations({}, {"predicted": 0.001}), evaluations({}, {"predicted": 1.0}), {}),
    ("predicts_nothing", "info", evaluations({"predicted": 0}, {"predicted": 0}),
     evaluations({"predicted": 0}, {"predicted": 0, "truths": 0}), {}),
    ("predicts_nothing", "warning", evaluations(*[{"predicted": 0}] * 5), evaluations({"predicted": 0}), {}),
    ("below_baseline", "warning", aps(0.4, 0.41, 0.3), aps(0.4, 0.41, 0.37), {}),
    ("below_baseline", "warning", aps(0.4, 0.378, 0.377), aps(0.4, 0.378, 0.395), {}),
    ("below_baseline", "warning", evaluations({}, {"AP": 0.3, "loss": 9}), evaluations({}, {"loss": 9}), {}),
    ("below_baseline", "info", aps(0.4, 0.37), aps(0.4, 0.43), {}),
    ("ap_near_zero", "warning", aps(0, 0, 0.001, 0), aps(0, 0, 0), {}),
    ("ap_near_zero", "info", aps(0, 0, 0.001, 0), aps(0, 0, 0.02, 0.03), {"model": "random"}),
    ("overfitting", "warning", losses(5, 4, 4.2, 4.4, 4.6), losses(5, 4, 4.05, 4.02, 4.06), {}),
    ("overfitting", "warning", losses(5, 4, 4.2, 4.4, 4.6), losses(5, 4, 4.2, 4.4, 4.6, fall=1.0), {}),
    ("overfitting", "warning", losses(5, 4, 4.2, 4.4, 4.6), losses(6.44, 6.93, 6.5, 6.99, 6.69, 6.74), {}),
    ("overfitting", "info", losses(5, 4, 4.2, 4.4, 4.6, ap=[0.3, 0.35, 0.38, 0.4, 0.42]), losses(5, 4, 4.2, 4.4), {}),
    ("past_best", "info", aps(0.3, 0.4, 0.37, 0.37), aps(0.3, 0.4, 0.37, 0.39), {}),
    ("past_best", "warning", aps(0.3, 0.4, 0.37, 0.37), aps(0.3, 0.4, 0.37, 0.41), {"keep": "last"}),
    ("class_never_predicted", "info", evaluations({}, *[FIVE | {"predicted/a": 3.0}] * 2),
     evaluations({}, FIVE | {"predicted/a": 3.0}), {}),
    ("class_never_predicted", "warning", evaluations({}, *[FIVE | {"predicted/a": 3.0, "predicted/b": 0.0}] * 4),
     evaluations({}, *[FIVE | {f"predicted/{name}": 1.0 for name in "abcde"}] * 4), {}),
    ("misplaced_boxes", "info", evaluations({"loss_ce": 1.0, "loss_bbox": 0.1},
     *[{"loss_ce": 0.6, "loss_bbox": 0.098, "AP75": 0.2}] * 3),
     evaluations({"loss_ce": 1.0, "loss_bbox": 0.1}, *[{"loss_ce": 0.6, "loss_bbox": 0.08, "AP75": 0.2}] * 3), {}),
    ("misplaced_boxes", "info", evaluations({"loss_ce": 1.0, "loss_bbox": 0.1},
     *[{"loss_ce": 0.6, "loss_bbox": 0.1, "AP75": 0.2}] * 3),
     evaluations({"loss_ce": 1.0, "loss_bbox": 0.1}, *[{"loss_ce": 0.6, "loss_bbox": 0.1, "AP75": 0.43}] * 3), {}),
    ("plateau", "info", aps(0.3, 0.35, 0.4, *[0.402] * 5), aps(0.3, 0.35, 0.4, 0.402, 0.402, 0.405, 0.406, 0.41), {}),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "level", "record", "neighbour", "settings"), CASES)
def test_a_rule_holds_where_it_should_and_not_beside(rule, level, record, neighbour, settings):
    found = told(record, **settings)
    assert found[rule].level == level
    assert rule not in told(neighbour, **settings)


def test_every_rule_has_its_case():
    assert {case[0] for case in CASES} == set(ORDER)


def test_a_rule_has_one_author():
    authors = [*ORDER, *TrainingRule]
    assert len(set(authors)) == len(authors)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_a_remark_is_whole_and_names_real_settings(case):
    remark = told(case[2], **case[4])[case[0]]
    assert all(getattr(remark, part).strip() for part in ("title", "cause", "evidence", "advice"))
    assert any(c.isdigit() for c in remark.evidence)
    assert "nan" not in f"{remark.evidence} {remark.advice}"
    for text in (remark.cause, remark.evidence, remark.advice):
        assert text.endswith(".") and ".." not in text and text[0] not in "abcdefghijklm,;", text
    quoted = {part.split("”")[0] for part in remark.advice.split("“")[1:]}
    assert quoted <= {*LABELS.values(), "best"}


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
    precision=st.sampled_from(["fp16", "fp32"]), augment=st.sampled_from(["none", "flip, scale and crop"]),
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
