"""`python -m bench.spoiled`: how many spoiled labels are among the first of *Label errors*, for docs/measurements.md.

Of the demo's training labels a share is spoiled by seed: a third is removed, a third gets another class, a third is
shifted. The demo's model is trained on them, and evaluated on the images that it was trained on. Where cleanlab is
installed, its three scores rank the same boxes. Five minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from core import PROJECT
from core.boxes import as_boxes, clip, iou, xywh_to_xyxy
from core.config import STARTER, TrainConfig
from core.datasets.demo import BUILT_IN, draw_built_in
from core.evaluation.findings.label_errors import LabelErrorKind, label_errors
from core.evaluation.table import CORNERS, is_ground_truth, read_table, table_metadata
from core.inference.evaluation.config import EvaluationConfig
from core.inference.evaluation.job import create_evaluations, follow_evaluation
from core.presets import PRESETS
from core.runs.drive import drive
from core.runs.store import RunStore

SCORE = 0.5  # from which the list is made
SHIFT = 0.35, 0.6  # of the box's sides, in each direction
SAME = 0.5  # IoU from which a suspect is at a spoiled label's place
REMOVED, SWAPPED, SHIFTED = "removed", "swapped", "shifted"


@dataclass(frozen=True)
class Spoiled:
    """A label that was spoiled; `box` is the true one, xyxy in pixels."""

    how: str
    image_id: int
    gt_id: int
    box: tuple[float, ...]


@dataclass(frozen=True)
class Suspect:
    """A place that a list suspects: an annotation, or a box where one may be missing."""

    image_id: int
    gt_id: int | None
    box: tuple[float, ...]


def spoil(path: Path, share: float, seed: int) -> list[Spoiled]:
    """Spoil a share of an annotation file's labels; return which."""
    data, random = json.loads(path.read_text()), np.random.default_rng(seed)
    sizes = {image["id"]: (image["width"], image["height"]) for image in data["images"]}
    objects = [a for a in data["annotations"] if not a["iscrowd"]]
    chosen = random.permutation(len(objects))[: round(share * len(objects))]
    ids = [category["id"] for category in data["categories"]]
    spoiled, removed = [], set()
    for place, row in enumerate(chosen.tolist()):
        one, how = objects[row], (REMOVED, SWAPPED, SHIFTED)[place % 3]
        box = xywh_to_xyxy([one["bbox"]])
        spoiled.append(Spoiled(how, one["image_id"], one["id"], tuple(box[0].tolist())))
        if how == REMOVED:
            removed.add(one["id"])
        elif how == SWAPPED:
            one["category_id"] = int(random.choice([i for i in ids if i != one["category_id"]]))
        else:
            sides = (box[0, 2:] - box[0, :2]) * random.uniform(*SHIFT, 2) * random.choice([-1, 1], 2)
            x1, y1, x2, y2 = clip(box + np.tile(sides, 2), sizes[one["image_id"]])[0].tolist()
            one["bbox"], one["area"] = [x1, y1, max(x2 - x1, 1.0), max(y2 - y1, 1.0)], max((x2 - x1) * (y2 - y1), 1.0)
    data["annotations"] = [a for a in data["annotations"] if a["id"] not in removed]
    path.write_text(json.dumps(data))
    return spoiled


def ours(table: pa.Table) -> list[Suspect]:
    """The list of *Label errors*."""
    return [Suspect(one.image_id, one.gt_id, one.box) for one in label_errors(table, SCORE, 10**6)]


