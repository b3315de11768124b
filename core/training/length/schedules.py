"""What changes from step to step by a schedule: the learning rates, and the decay of the weights' average."""

from __future__ import annotations

import math

from core.config import TrainConfig


def learning_rate_factor(step: int, steps: int, config: TrainConfig) -> float:
    """Return by what the learning rates are multiplied at `step` (from 0) of `steps`."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    if config.schedule == "step":
        return 0.1 if step >= 0.8 * steps else 1.0
    if config.schedule == "cosine":
        done = (step - config.warmup_steps) / max(1, steps - config.warmup_steps)
        return 0.5 * (1 + math.cos(math.pi * done))
    return 1.0


def ema_decay(most: float, updates: int) -> float:
    """Return the decay with which an average takes in weights, having taken in others `updates` times before.

    It begins small, so that an average does not hang on the first weights, and is `most` once that is smaller than
    (1 + updates) / (10 + updates): the average spans about a ninth of all steps, however long the training is.
    Source: tf.train.ExponentialMovingAverage, num_updates. RF-DETR's most · (1 − e^(−updates / 100)) does the same, but
    spans a hundred steps of any training, long or short.
    """
    return min(most, (1 + updates) / (10 + updates))
