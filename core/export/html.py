"""A self-contained HTML report about a run: metrics, charts, pictures and settings, to send or to archive.

In: what `analysis.py` gathers from a run. Out: HTML that opens from a disk and works without a network, which a
Content-Security-Policy forbids. Plotly is inside (about 5 MB), and draw.js draws the charts as the app does (report.js,
report.css). Whatever comes from files is escaped.
"""

from __future__ import annotations

import base64
import io
import json
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from PIL import Image

from core.charts.chart import Chart
from core.charts.to_json import PLOTLY, SCRIPT, caption, to_json
from core.datasets.split import FEW
from core.export.text import percent
from core.runs.provenance.code import lab_version

HERE = Path(__file__).parent
LONGEST_SIDE = 1000  # pixels of a picture
PACKAGES = ("torch", "torchvision", "transformers", "timm", "numpy", "pyarrow", "hotcoco", "pycocotools", "plotly")
IMPORT = re.compile(r'^import .* from "../charts/draw.js"\n', re.MULTILINE)  # a file from a disk imports nothing
POLICY = (
    "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'"
)
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
{css}</style>
</head>
<body>
<main>
<header>
<h1>{title}</h1>
{facts}
</header>
{contents}
{body}
</main>
<script type="application/json" id="charts">{charts}</script>
<script>{plotly}</script>
<script type="module">
{script}</script>
</body>
</html>
"""

Row = tuple[str, float | None, float | None, float | None, float | None, float | None]


@dataclass(frozen=True)
class MetricsTable:
    """A model's COCO metrics beside the baseline's.

    rows  (name, value, baseline, difference, low, high), each in [0, 1] or None; low and high are the ends of the
          difference's interval, or of the value's where there is no difference
    note  a sentence below the table: what kind of interval it is, and of how many images
    """

    rows: Sequence[Row]
    note: str = ""


def report_html(
    title: str,
    facts: Sequence[tuple[str, str]],
    metrics: MetricsTable,
    sections: Sequence[tuple[str, Sequence[Chart]]],
    pictures: Sequence[tuple[str, Image.Image]],
    config: dict[str, Any],
) -> str:
    """Return the file: `facts`, metrics, the charts of each section, pictures, settings and versions.

    title     the name of the run
    facts     (name, value) of what was evaluated
    sections  (title, charts)
    pictures  (title, image)
    config    the settings by name

    An empty section or part is left out.
    """
    charts = [chart for _, section_charts in sections for chart in section_charts]
    parts = [("COCO metrics", _metrics(metrics) if metrics.rows else "")]
    parts += [(name, _charts(section_charts)) for name, section_charts in sections]
    parts += [
        ("Pictures", _pictures(pictures)),
        ("Settings", _settings(config)),
        ("Versions", _settings(package_versions())),
    ]
    parts = [(name, html) for name, html in parts if html]
    return PAGE.format(
        policy=escape(POLICY),
        title=escape(title),
        css=(HERE / "report.css").read_text(encoding="utf-8"),
        facts=_list(facts),
        contents=_contents([name for name, _ in parts]),
        body="\n".join(_part(i, name, html) for i, (name, html) in enumerate(parts)),
        charts="[" + ",\n".join(_inside_script(to_json(chart)) for chart in charts) + "]",
        plotly=PLOTLY.read_text(encoding="utf-8").replace("</script", "<\\/script"),
        script=SCRIPT + IMPORT.sub("", (HERE / "report.js").read_text(encoding="utf-8")),
    )


def package_versions() -> dict[str, str]:
    """Return the versions of DETR Lab, Python and the packages that the metrics depend on, without importing them."""
    versions = {"detr-lab": lab_version(), "python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {name: number for name, number in versions.items() if number}


def _inside_script(text: str) -> str:
    """Return JSON with every "<" escaped, so that it cannot end the script element around it."""
    return text.replace("<", "\\u003c")


def _contents(names: list[str]) -> str:
    links = "".join(f'<a href="#part-{i}">{escape(name)}</a>' for i, name in enumerate(names))
    return f'<nav aria-label="Contents">{links}</nav>'


def _part(number: int, name: str, html: str) -> str:
    return f'<section id="part-{number}">\n<h2>{escape(name)}</h2>\n{html}\n</section>'


def _list(facts: Sequence[tuple[str, str]]) -> str:
    entries = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(str(value))}</dd></div>" for name, value in facts)
    return f"<dl>{entries}</dl>"


def _metrics(metrics: MetricsTable) -> str:
    """Return the table, without columns that are empty."""
    has_baseline, has_difference, has_interval = (any(row[i] is not None for row in metrics.rows) for i in (2, 3, 4))
    heads = ["<th>Metric, %</th>", "<th>this model</th>"]
    heads += has_baseline * ["<th>baseline</th>"] + has_difference * ["<th>change</th>"]
    heads += has_interval * ["<th>interval</th>"]
    lines = []
    for name, value, baseline, difference, low, high in metrics.rows:
        cells = [f'<th scope="row">{escape(name)}</th>', f"<td>{percent(value)}</td>"]
        cells += has_baseline * [f"<td>{percent(baseline)}</td>"]
        cells += has_difference * [f"<td{_sign(difference, low, high)}>{percent(difference, sign=True)}</td>"]
        cells += has_interval * [f"<td>{_interval(low, high, signed=difference is not None)}</td>"]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    note = f'<p class="note">{escape(metrics.note)}</p>' if metrics.note else ""
    head = "".join(head.replace("<th>", '<th scope="col">') for head in heads)
    return f'<div class="scroll"><table class="metrics"><tr>{head}</tr>{"".join(lines)}</table></div>{note}'


def _sign(difference: float | None, low: float | None, high: float | None) -> str:
    """Return the class of a cell whose change has an interval without 0, so that its direction is clear; else ""."""
    if difference is None or low is None or high is None or low <= 0 <= high:
        return ""
    return f' class="{"up" if difference > 0 else "down"}"'


def _interval(low: float | None, high: float | None, signed: bool) -> str:
    return "–" if low is None or high is None else f"{percent(low, sign=signed)} to {percent(high, sign=signed)}"


def _charts(charts: Sequence[Chart]) -> str:
    html = "\n".join(_on_request(chart) if chart.on_request else _chart(chart) for chart in charts)
    return html and f'<div class="charts">\n{html}\n</div>'


def _on_request(chart: Chart) -> str:
    return f'<details class="wide"><summary>{escape(chart.title)}</summary>\n{_chart(chart)}\n</details>'


def _chart(chart: Chart) -> str:
    title, note, words = escape(chart.title), escape(chart.note), escape(caption(chart))
    few = chart.n < FEW
    kinds = " ".join(["chart", *(["wide"] if chart.wide else []), *(["few"] if few else [])])
    overlay = f'<p class="words">{words}</p>' if few else ""
    scrolls = ' tabindex="0"' if chart.area < chart.height else ""  # with the keys, too
    label = f"{title}. {note}" if note else title
    return f"""<figure class="{kinds}">
