"""The commands about runs and their record: runs and metrics."""

from __future__ import annotations

import csv
import math
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from core import LabError, RunError
from core.cli.chosen_run import RECORDED, chosen_run
from core.cli.command import Command, add_run, show, show_json
from core.export.text import in_percent, percent
from core.runs.provenance.code import code_values
from core.runs.schema import Run
from core.runs.store import RunStore
from core.wording import cell, sentence, short

ROWS_AT_ONCE = 50_000  # of metrics: a long run has millions
AP_KEYS = {"baseline_ap": "baseline_AP", "ap": "AP", "best_ap": "best_AP"}  # of a Run's fields in --json


def add_runs_options(parser: ArgumentParser) -> None:
    """Add the options of `runs`: none of its own."""


def runs(options: Namespace) -> None:
    """Print the runs, the newest first, and the queue in order; AP in percent, in --json too."""
    from core.runs.manager import close_dead_runs
    from core.runs.queue import RunQueue, queue_differences

    store = RunStore.default()
    try:
        close_dead_runs(store)  # without an app, nobody else has noticed that a training's process has died
    except RunError as error:  # the disk is full, but the runs can be listed
        show(f"note: {sentence(error)}", file=sys.stderr)
    waiting = RunQueue(store).waiting()
    place = {run.id: i for i, run in enumerate(waiting, start=1)}
    listed = store.runs()
    if options.json:
        show_json([{**_run_json(store, run), "place": place.get(run.id)} for run in listed])
        return
    show(f"{'id':<21}{'status':<13}{'epoch':>9}{'baseline AP':>13}{'AP':>8}{'best AP':>9}  name")
    for run in listed:
        epoch = f"{'–':>4}     " if run.is_imported else f"{run.epoch or 0:>4}/{run.epochs or '?':<4}"
        baseline = None if run.is_imported else run.baseline_ap
        metrics = f"{percent(baseline):>13}{percent(run.ap):>8}{percent(run.best_ap):>9}"
        noted = f"  “{short(run.notes, 40)}”" if run.notes else ""
        tagged = f"  [{short(', '.join(run.tags), 60)}]" if run.tags else ""
        show(f"{run.id:<21}{run.label:<13}{epoch}{metrics}  {short(run.name)}{tagged}{noted}")
    if waiting:
        differences = queue_differences(waiting)
        show("", "queue, the next first")
        for run in waiting:
            name = f"{short(run.name)}: " if run.name != run.id else ""
            show(f"{place[run.id]:>3}  {run.id:<21}{name}{differences[run.id]}")


def _run_json(store: RunStore, run: Run) -> dict[str, Any]:
    """Return a run's fields, AP in percent under the names of the printed columns, and by what code it was made."""
    code = {} if run.is_damaged else code_values(store.folder(run.id))
    return {"code": code} | {
        AP_KEYS.get(name, name): in_percent(value) if name in AP_KEYS else value for name, value in asdict(run).items()
    }


def add_metrics_options(parser: ArgumentParser) -> None:
    """Add the options of `metrics`."""
    add_run(parser)
    parser.add_argument("--csv", action="store_true", help="print step,tag,value in full precision, as recorded")
    parser.add_argument(
        "--tag", nargs="+", action="extend", metavar="TAG", help="only these, as train/loss (default: all)"
    )


def metrics(options: Namespace) -> None:
    """Print a run's recorded metrics as they are stored, AP in [0, 1]: a line for each tag, or every row as CSV."""
    store = RunStore.default()
    run = chosen_run(store, options.run_id, RECORDED)
    if run.is_imported:
        raise LabError(f"The run {run.id} is imported: no training has recorded metrics; evaluate prints its AP.")
    if options.csv and options.json:
        raise LabError("--csv and --json print the same: give one of them.")
    if options.csv:
        lines = csv.writer(sys.stdout, lineterminator="\n")
        lines.writerow(("step", "tag", "value"))
        lines.writerows((step, cell(tag), repr(value)) for step, tag, value in _rows(store, run, options.tag))
        return
    points: dict[str, list[tuple[int, float]]] = {}
    for step, tag, value in _rows(store, run, options.tag):
        points.setdefault(tag, []).append((step, value))
    if not points:  # also with --json
        raise LabError(f"The run {run.id} has recorded nothing yet: it is {run.label.lower()}.")
    show_json({"id": run.id, "metrics": {tag: _finite(points[tag]) for tag in sorted(points)}})
    width = max(map(len, points)) + 2
    show(f"{'tag':<{width}}{'points':>8}{'step':>8}{'last':>12}{'lowest':>12}{'highest':>12}")
    for tag in sorted(points):
        step, last = points[tag][-1]
        values = [value for _, value in points[tag] if math.isfinite(value)] or [math.nan]
        show(f"{tag:<{width}}{len(points[tag]):>8}{step:>8}{last:>12.5g}{min(values):>12.5g}{max(values):>12.5g}")


def _finite(points: list[tuple[int, float]]) -> list[tuple[int, float | None]]:
    """Return the points for JSON, which knows neither NaN nor infinity: None."""
    return [(step, value if math.isfinite(value) else None) for step, value in points]


def _rows(store: RunStore, run: Run, tags: list[str] | None) -> Iterator[tuple[int, str, float]]:
    """Yield (step, tag, value) of the run's metrics in recorded order; raise LabError if a tag was never recorded."""
    last, missing = 0, set(tags or ())
    while True:
        rows, last = store.metrics_after(run.id, last, tags, ROWS_AT_ONCE)
        for _, tag, step, value in rows:
            missing.discard(tag)
            yield step, tag, value
        if len(rows) < ROWS_AT_ONCE:
            break
    if missing:
        known = sorted({tag for _, tag, *_ in store.metrics_after(run.id, limit=ROWS_AT_ONCE)[0]})
        names = ", ".join(tag for tag in known if "/layer" not in tag) or "none yet"
        raise LabError(f"The run {run.id} has no metric {min(missing)!r}; it has: {names}.")


COMMANDS = (
    Command(
        "runs", "list the runs with AP in percent, and the queue in order", add_runs_options, runs,
        "a JSON list, with place in the queue; baseline_AP, AP and best_AP in percent",
    ),
    Command(
        "metrics", "what a run has recorded, AP in [0, 1]: the last values, or with --csv every one",
        add_metrics_options, metrics, "one JSON object: id, metrics: by tag a list of [step, value]",
    ),
)  # fmt: skip
