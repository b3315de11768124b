"""The measurements of a GPU as Markdown, and their place in docs/measurements.md.

In: the JSON of `record.py`. Out: tables that name the card. What has no figure says why.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from bench.gpu.demo_runs import agreement
from bench.gpu.families import PRECISIONS, agree
from bench.gpu.record import Row
from bench.gpu.speed import LIMIT, OURS, PLAIN
from core import PROJECT
from core.detr.sources.released import FAMILIES, RELEASED

DOCS = PROJECT / "docs/measurements.md"
BEGIN, END = "<!-- gpu: begin -->", "<!-- gpu: end -->"
NO_FIGURE = "–"


def markdown(content: dict[str, Any]) -> str:
    """Return the tables of a record."""
    parts: dict[str, list[Row]] = content["parts"]
    sections = [
        _machine(content), _speed(parts.get("speed", [])), _reading(parts.get("reading", [])),
        _traces(parts.get("traces", [])), _memory(parts.get("memory", [])),
        _families(parts.get("families", [])), _demo(parts.get("demo", [])),
        *(f"Failed: {failure}" for failure in content.get("failures", [])),
    ]  # fmt: skip
    return "\n\n".join(section for section in sections if section)


def write_docs(text: str, path: Path = DOCS) -> None:
    """Put the tables between the marks of docs/measurements.md; raises ValueError if the marks are not there."""
    before = path.read_text(encoding="utf-8")
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    if not pattern.search(before):
        raise ValueError(f"{path} has no place for the table: it needs the lines {BEGIN} and {END}.")
    path.write_text(pattern.sub(lambda _: f"{BEGIN}\n{text}\n{END}", before), encoding="utf-8")


def cell(row: Row | None, show: Any) -> str:
    """Return what `show` makes of a row, or why it has no figure."""
    if row is None:
        return NO_FIGURE
    if "not_measured" in row:
        return "not measured"
    return f"failed: {row['failed']}".replace("|", "/") if "failed" in row else show(row)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _machine(content: dict[str, Any]) -> str:
    m, s = content["machine"], content["settings"]
    tiny = " **Tried in small on a CPU: these figures say nothing.**" if s["device"] == "cpu" else ""
    return (
        f"{m['card']} ({m['memory_gb']:.0f} GB, driver {m['driver']}), {m['cores']} cores, torch {m['torch']}, CUDA "
        f"{m['cuda']}; {content['date']}, revision {m['revision']}.{tiny} DETR-R50 with random weights at "
        f"{s['shortest_edge']}/{s['longest_edge']}, {s['images']:,} drawn photographs; fp32 is without TF32. Images "
        "a second of ours (loader and step), of a plain transformers loop and of the limit: ours on ready batches."
    )


def _by_setting(rows: list[Row]) -> dict[tuple[str, int, str], dict[str, Row]]:
    settings: dict[tuple[str, int, str], dict[str, Row]] = {}
    for row in rows:
        settings.setdefault((row["precision"], row["batch"], row["sizes"]), {})[row["loop"]] = row
    return settings


def _speed(rows: list[Row]) -> str:
    def speed(row: Row) -> str:
        return f"{row['images_per_second']:.1f}" + (f" ({row['remark']})" if "remark" in row else "")

    def peak(row: Row) -> str:
        return f"{row['peak_bytes'] / 1e9:.1f}" if "peak_bytes" in row else NO_FIGURE

    def ratio(row: Row | None, other: Row | None) -> str:
        figures = [one.get("images_per_second") if one else None for one in (row, other)]
        return f"{figures[0] / figures[1]:.2f}" if all(figures) else NO_FIGURE

    lines = []
    for (precision, batch, sizes), loops in _by_setting(rows).items():
        ours, plain, limit = (loops.get(name) for name in (OURS, PLAIN, LIMIT))
        lines.append([
            precision, str(batch), sizes, cell(ours, speed), cell(plain, speed), cell(limit, speed),
            ratio(ours, plain), ratio(ours, limit), cell(ours, lambda row: f"{row['waited']:.0%} / {row['readers']}"),
            f"{cell(ours, peak)} / {cell(plain, peak)}",
        ])  # fmt: skip
    head = ["precision", "batch", "sizes", "ours", "plain loop", "limit", "ours ÷ plain", "ours ÷ limit",
            "waiting for images / reading processes", "peak memory, GB: ours / plain"]  # fmt: skip
    return _table(head, lines) if lines else ""


def _reading(rows: list[Row]) -> str:
    figures = [f"{row['loop']} {cell(row, lambda r: format(r['images_per_second'], '.0f'))}" for row in rows]
    return f"Reading alone, images a second: {', '.join(figures)}." if rows else ""


def _traces(rows: list[Row]) -> str:
    def busy(row: Row) -> str:
        return NO_FIGURE if row["busy"] is None else f"{row['busy']:.0%}"

    head = ["precision", "batch", "loop", "GPU busy", "synchronisations a step", "copies to the CPU a step"]
    lines = [
        [
            row["precision"], str(row["batch"]), row["loop"], cell(row, busy),
            cell(row, lambda r: f"{r['synchronizations_per_step']:.1f}"),
            cell(row, lambda r: f"{r['copies_per_step']:.1f}"),
        ]
        for row in rows
    ]  # fmt: skip
    return _table(head, lines) if rows else ""


def _memory(rows: list[Row]) -> str:
    def sentence(row: Row) -> str:
        verdict = "survived" if row["survived"] else "**not survived**"
        return (
            f"{verdict}: with the memory of three of {row['images']} images the step went through in parts of "
            f"{row['images_per_pass']}; its loss differs from the whole batch's by {row['loss_difference']:.1e}, its "
            f"gradient's norm by {row['gradient_difference']:.1e} (relative)."
        )

    return f"Out of memory {cell(rows[0], sentence)}" if rows else ""


def _families(rows: list[Row]) -> str:
    def speed(row: Row) -> str:
        return f"{row['images_per_second']:.1f}"

    def pair(of_model: list[Row], name: str, digits: int, scale: float = 1.0) -> str:
        return " / ".join(f"{row[name] / scale:.{digits}f}" if name in row else NO_FIGURE for row in of_model)

    lines = []
    for name in dict.fromkeys(row["model"] for row in rows):
        of_model = [next(r for r in rows if (r["model"], r["precision"]) == (name, p)) for p in PRECISIONS]
        losses = pair(of_model, "first_loss", 3)
        model, is_apart = RELEASED[name], all("first_loss" in row for row in of_model) and not agree(*of_model)
        lines.append([
            FAMILIES[model.family], name.split("/")[1], model.pictures, *(cell(row, speed) for row in of_model),
            pair(of_model, "peak_bytes", 1, 1e9), f"**{losses}**" if is_apart else losses,
        ])  # fmt: skip
    if not lines:
        return ""
    head = ["family", "layout", "pictures", "images a second, bf16", "fp32", "peak memory, GB: bf16 / fp32",
            "loss of the first step: bf16 / fp32"]  # fmt: skip
    return f"Training one layout of each family on ready batches of {rows[0]['batch']}:\n\n{_table(head, lines)}"


def _demo(rows: list[Row]) -> str:
    if not rows:
        return ""
    head = ["demo run", "precision", "AP before → after", "seconds"]
    lines = [
        [
            f"seed {row['seed']}", row["precision"],
            cell(row, lambda r: f"{100 * r['AP'][0]:.1f} → {100 * r['AP'][-1]:.1f}"),
            cell(row, lambda r: f"{r['seconds']:.0f}{'' if r['alone'] else ', beside others'}" if "seconds" in r else
                 f"cut off after {len(r['AP']) - 1} epochs"),
        ]
        for row in rows
    ]  # fmt: skip
    compared = agreement(rows)
    if compared is None:
        return _table(head, lines)
    verdict = "agree within noise" if compared["agree"] else "**do not agree within noise**"
    return _table(head, lines) + (
        f"\n\nbf16 and fp32 {verdict}: after {compared['epochs']} epochs their mean AP differs by "
        f"{100 * compared['difference']:+.1f} ± {100 * compared['noise']:.1f} (95 %)."
    )
