"""Watch it learn: the same few validation images at every evaluated epoch of a run.

Of whole detection tables only the untouched, the best and the last model's stay. Of the watched images every epoch's
rows stay, written by `recorder.py` as a small table of their own, with which everything works that reads a table.

In: a detection table, or a run's store. Out: which images are watched, and a run's `Frame`s with what was found then.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core import RunError
from core.datasets.split import SIZES
from core.evaluation.selection import is_object
from core.evaluation.table import ABOUT, about, indices, read_table
from core.runs.schema import Evaluation
from core.runs.store import RunStore

MOST = 24  # images
MOST_FRAMES = 40  # shown of a long run: what is between them would only make it slow
LOSSES = ("loss", "loss_ce", "loss_bbox", "loss_giou")


def watched_images(table: pa.Table, seed: int = 0, most: int = MOST) -> tuple[int, ...]:
    """The images to watch, at most `most`, ascending: the same at every epoch of a run, since predictions do not count.

    First those that together show every class and every size that there is, each time one that adds most of them; then
    any with objects, then any. Who goes first among equals is drawn by `seed`, image by image, so that the choice
    depends neither on the order of the images nor much on one that is added.
    """
    said = about(table)
    ids = np.array(sorted(said.image_ids, key=lambda image_id: _lot(seed, image_id)), dtype=np.int64)
    objects = table.filter(pa.array(is_object(table)))
    order = np.argsort(ids)
    place = order[np.searchsorted(ids, objects["image_id"].to_numpy(), sorter=order)] if len(ids) else []
    things = (*said.classes, *SIZES)
    shows = np.zeros((len(ids), len(things)), dtype=bool)
    shows[place, indices(objects, "class_name", said.classes)] = True
    shows[place, len(said.classes) + indices(objects, "size", SIZES)] = True
    weights = np.ones(len(things), dtype=np.int64)
    weights[: len(said.classes)] = len(SIZES) + 1  # one more class is worth more than all sizes
    chosen: list[int] = []
    missing = shows.any(axis=0)
    while missing.any() and len(chosen) < most:
        chosen.append(int(np.argmax((shows & missing) @ weights)))  # of equals the first
        missing &= ~shows[chosen[-1]]
    rest = [i for wanted in (True, False) for i in np.flatnonzero(shows.any(axis=1) == wanted) if i not in chosen]
    return tuple(sorted(ids[[*chosen, *rest][:most]].tolist()))


def _lot(seed: int, image_id: int) -> bytes:
    return hashlib.blake2b(f"{seed} {image_id}".encode(), digest_size=8).digest()


def part_of(table: pa.Table, image_ids: Collection[int]) -> pa.Table:
    """All rows of these images, with an `About` of these images only: a detection table of its own."""
    said, wanted = about(table), set(image_ids)
    kept = [(i, size) for i, size in zip(said.image_ids, said.sizes, strict=True) if i in wanted]
    part = table.filter(pa.array(np.isin(table["image_id"].to_numpy(), [i for i, _ in kept])))
    own = replace(said, image_ids=tuple(i for i, _ in kept), sizes=tuple(size for _, size in kept))
    return part.replace_schema_metadata({ABOUT: own.to_json()})


@dataclass(frozen=True)
class Losses:
    """Means over the steps since the evaluation before; of the validation images there is one. None: not recorded."""

    loss: float | None = None
    loss_ce: float | None = None
    loss_bbox: float | None = None
    loss_giou: float | None = None


@dataclass(frozen=True)
class Frame:
    """An evaluated epoch whose boxes are kept; 0 is the untouched model.

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
        return f"epoch {self.epoch}" if self.epoch else "untouched"

    def to_dict(self) -> dict:
        """For JSON: the validation losses by their own name, the training's as "train_loss", …"""
        train = {f"train_{name}": value for name, value in asdict(self.train).items()}
        return {"epoch": self.epoch, "step": self.step, "AP": self.AP, **asdict(self.val), **train}


def frames(store: RunStore, run_id: str) -> list[Frame]:
    """Every evaluated epoch with watched images, in order; where there are none, as in older runs, with a whole table.

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

    def losses(split: str, step: int) -> Losses:
        return Losses(**{name: means.get((step, f"{split}/{name}")) for name in LOSSES})

    return [
        Frame(
            e.epoch, e.step, path, path == e.table, e.figures.get("AP"), losses("val", e.step), losses("train", e.step)
        )
        for e, path in kept
    ]


def _means(store: RunStore, run_id: str, steps: Sequence[int]) -> dict[tuple[int, str], float]:
    """The losses' means from each of `steps` (ascending), exclusive, to the next one, by that one and tag."""
    tags = [f"{split}/{name}" for split in ("val", "train") for name in LOSSES]
    rows, _ = store.metrics_after(run_id, tags=tags)
    values: dict[tuple[int, str], list[float]] = defaultdict(list)
    places = np.searchsorted(steps, [step for _, _, step, _ in rows])
    for place, (_, tag, _, value) in zip(places.tolist(), rows, strict=True):
        if place < len(steps) and math.isfinite(value):
            values[steps[place], tag].append(value)
    return {key: math.fsum(found) / len(found) for key, found in values.items()}


def spread(found: Sequence[Frame], most: int = MOST_FRAMES) -> list[Frame]:
    """At most `most` of the frames, at equal distances; the first, the last and the best by AP are among them."""
    if len(found) <= most:
        return list(found)
    best = max(range(len(found)), key=lambda i: -1.0 if found[i].AP is None else found[i].AP)
    places = {*np.linspace(0, len(found) - 1, most - 1).round().astype(int).tolist(), best}
    return [found[i] for i in sorted(places)]


def read_frame(
    path: Path, image_ids: Collection[int], is_whole: bool = False, columns: list[str] | None = None
) -> pa.Table:
    """A frame's rows of these images, as `part_of` gives them; raises RunError if the file is damaged or gone.

    Of a whole table only the row groups that hold them are read. `columns`: only these, "image_id" among them.
    """
    where = pc.field("image_id").isin(list(image_ids)) if is_whole else None
    return part_of(read_table(path, columns, where), image_ids)


def watched_of(found: Sequence[Frame]) -> tuple[int, ...] | None:
    """Which images the frames of a run watch; None if all are whole tables, or none can be read."""
    for frame in reversed(found):
        if not frame.is_whole:
            with suppress(RunError):
                return about(read_table(frame.path, ["image_id"])).image_ids
    return None


def boxes_at(store: RunStore, run_id: str, image_id: int) -> list[tuple[Frame, pa.Table]]:
    """One image's rows at every epoch at which they are kept; of a long run `spread`.

    Those are all epochs if the image is watched, else those whose whole tables are kept. What cannot be read is left
    out. Raises RunError if there is no such run.
    """
    found = frames(store, run_id)
    if image_id not in (watched_of(found) or ()):
        tables = {e.epoch: e.table for e in store.evaluations(run_id) if e.table}
        found = [replace(f, path=tables[f.epoch], is_whole=True) for f in found if f.epoch in tables]
    kept = []
    for frame in spread(found):
        with suppress(RunError):
            part = read_frame(frame.path, [image_id], frame.is_whole)
            if about(part).image_ids:
                kept.append((frame, part))
    return kept
