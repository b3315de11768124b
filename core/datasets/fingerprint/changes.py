"""What changed of the data between two fingerprints, in words, and whether a training can go on with it.

In: two fingerprints, or the classes of two. Out: `DataChanges`. A model's outputs belong to classes by their ids and
their order, so only their names may change; boxes, pictures and the list of images may.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from core.datasets.fingerprint.fingerprint import Fingerprint, SplitPrint
from core.datasets.fingerprint.pictures import MISSING
from core.labels import LabelMap
from core.wording import short

IMAGES = {"train": "training image", "val": "validation image"}
MOST_CLASSES = 3  # that are named


@dataclass(frozen=True)
class ClassChanges:
    """What changed from one label map to another.

    renamed    (name before, name now) of classes that keep their id and place; the new name was not another one's
    added      names of new classes; removed: of those that are gone
    other_ids  (name, id before, id now)
    reordered  whether classes that are in both stand in another order
    """

    renamed: tuple[tuple[str, str], ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    other_ids: tuple[tuple[str, int, int], ...] = ()
    reordered: bool = False

    @property
    def are_safe(self) -> bool:
        """Whether a model's outputs still belong to the same classes, by whatever names."""
        return not (self.added or self.removed or self.other_ids or self.reordered)

    @property
    def parts(self) -> list[str]:
        """The parts of a sentence on them."""
        parts = [f"the class {_quoted(old)} is now {_quoted(new)}" for old, new in self.renamed]
        parts += [f"the class {_quoted(name)} is new" for name in self.added]
        parts += [f"the class {_quoted(name)} is gone" for name in self.removed]
        parts += [f"the class {_quoted(name)} has the id {now} instead of {old}" for name, old, now in self.other_ids]
        if len(parts) > MOST_CLASSES:
            parts[MOST_CLASSES:] = [f"{len(parts) - MOST_CLASSES} more classes changed"]
        return parts + ["the classes stand in another order"] * self.reordered


def class_changes(before: LabelMap, after: LabelMap) -> ClassChanges:
    """Return what changed from one label map to the other."""
    old_names, new_names = (dict(zip(m.category_ids, m.names, strict=True)) for m in (before, after))
    old_ids, new_ids = before.label2id.keys(), after.label2id.keys()
    renamed = {
        i: (old_names[i], new_names[i])
        for i in old_names
        if i in new_names and old_names[i] not in new_ids and new_names[i] not in old_ids
    }
    names_now = dict(renamed.values())
    kept = [names_now.get(name, name) for name in before.names if names_now.get(name, name) in new_ids]
    ids_before, ids_now = (dict(zip(m.names, m.category_ids, strict=True)) for m in (before, after))
    return ClassChanges(
        tuple(renamed.values()),
        tuple(name for name in after.names if name not in old_ids and name not in names_now.values()),
        tuple(name for name in before.names if name not in new_ids and name not in names_now),
        tuple((n, i, ids_now[n]) for n, i in ids_before.items() if n in ids_now and ids_now[n] != i),
        kept != [name for name in after.names if name in set(kept)],
    )


@dataclass(frozen=True)
class SplitChanges:
    """What changed of a split: the file names of the images concerned.

    total     how many images it had
    boxes     those with other annotations; pictures: with another picture; lost: whose picture is gone or unusable
    added     those that are new; removed: those that are not used any more
    reordered whether nothing but the order of images and boxes changed
    """

    name: str
    total: int
    boxes: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    reordered: bool = False

    @property
    def parts(self) -> list[str]:
        """The parts of a sentence on them."""
        kind = IMAGES.get(self.name, "image")
        clauses = (
            (self.boxes, "has other boxes", "have other boxes"),
            (self.pictures, "has another picture", "have other pictures"),
            (self.lost, "has lost its picture", "have lost their pictures"),
            (self.removed, "is not used any more", "are not used any more"),
            (self.added, "is new", "are new"),
        )
        parts = [self._clause(kind, names, one, many) for names, one, many in clauses if names]
        return parts + [f"the {kind}s, or their boxes, stand in another order"] * self.reordered

    def _clause(self, kind: str, names: Sequence[str], one: str, many: str) -> str:
        if len(names) == 1:
            return f"1 {kind} {one}, {_quoted(names[0])}"
        count = f"all {len(names):,}" if len(names) == self.total else f"{len(names):,}"
        return f"{count} {kind}s {many}, as {_quoted(names[0])}"


def split_changes(name: str, before: SplitPrint, after: SplitPrint) -> SplitChanges:
    """Return what changed from one split to the other; images are the same by their ids."""
    _, old, new = np.intersect1d(before.image_ids, after.image_ids, assume_unique=True, return_indices=True)
    place = np.argsort(new)  # in today's order
    old, new = old[place], new[place]
    size, size_now = before.pictures.size[old], after.pictures.size[new]
    had, has = size != MISSING, size_now != MISSING
    differs = (size != size_now) | (before.pictures.digest[old] != after.pictures.digest[new])
    boxes = before.boxes[old] != after.boxes[new]
    added = np.flatnonzero(~np.isin(after.image_ids, before.image_ids))
    gone = np.flatnonzero(~np.isin(before.image_ids, after.image_ids))
    unusable = np.isin(before.image_ids[gone], list(after.left_out))
    is_same_list = not (len(added) or len(gone) or boxes.any())
    return SplitChanges(
        name,
        len(before.image_ids),
        _names(after, new[boxes]),
        _names(after, new[had & has & differs]),
        _names(after, new[had & ~has]) + _names(before, gone[unusable]),
        _names(after, added),
        _names(before, gone[~unusable]),
        is_same_list and (before.order != after.order or bool((before.image_ids != after.image_ids).any())),
    )


def _names(part: SplitPrint, rows: Iterable[int]) -> tuple[str, ...]:
    return tuple(part.file_names[row] for row in rows)


@dataclass(frozen=True)
class DataChanges:
    """What changed of a run's data."""

    classes: ClassChanges = ClassChanges()
    splits: tuple[SplitChanges, ...] = ()

    @property
    def parts(self) -> list[str]:
        """The parts of a sentence on them; empty if nothing changed."""
        if not self.classes.are_safe:  # then every box of such a class is another one
            return self.classes.parts
        return self.classes.parts + [part for split in self.splits for part in split.parts]

    @property
    def are_safe(self) -> bool:
        """Whether a model can be trained further on it."""
        return self.classes.are_safe

    @property
    def words(self) -> str:
        """All that changed, without a full stop; "" if nothing did."""
        return "; ".join(self.parts)


def data_changes(before: Fingerprint, after: Fingerprint) -> DataChanges:
    """Return what changed from one fingerprint to the other, of the splits that both have."""
    if before.digest == after.digest:
        return DataChanges()
    names = [name for name in before.splits if name in after.splits]
    splits = tuple(split_changes(name, before.splits[name], after.splits[name]) for name in names)
    return DataChanges(class_changes(before.classes, after.classes), splits)


def _quoted(name: str) -> str:
    return short(repr(name), 60)
