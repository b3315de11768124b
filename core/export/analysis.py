"""The files that `analyze` writes into a run's folder: pictures of its worst images, and a report about one model.

In: a run, one of its evaluations and that one's detection table. Out: analysis_1.png and on, drawn by
`core/evaluation/draw.py`, and report.html, made by `html.py`.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from pathlib import Path

import pyarrow as pa
from PIL import Image
from tqdm import tqdm

from core import DataError, RunError
from core.charts.compare.differences import differences
from core.charts.sections import View, charts_of, verdicts
from core.charts.training import TAGS, training_charts
from core.config_diff import setting_values
from core.datasets.pictures import read_picture
from core.disk import whole_file
from core.evaluation.coco_eval import FIGURES
from core.evaluation.draw import draw_analysis
from core.evaluation.findings.bootstrap import Intervals, bootstrap, in_words
from core.evaluation.findings.curves import coco_figures
from core.evaluation.findings.slices import take_slices
from core.evaluation.table import read_table
from core.evaluation.threshold import image_rows, worst_images
from core.export.html import MetricsTable, report_html
from core.export.text import describe_table, percent
from core.keep_result import KeepResult
from core.runs.evaluated.attributes import attributes_of
from core.runs.evaluated.images import evaluated_images
from core.runs.models import baseline_of
from core.runs.provenance.code import code_values
from core.runs.schema import Evaluation, Run
from core.runs.store import RunStore

MAKE_AGAIN = {"trained": "train", "imported": "import", "evaluated": "evaluate"}


def worst_pictures(
    run: Run, table: pa.Table, score: float, most: int
) -> Generator[tuple[str, Image.Image], None, list[str]]:
    """Yield the worst images with their boxes drawn, at most `most`, each with its title, the worst first.

    Returns a sentence on each image left out, as its picture cannot be read; the next worst takes its place. Raises
    DataError if none can be, or an image has left the data set.
    """
    if run.is_imported and run.config["imported"]["images"] is None:
        raise DataError("none were found when these results were imported; import them again with --images DIR.")
    split = evaluated_images(run)
    ranking = worst_images(table, score)
    if missing := [image_id for image_id, _ in ranking[:most] if image_id not in split.image_by_id]:
        raise DataError(
            f"{split.json_path} has changed since {run.id} was evaluated: image {missing[0]} is gone; put the old file "
            f"back, or {MAKE_AGAIN[run.origin]} again."
        )
    drawn, left_out = 0, []
    for image_id, errors in ranking:
        if drawn == most or image_id not in split.image_by_id:
            break
        image = split.image_by_id[image_id]
        try:
            stored = read_picture(split.image_path(image), (image["width"], image["height"]))
        except DataError as error:
            left_out.append(str(error))
            continue
        drawn += 1
        title = f"{image['file_name']}: {errors} error{'s' * (errors != 1)}"
        yield title, draw_analysis(stored, image_rows(table, image_id, score))
    if left_out and not drawn:
        raise DataError(left_out[0])
    return left_out


def draw_worst_images(
    store: RunStore, run: Run, table: pa.Table, score: float, most: int
) -> tuple[list[tuple[str, Image.Image]], list[str]]:
    """Draw the worst images into analysis_1.png and on; return what `worst_pictures` yields and returns."""
    pictures: list[tuple[str, Image.Image]] = []
    work = KeepResult(worst_pictures(run, table, score, most))
    with tqdm(total=min(most, len(worst_images(table, score))), unit="image", desc="Drawing") as bar:
        for title, picture in work:
            pictures.append((title, picture))
            with whole_file(store.analysis_path(run.id, len(pictures))) as file:
                picture.save(file, format="PNG")
            bar.update()
    return pictures, work.result


def write_report(
    store: RunStore,
    run: Run,
    evaluation: Evaluation,
    table: pa.Table,
    score: float,
    pictures: Sequence[tuple[str, Image.Image]],
    changed: str = "",
) -> Path:
    """Write report.html into the run's folder; raise RunError if that fails.

    changed  a sentence on what changed of the data since the evaluation
    """
    before = baseline_of(store.evaluations(run.id))
    baseline = read_table(before.table) if before and before.table and evaluation.epoch > 0 else None
    slices = KeepResult(take_slices(table, attributes_of(store, run, table)))
    with tqdm(unit="slice", desc="Comparing") as bar:
        for done, bar.total in slices:
            bar.update(done - bar.n)
    facts, view = _facts(run, evaluation, table, score), View(table, score, slices=slices.result)
    facts += [("Data today", changed)] if changed else []
    if code := code_values(store.folder(run.id)):
        facts.append(("Made by", "; ".join(f"{name} {value}" for name, value in code.items())))
    try:
        intervals = bootstrap(table, baseline)
    except RunError as error:  # the data set changed between the two evaluations
        facts.append(("Not compared", str(error)))
        baseline, intervals = None, bootstrap(table)
    curves = training_charts(store.curves_after(run.id, tags=TAGS)[0])
    sections = [
        ("Change" if baseline is not None else "Intervals", [differences(intervals)]),
        ("Training", curves),
        *charts_of(view),
    ]
    facts += [("Finding", sentence) for sentence in verdicts(view)]
    text = report_html(
        run.name, facts, _metrics(table, baseline, intervals), [part for part in sections if part[1]], pictures,
        setting_values(run.config) if run.is_imported else run.config,
    )  # fmt: skip
    path = store.report_path(run.id)
    with whole_file(path) as file:
        file.write_text(text, encoding="utf-8")
    return path


def _facts(run: Run, evaluation: Evaluation, table: pa.Table, score: float) -> list[tuple[str, str]]:
    """Return (name, value) of what was evaluated."""
    model = f"{run.origin} results" if run.is_imported else f"after epoch {evaluation.epoch} of {run.epochs}"
    if evaluation.epoch == 0 and not run.is_imported:
        model = "baseline, before its first step"
    source = run.config["imported"] if run.is_imported else run.config
    return [
        ("Run", run.id),
        ("Evaluated", time.strftime("%d %B %Y, %H:%M", time.localtime(evaluation.created))),
        ("Data", str(source["gt"] if run.is_imported else source["data"])),
        ("Model", f"{source['dt'] if run.is_imported else source['model']}, {model}"),
        ("Rests on", describe_table(table)),
        ("AP", percent(evaluation.figures.get("AP"))),
        ("Predictions from", f"score {score:g}, where a threshold matters"),
    ]


def _metrics(table: pa.Table, baseline: pa.Table | None, intervals: Intervals) -> MetricsTable:
    metrics = coco_figures(table).to_dict()
    before = coco_figures(baseline).to_dict() if baseline is not None else {}
    rows = []
    for name in FIGURES:
        shown = (intervals.differences or intervals.figures)[name]
        rows.append((name, metrics[name], before.get(name), shown.value if before else None, shown.low, shown.high))
    return MetricsTable(rows, f"{in_words(intervals)}.")
