"""The rules over single evaluations, and their list. The docstring of each says when it holds and why there.

AP is a share here, as it is recorded; remarks show it in percent, as the pages do (0.268 is AP 26.8). What a remark
says must be true while the run goes on, when it has been stopped and when it is over: only `more_epochs` says what may
come next.
"""

from __future__ import annotations

from core.config import RANDOM_MODEL
from core.metrics import COUNTED_SCORE, LOSS, LOSS_BBOX
from core.training.doctor.advice import (
    NOTHING,
    best_checkpoint,
    blame,
    change,
    gentler,
    is_for_small_model,
    more_epochs,
    named,
    quicker,
    slower,
    together,
)
from core.training.doctor.history import Evaluation, History, best_of, digits, fall, mean, percent
from core.training.doctor.rule import Finding, Rule, rule
from core.training.remark import Level

KNOWS = 0.01  # AP from which a model's predictions are more than chance
USUAL_EDGE = 800  # pixels, of DETR's recipe


def _is_silent(evaluation: Evaluation) -> bool:
    """Check whether fewer predictions count than one in fifty objects."""
    return evaluation.predicted < 0.02 * evaluation.objects


@rule(
    "predicts_nothing",
    Level.INFO,
    "Hardly anything is predicted",
    "Most queries have no object to find, so that low scores everywhere are the first answer that a model learns; a "
    "fresh class head needs time to get beyond it.",
)
def predicts_nothing(history: History) -> Finding | None:
    """Look for fewer predictions that count than one in fifty objects, after a trained epoch.

    A model that predicted before, and rightly, has collapsed: critical. Without AP its predictions were chance: a
    random model with one class gives every query a score of a half. A class head that starts fresh predicts nothing at
    first, so that for three epochs this is only information, and for a model that starts from nothing always.
    """
    if not history.trained or not _is_silent(history.trained[-1]):
        return None
    last, config = history.trained[-1], history.config
    knew = best_of(e for e in history.evaluations[:-1] if e.AP >= KNOWS and e.predicted >= 0.02 * e.objects)
    evidence = f"{digits(last.predicted)} predictions with a score of at least {COUNTED_SCORE} per validation image "
    evidence += f"after epoch {last.epoch}, for {digits(last.objects)} objects"
    if knew is not None:
        since = f"; it made {digits(knew.predicted)} " + (f"after epoch {knew.epoch}" if knew.epoch else "before")
        return Finding(
            level=Level.CRITICAL,
            title="The model no longer predicts anything",
            cause="Most queries have no object to find, so that low scores everywhere are what remains when a model "
            "forgets the rest.",
            evidence=f"{evidence}{since}{blame(history.config)}.",
            advice=f"Start again from the model; {gentler(config)}.",
            changes=together(gentler(config)),
        )
    if config.model == RANDOM_MODEL:
        return Finding(
            title="Nothing is predicted yet",
            cause="A DETR that starts from nothing learns first that most queries have no object, and only after tens "
            "of thousands of steps where the objects are.",
            evidence=f"{evidence}.",
            advice=f"Take a trained {named('model')}.",
        )
    raised = quicker(config, "lr_head") or quicker(config, "lr")
    longer = more_epochs(history)
    return Finding(
        level=Level.WARNING if last.epoch > 3 else None,
        title=None if last.epoch > 3 else "Hardly anything is predicted yet",
        evidence=f"{evidence}.",
        advice="New classes need time to be predicted: "
        + (f"a longer step may do that, set {raised}" if raised else str(longer))
        + ". A model that knows these classes by name predicts them from the start.",
        changes=together(raised or longer),
    )


