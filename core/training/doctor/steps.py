"""The rules over training steps, and their list. The docstring of each says when it holds and why there."""

from __future__ import annotations

import math

from core.config import RANDOM_MODELS
from core.metrics import GPU_BUSY, GRAD_NORM, LOSS, LR, LR_BACKBONE, WAIT
from core.training.doctor.advice import (
    NOTHING,
    PRESET_SETTINGS,
    blame,
    change,
    gentler,
    named,
    nearest_preset,
    quicker,
    slower,
    together,
)
from core.training.doctor.history import WINDOW, History, deviation, mean, median
from core.training.doctor.rule import Finding, Rule, rule
from core.training.remark import Level

MOST_NAMED = 12  # images of a step that was left out


@rule(
    "not_finite",
    Level.CRITICAL,
    "The loss was not a finite number",
    "The steps were so long that the weights ran away, or an image or its boxes are broken.",
)
def not_finite(history: History) -> Finding | None:
    """Look for a loss or gradient that was NaN or infinite, or a step left out for it; it stays said: it is an event.

    Up to three such steps, or one in a hundred, that were all left out did no harm: a warning. A gradient alone does
    not count under fp16, whose loss scaling finds its scale that way.
    """
    if not history.not_finite:
        return None
    is_harmless = history.not_finite == history.skipped <= max(3, history.steps // 100)
    half = history.config.precision == "fp16"
    times = "once" if history.not_finite == 1 else f"{history.not_finite} times"
    images = history.skipped_images if history.skipped else ()
    listed = ", ".join(map(str, images[:MOST_NAMED])) + " …" * (len(images) > MOST_NAMED)
    of_images = f", the last one on the images {listed}" if images else ""
    too_fast = "" if half else blame(history.config)
    advice = f"Look at the boxes of {'these' if images else 'the'} images"
    advice += ". If they are sound: " if images else " that the run's message names. If they are sound: "
    sounder = change(history.config, "precision", "bf16") if half else gentler(history.config)
    advice += f"set {sounder}. " if half else f"{sounder}. "
    skip = change(history.config, "not_finite", "skip") if history.config.not_finite == "stop" else NOTHING
    if skip:
        advice += f"To leave out single steps like that, set {skip}. "
    return Finding(
        level=Level.WARNING if is_harmless else None,
        cause="fp16 holds no number above 65,504, and what exceeds it becomes infinite; a broken image or box does it "
        "too."
        if half
        else None,
        evidence=f"NaN or infinity {times} in {history.steps} steps, first at step {history.first_not_finite}, last at "
        f"step {history.last_not_finite}; steps left out: {history.skipped}{of_images}{too_fast}.",
        advice=advice + "A checkpoint from before stays usable.",
        step=history.first_not_finite,
        images=images,
        changes=together(sounder, skip),
    )


@rule(
    "learning_rate_too_high",
    Level.CRITICAL,
    "The learning rate is too high",
    "The optimizer's steps are so long that they throw away what the model knew instead of improving it.",
)
def learning_rate_too_high(history: History) -> Finding | None:
    """Look for a loss of the last 100 steps that is half as high again as it was, or a gradient norm ten times its own.

    As it was: over the best 100 steps so far, or for the baseline (the higher of its validation loss and the first
    step's), because a rate that is far too high ruins a trained model in its first step, before any good ones: at fifty
    times the demo's rate the loss went from 6.5 to 41.5. Validation images tell nothing of that if they have more
    images without objects than the training has. "Half as high again" holds beyond three standard errors of both means,
    so that neither noisy batches nor such without objects reach it; healthy runs fall. A norm ten times that of the
    calmest 100 steps counts only while the loss too is 20 % above its best: norms of a healthy run stay within a factor
    of two, and rise a little when the loss becomes small.
    """
    if len(history.loss) < WINDOW:
        return None
    now = mean(history.loss)
    low = now - 3 * deviation(history.loss) / math.sqrt(WINDOW)
    same_images = history.config.empty_share == 1
    baseline = max(history.baseline.loss, history.first_loss) if history.baseline and same_images else math.nan
    was = f"{LOSS.train.tag} was {now:.3g} over the last {WINDOW} steps, and"
    evidence = ""
    if low > 1.5 * baseline:
        evidence = f"{was} {baseline:.3g} for the baseline"
    elif low > 1.5 * history.best_loss:
        evidence = f"{was} below {history.best_loss:.3g} in the {WINDOW} up to step {history.best_step}"
    norm = median(history.grad_norm)
    explodes = norm > 10 * history.lowest_norm and low > 1.2 * history.best_loss
    if explodes:
        evidence += "; " * bool(evidence) + f"{GRAD_NORM.tag} is {norm:.3g}, and was {history.lowest_norm:.3g} once"
    if not evidence:
        return None
    config = history.config
    lower = slower(config)
    warm_up = NOTHING if config.warmup_steps else change(config, "warmup_steps", 100)
    warm = f"; a warm-up ({warm_up}) makes the beginning gentler" if warm_up else ""
    return Finding(
        title=None if lower else "The training has lost its way",
        cause=None
        if lower
        else "The optimizer's steps are too long for this model and these images, or some boxes are broken.",
        evidence=f"{evidence}{blame(config)}.",
        advice=f"Start again from the model, not from this run's checkpoint; {lower}{warm}."
        if lower
        else f"Start again from the model, not from this run's checkpoint; {gentler(config)}. Look at the boxes of the "
        "training images too.",
        changes=together(lower, warm_up) if lower else together(gentler(config)),
    )


@rule(
    "waiting_for_data",
    Level.WARNING,
    "The training waits for images",
    "Reading, decoding and resizing the images takes longer than learning from them.",
)
def waiting_for_data(history: History) -> Finding | None:
    """Look for more than 30 % of the time of the last 100 steps without an image to work on.

    Below that, a training could become faster by less than half; a whole window leaves out the slow first batch.
    """
    wait = mean(history.wait)
    if len(history.wait) < WINDOW or not wait > 0.30:
        return None
    config = history.config
    more = min(64, max(2, 2 * config.workers))
    edge = max(32, round(0.8 * config.shortest_edge))
    readers = change(config, "workers", more) if config.workers < 64 else NOTHING
    smaller = change(config, "shortest_edge", edge)
    steps = [f"Set {readers}, as far as the processor has cores"] if readers else []
    steps += [f"take smaller images ({smaller})", "keep the images on a local disk"]
    return Finding(
        cause=None if config.workers else "The training reads each image itself, and does nothing else meanwhile.",
        evidence=f"{WAIT.tag} was {wait:.2f} over the last {WINDOW} steps: {wait:.0%} of their time.",
        advice="; or ".join(steps) + ".",
        changes=together(readers or smaller),
    )


@rule(
    "gpu_idle",
    Level.WARNING,
    "The GPU is mostly idle",
    "Its work comes in pieces too small for it, or other work holds it up.",
)
def gpu_idle(history: History) -> Finding | None:
    """Look for a GPU that computed in less than half of the time of the last 100 steps, as the driver counts it.

    The driver counts any kernel as busy, so that even a training of many small kernels lies well above a half.
    """
    busy = mean(history.gpu_busy)
    if len(history.gpu_busy) < WINDOW or not busy < 0.5:
        return None
    config = history.config
    waits = waiting_for_data.find(history) is not None
    larger = change(config, "batch_size", min(512, 2 * config.likely_batch_size))
    half = change(config, "precision", "bf16") if config.precision == "fp32" else NOTHING
    precise = f", and {half}" if half else ""
    quick = change(config, "deterministic", False) if config.deterministic else NOTHING
    off = f" Set {quick}." if quick else ""
    return Finding(
        cause="It waits for images." if waits else None,
        evidence=f"{GPU_BUSY.tag} was {busy:.2f} over the last {WINDOW} steps"
        + (f", {WAIT.tag} {mean(history.wait):.2f}." if history.wait else "."),
        advice="Let images come faster first: see the remark on waiting for them."
        if waits
        else f"Set {larger}{precise} if the memory allows; {named('profile')} shows where the time goes.{off}",
        changes={} if waits else together(larger, half, quick),
    )


@rule(
    "backbone_rate",
    Level.INFO,
    "The backbone learns as fast as the transformer",
    "A trained backbone knows how to see; large steps make it forget that before the rest has learned.",
)
def backbone_rate(history: History) -> Finding | None:
    """Look for a trained backbone that learns as fast as the transformer, or faster.

    DETR's recipe has a tenth (1e-5 and 1e-4), and equal rates are a usual mistake; AP decides, so it is no warning. A
    preset's own pair of rates is no mistake: it was chosen by AP.
    """
    config = history.config
    pairs = {(preset.lr, preset.lr_backbone) for preset in PRESET_SETTINGS.values()}
    if (config.lr, config.lr_backbone) in pairs:
        return None
    learns = config.freeze != "backbone" and config.model not in RANDOM_MODELS
    if not (learns and history.lr_backbone >= history.lr > 0):
        return None
    _, preset = nearest_preset(config)
    is_lr_low = config.lr_backbone <= preset.lr_backbone and quicker(config, "lr")
    tenth = change(config, "lr_backbone", config.lr / 10)
    return Finding(
        title="The transformer learns no faster than the backbone" if is_lr_low else None,
        cause="The transformer's rate is far below the usual one, so that little is learned." if is_lr_low else None,
        evidence=f"{LR_BACKBONE.tag} is {history.lr_backbone:.3g}, {LR.tag} {history.lr:.3g}.",
        advice=f"Set {is_lr_low}." if is_lr_low else f"Set {tenth}: DETR's recipe gives it a tenth.",
        changes=together(is_lr_low or tenth),
    )


@rule(
    "always_clipped",
    Level.INFO,
    "Every gradient is clipped, as in DETR's recipe",
    "With the usual clip of 0.1 all gradients are cut to one length: the learning rate alone says how long a step is.",
)
def always_clipped(history: History) -> Finding | None:
    """Look for at least 95 of the last 100 gradients longer than the clip.

    That is the normal state of DETR's recipe: norms there are 10 to 100 with a clip of 0.1
    (facebookresearch/detr#198), and 80 to 160 in the demo, with single ones near 1,500 right after a far too high
    rate. Only 10,000 times the clip, for the median, is beyond all that.
    """
    clip = history.config.clip
    clipped = sum(norm > clip for norm in history.grad_norm)
    if not clip or len(history.grad_norm) < WINDOW or clipped < 0.95 * WINDOW:
        return None
    norm = median(history.grad_norm)
    evidence = f"{GRAD_NORM.tag} was above the clip of {clip:g} in {clipped} of the last {WINDOW} steps; its median is "
    evidence += f"{norm:.3g}."
    if norm <= 10_000 * clip:
        advice = f"Leave it so. For calmer or bolder steps change {named('lr')}, not {named('clip')}."
        return Finding(evidence=evidence, advice=advice)
    return Finding(
        level=Level.WARNING,
        title="Gradients are far longer than the clip",
        cause="Gradients this long come from a training that has lost its way, or from broken boxes.",
        evidence=evidence,
        advice=f"Look at the boxes in the pre-flight's picture. If they are sound: {gentler(history.config)}.",
        changes=together(gentler(history.config)),
    )


STEP_RULES: tuple[Rule, ...] = (
    not_finite,
    learning_rate_too_high,
    waiting_for_data,
    gpu_idle,
    backbone_rate,
    always_clipped,
)
