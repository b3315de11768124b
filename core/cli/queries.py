"""The commands that tell what is there, from check to runs and metrics. `main.py` has their options.

Each prints for people, and with --json or --csv for programs, where figures are COCO's, in [0, 1].
"""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm

from core import DataError, LabError, RunError
from core.export.text import describe_table, errors_and_impact, evaluation_text, percent
from core.keep_result import KeepResult
from core.runs.schema import Evaluation, Run
from core.runs.store import RunStore

TABLE_ENDINGS = (".parquet", ".csv")
EXAMPLES = 3  # of a problem, in print
ROWS_AT_ONCE = 50_000  # of metrics: a long run has millions


def evaluate(options) -> None:
    from core.datasets.coco_json import read_ground_truth, read_results
    from core.evaluation.coco_eval import evaluate
    from core.evaluation.tide import detection_table

    check_score(options.score)
    if options.run_id and not (options.gt or options.dt):
        store = RunStore.default()
        evaluation = _evaluation(store, options)
        models, table = _models(store, evaluation), _table(evaluation)
    elif options.gt and options.dt and not options.run_id:
        truths, results = read_ground_truth(options.gt), read_results(options.dt)
        models, table = {"results": evaluate(truths, results).to_dict()}, detection_table(truths, results)
    else:
        raise LabError("Name either a RUN, or both --gt and --dt.")
    if options.json:
        *_, figures = models.values()
        errors, gains = errors_and_impact(table, options.score)
        print(json.dumps({**figures, "errors": errors, "impact": gains}))
    else:
        print(evaluation_text(models, table, options.score))


def check(options) -> int:
    """Prints every problem with an example; exit status 1 if the data cannot be trained on."""
    from core.datasets.check import check_dataset
    from core.datasets.convert.to_coco import kind_of
    from core.datasets.layouts import is_dataset

    if not is_dataset(options.data) and (kind := kind_of(options.data)):
        raise DataError(
            f"{options.data} is a {kind.upper()} folder: convert it first, with "
            f"python -m core convert {options.data} --out FOLDER, which says what is wrong with it."
        )
    work = KeepResult(check_dataset(options.data, options.whole))
    with tqdm(unit="picture", desc=f"Looking at {options.data}") as bar:
        for done, bar.total in work:
            bar.update(done - bar.n)
    report = work.result
    print(json.dumps(report.to_dict()) if options.json else "\n".join(_told(report)))
    return int(not report.is_fit)


def _told(report) -> Iterator[str]:
    """A report in lines, the most urgent problems first."""
    for name, images in report.images.items():
        yield f"{name}: {images:,} images, {report.annotations[name]:,} annotations"
    for found in report.problems:
        yield f"{found.kind.severity.label}: {found.sentence}"
        yield from (f"    {_printable(example.detail)}" for example in found.examples[:EXAMPLES])
    verdict = "it can be trained on" if report.problems else "nothing is wrong"
    yield verdict if report.is_fit else "it cannot be trained on"


def _printable(text: str) -> str:
    """On one line and without control characters, which names in a file may have."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def check_score(score: float) -> None:
    """Raises LabError for what is no score."""
    if not 0 <= score <= 1:  # written so that NaN fails too
        raise LabError(f"--score is {score:g}: give a number from 0 to 1.")


def _evaluation(store: RunStore, options) -> Evaluation:
    """The chosen evaluation of a run: of `--epoch`, else its best one, else (nothing trained yet) its first."""
    run = store.get(options.run_id)
    evaluations = {e.epoch: e for e in store.evaluations(run.id)}
    if not evaluations:
        raise LabError(
            f"The run {run.id} has no evaluation: it is {run.label.lower()} ({run.message or 'no message'})."
        )
    epoch = options.epoch if options.epoch is not None else run.best_epoch or 0
    if epoch not in evaluations:
        raise LabError(f"Epoch {epoch} of {run.id} was not evaluated; there are: {', '.join(map(str, evaluations))}.")
    return evaluations[epoch]


def _table(evaluation: Evaluation):
    from core.evaluation.table import read_table

    if evaluation.table is None:
        raise LabError(
            f"Epoch {evaluation.epoch} of {evaluation.run_id} has no detection table any more: tables are kept of the "
            "untouched, the best and the last model."
        )
    return read_table(evaluation.table)


def _models(store: RunStore, evaluation: Evaluation) -> dict[str, dict]:
    """The figures to print, by what they are of: the untouched model's first, if the run has them beside these."""
    run = store.get(evaluation.run_id)
    first = store.evaluations(run.id)[0]
    if evaluation.epoch == 0:
        return {"results" if run.is_imported else "baseline": evaluation.figures}
    baseline = {"baseline": first.figures} if first.epoch == 0 else {}
    return {**baseline, f"epoch {evaluation.epoch}": evaluation.figures}


def analyze(options) -> None:
    from core.export.analysis import draw_worst_images, write_report

    check_score(options.score)
    if options.images < 1:
        raise LabError(f"--images is {options.images}: give 1 or more.")
    store = RunStore.default()
    evaluation = _evaluation(store, options)
    found, run = _table(evaluation), store.get(evaluation.run_id)
    pictures = []
    try:
        pictures = draw_worst_images(store, run, found, options.score, options.images)
    except DataError as error:
        if not run.is_imported:  # whose pictures need not be here
            raise
        print(f"No pictures: {error}")
    if pictures:
        first = store.analysis_path(run.id, 1)
        print(f"{first} … {len(pictures)} pictures, worst first: red predicted, green expected")
    print(write_report(store, run, evaluation, found, options.score, pictures))
    print(evaluation_text(_models(store, evaluation), found, options.score))