<div class="head"><h3>{title}</h3>
<button type="button" data-save="csv" aria-label="Download {title} as CSV">CSV</button>
<button type="button" data-save="png" aria-label="Download {title} as PNG">PNG</button></div>
<p class="note">{note}</p>
<div class="area"{scrolls} style="height: {int(chart.area)}px">
<div class="plot" style="height: {int(chart.height)}px" role="img" aria-label="{label}"></div>{overlay}</div>
<figcaption>{"" if few else words}</figcaption>
</figure>"""


def _pictures(pictures: Sequence[tuple[str, Image.Image]]) -> str:
    html = "\n".join(
        f'<figure><img alt="{escape(title)}" src="{_data_uri(image)}"><figcaption>{escape(title)}</figcaption></figure>'
        for title, image in pictures
    )
    return html and f'<div class="pictures">\n{html}\n</div>'


def _data_uri(image: Image.Image) -> str:
    small = image.convert("RGB")
    small.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=85)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _settings(settings: dict[str, Any]) -> str:
    lines = "".join(
        f'<tr><th scope="row">{escape(str(name))}</th><td>{escape(_as_text(value))}</td></tr>'
        for name, value in settings.items()
    )
    return lines and f'<div class="scroll"><table class="settings">{lines}</table></div>'


def _as_text(value: object) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple) and all(isinstance(entry, str) for entry in value):
        return ", ".join(value) or "–"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list | tuple) else str(value)
