"""Marks and tags, kept in step between a run and its dataset in FiftyOne, whichever of the two was changed.

    the run                                       FiftyOne
    an image that is marked as a whole      <->   the sample tag "marked"
    another mark on an image                 ->   the sample tag "label error"
    slices "FiftyOne tags"                  <-    any other sample tag
    slices "FiftyOne label tags"            <-    the tags of an image's labels

What both had after the last time is remembered in the dataset, so that a mark that was taken away on one side is not
brought back by the other. To be called again after it was broken off does no harm.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core import LabError
from core.evaluation.findings.label_errors import LabelErrorKind
from core.export.fiftyone.dataset import INFO, LABELS
from core.export.fiftyone.fields import IMAGE_ID
from core.runs.evaluated.tags import keep_tags, tags_path
from core.runs.marks import Mark, Marks
from core.runs.store import RunStore

if TYPE_CHECKING:
    import fiftyone

MARKED, LABEL_ERROR = "marked", "label error"  # sample tags


@dataclass(frozen=True)
class Brought:
    """What came back from FiftyOne: marks of the run that were added or removed, and the other tags that are there."""

    added: int = 0
    removed: int = 0
    tags: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """As "2 marks were added, 1 removed; slices of FiftyOne: blurred, wrong."."""
        marks = f"{self.added:,} mark{'s' * (self.added != 1)} added, {self.removed:,} removed"
        return f"{marks}; tags that are slices now: {', '.join(self.tags)}." if self.tags else f"{marks}."

    def __add__(self, other: Brought) -> Brought:
        tags = tuple(dict.fromkeys((*self.tags, *other.tags)))
        return Brought(self.added + other.added, self.removed + other.removed, tags)


def bring_back(store: RunStore, run_id: str, epoch: int, dataset: fiftyone.Dataset) -> Brought:
    """Bring marks and tags of a run and of its dataset in step; return what the run got.

    Raises RunError if there is no such run any more, LabError if the tags cannot be kept.
    """
    dataset.reload()
    ids, image_ids, sample_tags = dataset.values(["id", IMAGE_ID, "tags"])
    tags = {image_id: list(given or []) for image_id, given in zip(image_ids, sample_tags, strict=True)}
    marks = Marks(store)
    ours = {mark.image_id for mark in marks.all(run_id) if mark.kind is LabelErrorKind.IMAGE} & set(tags)
    errors = {mark.image_id for mark in marks.all(run_id) if mark.kind is not LabelErrorKind.IMAGE}
    theirs = {image_id for image_id, given in tags.items() if MARKED in given}
    merged = merge(set(dataset.info.get(INFO, {}).get("marked", [])), ours, theirs)
    marks.add_all(run_id, [Mark(LabelErrorKind.IMAGE, image_id) for image_id in sorted(merged - ours)])
    marks.remove_all(run_id, [Mark(LabelErrorKind.IMAGE, image_id).key for image_id in ours - merged])
    others = {image_id: [tag for tag in given if tag not in (MARKED, LABEL_ERROR)] for image_id, given in tags.items()}
    label_tags = _label_tags(dataset)
    try:
        keep_tags(tags_path(store, run_id, epoch), {"tags": _given(others), "label_tags": _given(label_tags)})
    except OSError as error:
        raise LabError(f"The tags of FiftyOne cannot be kept: {error.strerror or error}.") from None
    changed = {}
    for sample_id, image_id in zip(ids, image_ids, strict=True):
        new = [MARKED] * (image_id in merged) + [LABEL_ERROR] * (image_id in errors) + others[image_id]
        if set(new) != set(tags[image_id]):
            changed[sample_id] = new
    if changed:
        dataset.set_values("tags", changed, key_field="id")
    dataset.info[INFO] = dict(dataset.info.get(INFO, {})) | {"marked": sorted(merged)}
    dataset.save()
    return Brought(len(merged - ours), len(ours - merged), _names((*others.values(), *label_tags.values())))


def merge(before: set[int], ours: set[int], theirs: set[int]) -> set[int]:
    """Return what both sides have after each change since `before`, on either side, is made on the other, too.

    >>> merge({1, 2, 3}, {2, 3, 4}, {1, 2, 5})
    {2, 4, 5}
    """
    return (ours & theirs) | (ours - before) | (theirs - before)


def _label_tags(dataset: fiftyone.Dataset) -> dict[int, list[str]]:
    """Return the tags of each image's labels, each once."""
    of_images: dict[int, list[str]] = {}
    for field in LABELS:
        for image_id, of_labels in zip(*dataset.values([IMAGE_ID, f"{field}.detections.tags"]), strict=True):
            given = [tag for tags in of_labels or [] for tag in tags or []]
            of_images[image_id] = list(dict.fromkeys([*of_images.get(image_id, []), *given]))
    return of_images


def _given(tags: dict[int, list[str]]) -> dict[int, list[str]]:
    return {image_id: given for image_id, given in tags.items() if given}


def _names(given: Iterable[Sequence[str]]) -> tuple[str, ...]:
    return tuple(sorted({tag for tags in given for tag in tags}))