def table(options) -> None:
    from core.evaluation.table import write_table

    out = Path(options.out)
    if out.suffix.lower() not in TABLE_ENDINGS:
        raise LabError(f"--out is {out}: give it the ending {' or '.join(TABLE_ENDINGS)}, which says what it becomes.")
    evaluation = _evaluation(RunStore.default(), options)
    found = _table(evaluation)
    write_table(found, out)
    print(f"{out}: {found.num_rows:,} rows: {describe_table(found)}")


def export(options) -> None:
    from core.export.bundle import Bundle, bundle_title
    from core.export.writers import ExportFormat, write_export
    from core.runs.imports import evaluated_images
    from core.runs.marks import Marks

    check_score(options.score)
    if options.kind not in list(ExportFormat):
        raise LabError(f"There is no format {options.kind!r}: choose from {', '.join(ExportFormat)}.")
    kind, out = ExportFormat(options.kind), Path(options.out)
    endings = (".zip", ".json") if kind is ExportFormat.COCO else (".zip",)
    if out.suffix.lower() not in endings:
        raise LabError(f"--out is {out}: as {kind} it needs the ending {' or '.join(endings)}.")
    store = RunStore.default()
    evaluation = _evaluation(store, options)
    found, run, marks = _table(evaluation), store.get(evaluation.run_id), Marks(store)
    ids = _asked_for(found, options, marks.image_ids(run.id) if options.marked else None)
    kept, title = tuple(marks.all(run.id)), bundle_title(run, evaluation)
    bundle = Bundle(evaluated_images(run), found, tuple(ids), options.score, kept, title)
    work = KeepResult(write_export(bundle, kind, out))
    with tqdm(unit="image", desc=f"Exporting to {out}") as bar:
        for done, bar.total in work:
            bar.update(done - bar.n)
    print(f"{out}: {work.result.sentence}")


def _asked_for(found, options, marked: list[int] | None) -> list[int]:
    """The ids of the images that the options ask for, among `marked` ones if there is such a list."""
    from core.evaluation.selection import Selection, select_images
    from core.evaluation.table import table_metadata

    said = table_metadata(found)
    if unknown := [name for name in options.classes if name not in said.classes]:
        raise LabError(f"There is no class {unknown[0]!r}: choose from {', '.join(said.classes)}.")
    if unknown := sorted(set(options.images) - set(said.image_ids)):
        raise LabError(f"There is no image {unknown[0]} among the {len(said.image_ids):,} that were evaluated.")
    if marked == []:
        raise LabError("No image of this run is marked: mark some on the Errors page, or leave --marked out.")
    chosen = Selection(
        options.score, tuple(options.classes), options.error, tuple(options.sizes), images=tuple(options.images)
    )
    ids = select_images(found, chosen if marked is None else chosen.on_images(marked))
    if not ids:
        raise LabError("No image has what the options ask for: lower --score, or leave an option out.")
    return ids


def runs(options) -> None:
    from core.runs.manager import close_dead_runs
    from core.runs.queue import RunQueue

    store = RunStore.default()
    try:
        close_dead_runs(store)  # without an app, nobody else has noticed that a training's process has died
    except RunError as error:  # the disk is full; what is there can be told
        print(f"note: {error}", file=sys.stderr)
    waiting = [run.id for run in RunQueue(store).waiting()]
    place = {run_id: i for i, run_id in enumerate(waiting, start=1)}
    found = store.runs()
    if options.json:
        print(json.dumps([{**asdict(run), "place": place.get(run.id)} for run in found]))
        return
    print(f"{'id':<21}{'status':<13}{'epoch':>9}{'untouched':>11}{'AP':>8}{'best':>8}  name")
    for run in found:
        epoch = f"{'–':>4}     " if run.is_imported else f"{run.epoch or 0:>4}/{run.epochs or '?':<4}"
        untouched = None if run.is_imported else run.baseline_ap
        figures = f"{percent(untouched):>11}{percent(run.ap):>8}{percent(run.best_ap):>8}"
        print(f"{run.id:<21}{run.label:<13}{epoch}{figures}  {run.name}")
    if waiting:
        names = {run.id: run.name for run in found}
        print("\nqueue, the next first")
        for run_id in waiting:
            print(f"{place[run_id]:>3}  {run_id:<21}{names[run_id]}")


def metrics(options) -> None:
    store = RunStore.default()
    run = store.get(options.run_id)
    if run.is_imported:
        raise LabError(f"The run {run.id} is imported: no training has recorded metrics; evaluate prints its figures.")
    if options.csv:
        lines = csv.writer(sys.stdout, lineterminator="\n")
        lines.writerow(("step", "tag", "value"))
        lines.writerows((step, tag, repr(value)) for step, tag, value in _rows(store, run, options.tag))
        return
    found: dict[str, list[tuple[int, float]]] = {}
    for step, tag, value in _rows(store, run, options.tag):
        found.setdefault(tag, []).append((step, value))
    if not found:
        raise LabError(f"The run {run.id} has recorded nothing yet: it is {run.label.lower()}.")
    width = max(map(len, found)) + 2
    print(f"{'tag':<{width}}{'points':>8}{'step':>8}{'last':>12}{'lowest':>12}{'highest':>12}")
    for tag in sorted(found):
        step, last = found[tag][-1]
        values = [value for _, value in found[tag] if math.isfinite(value)] or [math.nan]
        print(f"{tag:<{width}}{len(found[tag]):>8}{step:>8}{last:>12.5g}{min(values):>12.5g}{max(values):>12.5g}")


def _rows(store: RunStore, run: Run, tags: list[str] | None):
    """(step, tag, value) of the run's metrics in the order of recording; LabError if a tag was never recorded."""
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
