"""Each rule of the doctor: where it holds, and its silence beside it."""

import math

import pytest

from core.config import TrainConfig
from core.training.doctor.advice import LABELS
from core.training.doctor.doctor import ORDER
from core.training.doctor.history import WINDOW
from core.training.remark import TrainingRule
from tests.core.training.doctor.records import FIVE, STEPS, aps, evaluations, losses, steps, told

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
    remarks = told(record, **settings)
    assert remarks[rule].level == level
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


def changes_are_right(remark, settings) -> bool:
    """Checks a remark's changes, and returns whether there are any: whenever the advice says a setting's new value."""
    config = TrainConfig(**settings)
    changed = TrainConfig.from_dict({**config.to_dict(), **remark.changes})
    assert all(getattr(changed, name) == value != getattr(config, name) for name, value in remark.changes.items())
    assert all(f"({name}) from " in remark.advice for name in remark.changes), remark
    assert bool(remark.changes) == (") from " in remark.advice), remark
    return bool(remark.changes)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_what_is_advised_are_settings_that_may_be_and_differ(case):
    rule, _, record, _, settings = case
    changes_are_right(told(record, **settings)[rule], settings)


def test_every_rule_changes_a_setting_where_its_advice_is_one():
    """Not while the run has epochs left that may do it, nor where the advice is to take another model."""
    rules = set()
    for rule, _, record, _, settings in CASES:
        trained = sum("val/AP" in metrics for step, metrics in record if step)
        over = {"epochs": max(1, trained), **settings}
        remark = told(record, **over).get(rule)
        rules |= {rule} if remark and changes_are_right(remark, over) else set()
    assert rules == set(ORDER)
