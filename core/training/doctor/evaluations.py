"""The rules over evaluations, and their list. The docstring of each says when it holds and why there.

AP is a share here, as it is recorded; remarks show it in percent, as the pages do (0.268 is AP 26.8).
"""

from __future__ import annotations

import math
from itertools import pairwise

from core.config import RANDOM_MODEL
from core.metrics import COUNTED_SCORE, LOSS, LOSS_BBOX, LOSS_CE
from core.training.doctor.advice import best_checkpoint, change, named, slower
from core.training.doctor.history import Evaluation, History, best_of, deviation, digits, fall, mean, percent
from core.training.doctor.rule import Finding, Rule, rule
from core.training.remark import Level


@rule(
    "predicts_nothing",
    Level.INFO,
    "Everything is predicted as no-object",
    "Most queries have no object to find, so that “no object” everywhere is the first answer a model learns, and a "
    "fresh class head needs time to get beyond it.",
)
def predicts_nothing(history: History) -> Finding | None:
    """Look for fewer predictions that count than one in fifty objects, after a trained epoch.

    A model that predicted before has collapsed: critical. A class head that starts fresh predicts nothing at first, so
    that for three epochs this is only information.
    """
    if not history.trained or not history.trained[-1].predicted < 0.02 * history.trained[-1].objects:
        return None
    last, baseline, config = history.trained[-1], history.baseline, history.config
    evidence = f"{digits(last.predicted)} predictions with a score of at least {COUNTED_SCORE} per validation image "
    evidence += f"after epoch {last.epoch}, for {digits(last.objects)} objects"
    evidence += f"; the baseline made {digits(baseline.predicted)}." if baseline else "."
    if baseline is not None and baseline.predicted >= 0.02 * baseline.objects:
        return Finding(
            level=Level.CRITICAL,
            cause="Most queries have no object to find, so that “no object” everywhere is the first answer a model "
            "learns, and what remains when it forgets the rest.",
            evidence=evidence,
            advice=f"Start again from the model, and {slower(config)}.",
        )
    return Finding(
        level=Level.WARNING if last.epoch > 3 else None,
        evidence=evidence,
        advice="Give it more epochs; if it stays so, take a model that knows these classes, or a higher "
        f"{named('lr_head')}.",
    )


@rule(
    "below_baseline",
    Level.INFO,
    "Worse than the baseline",
    "The training has taken away more than it has given: mostly its rates are too high, or its data too few or too "
    "different from the validation images.",
)
def below_baseline(history: History) -> Finding | None:
    """Look for an AP at least one point below the baseline's in the last two evaluations, or five in the last.

    Single classes of two trainings differ by up to 1.9 points by chance, the mean over classes by less, but on some
    hundred images it wavers by one. From 2 points on, twice, it is a warning; after the first evaluation only from 5
    on, because a model may dip before it gains.
    """
    baseline, best = history.baseline, best_of(history.trained)
    if baseline is None or best is None:
        return None
    last = history.trained[-1]
    lost = baseline.AP - last.AP
    twice = min(baseline.AP - e.AP for e in history.trained[-2:])
    if not (lost >= 0.05 or lost >= twice >= 0.01):
        return None
    rises = baseline.loss > 0 and last.loss > 1.1 * baseline.loss
    worse = f"; {LOSS.val.tag} rose from {digits(baseline.loss)} to {digits(last.loss)}" if rises else ""
    from_best = f"{best_checkpoint(history.config)} ({best.result}). " if best.AP > baseline.AP else ""
    is_first = len(history.trained) == 1
    return Finding(
        level=Level.WARNING if lost >= 0.05 or (twice >= 0.02 and not is_first) else None,
        cause="The training has taken away more than it has given: mostly its rates are too high, as the loss says too."
        if rises
        else None,
        evidence=f"{last.result}, baseline {percent(baseline.AP)}: {100 * lost:.1f} points lower{worse}.",
        advice=f"{from_best}It may come back with the next epochs; if not: {slower(history.config)}."
        if is_first
        else f"{from_best}For the next run: {slower(history.config)}.",
    )


@rule(
    "ap_near_zero",
    Level.WARNING,
    "AP is still near 0",
    "The model finds objects, but not their class or their place. The pre-flight has shown that classes and boxes are "
    "read rightly.",
)
def ap_near_zero(history: History) -> Finding | None:
    """Look for an AP below one point in three evaluations and more, and in the baseline.

    A model that starts from nothing needs tens of thousands of steps before its boxes come, so there it is no warning.
    """
    if len(history.trained) < 3 or not all(e.AP < 0.01 for e in history.trained[-3:]):
        return None
    if predicts_nothing.find(history) or below_baseline.find(history):  # which say more
        return None
    last = history.trained[-1]
    is_always = all(e.AP < 0.01 for e in history.trained)
    since = f"for {len(history.trained)} evaluations" if is_always else "in the last three evaluations"
    evidence = f"{last.result}, below 1 {since}; {LOSS_CE.val.tag} {digits(last.loss_ce)}, {LOSS_BBOX.val.tag} "
    evidence += f"{digits(last.loss_bbox)}."
    if history.config.model == RANDOM_MODEL:
        return Finding(
            level=Level.INFO,
            cause="A DETR that starts from nothing learns late where its boxes are: after tens of thousands of steps.",
            evidence=evidence,
            advice=f"Take a trained {named('model')}.",
        )
    return Finding(evidence=evidence, advice=f"Go on for more epochs, or try {named('lr')} higher and lower.")


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
    advice = _against_overfitting(history, best)
    if best and best in known[-3:] and best.AP > low.AP + 0.01:
        return Finding(
            level=Level.INFO,
            title="Overfitting by its loss, but AP still rises",
            evidence=evidence,
            advice=f"Go on while AP rises, for AP decides which checkpoint is “best”. For the next run: {advice}",
        )
    return Finding(evidence=evidence, advice=f"{best_checkpoint(history.config)}. For the next run: {advice}")


