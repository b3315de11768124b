"""What a run records, as the tests of the doctor need it: steps and evaluations of their own making."""

import math
import random

from core.config import TrainConfig
from core.presets import PRESETS
from core.training.doctor.doctor import Doctor
from core.training.doctor.history import WINDOW

STEPS = [(step, {"train/loss": 5.0, "train/grad_norm": 0.05}) for step in range(1, 3 * WINDOW + 1)]
GOOD = {"val/AP": 0.4, "val/AP50": 0.6, "val/AP75": 0.4, "val/loss": 5.0, "val/predicted": 4.0, "val/truths": 5.0}
DEMO = PRESETS["Built-in demo"].apply().to_dict()
FIVE = {f"AP/{name}": 0.1 for name in "abcde"}


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
