"""`make bench`: the figures of docs/measurements.md, measured on this machine.

Each line is the median of several rounds; where two are compared, they take turns in one process, and the ratio is the
median of the rounds' ratios. Times depend on the machine and on what else runs on it; ratios less.
"""

from __future__ import annotations

import contextlib
import io
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from bench.detections import synthetic_detections
from bench.gallery import measure_gallery
from bench.large import TRAIN, measure_reading, write_annotations
from bench.page import measure_page
from core import PROJECT
from core.config import PRESETS, TrainConfig
from core.datasets.demo import DEMO_CLASSES, draw_dataset
from core.datasets.street.scenery import draw_scene
from core.evaluation.coco_eval import evaluate, to_results
from core.evaluation.findings.bootstrap import bootstrap
from core.evaluation.findings.curves import coco_figures
from core.evaluation.findings.impact import impact
from core.evaluation.ordering import SortOrder, sorted_images
from core.evaluation.selection import Selection
from core.evaluation.table import read_table, table_metadata, write_table
from core.evaluation.tide import detection_table
from core.metrics import GRAD_NORM, LEARNING_RATES, LOSSES, SPEED, WAIT
from core.runs.store import RunStore
from core.training.events import StepDone
from core.training.train import train


def seconds(action: Callable[[], object]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def median(action: Callable[[], object], rounds: int = 5) -> float:
    return statistics.median(seconds(action) for _ in range(rounds))


def with_pycocotools(gt: dict, results: list[dict]) -> float:
    with contextlib.redirect_stdout(io.StringIO()):
        ground_truth = COCO()
        ground_truth.dataset = {**gt, "annotations": [dict(a) for a in gt["annotations"]]}
        ground_truth.createIndex()
        run = COCOeval(ground_truth, ground_truth.loadRes([dict(r) for r in results]), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return run.stats[0]


def measure_evaluation() -> None:
    gt, detections, label_map = synthetic_detections(1000, 25)
    results, ratios = to_results(detections, label_map), []
    for _ in range(3):
        theirs = seconds(lambda: with_pycocotools(gt, results))
        ratios.append(theirs / seconds(lambda: evaluate(gt, detections, label_map)))
    difference = abs(with_pycocotools(gt, results) - evaluate(gt, detections, label_map).AP)
    print(f"evaluation, 1,000 images, 25,000 detections: {statistics.median(ratios):.0f} times as fast as pycocotools")
    print(f"    difference in AP: {difference:.1e}")


def measure_table(folder: Path) -> None:
    gt, detections, label_map = synthetic_detections(5000, 100)

    def everything() -> pa.Table:
        table = detection_table(gt, detections, label_map)
        evaluate(gt, detections, label_map)
        impact(table)
        return table

    print("5,000 images, 500,000 detections:")
    print(f"    detection table, COCO's figures and TIDE's impact: {median(everything, 3):.1f} s")
    table, path = detection_table(gt, detections, label_map), folder / "table.parquet"
    write_table(table, path)
    wanted = (pc.field("class_name") == "chair") & (pc.field("error") == "localization")
    print(f"    the table read with a filter: {median(lambda: read_table(path, where=wanted), 9) * 1000:.0f} ms")
    chosen = Selection(0.5, classes=("chair",), error="localization")
    names = dict.fromkeys(table_metadata(table).image_ids, "")
    filtering = median(lambda: sorted_images(table, chosen, SortOrder.WORST, False, names), 9)
    print(f"    one filter of the gallery: {filtering * 1000:.0f} ms")
    print(f"    COCO's figures from the table: {median(lambda: coco_figures(table), 3):.2f} s")
    print(f"    1,000 resamples of its images: {median(lambda: bootstrap(table), 3):.1f} s")


def measure_drawing() -> None:
    rng = np.random.default_rng(0)
    print(f"one day scene: {median(lambda: draw_scene(rng, look='day'), 30) * 1000:.1f} ms")
    print(f"one dusk scene: {median(lambda: draw_scene(rng, look='dusk'), 30) * 1000:.1f} ms")


def measure_training(folder: Path) -> None:
    for _ in draw_dataset(folder / "data", train=80, val=8):
        pass
    for threads in (1, 2):
        torch.set_num_threads(threads)
        config = PRESETS["Built-in demo"].apply(
            TrainConfig(str(folder / "data"), str(PROJECT / "checkpoints/starter"), DEMO_CLASSES)
        )
        steps = [p for p in train(config, folder / f"run{threads}") if isinstance(p, StepDone) and p.epoch > 0]
        speed = statistics.median(p.metrics[SPEED.tag] for p in steps)
        print(f"training the starter model, {threads} thread(s): {speed:.0f} images/s")


def measure_store(folder: Path) -> None:
    store = RunStore(folder)
    run = store.create({})
    recorded = (*(loss.train for loss in LOSSES), *LEARNING_RATES, GRAD_NORM, SPEED, WAIT)
    metrics = {metric.tag: 0.5 for metric in recorded}

    def record():
        for step in range(1000):
            store.record(run.id, step, metrics)

    print(f"recording one step: {median(record, 3):.2f} ms")
    last = store.metrics_after(run.id)[1]
    print(f"asking for what is new: {median(lambda: store.metrics_after(run.id, last - 60), 30) * 1000:.2f} ms")


def measure_data(folder: Path) -> None:
    folder.mkdir()
    train = folder / "instances_train2017.json"
    write_annotations(train, *TRAIN)
    measure_reading(train)
    measure_page(folder, train)


def main() -> None:
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    with tempfile.TemporaryDirectory() as folder:
        measure_drawing()
        measure_evaluation()
        measure_table(Path(folder))
        measure_store(Path(folder) / "store")
        measure_training(Path(folder))
        measure_data(Path(folder) / "large")
        measure_gallery(Path(folder) / "gallery")


if __name__ == "__main__":
    main()