def _against_overfitting(history: History, best: Evaluation | None) -> str:
    config = history.config
    more = {"none": "flip", "flip": "flip, scale and crop"}.get(config.augment)
    changes = [change(config, "augment", more)] if more else []
    changes += [change(config, "early_stopping", 5)] if not config.early_stopping else []
    changes += [change(config, "epochs", best.epoch)] if best and best.epoch < config.epochs else []
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
    stop = "" if config.early_stopping else f", and set {change(config, 'early_stopping', 5)}"
    return Finding(
        level=Level.WARNING if config.keep == "last" else None,
        evidence=f"{last.result}, but {best.result}; {LOSS.val.tag} {digits(best.loss)} then, {digits(last.loss)} now.",
        advice=f"{best_checkpoint(config)}{stop}.",
    )


@rule(
    "class_never_predicted",
    Level.INFO,
    "Some classes are never predicted",
    "There are few objects of such a class among the training images, or they look much like another class, or the "
    "class head has to learn it from nothing.",
)
def class_never_predicted(history: History) -> Finding | None:
    """Look for classes with ground truth without one prediction that counts in two evaluations or more in a row.

    Two, because one may be an early one; and only if other classes are predicted, else predicts_nothing says it. A
    class that the model does not know by name starts fresh, so that for three epochs this is only information.
    """
    names = sorted(name for name, times in history.unpredicted.items() if times >= 2)
    if not names or all(history.unpredicted.values()):
        return None
    listed = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    aps = [f"{name} {100 * history.class_ap[name]:.1f}" for name in names[:8] if history.class_ap[name] >= 0]
    times = min(history.unpredicted[name] for name in names)
    return Finding(
        level=Level.WARNING if history.trained[-1].epoch > 3 else None,
        title=f"Never predicted: {listed}",
        evidence=f"No prediction with a score of at least {COUNTED_SCORE} in the last {times} evaluations"
        + (f"; AP from lower scores: {', '.join(aps)}." if aps else "."),
        advice=f"Add images with these classes, or give them time with more {named('epochs')} or a higher "
        f"{named('lr_head')}; see in the gallery what their objects are taken for.",
    )


@rule(
    "misplaced_boxes",
    Level.INFO,
    "Right classes, badly placed boxes",
    "Which class it is, the model learns quickly from what it sees; where its edges are, only slowly.",
)
def misplaced_boxes(history: History) -> Finding | None:
    """Look for a loss_ce that has fallen by a quarter, a loss_bbox by less than a fifth of that, and loose boxes.

    Loose: AP75 is below 0.6 of AP50; it is 0.71 for DETR-R50 on COCO, whose boxes hardly improve because they are good.
    The demo's loss_bbox falls by 0.7 of loss_ce's share.
    """
    if len(history.trained) < 3:
        return None
    first, last = history.evaluations[0], history.trained[-1]
    two = history.trained[-2:]
    ce = fall(first.loss_ce, mean([e.loss_ce for e in two]))
    bbox = fall(first.loss_bbox, mean([e.loss_bbox for e in two]))
    if not (ce >= 0.25 and bbox < 0.2 * ce) or last.AP75 >= 0.6 * last.AP50:
        return None
    config = history.config
    edge = change(config, "shortest_edge", 800) if config.shortest_edge < 800 <= config.longest_edge else ""
    thaw = change(config, "freeze", "stem") if config.freeze == "backbone" else ""
    changes = f"Set {', or '.join(filter(None, (edge, thaw)))}, or give" if edge or thaw else "Give"
    return Finding(
        evidence=f"{LOSS_CE.val.tag} fell from {digits(first.loss_ce)} to {digits(last.loss_ce)}, "
        f"{LOSS_BBOX.val.tag} went from {digits(first.loss_bbox)} to {digits(last.loss_bbox)}; "
        f"AP50 {percent(last.AP50)}, AP75 {percent(last.AP75)}.",
        advice=f"{changes} it more {named('epochs')}: boxes come late.",
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


EVALUATION_RULES: tuple[Rule, ...] = (
    predicts_nothing,
    below_baseline,
    ap_near_zero,
    overfitting,
    past_best,
    class_never_predicted,
    misplaced_boxes,
    plateau,
)
