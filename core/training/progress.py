"""`Progress`: what a training says of itself, from the loop to whoever drives it.

Apart from `train.py` so that those who record or fake a training need no torch.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from PIL import Image

from core.boxes import Detections
from core.evaluation.coco_eval import CocoFigures
from core.evaluation.table import ModelInput
from core.labels import LabelMap

LEVELS = ("critical", "warning", "info")  # of a Remark, the most urgent first


@dataclass(frozen=True)
class Remark:
    """Something about a run that its user should know, said by the doctor or by the training itself.

    rule      what it is about, as an identifier; a run has one remark of each rule at most
    level     one of LEVELS
    title     what is the matter, in a few words
    cause     why that happens
    evidence  the figures or images that show it
    advice    what to change
    step      the step at which it was seen first
    """

    rule: str
    level: str
    title: str
    cause: str
    evidence: str
    advice: str
    step: int

    def to_dict(self) -> dict:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Check:
    """One check of the pre-flight: what was looked at, what was found, and whether a training may begin with it."""

    name: str
    ok: bool
    evidence: str


@dataclass(frozen=True)
class Profile:
    """Where the time of some steps went.

    steps      how many were recorded
    operators  the costliest first: {"name", "calls", "cpu_ms", "gpu_ms"}, self times summed over the steps
    trace      a Chrome trace of them as gzipped JSON, for Perfetto
    """

    steps: int
    operators: list[dict]
    trace: bytes


@dataclass(frozen=True)
class Progress:
    """Where a training is, and what is new.

    kind          "loading", "preflight" (the checks before the first step), "evaluating", "baseline" (the untouched
                  model's evaluation, at step 0), "step" or "epoch" (an evaluation at the end of an epoch)
    metrics       tag to value, at this `step`; the same tags in the run store, in TensorBoard and on the page
    figures       COCO's figures, after an evaluation
    detections    all queries of all validation images, after an evaluation; and what they were measured against:
    ground_truth  the COCO dict of the validation images, with the chosen classes only
    model_input   how the model saw them
    is_best       this evaluation's AP is the highest so far; the checkpoint `best` is this epoch's
    checks        those of the pre-flight, and with them
    picture       the first training batch as the model sees it, with its boxes
    remarks       what the training has to say beyond figures, as that a batch was halved
    profile       once its steps are recorded
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
    model_input: ModelInput | None = None
    is_best: bool = False
    checks: tuple[Check, ...] = ()
    picture: Image.Image | None = None
    remarks: tuple[Remark, ...] = ()
    profile: Profile | None = None
