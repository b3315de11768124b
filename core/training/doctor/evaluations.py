"""The rules over evaluations: each takes the Record and gives its Remark, or None if nothing is the matter.

AP is a share here, as in the record; remarks show it in points, as the pages do (0.268 is AP 26.8).
"""

from __future__ import annotations

import math
from itertools import pairwise

from core.config import RANDOM_MODEL
from core.training.doctor.advice import best_checkpoint, change, named, slower
from core.training.doctor.record import Evaluation, Record, deviation, mean, points, shown
from core.training.progress import Remark


def _best(evaluations: list[Evaluation]) -> Evaluation | None:
    """The first one with the highest AP."""
    known = [e for e in evaluations if e.AP == e.AP]  # without NaN
    return max(known, key=lambda e: e.AP) if known else None


def _fall(before: float, now: float) -> float:
    """By what share a loss has fallen, NaN if that cannot be said."""
    return 1 - now / before if before > 0 else float("nan")


def predicts_nothing(record: Record) -> Remark | None:
    """Predictions that count (score at least 0.3) are fewer than one in fifty objects, after a trained epoch.

    A model that predicted before has collapsed: critical. A class head that starts fresh predicts nothing at first, so
    that for three epochs this is only information.
    """
    if not record.trained or not record.trained[-1].predicted < 0.02 * record.trained[-1].truths:
        return None
    last, untouched, config = record.trained[-1], record.baseline, record.config
    collapsed = untouched is not None and untouched.predicted >= 0.02 * untouched.truths
    fresh = (
        f"Give it more epochs; if it stays so, take a model that knows these classes, or a higher {named('lr_head')}."
    )
    return Remark(
        "predicts_nothing",
        "critical" if collapsed else "warning" if last.epoch > 3 else "info",
        "Everything is predicted as no-object",
        "Most queries have no object to find, so that “no object” everywhere is the first answer a model learns, and "
        + (
            "what remains when it forgets the rest." if collapsed else "a fresh class head needs time to get beyond it."
        ),
        f"{shown(last.predicted)} predictions with a score of at least 0.3 per validation image after epoch "
        f"{last.epoch}, for {shown(last.truths)} objects"
        + (f"; the untouched model made {shown(untouched.predicted)}." if untouched else "."),
        f"Start again from the model, and {slower(config)}." if collapsed else fresh,
        record.step,
    )


def below_baseline(record: Record) -> Remark | None:
    """AP is at least one point below the untouched model's in the last two evaluations, or five in the last.

    Single classes of two trainings differ by up to 1.9 points by chance, the mean over classes by less, but on some
    hundred images it wavers by one. From 2 points on, twice, it is a warning; after the first evaluation only from 5
    on, because a model may dip before it gains.
    """
    last, untouched, best = (record.trained or [None])[-1], record.baseline, _best(record.trained)
    if not (last and untouched and best):
        return None
    lost = untouched.AP - last.AP
    twice = min(untouched.AP - e.AP for e in record.trained[-2:])
    if not (lost >= 0.05 or lost >= twice >= 0.01):
        return None
    rises = untouched.loss > 0 and last.loss > 1.1 * untouched.loss
    worse = f"; val/loss rose from {shown(untouched.loss)} to {shown(last.loss)}" if rises else ""
    held = f"{best_checkpoint(record.config)} ({best.result}). " if best.AP > untouched.AP else ""
    early = len(record.trained) == 1
    return Remark(
        "below_baseline",
        "warning" if lost >= 0.05 or (twice >= 0.02 and not early) else "info",
        "Worse than the untouched model",
        "The training has taken away more than it has given: mostly its rates are too high"
        + (
            ", as the loss says too." if rises else ", or its data too few or too different from the validation images."
        ),
        f"{last.result}, {points(untouched.AP)} untouched: {100 * lost:.1f} points lower{worse}.",
        f"{held}It may come back with the next epochs; if not: {slower(record.config)}."
        if early
        else f"{held}For the next run: {slower(record.config)}.",
        record.step,
    )


