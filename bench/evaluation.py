"""Evaluation against pycocotools and faster-coco-eval, and what is made of a detection table."""

from __future__ import annotations

import contextlib
import io
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from bench.detections import synthetic_detections
from bench.table import Bench, Figures, Row, once, take_turns
from core.boxes import Detections
from core.evaluation.coco_eval import evaluate, to_results
from core.evaluation.findings.bootstrap import bootstrap
from core.evaluation.findings.curves import coco_figures
from core.evaluation.findings.impact import impact
from core.evaluation.findings.label_noise import LabelledEvaluation
from core.evaluation.findings.relabel import labels_of, relabel
from core.evaluation.ordering import SortOrder, sorted_images
from core.evaluation.selection import Selection
from core.evaluation.table import read_table, table_metadata, write_table
from core.evaluation.tide import detection_table
from core.labels import LabelMap

SMALL, LARGE = (1000, 25), (5000, 100)  # images, detections in each
MOST_APART = 1e-9


class Evaluated(NamedTuple):
    """A ground truth and detections, which are evaluated, and the same as COCO's results."""

    gt: dict
    detections: Detections
    label_map: LabelMap
    results: list[dict]


@once
def made_up(images: int, per_image: int) -> Evaluated:
    gt, detections, label_map = synthetic_detections(images, per_image)
    return Evaluated(gt, detections, label_map, to_results(detections, label_map))


def ap_of(evaluator: str, gt: dict, results: list[dict]) -> float:
    """Return AP as pycocotools or faster-coco-eval computes it."""
    coco, evaluation = COCO, COCOeval
    if evaluator == "faster-coco-eval":
        from faster_coco_eval import COCO as coco
        from faster_coco_eval import COCOeval_faster as evaluation
    with contextlib.redirect_stdout(io.StringIO()):
        ground_truth = coco()
        ground_truth.dataset = {**gt, "annotations": [dict(a) for a in gt["annotations"]]}
        ground_truth.createIndex()
        run = evaluation(ground_truth, ground_truth.loadRes([dict(r) for r in results]), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return run.stats[0]


def measure_evaluation(evaluator: str, size: tuple[int, int], bench: Bench) -> Figures:
    gt, detections, label_map, results = made_up(*size)
    aps: dict[str, float] = {}

    def ours(_: int) -> None:
        aps["ours"] = evaluate(gt, detections, label_map).AP

    def theirs(_: int) -> None:
        aps[evaluator] = ap_of(evaluator, gt, results)

    figures = take_turns(ours, theirs, rounds=bench.rounds)
    assert abs(aps["ours"] - aps[evaluator]) < MOST_APART, aps
    return figures


@once
def large_table() -> pa.Table:
    gt, detections, label_map, _ = made_up(*LARGE)
    return detection_table(gt, detections, label_map)


def measure_everything(bench: Bench) -> Figures:
    gt, detections, label_map, _ = made_up(*LARGE)

    def everything(_: int) -> None:
        table = detection_table(gt, detections, label_map)
        evaluate(gt, detections, label_map)
        impact(table)

    return take_turns(everything, rounds=bench.rounds)


def measure_reading(bench: Bench) -> Figures:
    path = bench.folder / "table.parquet"
    write_table(large_table(), path)
    wanted = (pc.field("class_name") == "chair") & (pc.field("error") == "localization")
    return take_turns(lambda _: read_table(path, where=wanted), rounds=3 * bench.rounds)


def measure_filter(bench: Bench) -> Figures:
    table = large_table()
    selection = Selection(0.5, classes=("chair",), error="localization")
    names = dict.fromkeys(table_metadata(table).image_ids, "")
    return take_turns(lambda _: sorted_images(table, selection, SortOrder.WORST, False, names), rounds=3 * bench.rounds)


def measure_figures(bench: Bench) -> Figures:
    return take_turns(lambda _: coco_figures(large_table()), rounds=bench.rounds)


def measure_resamples(bench: Bench) -> Figures:
    return take_turns(lambda _: bootstrap(large_table()), rounds=bench.rounds)


def measure_correction(of_classes: int, bench: Bench) -> Figures:
    """Measure what one correction costs: the table matched anew, AP before and after with its interval, errors."""
    table = large_table()
    evaluation, classes = LabelledEvaluation(table), table_metadata(table).classes
    images = table_metadata(table).image_ids

    def correct(number: int) -> None:
        labels = labels_of(table, images[number * of_classes : (number + 1) * of_classes])
        for place, of_image in enumerate(labels.values()):
            for gt_id, label in list(of_image.items())[:1]:
                of_image[gt_id] = replace(label, class_name=classes[place % len(classes)])
        evaluation.label_noise(relabel(table, labels))

    return take_turns(correct, rounds=2 * bench.rounds)


def _size(images: int, per_image: int) -> str:
    return f"{images:,} images, {images * per_image:,} detections"


ROWS = [
    Row("evaluation-pycocotools", f"evaluation of {_size(*SMALL)}", partial(measure_evaluation, "pycocotools", SMALL),
        rival="pycocotools"),
    Row("evaluation-faster", f"evaluation of {_size(*SMALL)}", partial(measure_evaluation, "faster-coco-eval", SMALL),
        rival="faster-coco-eval"),
    Row("evaluation-large", f"evaluation of {_size(*LARGE)}", partial(measure_evaluation, "faster-coco-eval", LARGE),
        rival="faster-coco-eval"),
    Row("table-all", "… with detection table and what errors cost", measure_everything),
    Row("table-read", "that table read with a filter on class and error", measure_reading),
    Row("table-filter", "one filter of the gallery on it, in the library", measure_filter),
    Row("table-figures", "COCO's figures from it", measure_figures),
    Row("table-resamples", "… at 1,000 resamples of its images", measure_resamples),
    Row("table-corrected", "a label corrected: boxes matched anew, AP before and after with its interval",
        partial(measure_correction, 1)),
    Row("table-corrected-all", "… labels of every class at once", partial(measure_correction, 20)),
]  # fmt: skip
