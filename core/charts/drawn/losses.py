"""A run's class loss and box loss as pictures: training and validation over the steps.

In: the curves of a run. Out: a picture of each of the two, None where nothing of it is recorded.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from core.charts.drawn.line_chart import Line, line_chart
from core.charts.training import smooth
from core.metrics import CLASS_LOSSES, LOSS_BBOX, Loss

BLUE, PALE, ORANGE = (31, 98, 189), (186, 208, 238), (222, 104, 16)
FEW = 60  # steps: the line of so few is drawn as it is
MOST_POINTS = 1000  # of a line: of more steps, each is a mean, or the lowest and the highest of several
SPIKES = 99.5  # percent of the steps that a chart shows whole; the highest are cut off
TAGS = tuple(metric.tag for loss in (*CLASS_LOSSES, LOSS_BBOX) for metric in (loss.train, loss.val))
Curve = tuple[np.ndarray, np.ndarray]  # steps, and values, NaN for what is not finite


def loss_pictures(curves: dict[str, Curve], name: str) -> dict[str, Image.Image]:
    """Return the pictures by their name, "loss_ce" and "loss_bbox"; one of which nothing is recorded is missing.

    curves  by tag, of TAGS
    name    of the run, for the title

    loss_ce shows the class loss that the model has, whichever it is.
    """
    recorded = [loss for loss in CLASS_LOSSES if _has_points(curves, loss)][:1]
    pairs = [("loss_ce", loss) for loss in recorded] + [("loss_bbox", LOSS_BBOX)]
    return {key: _picture(curves, loss, name) for key, loss in pairs if _has_points(curves, loss)}


def _has_points(curves: dict[str, Curve], loss: Loss) -> bool:
    return any(np.isfinite(_curve(curves, tag)[1]).any() for tag in (loss.train.tag, loss.val.tag))


def _curve(curves: dict[str, Curve], tag: str) -> Curve:
    nothing = np.zeros(0)
    return curves.get(tag, (nothing, nothing))


def _finite(curve: Curve) -> Curve:
    x, y = np.asarray(curve[0], dtype=np.float64), np.asarray(curve[1], dtype=np.float64)
    kept = np.isfinite(y)
    return x[kept], y[kept]


def _picture(curves: dict[str, Curve], loss: Loss, name: str) -> Image.Image:
    """Return the chart of one loss, of which at least one point is there."""
    x, y = _finite(_curve(curves, loss.train.tag))
    val_x, val_y = _finite(_curve(curves, loss.val.tag))
    lines = [Line(x, y, BLUE, "training")]
    if len(x) > FEW:
        lines = [Line(*_range(x, y), PALE, width=1), Line(*_smoothed(x, y), BLUE, "training, smoothed")]
    lines.append(Line(val_x, val_y, ORANGE, "validation", marked=True))
    lines = [line for line in lines if len(line.x)]
    top = float(np.concatenate([np.percentile(y, [SPIKES]) if len(y) else y, val_y]).max())
    return line_chart(f"{loss.label} · {name}", lines, "step", "loss", top)


def _range(x: np.ndarray, y: np.ndarray) -> Curve:
    """Return at most MOST_POINTS points that show how far the values reach: of each stretch the lowest and highest."""
    if len(x) <= MOST_POINTS:
        return x, y
    starts = np.linspace(0, len(x), MOST_POINTS // 2, endpoint=False).astype(int)
    ends = np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)
    return np.repeat(x[starts], 2), np.column_stack(ends).ravel()


def _smoothed(x: np.ndarray, y: np.ndarray) -> Curve:
    """Return at most MOST_POINTS points of the smoothed line: each the mean of as many steps."""
    starts = np.linspace(0, len(x), min(len(x), MOST_POINTS), endpoint=False).astype(int)
    counts = np.diff([*starts.tolist(), len(x)])
    means = np.add.reduceat(y, starts) / counts
    return np.add.reduceat(x, starts) / counts, np.array(smooth(means.tolist()))
