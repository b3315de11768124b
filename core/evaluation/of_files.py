"""Results of any tool on a ground truth, both in files: metrics, detection table, and what is to be said of them.

In: a ground truth that was read, and the path of a results list. Out: a `FileEvaluation`. Apart from `coco_files.py`,
which reads both, because what only the boxes tell, as classes that are numbered otherwise, is known after them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core import DataError
from core.datasets.coco_json import CocoFile
from core.evaluation.coco_eval import CocoFigures, evaluate
from core.evaluation.coco_files import read_matched, truth_notes
from core.evaluation.findings.confusion import ConfusionMatrix, confusion_matrix
from core.evaluation.tide import detection_table
from core.wording import short

FEWEST = 10  # objects that are called otherwise, before their classes are doubted
ALIKE = 0.8  # share of a class's objects that have the same other name
TOLD = 2  # classes
ROUNDING = 1e-6  # by which a probability may exceed 1


@dataclass(frozen=True)
class FileEvaluation:
    """The metrics and the detection table of a results list, and sentences on how both files were read.

    scores: the lowest and the highest; (0, 0) without detections.
    """

    figures: CocoFigures
    table: pa.Table
    scores: tuple[float, float]
    notes: list[str]

    @property
    def has_probabilities(self) -> bool:
        """Whether all scores lie between 0 and 1."""
        return self.scores[0] >= 0 and self.scores[1] <= 1 + ROUNDING


def evaluate_results(truth: CocoFile, gt: str | Path, dt: str | Path) -> FileEvaluation:
    """Evaluate the results in the file `dt` on the ground truth that was read from `gt`.

    Raises DataError that names the files, if `dt` cannot be read or does not fit.
    """
    results, ground_truth = read_matched(dt, truth), truth.to_dict()
    try:
        figures, table = evaluate(ground_truth, results.rows), detection_table(ground_truth, results.rows)
    except DataError as error:
        raise DataError(f"{dt} cannot be evaluated on {gt}: {error}") from None
    scores = pc.min_max(table["score"]).as_py()  # None without detections
    notes = [*truth_notes(truth.problems, gt), *results.notes]
    evaluated = FileEvaluation(figures, table, (scores["min"] or 0, scores["max"] or 0), notes)
    if not evaluated.has_probabilities:
        low, high = evaluated.scores
        notes.append(
            f"{Path(dt).name}: its scores lie between {low:g} and {high:g}, not between 0 and 1 as elsewhere here"
        )
    if doubt := _other_numbering(confusion_matrix(table, 0.0)):
        notes.append(f"{Path(dt).name}: {doubt}")
    return evaluated


def _other_numbering(matrix: ConfusionMatrix) -> str | None:
    """Return a sentence if the classes seem to be numbered otherwise than in the ground truth; None if not.

    So it seems if the objects of half of the classes are nearly all called by another name, each class by one of its
    own: a model that errs takes several classes for the same.
    """
    counts = matrix.counts[:-1, :-1]
    rows = np.flatnonzero(counts.sum(axis=1))
    names = counts[rows].argmax(axis=1) if len(rows) else rows
    alike = counts[rows, names] >= ALIKE * counts[rows].sum(axis=1)
    moved = (names != rows) & alike
    objects = int(counts[rows[moved]].sum())
    if len(set(names.tolist())) < len(names) or objects < FEWEST or 2 * moved.sum() < len(rows):
        return None
    order = np.argsort(-counts[rows, names] * moved, kind="stable")[: min(TOLD, moved.sum())]
    told = [
        f"{counts[row, name]:,} of {counts[row].sum():,} found objects of {short(matrix.classes[row], 40)} are called "
        f"{short(matrix.classes[name], 40)}"
        for row, name in zip(rows[order], names[order], strict=True)
    ]
    return f"it seems to number the classes otherwise than the ground truth: {', '.join(told)}: compare both lists"
