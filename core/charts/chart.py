"""Findings as Plotly charts, which the Results page and the report both show: `Chart`.

A chart is data: Plotly's traces and layout as plain dicts, and the same figures as rows for a CSV. Colours are names
that whoever shows it resolves for his theme (draw.js): "@1" to "@6" the series, "@good", "@bad", "@text", "@grey",
"@line", "@back"; as a colour scale "@scale" (from the background to strong) and "@diverging" (bad, background, good).
"""

from __future__ import annotations

from dataclasses import dataclass

from core.datasets.split import FEW

TALLEST, SCROLLED = 1000, 640  # pixels of a chart that is shown whole, and of the place in which a taller one scrolls


@dataclass(frozen=True)
class Chart:
    """A Plotly chart with what is to be said beside it.

    key      names it, in files too: "precision-recall"
    title    what it shows, in a few words
    note     one or two sentences: how to read it, and what it says
    n, unit  on how many of what it rests: 4,210 "objects"; the whole is greyed out below FEW
    traces   Plotly's; a point's `customdata` may be a dict, the `Selection.to_query()` that a click on it opens
    layout   Plotly's, without fonts and the colours of frame, grid and text, which the theme gives
    click    what a click on such a point opens, in a sentence, where that is not just the point's boxes
    columns, rows  the same figures for a CSV, in full precision; None where there is none
    height   pixels
    """

    key: str
    title: str
    note: str
    n: int
    unit: str
    traces: list[dict]
    layout: dict
    columns: tuple[str, ...]
    rows: list[tuple]
    height: int = 320
    wide: bool = False  # takes the whole width of a page
    click: str = "Click to see these boxes"
    on_request: bool = False  # large, beside one that says the same in short

    @property
    def area(self) -> int:
        """The height of its place in pixels: a chart of hundreds of classes scrolls in there."""
        return self.height if self.height <= TALLEST else SCROLLED


def grey_if_few(n: int, color: str = "@1") -> str:
    """Return the colour of a bar or point that rests on `n` objects."""
    return color if n >= FEW else "@grey"