@rule(
    "below_baseline",
    Level.INFO,
    "Worse than the baseline",
    "The training has taken away more than it has given: its steps are too long, or its data too few or too different "
    "from the validation images.",
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
    is_first = len(history.trained) == 1
    keep = best_checkpoint(history) if best.AP > baseline.AP else NOTHING
    better = f"{keep} ({best.result})" if keep else ""
    better = better or "No checkpoint of this run is better than the model that it began with"
    wait = f" AP often dips at first and comes back: {more_epochs(history)}." if is_first else ""
    return Finding(
        level=Level.WARNING if lost >= 0.05 or (twice >= 0.02 and not is_first) else None,
        cause="The training has taken away more than it has given: its steps are too long, as the loss says too."
        if rises and slower(history.config)
        else None,
        evidence=f"{last.result}, baseline {percent(baseline.AP)}: {100 * lost:.1f} points lower{worse}"
        f"{blame(history.config)}.",
        advice=f"{better}.{wait} For the next run: {gentler(history.config)}.",
        changes=together(gentler(history.config), keep),
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
    if len(history.trained) < 3 or not all(e.AP < KNOWS for e in history.trained[-3:]):
        return None
    if predicts_nothing.find(history) or below_baseline.find(history):  # which say more
        return None
    last, config = history.trained[-1], history.config
    is_always = all(e.AP < KNOWS for e in history.trained)
    since = f"for {len(history.trained)} evaluations" if is_always else "in the last three evaluations"
    evidence = f"{last.result}, below 1 {since}; {history.class_loss.val.tag} {digits(last.loss_class)}, "
    evidence += f"{LOSS_BBOX.val.tag} {digits(last.loss_bbox)}"
    if config.model == RANDOM_MODEL:
        return Finding(
            level=Level.INFO,
            cause="A DETR that starts from nothing learns late where its boxes are: after tens of thousands of steps.",
            evidence=f"{evidence}.",
            advice=f"Take a trained {named('model')}.",
        )
    raised = quicker(config, "lr") or quicker(config, "lr_head")
    longer = more_epochs(history)
    changed = str(slower(config)) or (f"set {raised}" if raised else "")
    advice = f"For the next run: {changed}." if changed else f"It may still come: {longer}."
    changes = together(slower(config) or raised or longer)
    return Finding(evidence=f"{evidence}{blame(history.config)}.", advice=advice, changes=changes)


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
    raised, longer = quicker(history.config, "lr_head"), more_epochs(history)
    return Finding(
        level=Level.WARNING if history.trained[-1].epoch > 3 else None,
        title=f"Never predicted: {listed}",
        evidence=f"No prediction with a score of at least {COUNTED_SCORE} in the last {times} evaluations"
        + (f"; AP from lower scores: {', '.join(aps)}." if aps else "."),
        advice="See in the gallery what their objects are taken for, and add images with these classes. Rare classes "
        f"come late: {f'a longer step of the heads may help, set {raised}' if raised else longer}.",
        changes=together(raised or longer),
    )


@rule(
    "misplaced_boxes",
    Level.INFO,
    "Right classes, badly placed boxes",
    "Which class it is, the model learns quickly from what it sees; where its edges are, only slowly.",
)
def misplaced_boxes(history: History) -> Finding | None:
    """Look for a class loss that has fallen by a quarter, a loss_bbox by less than a fifth of that, and loose boxes.

    Loose: AP75 is below 0.6 of AP50; it is 0.71 for DETR-R50 on COCO, whose boxes hardly improve because they are good.
    The demo's loss_bbox falls by 0.7 of loss_ce's share.
    """
    if len(history.trained) < 3:
        return None
    first, last = history.evaluations[0], history.trained[-1]
    two = history.trained[-2:]
    ce = fall(first.loss_class, mean([e.loss_class for e in two]))
    bbox = fall(first.loss_bbox, mean([e.loss_bbox for e in two]))
    if not (ce >= 0.25 and bbox < 0.2 * ce) or last.AP75 >= 0.6 * last.AP50:
        return None
    config = history.config
    # a small model knows small images only
    larger = not is_for_small_model(config) and config.shortest_edge < USUAL_EDGE <= config.longest_edge
    edge = change(config, "shortest_edge", USUAL_EDGE) if larger else NOTHING
    thaw = change(config, "freeze", "stem") if config.freeze == "backbone" else NOTHING
    changes = f"Set {', or '.join(str(one) for one in (edge, thaw) if one)}. " if edge or thaw else ""
    longer = more_epochs(history)
    return Finding(
        evidence=f"{history.class_loss.val.tag} fell from {digits(first.loss_class)} to {digits(last.loss_class)}, "
        f"{LOSS_BBOX.val.tag} went from {digits(first.loss_bbox)} to {digits(last.loss_bbox)}; "
        f"AP50 {percent(last.AP50)}, AP75 {percent(last.AP75)}.",
        advice=f"{changes}Boxes come late: {longer}.",
        changes=together(edge or thaw or longer),
    )


EVALUATION_RULES: tuple[Rule, ...] = (
    predicts_nothing,
    below_baseline,
    ap_near_zero,
    class_never_predicted,
    misplaced_boxes,
)
