"""Watch it learn: the same few validation images at every evaluated epoch of a run.

Of whole detection tables only those of the baseline, the best and the last model stay. Of the watched images every
epoch's rows stay, written by `recorder.py` as a small table, with which everything works that reads a table.

In: a detection table, or a run's store. Out: which images are watched, and a run's `Frame`s with their detections.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core import RunError
from core.datasets.split import SIZES
from core.evaluation.table import METADATA_KEY, indices, read_table, table_metadata
from core.evaluation.threshold import is_object
from core.metrics import LOSSES, Loss, Metric
from core.runs.schema import Evaluation
from core.runs.store import RunStore

MOST = 24  # images
MOST_FRAMES = 40  # shown of a long run: what is between them would only make it slow


def watched_images(table: pa.Table, seed: int = 0, most: int = MOST) -> tuple[int, ...]:
    """Return the ids of at most `most` images to watch, ascending: the same at every epoch of a run.

    They do not depend on predictions. First come images that together show every class and every size that there is,
    each time the one that adds most of them; then any with objects, then any. Which comes first among equals is drawn
    by `seed`, image by image, so that the choice depends neither on the order of the images nor much on one that is
    added.
    """
    metadata = table_metadata(table)
    ids = np.array(sorted(metadata.image_ids, key=lambda image_id: _lot(seed, image_id)), dtype=np.int64)
    objects = table.filter(pa.array(is_object(table)))
    order = np.argsort(ids)
    position = order[np.searchsorted(ids, objects["image_id"].to_numpy(), sorter=order)] if len(ids) else order
    classes = len(metadata.classes)
    shows = np.zeros((len(ids), classes + len(SIZES)), dtype=bool)  # whether an image shows a class, or a size
    shows[position, indices(objects, "class_name", metadata.classes)] = True
    shows[position, classes + indices(objects, "size", SIZES)] = True
    weights = np.ones(classes + len(SIZES), dtype=np.int64)
    weights[:classes] = len(SIZES) + 1  # one more class is worth more than all sizes
    chosen: list[int] = []
    missing = shows.any(axis=0)
    while missing.any() and len(chosen) < most:
        chosen.append(int(np.argmax((shows & missing) @ weights)))  # of equals the first
        missing &= ~shows[chosen[-1]]
    has_objects = shows.any(axis=1)
    others = [*np.flatnonzero(has_objects).tolist(), *np.flatnonzero(~has_objects).tolist()]
    rest = [i for i in others if i not in chosen]
    return tuple(sorted(ids[[*chosen, *rest][:most]].tolist()))


def _lot(seed: int, image_id: int) -> bytes:
    return hashlib.blake2b(f"{seed} {image_id}".encode(), digest_size=8).digest()


def part_of(table: pa.Table, image_ids: Collection[int]) -> pa.Table:
    """Return all rows of these images as a detection table of these images only."""
    whole, wanted = table_metadata(table), set(image_ids)
    kept = [(i, size) for i, size in zip(whole.image_ids, whole.sizes, strict=True) if i in wanted]
    part = table.filter(pa.array(np.isin(table["image_id"].to_numpy(), [i for i, _ in kept])))
    metadata = replace(whole, image_ids=tuple(i for i, _ in kept), sizes=tuple(size for _, size in kept))
    return part.replace_schema_metadata({METADATA_KEY: metadata.to_json()})


@dataclass(frozen=True)
class Losses:
    """Losses at an evaluation, None where they were not recorded.

    Of training batches they are the means over the steps since the evaluation before.
    """

    loss: float | None = None
    loss_ce: float | None = None
    loss_vfl: float | None = None
    loss_mal: float | None = None
    loss_bbox: float | None = None
    loss_giou: float | None = None
    loss_fgl: float | None = None
    loss_ddf: float | None = None


@dataclass(frozen=True)
class Frame:
    """An evaluated epoch whose boxes are kept; 0 is the baseline.

    path      their table
    is_whole  whether that has all validation images, not only the watched ones
    val       losses on the validation images, and on the training batches that led here
    train
    """

    epoch: int
    step: int
    path: Path
    is_whole: bool
    AP: float | None
    val: Losses
    train: Losses

    @property
    def label(self) -> str:
        """The epoch in words."""
        return f"epoch {self.epoch}" if self.epoch else "baseline"

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON needs: the validation losses by their name, the training's as "train_loss", …"""
        train = {f"train_{name}": value for name, value in asdict(self.train).items()}
        return {"epoch": self.epoch, "step": self.step, "AP": self.AP, **asdict(self.val), **train}


