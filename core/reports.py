"""The commands that tell what is there: evaluate, analyze, runs and metrics. `__main__.py` has their options.

Each prints for people, and with --json or --csv for programs.
"""

from __future__ import annotations

import csv
import json
import math
import sys
from dataclasses import asdict

from tqdm import tqdm

from core import LabError, RunError
from core.records import Run
from core.runs import RunStore

ROWS_AT_ONCE = 50_000  # of metrics: a long run has millions


def evaluate(options) -> None:
    from core.coco import read_json, read_results
    from core.errors import detection_table
    from core.evaluate import evaluate
    from core.table import count_errors

    _check_score(options.score)
    if options.run_id and not (options.gt or options.dt):
        evaluation = _evaluation(RunStore.default(), options)
        figures, table = evaluation.figures, _table(evaluation)
    elif options.gt and options.dt and not options.run_id:
        truths, results = read_json(options.gt), read_results(options.dt)
        figures, table = evaluate(truths, results).to_dict(), detection_table(truths, results)
    else:
        raise LabError("Name either a RUN, or both --gt and --dt.")
    answer = {**figures, "errors": count_errors(table, options.score)}
    if options.json:
        print(json.dumps(answer))
        return
    for name, value in figures.items():
        if name != "per_class":
            print(f"{name:<6} {figure(value)}")
    _print_columns("AP by class", {name: figure(value) for name, value in figures["per_class"].items()})
    _print_columns(f"errors from score {options.score:g}", answer["errors"])


def _check_score(score: float) -> None:
    if not 0 <= score <= 1:  # written so that NaN fails too
        raise LabError(f"--score is {score:g}: give a number from 0 to 1.")


def _evaluation(store: RunStore, options):
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


def _table(evaluation):
    from core.table import read_table

    if evaluation.table is None:
        raise LabError(
            f"Epoch {evaluation.epoch} of {evaluation.run_id} has no detection table any more: tables are kept of the "
            "untouched, the best and the last model."
        )
    return read_table(evaluation.table)


def analyze(options) -> None:
    from core.coco import read_split
    from core.data import read_image
    from core.draw import draw_analysis
    from core.table import count_errors, image_rows, worst_images

    _check_score(options.score)
    if options.images < 1:
        raise LabError(f"--images is {options.images}: give 1 or more.")
    store = RunStore.default()
    evaluation = _evaluation(store, options)
    table, run = _table(evaluation), store.get(evaluation.run_id)
    split = read_split(run.config["data"], "val")
    chosen = worst_images(table, options.score)[: options.images]
    if gone := [image_id for image_id, _ in chosen if image_id not in split.image_by_id]:
        raise LabError(
            f"The data set {run.config['data']} has changed since {run.id} was evaluated: image {gone[0]} is gone; "
            "put its files back, or train again."
        )
    for number, (image_id, _) in enumerate(tqdm(chosen, unit="image", desc="Drawing"), start=1):
        image = read_image(split.image_path(split.image_by_id[image_id]))
        target = store.analysis_path(run.id, number)
        target.parent.mkdir(parents=True, exist_ok=True)  # deleted by hand, maybe
        draw_analysis(image, image_rows(table, image_id, options.score)).save(target)
    if chosen:
        print(f"{store.analysis_path(run.id, 1)} … {len(chosen)} pictures, worst first: red predicted, green expected")
    errors = count_errors(table, options.score)
    _print_columns(f"errors of epoch {evaluation.epoch} from score {options.score:g}", errors)


def runs(options) -> None:
    from core.jobs import settle
    from core.queue import RunQueue

    store = RunStore.default()
    try:
        settle(store)  # without an app, nobody else has noticed that a training's process has died
    except RunError as error:  # the disk is full; what is there can be told
        print(f"note: {error}", file=sys.stderr)
    waiting = [run.id for run in RunQueue(store).waiting()]
    place = {run_id: i for i, run_id in enumerate(waiting, start=1)}
    found = store.list()
    if options.json:
        print(json.dumps([{**asdict(run), "place": place.get(run.id)} for run in found]))
        return
    print(f"{'id':<21}{'status':<13}{'epoch':>9}{'untouched':>11}{'AP':>8}{'best':>8}  name")
    for run in found:
        figures = f"{figure(run.baseline_ap):>11}{figure(run.ap):>8}{figure(run.best_ap):>8}"
        print(f"{run.id:<21}{run.label:<13}{run.epoch or 0:>4}/{run.epochs or '?':<4}{figures}  {run.name}")
    if waiting:
        names = {run.id: run.name for run in found}
        print("\nqueue, the next first")
        for run_id in waiting:
            print(f"{place[run_id]:>3}  {run_id:<21}{names[run_id]}")


def metrics(options) -> None:
    store = RunStore.default()
    run = store.get(options.run_id)
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
        raise LabError(f"The run {run.id} has no metric {sorted(missing)[0]!r}; it has: {names}.")


def figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _print_columns(title: str, values: dict) -> None:
    print(f"\n{title}")
    for name, value in values.items():
        print(f"  {name:<16}{value:>7}")