def of_cleanlab(table: pa.Table) -> list[Suspect]:
    """The same boxes by cleanlab's scores of overlooked, swapped and badly located labels, the lowest first."""
    from cleanlab.object_detection.rank import (
        compute_badloc_box_scores,
        compute_overlooked_box_scores,
        compute_swap_box_scores,
    )

    rows, names = table.to_pylist(), list(table_metadata(table).classes)
    labels, predictions, ids = [], [], table_metadata(table).image_ids
    by_image: dict[int, list[dict[str, Any]]] = {image_id: [] for image_id in ids}
    for row in rows:
        by_image[row["image_id"]].append(row)
    truths = {i: [r for r in some if r["kind"] == "ground_truth"] for i, some in by_image.items()}
    for image_id in ids:
        boxes = as_boxes([[r[side] for side in CORNERS] for r in truths[image_id]])
        classes = np.array([names.index(r["class_name"]) for r in truths[image_id]], dtype=int)
        labels.append({"bboxes": boxes, "labels": classes})
        by_class: list[list[list[float]]] = [[] for _ in names]
        for r in by_image[image_id]:
            if r["kind"] == "detection":
                by_class[names.index(r["class_name"])].append([*(r[side] for side in CORNERS), r["score"]])
        predictions.append(np.array([np.array(some).reshape(-1, 5) for some in by_class] + [None], dtype=object)[:-1])
    listed: list[tuple[float, Suspect]] = []
    for score_of in (compute_swap_box_scores, compute_badloc_box_scores):
        for image_id, scores in zip(ids, score_of(labels=labels, predictions=predictions), strict=True):
            for row, score in zip(truths[image_id], scores, strict=True):
                box = tuple(row[side] for side in CORNERS)
                listed.append((float(score), Suspect(image_id, row["gt_id"], box)))
    overlooked = compute_overlooked_box_scores(labels=labels, predictions=predictions)
    for image_id, some, scores in zip(ids, predictions, overlooked, strict=True):
        boxes = np.concatenate([np.asarray(one).reshape(-1, 5) for one in some])
        for box, score in zip(boxes, scores, strict=True):
            if not np.isnan(score):
                listed.append((float(score), Suspect(image_id, None, tuple(box[:4]))))
    return [suspect for _, suspect in sorted(listed, key=lambda pair: pair[0])]


def hits(suspects: list[Suspect], spoiled: list[Spoiled], first: int) -> dict[str, int]:
    """Count, of the first so many suspects, how many spoiled labels of each kind are among them."""
    counts = dict.fromkeys((REMOVED, SWAPPED, SHIFTED), 0)
    for one in spoiled:
        for suspect in suspects[:first]:
            is_it = suspect.gt_id == one.gt_id and one.how != REMOVED
            at_place = suspect.gt_id is None and iou([suspect.box], [one.box])[0, 0] >= SAME
            if suspect.image_id == one.image_id and (is_it or (at_place and one.how != SWAPPED)):
                counts[one.how] += 1
                break
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(folder)
        for _ in draw_built_in(BUILT_IN[0], store.data_dir):
            pass
        data = store.data_dir / BUILT_IN[0].folder
        spoiled = spoil(data / "annotations/instances_train.json", options.share, options.seed)
        config = PRESETS["Built-in demo"].apply(TrainConfig(str(data), str(PROJECT / STARTER), epochs=options.epochs))
        torch.set_num_threads(config.threads or 2)
        run = drive(store, store.create({**config.to_dict(), "epochs": options.epochs}).id)
        (evaluation,) = create_evaluations(store, [EvaluationConfig((f"{run.id}:last",), str(data), "train")])
        for _ in follow_evaluation(store, evaluation.id):
            pass
        table = read_table(store.table_path(evaluation.id, 0))
        store.close()
    total = int(is_ground_truth(table).sum())
    print(f"seed {options.seed}: {len(spoiled)} of {total + sum(s.how == REMOVED for s in spoiled)} labels are spoiled")
    lists = {"Label errors": ours(table)} | ({"cleanlab": of_cleanlab(table)} if find_spec("cleanlab") else {})
    for name, suspects in lists.items():
        for first in (len(spoiled) // 2, len(spoiled), 2 * len(spoiled), 4 * len(spoiled)):
            counts = hits(suspects, spoiled, first)
            told = ", ".join(f"{how} {n}" for how, n in counts.items())
            print(
                f"    {name}: among the first {first} of {len(suspects)}: {sum(counts.values())} ({told})", flush=True
            )
    kinds = [one.kind for one in label_errors(table, SCORE, 10**6)]
    print("    kinds:", {kind.value: kinds.count(kind) for kind in LabelErrorKind if kind in kinds})


if __name__ == "__main__":
    main()
