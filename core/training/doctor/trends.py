"""The rules over several evaluations in a row, and their list. The docstring of each says when it holds and why there.

In: a run's History. Out: whether AP or the validation loss has turned, and what to do with the best epoch.
"""

from __future__ import annotations

import math
from itertools import pairwise

from core.metrics import LOSS
from core.training.doctor.advice import best_checkpoint, change
from core.training.doctor.evaluations import below_baseline
from core.training.doctor.history import Evaluation, History, best_of, deviation, digits, mean, percent
from core.training.doctor.rule import Finding, Rule, rule
from core.training.remark import Level


@rule(
    "overfitting",
    Level.WARNING,
    "The model overfits",
    "It learns the training images by heart: it becomes surer of them, and of its errors on others.",
)
def overfitting(history: History) -> Finding | None:
    """Look for a validation loss 5 % above its minimum, three evaluations later, while train/loss has fallen by 5 %.

    Both in the mean of three evaluations, and the rise is at least three times what single ones scatter: 1 % in healthy
    runs, but 5 % at three times the demo's rate. The loss is not what counts (xingyizhou/CenterNet#163): while
    AP rises (its best is one of the last three, and a point above that of the minimum), this is information.
    """
    known = [e for e in history.trained if e.loss == e.loss]
    if not known:
        return None
    low, last = min(known, key=lambda e: e.loss), known[-1]
    since = [e for e in known if e.step > low.step]
    if len(since) < 3:
        return None
    path = [low.loss, *(e.loss for e in since)]
    scatter = deviation([b - a for a, b in pairwise(path)]) / math.sqrt(2)  # of one loss, the trend apart
    has_risen = mean(path[-3:]) > low.loss + max(0.05 * low.loss, 3 * scatter)
    if not (has_risen and mean([e.train_loss for e in since[-3:]]) < 0.95 * low.train_loss):
        return None
    best = best_of(known)
    evidence = f"{LOSS.val.tag} was {digits(low.loss)} after epoch {low.epoch} (step {low.step}) and is "
    evidence += f"{digits(last.loss)}, while {LOSS.train.tag} fell from {digits(low.train_loss)} to "
    evidence += digits(last.train_loss) + (f"; {last.result}, best {best.result}." if best else ".")
    if best and best in known[-3:] and best.AP > low.AP + 0.01:
        return Finding(
            level=Level.INFO,
            title="Overfitting by its loss, but AP still rises",
            evidence=evidence,
            advice="AP decides which checkpoint is “best”: while it rises, more epochs are worth their time. For the "
            f"next run: {_against_overfitting(history, None)}",
        )
    advice = _against_overfitting(history, best)
    return Finding(evidence=evidence, advice=f"{best_checkpoint(history)}. For the next run: {advice}")


def _against_overfitting(history: History, best: Evaluation | None) -> str:
    config = history.config
    more = {"none": "flip", "flip": "flip, scale and crop"}.get(config.augment)
    changes = [change(config, "augment", more)] if more else []
    changes += [change(config, "early_stopping", 5)] if not config.early_stopping else []
    is_shorter = best and best.epoch < history.epochs and not config.minutes
    changes += [change(config, "epochs", best.epoch)] if best and is_shorter else []
    return f"set {'; '.join(changes)}; more images help most." if changes else "more images help most."


@rule(
    "past_best",
    Level.INFO,
    "AP has fallen from its best",
    "AP and loss do not go together: a loss can fall while boxes that count for AP are lost.",
)
def past_best(history: History) -> Finding | None:
    """Look for two last APs at least two points below an earlier one: more than two trainings differ by (1.9)."""
    best = best_of(history.trained)
    if best is None or len(history.trained) < 3 or not all(e.AP < best.AP - 0.02 for e in history.trained[-2:]):
        return None
    if overfitting.find(history) or below_baseline.find(history):  # which say more
        return None
    config, last = history.config, history.trained[-1]
    stop = "" if config.early_stopping else f" For the next run: set {change(config, 'early_stopping', 5)}."
    return Finding(
        level=Level.WARNING if config.keep == "last" else None,
        evidence=f"{last.result}, but {best.result}; {LOSS.val.tag} {digits(best.loss)} then, {digits(last.loss)} now.",
        advice=f"{best_checkpoint(history)}.{stop}",
    )


@rule(
    "plateau",
    Level.INFO,
    "AP no longer rises",
    "The model has learned what these images and this learning rate can teach it.",
)
def plateau(history: History) -> Finding | None:
    """Look for five last evaluations without an AP half a point above what was reached before.

    Five, as patience in early stopping often is; half a point, because less is chance on some hundred images.
    """
    known = [e for e in history.trained if e.AP == e.AP]
    if len(known) < 6 or max(e.AP for e in known) < 0.01:
        return None
    if any(other.find(history) for other in (overfitting, past_best, below_baseline)):  # which say more
        return None
    before = max(known[:-5], key=lambda e: e.AP)
    reached = max(e.AP for e in known[-5:])
    if reached > before.AP + 0.005:
        return None
    config = history.config
    falling = f"a rate that falls may add a little (set {change(config, 'schedule', 'step')})"
    stop = f"set {change(config, 'early_stopping', 5)} to save the time"
    steps = [falling] * (config.schedule == "constant") + [stop] * (not config.early_stopping)
    return Finding(
        evidence=f"{known[-1].result}; the last five evaluations reached {percent(reached)}, those before "
        f"{before.result}.",
        advice="More epochs will hardly help; more or other images will" + "".join(f"; {s}" for s in steps) + ".",
    )


TREND_RULES: tuple[Rule, ...] = (overfitting, past_best, plateau)
