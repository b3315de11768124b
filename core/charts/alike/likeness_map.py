"""A map of a run's boxes on which those that the model sees alike are near each other, coloured by verdict.

In: a detection table with its states, and the score. Out: a chart. A click on a point opens what is most like its box;
an area that is drawn opens its boxes: `opened_by` says as which query of Errors.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core.charts.chart import Chart
from core.evaluation.alike.box_name import MOST_NAMED, BoxName, join_names
from core.evaluation.alike.layout import lay_out, spread_out
from core.evaluation.alike.likeness import Likeness, listed_boxes
from core.evaluation.columns import Ids
from core.evaluation.selection import Selection
from core.evaluation.table import ERROR_TYPES, flags, floats, indices, table_metadata
from core.evaluation.threshold import error_codes

LIKE, AREA = "like", "area"  # in what a click opens: a box, and what was drawn around
CORRECT, CROWD = "Correct", "Only a crowd"
# colour and symbol of each error type, in their order: "@3" is nearly what is correct
MARKS = (("@1", "diamond"), ("@2", "square"), ("@text", "x"), ("@4", "cross"), ("@5", "triangle-up"), ("@6", "star"))
HEIGHT = 640


@dataclass(frozen=True)
class Layout:
    """The boxes of a map.

    rows    (N,)    of the detection table
    places  (N, 2)
    of      how many boxes have a state at this score; `rows` are all of them, or of each verdict as many
    stateless  how many boxes of this score have none
    """

    rows: Ids
    places: npt.NDArray[np.float32]
    of: int
    stateless: int


def layout_of(likeness: Likeness, score: float) -> Layout:
    """Lay out the boxes of all predictions from `score` on, and of missed objects; takes some seconds."""
    table = likeness.table
    names = dict.fromkeys(table_metadata(table).image_ids, "")
    listed = listed_boxes(table, Selection(score), names)
    counted = listed[~flags(table, "iscrowd")[listed]]
    rows = counted[likeness.places[counted] >= 0]
    shown = rows[spread_out(verdicts_of(likeness, rows, score))]
    places = lay_out(likeness.states.values[likeness.places[shown]])
    return Layout(shown, places, len(rows), len(counted) - len(rows))


def verdicts_of(likeness: Likeness, rows: Ids, score: float) -> npt.NDArray[np.integer]:
    """Return each row's error type at a score as an index into ERROR_TYPES; -1: correct, -2: it fits only a crowd."""
    codes = error_codes(likeness.table, score)[rows]
    return np.where((codes < 0) & flags(likeness.table, "crowd_only")[rows], -2, codes)


def map_chart(likeness: Likeness, layout: Layout, score: float, classes: Collection[str] | None) -> Chart:
    """Draw the boxes of some classes (None: of all) where they lie."""
    table, names = likeness.table, table_metadata(likeness.table).classes
    label = indices(table, "class_name", names)[layout.rows]
    is_chosen = np.array([classes is None or name in classes for name in names])[label]
    rows, places = layout.rows[is_chosen], layout.places[is_chosen]
    verdicts, scores = verdicts_of(likeness, rows, score), floats(table, "score")[rows]
    boxes = likeness.names_of(rows)
    words = [names[i] for i in label[is_chosen].tolist()]
    traces = []
    for code, (title, color, symbol) in _verdicts().items():
        of_verdict = np.flatnonzero(verdicts == code).tolist()
        if of_verdict:
            traces.append({
                "type": "scatter", "mode": "markers", "name": f"{len(of_verdict):,} · {title}",
                "x": places[of_verdict, 0], "y": places[of_verdict, 1],
                "text": [_words(words[i], scores[i], title) for i in of_verdict],
                "customdata": [{LIKE: str(boxes[i])} for i in of_verdict],
                "hovertemplate": "%{text}<extra></extra>",
                "marker": {"color": color, "symbol": symbol, "size": 7, "opacity": 0.4 if code < 0 else 0.85},
            })  # fmt: skip
    axis = {"showticklabels": False, "showgrid": False, "zeroline": False, "showline": False, "ticks": ""}
    return Chart(
        "likeness-map",
        "Boxes by likeness",
        "Each point is a box; those near each other look alike to the model, while directions and long ways mean "
        f"nothing. Predictions from score {score:g}, and missed objects.{_left_out(layout)}",
        len(rows),
        "boxes",
        traces,
        {"xaxis": dict(axis), "yaxis": {**axis, "scaleanchor": "x"}, "dragmode": "lasso", "hovermode": "closest"},
        ("image", "box", "class", "score", "verdict", "x", "y"),
        [
            (box.image_id, f"{box.kind} {box.number}", name, None if np.isnan(s) else float(s), title, x, y)
            for box, name, s, title, (x, y) in zip(
                boxes, words, scores, [_verdicts()[code][0] for code in verdicts.tolist()], places.tolist(), strict=True
            )
        ],
        HEIGHT,
        wide=True,
        click="Draw around an area to see its boxes; click a box for those most like it",
    )


def _verdicts() -> dict[int, tuple[str, str, str]]:
    """Return each verdict's words, colour and symbol."""
    errors = {i: (kind.label, *MARKS[i]) for i, kind in enumerate(ERROR_TYPES)}
    return {-1: (CORRECT, "@good", "circle"), **errors, -2: (CROWD, "@grey", "circle")}


def _words(name: str, score: float, verdict: str) -> str:
    return f"{name} · {'no prediction' if np.isnan(score) else f'score {score:.2f}'}\n{verdict}"


def _left_out(layout: Layout) -> str:
    """Say which boxes are not on the map."""
    words = ""
    if len(layout.rows) < layout.of:
        words += f" Of {layout.of:,} boxes {len(layout.rows):,} are drawn, of rare verdicts all."
    if layout.stateless:
        words += f" {layout.stateless:,} boxes are not on it, because no state of them is kept."
    return words


def opened_by(target: Mapping[str, Any]) -> dict[str, str]:
    """Return the query of Errors that a click on the map opens; nothing of what is no box."""
    if AREA not in target:
        box = BoxName.from_text(str(target.get(LIKE)))
        return {"like": str(box)} if box else {}
    texts = [str(point.get(LIKE)) for point in target[AREA] if isinstance(point, Mapping)]
    boxes = [box for box in map(BoxName.from_text, texts) if box]
    if len(boxes) > MOST_NAMED:
        boxes = [boxes[i] for i in np.linspace(0, len(boxes) - 1, MOST_NAMED).round().astype(int).tolist()]
    return {"among": join_names(boxes)} if boxes else {}
