"""The rules over training steps: each takes the Record and gives its Remark, or None if nothing is the matter."""

from __future__ import annotations

import math

from core.config import PRESETS, RANDOM_MODEL, Preset
from core.training.doctor.advice import change, named, slower
from core.training.doctor.record import WINDOW, Record, deviation, mean, median
from core.training.progress import Remark


def not_finite(record: Record) -> Remark | None:
    """A loss or gradient was NaN or infinite, or a step was left out for it; stays said, for it is an event.

    Up to three such steps, or one in a hundred, that were all left out did no harm: a warning. A gradient alone does
    not count under fp16, whose loss scaling finds its scale that way.
    """
    if not record.spoiled:
        return None
    harmless = record.spoiled == record.skipped <= max(3, record.steps // 100)
    half = record.config.precision == "fp16"
    times = "once" if record.spoiled == 1 else f"{record.spoiled} times"
    advice = "Look at the boxes of the images that the run's message names. If they are sound: "
    advice += f"set {change(record.config, 'precision', 'bf16')}. " if half else slower(record.config) + ". "
    if record.config.not_finite == "stop":
        advice += f"To leave out single steps like that, set {change(record.config, 'not_finite', 'skip')}. "
    return Remark(
        "not_finite",
        "warning" if harmless else "critical",
        "The loss was not a finite number",
        "fp16 holds no number above 65,504, and what exceeds it becomes infinite; a broken image or box does it too."
        if half
        else "The steps were so long that the weights ran away, or an image or its boxes are broken.",
        f"NaN or infinity {times} in {record.steps} steps, first at step {record.first_spoiled}, last at step "
        f"{record.last_spoiled}; steps left out: {record.skipped}.",
        advice + "A checkpoint from before stays usable.",
        record.first_spoiled,
    )


def learning_rate_too_high(record: Record) -> Remark | None:
    """The loss of the last 100 steps is half as high again as it was, or the gradient's norm ten times its own.

    As it was: over the best 100 steps so far, or for the untouched model (the higher of its validation loss and the
    first step's), because a rate that is far too high ruins a trained model in its first step, before any good ones:
    at fifty times the demo's rate the loss went from 6.5 to 41.5. Validation images tell nothing of that if they have
    more images without objects than the training has. "Half as high again" holds beyond three standard errors of both
    means, so that neither noisy batches nor such without objects reach it; healthy runs fall. A norm ten times that of
    the calmest 100 steps counts only while the loss too is 20 % above its best: norms of a healthy run stay within a
    factor of two, and rise a little when the loss becomes small.
    """
    if len(record.loss) < WINDOW:
        return None
    now = mean(record.loss)
    low = now - 3 * deviation(record.loss) / math.sqrt(WINDOW)
    same_images = record.baseline is not None and record.config.empty_share == 1
    untouched = max(record.baseline.loss, record.first_loss) if same_images else math.nan
    evidence = ""
    if low > 1.5 * untouched:
        evidence = f"train/loss was {now:.3g} over the last {WINDOW} steps, and {untouched:.3g} for the untouched model"
    elif low > 1.5 * record.best_loss:
        best = f"below {record.best_loss:.3g} in the {WINDOW} up to step {record.best_step}"
        evidence = f"train/loss was {now:.3g} over the last {WINDOW} steps, and {best}"
    norm = median(record.grad_norm)
    explodes = norm > 10 * record.calm_norm and low > 1.2 * record.best_loss
    if explodes:
        evidence += "; " * bool(evidence) + f"train/grad_norm is {norm:.3g}, and was {record.calm_norm:.3g} once"
    if not evidence:
        return None
    gentler = f"; a warm-up ({change(record.config, 'warmup_steps', 100)}) makes the beginning gentler"
    warm = "" if record.config.warmup_steps else gentler
    return Remark(
        "learning_rate_too_high",
        "critical",
        "The learning rate is too high",
        "The optimizer's steps are so long that they throw away what the model knew instead of improving it.",
        evidence + f"; {named('lr')} is {record.config.lr:g}.",
        f"Stop, and start again from the model, not from this run's checkpoint: {slower(record.config)}{warm}.",
        record.step,
    )


def waiting_for_data(record: Record) -> Remark | None:
    """More than 30 % of the time of the last 100 steps went by without an image to work on.

    Below that, a training could become faster by less than half; a whole window leaves out the slow first batch.
    """
    wait = mean(record.wait)
    if len(record.wait) < WINDOW or not wait > 0.30:
        return None
    config = record.config
    more = min(64, max(2, 2 * config.workers))
    edge = max(32, round(0.8 * config.shortest_edge))
    steps = [f"Set {change(config, 'workers', more)}, as far as the processor has cores"] if config.workers < 64 else []
    steps += [f"take smaller images ({change(config, 'shortest_edge', edge)})", "keep the images on a local disk"]
    return Remark(
        "waiting_for_data",
        "warning",
        "The training waits for images",
        "Reading, decoding and resizing the images takes longer than learning from them."
        if config.workers
        else "The training reads each image itself, and does nothing else meanwhile.",
        f"train/wait was {wait:.2f} over the last {WINDOW} steps: {wait:.0%} of their time.",
        "; or ".join(steps) + ".",
        record.step,
    )


def gpu_idle(record: Record) -> Remark | None:
    """The GPU computed in less than half of the time of the last 100 steps, as the driver counts it.

    The driver counts any kernel as busy, so that even a training of many small kernels lies well above a half.
    """
    busy = mean(record.gpu_busy)
    if len(record.gpu_busy) < WINDOW or not busy < 0.5:
        return None
    config = record.config
    waits = waiting_for_data(record) is not None
    larger = change(config, "batch_size", min(512, 2 * config.batch_size))
    precise = f", and {change(config, 'precision', 'bf16')}" if config.precision == "fp32" and not waits else ""
    off = f" Set {change(config, 'deterministic', False)}." if config.deterministic else ""
    return Remark(
        "gpu_idle",
        "warning",
        "The GPU is mostly idle",
        "It waits for images." if waits else "Its work comes in pieces too small for it, or other work holds it up.",
        f"train/gpu_busy was {busy:.2f} over the last {WINDOW} steps"
        + (f", train/wait {mean(record.wait):.2f}." if record.wait else "."),
        "Let images come faster first: see the remark on waiting for them."
        if waits
        else f"Set {larger}{precise} if the memory allows; {named('profile')} shows where the time goes.{off}",
        record.step,
    )


def backbone_rate(record: Record) -> Remark | None:
    """The backbone learns as fast as the transformer, or faster, though it comes trained.

    DETR's recipe has a tenth (1e-5 and 1e-4), and equal rates are a usual mistake; AP decides, so it is no warning. A
    preset's own pair of rates is no mistake: it was chosen by AP.
    """
    config = record.config
    if any((own.lr, own.lr_backbone) == (config.lr, config.lr_backbone) for own in map(Preset.apply, PRESETS.values())):
        return None
    learns = config.freeze != "backbone" and config.model != RANDOM_MODEL
    if not (learns and record.lr_backbone >= record.lr > 0):
        return None
    return Remark(
        "backbone_rate",
        "info",
        "The backbone learns as fast as the transformer",
        "A trained backbone knows how to see; large steps make it forget that before the rest has learned.",
        f"train/lr_backbone is {record.lr_backbone:.3g}, train/lr {record.lr:.3g}.",
        f"Set {change(config, 'lr_backbone', config.lr / 10)}: DETR's recipe gives it a tenth.",
        record.step,
    )


def always_clipped(record: Record) -> Remark | None:
    """At least 95 of the last 100 gradients were longer than the clip.

    That is the normal state of DETR's recipe: norms there are 10 to 100 with a clip of 0.1
    (facebookresearch/detr#198), and 80 to 160 in the demo, with single ones near 1,500 right after a far too high
    rate. Only 10,000 times the clip, for the median, is beyond all that.
    """
    clip = record.config.clip
    if not clip or len(record.grad_norm) < WINDOW or sum(n > clip for n in record.grad_norm) < 0.95 * WINDOW:
        return None
    norm = median(record.grad_norm)
    wild = norm > 10_000 * clip
    return Remark(
        "always_clipped",
        "warning" if wild else "info",
        "Gradients are far longer than the clip" if wild else "Every gradient is clipped, as in DETR's recipe",
        "Gradients this long come from a training that has lost its way, or from broken boxes."
        if wild
        else "With the usual clip of 0.1 all gradients are cut to one length: the learning rate alone says how long a "
        "step is.",
        f"train/grad_norm was above the clip of {clip:g} in {sum(n > clip for n in record.grad_norm)} of the last "
        f"{WINDOW} steps; its median is {norm:.3g}.",
        f"Look at the boxes in the pre-flight's picture. If they are sound: {slower(record.config)}."
        if wild
        else f"Leave it so. For calmer or bolder steps change {named('lr')}, not {named('clip')}.",
        record.step,
    )
