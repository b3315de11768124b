"""`make bench`: the figures of the README, measured on this machine.

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
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from core.config import PRESETS, TrainConfig
from core.demo import DEMO_CLASSES, draw_dataset
from core.errors import detection_table
from core.evaluate import evaluate
from core.labels import COCO_TEN
from core.runs import PROJECT, RunStore
from core.street.scenery import draw_scene
from core.table import select_images
from core.train import train


def seconds(action: Callable[[], object]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def median(action: Callable[[], object], rounds: int = 5) -> float:
    return statistics.median(seconds(action) for _ in range(rounds))


def made_up(images: int, detections_per_image: int) -> tuple[dict, list[dict]]:
    """A ground truth of 7 objects an image, and detections of which about half lie near one."""
    rng = np.random.default_rng(0)
    ids = list(COCO_TEN.values())
    truths, results = [], []
    for image in range(1, images + 1):
        boxes = np.column_stack([rng.uniform(0, 400, (7, 2)), rng.uniform(8, 240, (7, 2))])
        classes = rng.choice(ids, 7)
        for box, category in zip(boxes, classes, strict=True):
            truths.append(
                {"id": len(truths) + 1, "image_id": image, "category_id": int(category), "bbox": box.tolist(),
                 "area": float(box[2] * box[3]), "iscrowd": 0}
            )  # fmt: skip
        for _ in range(detections_per_image):
            near = int(rng.integers(7))
            box = boxes[near] + rng.normal(0, 12, 4) if rng.random() < 0.5 else rng.uniform(8, 240, 4)
            box[2:] = np.maximum(box[2:], 1)
            category = int(classes[near] if rng.random() < 0.8 else rng.choice(ids))
            results.append(
                {"image_id": image, "category_id": category, "bbox": box.tolist(), "score": float(rng.random())}
            )
    categories = [{"id": i, "name": name} for name, i in COCO_TEN.items()]
    pictures = [{"id": i, "file_name": "", "width": 640, "height": 480} for i in range(1, images + 1)]
    return {"images": pictures, "annotations": truths, "categories": categories}, results


def with_pycocotools(gt: dict, results: list[dict]) -> float:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {**gt, "annotations": [dict(a) for a in gt["annotations"]]}
        truth.createIndex()
        run = COCOeval(truth, truth.loadRes([dict(r) for r in results]), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return run.stats[0]


def measure_evaluation() -> None:
    gt, results = made_up(1000, 25)
    ratios = []
    for _ in range(3):
        theirs = seconds(lambda: with_pycocotools(gt, results))
        ratios.append(theirs / seconds(lambda: evaluate(gt, results)))
    difference = abs(with_pycocotools(gt, results) - evaluate(gt, results).AP)
    print(f"evaluation, 1,000 images, 25,000 detections: {statistics.median(ratios):.0f} times as fast as pycocotools")
    print(f"    difference in AP: {difference:.1e}")
    print(f"detection table of the same: {median(lambda: detection_table(gt, results), 3):.2f} s")
    table = detection_table(gt, results)
    filtering = median(lambda: select_images(table, 0.5, classes=["car"], error_types=["localization"]))
    print(f"one filter of the gallery on it: {filtering * 1000:.1f} ms")


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
        steps = [p for p in train(config, folder / f"run{threads}") if p.kind == "step" and p.epoch > 0]
        speed = statistics.median(p.metrics["train/images_per_second"] for p in steps)
        print(f"training the starter model, {threads} thread(s): {speed:.0f} images/s")


def measure_store(folder: Path) -> None:
    store = RunStore(folder)
    run = store.create({})
    tags = (
        "loss", "loss_ce", "loss_bbox", "loss_giou", "lr", "lr_backbone", "lr_head", "grad_norm", "images_per_second",
        "wait",
    )  # fmt: skip
    metrics = {f"train/{name}": 0.5 for name in tags}

    def record():
        for step in range(1000):
            store.record(run.id, step, metrics)

    print(f"recording one step: {median(record, 3):.2f} ms")
    last = store.metrics_after(run.id)[1]
    print(f"asking for what is new: {median(lambda: store.metrics_after(run.id, last - 60), 30) * 1000:.2f} ms")


def main() -> None:
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    with tempfile.TemporaryDirectory() as folder:
        measure_drawing()
        measure_evaluation()
        measure_store(Path(folder) / "store")
        measure_training(Path(folder))


if __name__ == "__main__":
    main()