def ap_near_zero(record: Record) -> Remark | None:
    """AP is below one point in three evaluations and more, and was so for the untouched model.

    A model that starts from nothing needs tens of thousands of steps before its boxes come, so there it is no warning.
    """
    if len(record.trained) < 3 or not all(e.AP < 0.01 for e in record.trained[-3:]):
        return None
    if predicts_nothing(record) or below_baseline(record):  # which say more
        return None
    random = record.config.model == RANDOM_MODEL
    losses = f"val/loss_ce {shown(record.trained[-1].loss_ce)}, val/loss_bbox {shown(record.trained[-1].loss_bbox)}"
    return Remark(
        "ap_near_zero",
        "info" if random else "warning",
        "AP is still near 0",
        "A DETR that starts from nothing learns late where its boxes are: after tens of thousands of steps."
        if random
        else "The model finds objects, but not their class or their place. The pre-flight has shown that classes and "
        "boxes are read rightly.",
        f"{record.trained[-1].result}, below 1 for {len(record.trained)} evaluations; {losses}."
        if all(e.AP < 0.01 for e in record.trained)
        else f"{record.trained[-1].result}, below 1 in the last three evaluations; {losses}.",
        f"Take a trained {named('model')}."
        if random
        else f"Go on for more epochs, or try {named('lr')} higher and lower.",
        record.step,
    )


def overfitting(record: Record) -> Remark | None:
    """Validation loss is 5 % above its minimum, three evaluations and more later, while train/loss has fallen by 5 %.

    Both in the mean of three evaluations, and the rise is at least three times what single ones scatter: 1 % in healthy
    runs, but 5 % at three times the demo's rate. The loss is not what counts (xingyizhou/CenterNet#163): while
    AP rises (its best is one of the last three, and a point above that of the minimum), this is information.
    """
    known = [e for e in record.trained if e.loss == e.loss]
    low, last = min(known, key=lambda e: e.loss, default=None), (known or [None])[-1]
    since = [e for e in known if e.step > low.step]
    if len(since) < 3:
        return None
    path = [low.loss, *(e.loss for e in since)]
    scatter = deviation([b - a for a, b in pairwise(path)]) / math.sqrt(2)  # of one loss, the trend apart
    risen = mean(path[-3:]) > low.loss + max(0.05 * low.loss, 3 * scatter)
    if not (risen and mean([e.train_loss for e in since[-3:]]) < 0.95 * low.train_loss):
        return None
    config, best = record.config, _best(known)
    still = best in known[-3:] and best.AP > low.AP + 0.01
    more = {"none": "flip", "flip": "flip, scale and crop"}.get(config.augment)
    changes = [change(config, "augment", more)] if more else []
    changes += [change(config, "early_stopping", 5)] if not config.early_stopping else []
    changes += [change(config, "epochs", best.epoch)] if best and best.epoch < config.epochs else []
    advice = f"set {'; '.join(changes)}; more images help most." if changes else "more images help most."
    return Remark(
        "overfitting",
        "info" if still else "warning",
        "Overfitting by its loss, but AP still rises" if still else "The model overfits",
        "It learns the training images by heart: it becomes surer of them, and of its errors on others.",
        f"val/loss was {shown(low.loss)} after epoch {low.epoch} (step {low.step}) and is {shown(last.loss)}, "
        f"while train/loss fell from {shown(low.train_loss)} to {shown(last.train_loss)}"
        + (f"; {last.result}, best {best.result}." if best else "."),
        f"Go on while AP rises, for AP decides which checkpoint is “best”. For the next run: {advice}"
        if still
        else f"{best_checkpoint(config)}. For the next run: {advice}",
        record.step,
    )


def past_best(record: Record) -> Remark | None:
    """The last two APs lie at least two points below an earlier one: more than two trainings differ by (1.9)."""
    best = _best(record.trained)
    if best is None or len(record.trained) < 3 or not all(e.AP < best.AP - 0.02 for e in record.trained[-2:]):
        return None
    if overfitting(record) or below_baseline(record):  # which say more
        return None
    config, last = record.config, record.trained[-1]
    stop = "" if config.early_stopping else f", and set {change(config, 'early_stopping', 5)}"
    return Remark(
        "past_best",
        "warning" if config.keep == "last" else "info",
        "AP has fallen from its best",
        "AP and loss do not go together: a loss can fall while boxes that count for AP are lost.",
        f"{last.result}, but {best.result}; val/loss {shown(best.loss)} then, {shown(last.loss)} now.",
        f"{best_checkpoint(config)}{stop}.",
        record.step,
    )


