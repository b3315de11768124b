"""`Progress`: what a training says of itself, from the loop to whoever drives it.

Apart from `train.py` so that those who record or fake a training need no torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from core.boxes import Detections
from core.evaluate import CocoFigures
from core.labels import LabelMap


@dataclass(frozen=True)
class Progress:
    """Where a training is, and what is new.

    kind          "loading", "evaluating", "baseline" (the untouched model's evaluation, at step 0), "step" or "epoch"
                  (an evaluation at the end of an epoch)
    metrics       tag to value, at this `step`; the same tags in the run store, in TensorBoard and on the page
    figures       COCO's figures, after an evaluation
    detections    all queries of all validation images, after an evaluation; and what they were measured against:
    ground_truth  the COCO dict of the validation images, with the chosen classes only
    is_best       this evaluation's AP is the highest so far; the checkpoint `best` is this epoch's
    """

    kind: str
    epoch: int
    epochs: int
    step: int
    steps: int
    message: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    images_per_second: float | None = None
    seconds_left: float | None = None
    label_map: LabelMap | None = None
    figures: CocoFigures | None = None
    detections: Detections | None = None
    ground_truth: dict | None = None
    is_best: bool = False