def frames(store: RunStore, run_id: str) -> list[Frame]:
    """Return every evaluated epoch with watched images, in order; in older runs, which have none, with a whole table.

    A file may be damaged, or gone in the next moment. Raises RunError if there is no such run.
    """
    evaluations = store.evaluations(run_id)
    kept: list[tuple[Evaluation, Path]] = []
    for evaluation in evaluations:
        watched = store.watched_path(run_id, evaluation.epoch)
        if watched.is_file():
            kept.append((evaluation, watched))
        elif evaluation.table and evaluation.table.is_file():
            kept.append((evaluation, evaluation.table))
    means = _means(store, run_id, [e.step for e in evaluations]) if kept else {}

    def losses(part: Callable[[Loss], Metric], step: int) -> Losses:
        return Losses(**{loss.name: means.get((step, part(loss).tag)) for loss in LOSSES})

    return [
        Frame(
            e.epoch,
            e.step,
            path,
            path == e.table,
            e.figures.get("AP"),
            losses(lambda loss: loss.val, e.step),
            losses(lambda loss: loss.train, e.step),
        )
        for e, path in kept
    ]


def _means(store: RunStore, run_id: str, steps: Sequence[int]) -> dict[tuple[int, str], float]:
    """Return the losses' means up to each of `steps` (ascending), from the one before, by (step, tag)."""
    tags = [metric.tag for loss in LOSSES for metric in (loss.val, loss.train)]
    rows, _ = store.metrics_after(run_id, tags=tags)
    values: dict[tuple[int, str], list[float]] = defaultdict(list)
    following = np.searchsorted(steps, [step for _, _, step, _ in rows])
    for i, (_, tag, _, value) in zip(following.tolist(), rows, strict=True):
        if i < len(steps) and math.isfinite(value):
            values[steps[i], tag].append(value)
    return {key: math.fsum(numbers) / len(numbers) for key, numbers in values.items()}


def spread(frames: Sequence[Frame], most: int = MOST_FRAMES) -> list[Frame]:
    """Return at most `most` frames, at equal distances; the first, the last and the best by AP are among them."""
    if len(frames) <= most:
        return list(frames)
    aps = [-1.0 if frame.AP is None else frame.AP for frame in frames]
    kept = {*np.linspace(0, len(frames) - 1, most - 1).round().astype(int).tolist(), aps.index(max(aps))}
    return [frames[i] for i in sorted(kept)]


def read_frame(
    path: Path, image_ids: Collection[int], is_whole: bool = False, columns: list[str] | None = None
) -> pa.Table:
    """Return a frame's rows of these images, as `part_of` does; raise RunError if the file is damaged or gone.

    Of a whole table only the row groups that hold them are read. `columns`: only these, "image_id" among them.
    """
    where = pc.field("image_id").isin(list(image_ids)) if is_whole else None
    return part_of(read_table(path, columns, where), image_ids)


def watched_of(frames: Sequence[Frame]) -> tuple[int, ...] | None:
    """Return the ids of the images that a run's frames watch; None if all are whole tables, or none can be read."""
    for frame in reversed(frames):
        if not frame.is_whole:
            with suppress(RunError):
                return table_metadata(read_table(frame.path, ["image_id"])).image_ids
    return None


def boxes_at(store: RunStore, run_id: str, image_id: int) -> list[tuple[Frame, pa.Table]]:
    """Return one image's rows at every epoch at which they are kept; of a long run `spread`.

    Those are all epochs if the image is watched, else those whose whole tables are kept. What cannot be read is left
    out. Raises RunError if there is no such run.
    """
    chosen = frames(store, run_id)
    if image_id not in (watched_of(chosen) or ()):
        tables = {e.epoch: e.table for e in store.evaluations(run_id) if e.table}
        chosen = [replace(f, path=tables[f.epoch], is_whole=True) for f in chosen if f.epoch in tables]
    kept = []
    for frame in spread(chosen):
        with suppress(RunError):
            part = read_frame(frame.path, [image_id], frame.is_whole)
            if table_metadata(part).image_ids:
                kept.append((frame, part))
    return kept