def class_never_predicted(record: Record) -> Remark | None:
    """Classes with ground truth without one prediction (score at least 0.3) in two evaluations or more in a row.

    Two, because one may be an early one; and only if other classes are predicted, else predicts_nothing says it. A
    class that the model does not know by name starts fresh, so that for three epochs this is only information.
    """
    names = sorted(name for name, times in record.unpredicted.items() if times >= 2)
    if not names or all(record.unpredicted.values()):
        return None
    listed = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    aps = [f"{name} {100 * record.class_ap[name]:.1f}" for name in names[:8] if record.class_ap[name] >= 0]
    return Remark(
        "class_never_predicted",
        "warning" if record.trained[-1].epoch > 3 else "info",
        f"Never predicted: {listed}",
        "There are few objects of such a class among the training images, or they look much like another class, or the "
        "class head has to learn it from nothing.",
        f"No prediction with a score of at least 0.3 in the last {min(record.unpredicted[n] for n in names)} "
        "evaluations" + (f"; AP from lower scores: {', '.join(aps)}." if aps else "."),
        f"Add images with these classes, or give them time with more {named('epochs')} or a higher {named('lr_head')}; "
        "see in the gallery what their objects are taken for.",
        record.step,
    )


def misplaced_boxes(record: Record) -> Remark | None:
    """loss_ce has fallen by a quarter, loss_bbox by less than a fifth of that, and boxes are loose.

    Loose: AP75 is below 0.6 of AP50; it is 0.71 for DETR-R50 on COCO, whose boxes hardly improve because they are good.
    The demo's loss_bbox falls by 0.7 of loss_ce's share.
    """
    if len(record.trained) < 3:
        return None
    first, last = record.evaluations[0], record.trained[-1]
    two = record.trained[-2:]
    ce = _fall(first.loss_ce, mean([e.loss_ce for e in two]))
    bbox = _fall(first.loss_bbox, mean([e.loss_bbox for e in two]))
    if not (ce >= 0.25 and bbox < 0.2 * ce) or last.AP75 >= 0.6 * last.AP50:
        return None
    config = record.config
    edge = change(config, "shortest_edge", 800) if config.shortest_edge < 800 <= config.longest_edge else ""
    thaw = change(config, "freeze", "stem") if config.freeze == "backbone" else ""
    changes = f"Set {', or '.join(filter(None, (edge, thaw)))}, or give" if edge or thaw else "Give"
    return Remark(
        "misplaced_boxes",
        "info",
        "Right classes, badly placed boxes",
        "Which class it is, the model learns quickly from what it sees; where its edges are, only slowly.",
        f"val/loss_ce fell from {shown(first.loss_ce)} to {shown(last.loss_ce)}, "
        f"val/loss_bbox went from {shown(first.loss_bbox)} to {shown(last.loss_bbox)}; "
        f"AP50 {points(last.AP50)}, AP75 {points(last.AP75)}.",
        f"{changes} it more {named('epochs')}: boxes come late.",
        record.step,
    )


def plateau(record: Record) -> Remark | None:
    """None of the last five evaluations has an AP half a point above what was reached before.

    Five, as patience in early stopping often is; half a point, because less is chance on some hundred images.
    """
    known = [e for e in record.trained if e.AP == e.AP]
    if len(known) < 6 or _best(known).AP < 0.01 or overfitting(record) or past_best(record) or below_baseline(record):
        return None
    before, after = _best(known[:-5]), _best(known[-5:])
    if after.AP > before.AP + 0.005:
        return None
    config = record.config
    falling = f"a rate that falls may add a little (set {change(config, 'schedule', 'step')})"
    stop = f"set {change(config, 'early_stopping', 5)} to save the time"
    steps = [falling] * (config.schedule == "constant") + [stop] * (not config.early_stopping)
    return Remark(
        "plateau",
        "info",
        "AP no longer rises",
        "The model has learned what these images and this learning rate can teach it.",
        f"{known[-1].result}; the last five evaluations reached {points(after.AP)}, those before {before.result}.",
        "More epochs will hardly help; more or other images will" + "".join(f"; {s}" for s in steps) + ".",
        record.step,
    )
