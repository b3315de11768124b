"""Scores against what they are worth, as charts: a reliability diagram, and the calibration error of each class.

A click opens the predictions from a bar's score on, or of its class.
"""

from __future__ import annotations

import math

from core.charts.chart import Chart, grey_if_few
from core.datasets.split import FEW
from core.evaluation.defined import defined
from core.evaluation.findings.calibration import Bin, Calibration, Reliability
from core.evaluation.selection import LOWEST_SCORE, Selection

CONFIDENT = 0.5
NOTHING = "There is no prediction that counts."


def reliability(calibration: Calibration) -> Chart:
    """Draw the share right in each bin of the score against the diagonal, and below how many predictions that is."""
    part, classes = calibration.total, _classes(calibration)
    middle, width = [(b.lower + b.upper) / 2 for b in part.bins], [0.094 for _ in part.bins]
    common = {
        "type": "bar",
        "x": middle,
        "width": width,
        "hovertext": [_said(b) for b in part.bins],
        "hoverinfo": "text",
        "customdata": [_query(max(b.lower, LOWEST_SCORE), classes) if b.n else None for b in part.bins],
    }
    shares = common | {
        "name": "right",
        "y": [None if b.right is None else 100 * b.right for b in part.bins],
        "marker": {"color": [grey_if_few(b.n) for b in part.bins]},
    }
    diagonal = {
        "type": "scatter",
        "mode": "lines",
        "name": "score = share right",
        "x": [0, 1],
        "y": [0, 100],
        "line": {"color": "@text", "dash": "dot", "width": 1.5},
        "hoverinfo": "skip",
    }
    numbers = common | {
        "name": "predictions",
        "showlegend": False,
        "y": [b.n or None for b in part.bins],
        "yaxis": "y2",
        "marker": {"color": "@1", "opacity": 0.5},
    }
    return Chart(
        "calibration",
        "Reliability diagram",
        _note(calibration),
        part.n,
        "predictions",
        [shares, diagonal, numbers],
        {
            "xaxis": {"title": "Score", "range": [0, 1], "dtick": 0.1, "anchor": "y2"},
            "yaxis": {"title": "Right, %", "range": [0, 100], "domain": [0.36, 1]},
            "yaxis2": {"title": "Number", "type": "log", "domain": [0, 0.24], "dtick": 1, "range": _decades(part)},
            "bargap": 0,
            "barmode": "overlay",
        },
        ("score_from", "score_to", "predictions", "mean_score", "share_right"),
        [(b.lower, b.upper, b.n, b.score, b.right) for b in part.bins],
        height=380,
        click="Click to see the predictions from a bar's score on",
    )


def ece_by_class(calibration: Calibration) -> Chart:
    """Draw the expected calibration error of each class that is predicted, the worst first."""
    judged = [part for part in calibration.by_class if part.ece is not None]
    parts = sorted(judged, key=lambda part: -defined(part.ece))
    trace = {
        "type": "bar",
        "orientation": "h",
        "y": [part.name for part in parts],
        "x": [part.ece for part in parts],
        "text": [f"{part.ece:.3f} · {part.n:,}" for part in parts],
        "textposition": "outside",
        "cliponaxis": False,
        "hovertext": [_said_of_class(part) for part in parts],
        "hoverinfo": "text",
        "customdata": [_query(LOWEST_SCORE, (defined(part.name),)) for part in parts],
        "marker": {"color": [grey_if_few(part.n) for part in parts]},
    }
    says = (
        "ECE is the mean gap between a score and the share that is right; 0 is best. Beside it the number of "
        "predictions of every score."
    )
    if any(part.n < FEW for part in parts):
        says += f" Grey: fewer than {FEW}."
    return Chart(
        "calibration-by-class",
        "Calibration error by class",
        calibration.note or (says if parts else NOTHING),
        calibration.total.n,
        "predictions",
        [trace],
        {
            "xaxis": {"title": "ECE", "rangemode": "tozero"},
            "yaxis": {"autorange": "reversed", "dtick": 1, "showgrid": False},
            "margin": {"r": 110},
        },
        ("class", "ECE", "MCE", "predictions"),
        [(part.name, part.ece, part.mce, part.n) for part in parts],
        height=90 + 24 * max(len(parts), 3),
        click=f"Click to see the predictions from score {LOWEST_SCORE:g}",
    )


def _classes(calibration: Calibration) -> tuple[str, ...]:
    """Return the classes to restrict a link to: those chosen, or the only one that is predicted; none if all count."""
    predicted = tuple(defined(part.name) for part in calibration.by_class if part.n)
    return calibration.classes or (predicted if len(predicted) == 1 else ())


def _note(calibration: Calibration) -> str:
    total = calibration.total
    if not total.bins:
        return calibration.note or NOTHING
    says = (
        f"Is a score what it says? Below the line scores promise too much, above it too little; ECE is {total.ece:.3f}."
    )
    sure = total.from_score(CONFIDENT)
    if sure.n:
        says += (
            f" From score {CONFIDENT:g} on, {100 * defined(sure.right):.0f} % of {_predictions(sure.n)} "
            f"{'is' if sure.n == 1 else 'are'} right, at a mean score of {sure.score:.2f}."
        )
    grey = f" Grey: fewer than {FEW}." * any(0 < b.n < FEW for b in total.bins)
    return f"{says}{grey}"


def _decades(part: Reliability) -> list[float]:
    """Return the range of a logarithmic axis on which a bar of 1 is seen, and at least one number stands."""
    return [-0.3, math.log10(max((b.n for b in part.bins), default=1)) + 0.2]


def _said(part: Bin) -> str:
    if not part.n:
        return ""
    return (
        f"Score {part.lower:g} to {part.upper:g}: {_predictions(part.n)}\n"
        f"{100 * defined(part.right):.1f} % right, mean score {part.score:.3f}"
    )


def _said_of_class(part: Reliability) -> str:
    text = f"{part.name}: ECE {part.ece:.4f}, largest gap of a bin {part.mce:.3f}\n{_predictions(part.n)}"
    sure = part.from_score(CONFIDENT)
    if sure.n:
        right = 100 * defined(sure.right)
        text += f"; from score {CONFIDENT:g} {sure.n:,}: {right:.1f} % right, mean score {sure.score:.3f}"
    return text


def _predictions(n: int) -> str:
    return f"{n:,} {'prediction' if n == 1 else 'predictions'}"


def _query(score: float, classes: tuple[str, ...]) -> dict:
    return Selection(score, classes).to_query()
