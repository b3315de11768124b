"""Which images are hard, and how full are they? Figures of every image, and how often an object is found twice.

In: a table and a score threshold. Out: `Images`. Everything is counted at IoU 0.5 from the rows that there are, so of
a table filtered to one class it is that class's; every evaluated image is there, also one without any box.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from core.evaluation.table import ERROR_TYPES, ErrorType, flags, floats, has_value, indices, integers, table_metadata
from core.evaluation.threshold import error_codes, is_object


@dataclass(frozen=True)
class ImageFigures:
    """What is right and wrong on one image.

    objects      without crowds
    predictions  from the threshold on: right ones, ignored ones, and errors of every type but missed
    correct      those that found an object
    ignored      those that only fit a crowd
    errors       how many of each type
    """

    image_id: int
    objects: int
    predictions: int
    correct: int
    ignored: int
    errors: dict[ErrorType, int]

    @property
    def precision(self) -> float | None:
        """Of what counts; None without any."""
        counted = self.predictions - self.ignored
        return self.correct / counted if counted else None

    @property
    def recall(self) -> float | None:
        """None without objects."""
        return self.correct / self.objects if self.objects else None

    @property
    def f1(self) -> float | None:
        """None if the image has neither objects nor predictions that count."""
        both = self.objects + self.predictions - self.ignored
        return 2 * self.correct / both if both else None

    @property
    def hardness(self) -> float:
        """1 - F1; 0 of an empty image on which nothing is predicted, because that is right."""
        return 0.0 if self.f1 is None else 1 - self.f1


@dataclass(frozen=True)
class Duplicates:
    """How often found objects are predicted again.

    name    the class; None for all together
    counts  how many found objects have 0, 1, 2, … duplicates; empty if none is found
    """

    name: str | None
    counts: tuple[int, ...]

    @property
    def found(self) -> int:
        """How many objects are found."""
        return sum(self.counts)

    @property
    def boxes(self) -> int:
        """How many duplicates there are."""
        return sum(number * objects for number, objects in enumerate(self.counts))

    @property
    def share(self) -> float | None:
        """Which share of the found objects has a duplicate; None if none is found."""
        return sum(self.counts[1:]) / self.found if self.found else None


@dataclass(frozen=True)
class PerImageFigures:
    """Every image at a score threshold.

    score        the threshold
    figures      of each image, hardest first: by hardness, then by number of errors, then by id
    objects      how many images have 0, 1, 2, … objects, crowds left out; empty without images
    predictions  how many have 0, 1, 2, … predictions
    duplicates   of all classes together
    by_class     of each class of the table, in its order
    """

    score: float
    figures: list[ImageFigures]
    objects: tuple[int, ...]
    predictions: tuple[int, ...]
    duplicates: Duplicates
    by_class: tuple[Duplicates, ...]

    def easiest(self, n: int = 10) -> list[ImageFigures]:
        """Return the `n` images of lowest hardness, most right predictions first, then by id."""
        return sorted(self.figures, key=lambda image: (image.hardness, -image.correct, image.image_id))[:n]


def per_image_figures(table: pa.Table, score: float = 0.5) -> PerImageFigures:
    """Return the figures of every image with the predictions from `score`."""
    ids = np.array(table_metadata(table).image_ids, dtype=np.int64)
    place = np.searchsorted(ids, table["image_id"].to_numpy())
    codes = error_codes(table, score)
    of_objects, predicted = is_object(table), floats(table, "score") >= np.float32(score)  # see `threshold.reaches`
    objects, predictions, correct, ignored = (
        np.bincount(place[rows], minlength=len(ids))
        for rows in (
            of_objects,
            predicted,
            predicted & has_value(table, "gt_id"),
            predicted & flags(table, "crowd_only"),
        )
    )
    kinds, wrong = len(ERROR_TYPES), codes >= 0
    errors = np.bincount(place[wrong] * kinds + codes[wrong], minlength=len(ids) * kinds).reshape(-1, kinds)
    both = objects + predictions - ignored
    f1 = np.divide(2 * correct, both, out=np.ones(len(ids)), where=both > 0)
    order = np.lexsort((ids, -errors.sum(axis=1), f1))
    figures = [
        ImageFigures(
            image_id, n_objects, n_predictions, n_correct, n_ignored, dict(zip(ERROR_TYPES, wrongs, strict=True))
        )
        for image_id, (n_objects, n_predictions, n_correct, n_ignored), wrongs in zip(
            ids[order].tolist(),
            np.column_stack([objects, predictions, correct, ignored])[order].tolist(),
            errors[order].tolist(),
            strict=True,
        )
    ]
    together, by_class = _duplicates(table, codes, of_objects, score)
    return PerImageFigures(score, figures, _how_many(objects), _how_many(predictions), together, by_class)


def _duplicates(
    table: pa.Table, codes: np.ndarray, of_objects: np.ndarray, score: float
) -> tuple[Duplicates, tuple[Duplicates, ...]]:
    """Return the duplicates of all classes together, and of each class.

    A duplicate fits no object of its class better than one that was found before.
    """
    names = table_metadata(table).classes
    matched = np.flatnonzero(of_objects & (floats(table, "match_score") >= np.float32(score)))
    matched = matched[np.argsort(integers(table, "gt_id")[matched])]
    again = integers(table, "best_same_gt")[codes == ERROR_TYPES.index(ErrorType.DUPLICATE)]
    number = np.bincount(np.searchsorted(integers(table, "gt_id")[matched], again), minlength=len(matched))
    label = indices(table, "class_name", names)[matched]
    by_class = tuple(Duplicates(name, _how_many(number[label == k])) for k, name in enumerate(names))
    return Duplicates(None, _how_many(number)), by_class


def _how_many(values: np.ndarray) -> tuple[int, ...]:
    """Count how many of the values are 0, 1, 2, …, up to the highest."""
    return tuple(np.bincount(values).tolist())
