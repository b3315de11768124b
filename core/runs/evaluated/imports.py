"""Results of any detector as an evaluated run, so that every page and command treats them like a trained model's.

In: a COCO ground truth and a results list, both files. Out: a finished run with one evaluation, of epoch 0, and its
detection table (`Run.is_imported`). The run keeps only paths: ground truth and pictures are read where they are.
"""

from __future__ import annotations

from pathlib import Path

from core import DataError
from core.datasets.coco_json import CocoFile
from core.evaluation.coco_files import read_truth
from core.evaluation.of_files import FileEvaluation, evaluate_results
from core.files import real_path
from core.runs.evaluated.images import truth_split, with_near_pictures
from core.runs.evaluated.record import add_evaluated
from core.runs.schema import Run
from core.runs.store import RunStore


def import_results(
    store: RunStore, gt: str | Path, dt: str | Path, images: str | Path | None = None, name: str | None = None
) -> Run:
    """Make a run from the results `dt` on the ground truth `gt`, with the pictures in the folder `images`.

    Without `images` they are looked for beside `gt`, and may be missing. All categories of `gt` are evaluated.
    Raises DataError if a file is broken, if the two do not fit, or if the pictures are not in `images`, and RunError if
    the run cannot be written; then no run is left.
    """
    gt, dt = real_path(gt), real_path(dt)
    truth = read_truth(gt)
    split = truth_split(gt, truth)
    evaluated = _evaluated(gt, truth, dt)
    used = with_near_pictures(split, images)
    folder = used.root and str(used.root)
    imported = {"gt": str(gt), "dt": str(dt), "images": folder, "notes": evaluated.notes}
    return add_evaluated(store, {"imported": imported}, name, evaluated.figures, evaluated.table, used)


def _evaluated(gt: Path, truth: CocoFile, dt: Path) -> FileEvaluation:
    evaluated = evaluate_results(truth, gt, dt)
    if not evaluated.has_probabilities:
        low, high = evaluated.scores
        raise DataError(
            f"The scores in {dt} lie between {low:g} and {high:g}, but must lie between 0 and 1: "
            "export them as probabilities, or divide them by the highest possible one."
        )
    return evaluated
