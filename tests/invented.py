"""Evaluated runs without a training, with made-up boxes of every kind; untouched, they are the starter model."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.boxes import Detections, xywh_to_xyxy
from core.config import TrainConfig
from core.datasets.demo import draw_dataset
from core.datasets.split import CocoSplit, read_split
from core.detr.states.query_states import QueryStates
from core.labels import LabelMap
from core.presets import PRESETS
from core.runs.schema import Run, Status
from core.runs.store import RunStore
from tests.core.runs.watching import record_epochs

RIGHT, MOVED, OTHER_CLASS, MOVED_OTHER_CLASS, MISSED = range(5)
VAL = 60  # images of the drawn data set
WIDTH = 96  # numbers of a decoder state


def draw_street(root: Path, val: int = VAL) -> Path:
    """A drawn data set as `root`'s built-in one: 3 training images and `val` validation images, 160 pixels wide."""
    for _ in draw_dataset(root / "data/street", train=3, val=val, seed=5, size=160):
        pass
    return root / "data/street"


def invented_run(
    store: RunStore, data: Path, skills: Sequence[float] = (0.2, 0.6), seed: int = 0, name: str | None = None
) -> Run:
    """A finished run, evaluated untouched and after each epoch with `invented` boxes; the last is the best of four."""
    run = _create(store, data, len(skills) - 1, name)
    split = read_split(data, "val")
    found = [invented(split, skill, seed) for skill in skills]
    record_epochs(
        store, run.id, range(len(skills)), len(skills) - 1, lambda *_, epoch: found[epoch], states_of=invented_states
    )
    store.update(run.id, status=Status.FINISHED)
    return store.get(run.id)


def _create(store: RunStore, data: Path, epochs: int, name: str | None) -> Run:
    config = PRESETS["Built-in demo"].apply(TrainConfig(data=str(data)))
    return store.create({**config.to_dict(), "epochs": epochs}, name)


def invented(split: CocoSplit, skill: float, seed: int = 0) -> Detections:
    """Detections of every kind: a share `skill` of the objects is found, some twice; on each image is one stray box.

    Another `seed` finds others. In every crowd a box is found.
    """
    rng, label_map = np.random.default_rng(seed), split.label_map()
    image_id, label, boxes = _annotated(split, label_map, iscrowd=0)
    fate = rng.choice(5, len(label), p=[skill, *[(1 - skill) / 4] * 4])
    aside = np.tile(0.45 * (boxes[:, 2:] - boxes[:, :2]) * [1, 0], 2)
    boxes = np.where(np.isin(fate, [MOVED, MOVED_OTHER_CLASS])[:, None], boxes + aside, boxes)
    label = np.where(np.isin(fate, [OTHER_CLASS, MOVED_OTHER_CLASS]), (label + 1) % len(label_map), label)
    score = rng.uniform(0.3, 0.95, len(label))
    there, again = fate != MISSED, (fate == RIGHT) & (rng.random(len(label)) < 0.3)
    everywhere = np.array([image["id"] for image in split.images])
    of_crowds = _annotated(split, label_map, iscrowd=1)
    parts = (
        (image_id[there], label[there], score[there], boxes[there]),
        (image_id[again], label[again], 0.9 * score[again], boxes[again]),
        (everywhere, everywhere % len(label_map), rng.uniform(0.2, 0.9, len(everywhere)),
         np.tile([2, 2, 14, 14], (len(everywhere), 1))),
        (of_crowds[0], of_crowds[1], rng.uniform(0.5, 0.9, len(of_crowds[0])), of_crowds[2]),
    )  # fmt: skip
    image_id, label, score, boxes = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(image_id, kind="stable")
    first = np.searchsorted(image_id[order], image_id[order])
    query = np.empty_like(image_id)
    query[order] = np.arange(len(order)) - first  # from 0 in each image
    return Detections(image_id, query, label, score, boxes)


def invented_states(found: Detections) -> QueryStates:
    """States by which boxes of a class are alike, the more so the nearer their scores are."""
    noise = np.random.default_rng(len(found)).normal(0, 0.1, (len(found), WIDTH))
    values = 3 * np.eye(WIDTH)[found.label] + found.score[:, None] * np.eye(WIDTH)[-1] + noise
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return QueryStates(found.image_id, found.query, found.score, values.astype(np.float16))


def _annotated(split: CocoSplit, label_map: LabelMap, iscrowd: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image ids (N,), labels (N,) and boxes (N, 4) of the objects, or of the crowds."""
    rows = [a for a in split.annotations if a["iscrowd"] == iscrowd]
    boxes = np.array([a["bbox"] for a in rows], dtype=float).reshape(-1, 4)
    return (
        np.array([a["image_id"] for a in rows], dtype=np.int64),
        label_map.to_labels([a["category_id"] for a in rows]),
        xywh_to_xyxy(boxes),
    )
