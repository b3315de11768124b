"""One model with different inputs, larger, smaller or in tiles: what each gains, and what it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.charts.chart import Chart

SHOWN = {"AP": ("circle", "@1"), "APs": ("diamond", "@2")}  # a figure's mark and colour
WIDE = 4  # times as long as the quickest: then the axis is logarithmic
TICKS = [digit * 10**power for power in range(6) for digit in (1, 2, 5)]  # milliseconds


@dataclass(frozen=True)
class Tried:
    """An evaluation of the model with one input.

    words         how it saw the images
    figures       COCO's by name, in [0, 1], None where they are undefined
    milliseconds  for an image, reading included; None if that was not measured
    """

    words: str
    figures: dict[str, float | None]
    milliseconds: float | None


def inputs_chart(tried: Sequence[Tried], images: int) -> Chart:
    """Draw AP, and APs of small objects, over the time that an image takes; those without a time are left out.

    images  on how many it was evaluated
    """
    timed = sorted((one for one in tried if one.milliseconds), key=lambda one: one.milliseconds or 0.0)
    times = [one.milliseconds or 0.0 for one in timed]
    is_wide = bool(times) and times[-1] > WIDE * times[0]
    return Chart(
        key="inputs",
        title="What each input gains, and what it takes",
        note=_note(timed),
        n=images,
        unit="images",
        traces=[_trace(name, timed) for name in SHOWN if any(one.figures.get(name) is not None for one in timed)],
        layout={
            "xaxis": {
                "title": {"text": "milliseconds an image"},
                **({"type": "log", "tickvals": TICKS, "ticktext": [f"{tick:,}" for tick in TICKS]} if is_wide else {}),
            },
            "yaxis": {"title": {"text": "percent"}},
            "legend": {"orientation": "h", "y": 1.12},
        },
        columns=("input", *SHOWN, "milliseconds"),
        rows=[(one.words, *(one.figures.get(name) for name in SHOWN), one.milliseconds) for one in timed],
        height=380,
        wide=True,
    )


def _trace(name: str, timed: Sequence[Tried]) -> dict:
    symbol, color = SHOWN[name]
    points = [(one, value) for one in timed if (value := one.figures.get(name)) is not None]
    return {
        "type": "scatter", "mode": "markers+text", "name": name,
        "x": [one.milliseconds for one, _ in points], "y": [100 * value for _, value in points],
        "text": [one.words if name == "AP" else "" for one, _ in points], "textposition": "top center",
        "marker": {"size": 10, "symbol": symbol, "color": color},
        "hovertext": [f"{one.words}: {name} {100 * value:.1f}, {one.milliseconds:.0f} ms" for one, value in points],
        "hoverinfo": "text", "cliponaxis": False,
    }  # fmt: skip


def _note(timed: Sequence[Tried]) -> str:
    """Return which input finds small objects best, and at what price beside the quickest."""
    known = [(one, value) for one in timed if (value := one.figures.get("APs")) is not None]
    if len(known) < 2:
        return "One point for each input: upwards is better, to the left quicker."
    best, value = max(known, key=lambda pair: pair[1])
    quickest, before = known[0]
    if best is quickest or not (best.milliseconds and quickest.milliseconds):
        return f"Small objects are found best with the quickest input, {best.words}: APs {100 * value:.1f}."
    times = best.milliseconds / quickest.milliseconds
    return (
        f"Small objects are found best with {best.words}: APs {100 * value:.1f}, {100 * (value - before):+.1f} points "
        f"beside {quickest.words}, for {times:.1f} times the time."
    )
