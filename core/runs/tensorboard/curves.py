"""The precision-recall curves of an evaluation, for TensorBoard's PR Curves tab.

In: a detection table. Out: a value for all classes pooled, and one for each of some, at IoU 0.5. The counts are those
of `threshold_curve.py`, so that Results shows the same precision and recall at the same score.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from core.evaluation.findings.threshold_curve import threshold_counts
from core.runs.tensorboard.values import pr_value

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary

TAG = "val/PR50"  # of all classes; a class's name follows behind a slash
MOST_CLASSES = 20
DESCRIPTION = "At IoU 0.5, from each score; predictions that COCO ignores count neither way."


def pr_values(table: pa.Table) -> list[Summary.Value]:
    """Return the curve of all classes pooled, and of at most MOST_CLASSES classes, those with the most objects.

    A class without objects has none, and without any object there is none at all. Which classes they are depends on
    the ground truth alone, so it is the same in every epoch.
    """
    counts = threshold_counts(table)
    if not counts.n.any():
        return []
    order = np.argsort(-counts.n, kind="stable")[:MOST_CLASSES]
    every = int(counts.n.sum()), counts.found.sum(axis=0), counts.predictions.sum(axis=0)
    values = [pr_value(TAG, *every, f"All classes pooled. {DESCRIPTION}")]
    for k in order[counts.n[order] > 0].tolist():
        tag = f"{TAG}/{counts.names[k]}"
        values.append(pr_value(tag, int(counts.n[k]), counts.found[k], counts.predictions[k], DESCRIPTION))
    return values
