"""A matrix as Plotly's heat map: `heatmap` makes the trace of which every chart with cells is made.

In: what the rows and columns are called, and a `Cell` for each pair. Out: a trace; the chart around it is the caller's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Cell:
    """One cell.

    value  what colours it, between the scale's ends; None leaves it out
    hover  what the pointer is told
    text   written into it
    query  what a click opens (`Selection.to_query()`); None: nothing
    """

    value: float | None
    hover: str
    text: str = ""
    query: dict[str, Any] | None = None


def heatmap(
    rows: Sequence[Any], columns: Sequence[Any], cells: Sequence[Sequence[Cell]], low: float, high: float,
    scale: str = "@scale", has_text: bool = True, is_clickable: bool = True, **more: Any,
) -> dict[str, Any]:  # fmt: skip
    """Return the trace of a matrix.

    rows, columns  their names, or their places as numbers
    cells          of each row, one for each column
    low, high      the values at the ends of the colour scale
    scale          "@scale" from the background to strong, "@diverging" from bad over the background to good
    more           Plotly's further keys of a heat map; it replaces those made here
    """
    trace = {
        "type": "heatmap",
        "x": list(columns),
        "y": list(rows),
        "z": [[cell.value for cell in row] for row in cells],
        "hovertext": [[cell.hover for cell in row] for row in cells],
        "hoverinfo": "text",
        "colorscale": scale,
        "zmin": low,
        "zmax": high,
    }
    if "colorbar" not in more:
        trace["showscale"] = False
    if has_text:
        trace |= {"text": [[cell.text for cell in row] for row in cells], "texttemplate": "%{text}"}
    if is_clickable:
        trace["customdata"] = [[cell.query for cell in row] for row in cells]
    return trace | more
