"""What a training yields: one class for each event, and all of them are a `Progress`.

    Loading …  PreflightRunning …  PreflightDone       before the first step: its start
    Evaluating …  Evaluated                            the baseline at epoch 0, then after the epochs that are due
    StepDone                                           after each step
    Finished                                           at the end, once everything is recorded and saved

In: what the loop measures. Out: events for whoever records or shows them, told apart by `isinstance` or `match`. Apart
from `train.py` so that recording or faking a training needs no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from PIL import Image

from core.boxes import Detections
from core.datasets.coco.entries import Entry
from core.datasets.fingerprint.fingerprint import Fingerprint
from core.detr.states.query_states import QueryStates
from core.evaluation.coco_eval import CocoFigures
from core.evaluation.model_input import ModelInput
from core.labels import LabelMap
from core.training.remark import Remark

# The steps of a start, in their order; the checks between the model and its evaluation are the pre-flight's.
ANNOTATIONS, PICTURES, MODEL, BASELINE = "Annotations", "Pictures", "Model", "Baseline"
CHECKS = ("Data", "Disk", "Mapping", "Queries", "First batch")
START = (ANNOTATIONS, PICTURES, MODEL, *CHECKS, BASELINE)
MEASURING = "Measuring the speed"  # the message of the first steps of a training by minutes
# the message of a run whose main process lost another one, and knows no more than that
PEER_ENDED = "Another process of this training has ended, so it cannot go on: the run's log says why; then resume."


class NotRecorded(Exception):
    """Thrown into a training by whoever could not record its last event: it then saves nothing that the record lacks.

    Whoever asks for the next event, or closes the training, says by it that the last one is recorded.
    """


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a training is; what is new stands in the fields of each event.

    epoch, epochs      how many epochs are done, of how many; by minutes that may change, and is 0 until it is planned
    step, steps        how many optimizer steps are done, of how many; `steps` is 0 while it is loading, or not planned
    message            what is being done, as a line for the user; "" between two steps
    images_per_second  over the last steps; None before the first
    seconds_left       of all steps and evaluations that remain, as far as that can be said
    label_map          the classes; None while it is loading
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    message: str = ""
    images_per_second: float | None = None
    seconds_left: float | None = None
    label_map: LabelMap | None = None


@dataclass(frozen=True)
class Check:
    """A step of the start that is done, as a check of the pre-flight.

    name      one of START
    ok        whether a training may begin with it
    evidence  what was seen, in a sentence or a few words
    """

    name: str
    ok: bool
    evidence: str


@dataclass(frozen=True, kw_only=True)
class Starting(Progress):
    """An event of the start, before anything is measured: base of Loading and PreflightRunning.

    done  a step of the start that is done by now
    """

    done: Check | None = None


@dataclass(frozen=True, kw_only=True)
class Loading(Starting):
    """Data and model are being read; where a resumed training stands is not yet known.

    fingerprint  of the data, once that is read: whoever records it throws NotRecorded if it is not the data that the
                 training had before and nobody has agreed to that; nothing is made of the data until then
    resumes      whether the training goes on from a checkpoint
    """

    fingerprint: Fingerprint | None = None
    resumes: bool = False


@dataclass(frozen=True, kw_only=True)
class PreflightRunning(Starting):
    """The checks before the first step are being made.

    picture  once, before the checks: the first training batch as the model sees it, with its boxes
    """

    picture: Image.Image | None = None


@dataclass(frozen=True, kw_only=True)
class PreflightDone(Progress):
    """The checks are made; if one of them failed, the training ends with it."""

    checks: tuple[Check, ...]


@dataclass(frozen=True, kw_only=True)
class Measured(Progress):
    """An event with something to record at its step: base of StepDone and Evaluated.

    metrics  tag (`core.metrics`) to value; the same in the run store, in TensorBoard and on the page
    remarks  what the training itself has to say, as that a batch was halved
    """

    metrics: dict[str, float]
    remarks: tuple[Remark, ...] = ()


class Operator(TypedDict):
    """A torch operator's calls in the profiled steps, and the milliseconds that it took itself, summed over them."""

    name: str
    calls: int
    cpu_ms: float
    gpu_ms: float


@dataclass(frozen=True)
class Profile:
    """Where the time of some steps went.

    steps      how many were recorded
    operators  the costliest first
    trace      a Chrome trace of them as gzipped JSON, for Perfetto
    """

    steps: int
    operators: list[Operator]
    trace: bytes


@dataclass(frozen=True, kw_only=True)
class StepDone(Measured):
    """The optimizer has made a step, or left it out because its loss or gradient was not a finite number.

    skipped_images  ids of the images on which a step was left out; else empty
    profile         with the last one of the steps that were profiled
    """

    skipped_images: tuple[int, ...] = ()
    profile: Profile | None = None


@dataclass(frozen=True, kw_only=True)
class Evaluating(Progress):
    """The validation images are being evaluated; `message` says how many are done."""


@dataclass(frozen=True, kw_only=True)
class Evaluated(Measured):
    """The model as it is after `epoch` epochs has been evaluated; at epoch 0 this is the baseline.

    figures       COCO's twelve figures, and AP by class
    detections    of all queries on all validation images; None in a training that keeps none
    ground_truth  the COCO dict that they were measured against, with the chosen classes only
    model_input   how the model saw the images
    states        of the queries that count; None where the model gives none
    is_best       whether AP is the highest so far, so that the checkpoint `best` is of this epoch
    picture_path  where the picture of one of the images lies, as `CocoSplit.path_of`; None if nobody knows
    """

    figures: CocoFigures
    detections: Detections | None = None
    ground_truth: dict | None = None
    model_input: ModelInput | None = None
    states: QueryStates | None = None
    is_best: bool = False
    picture_path: Callable[[Entry], Path | None] | None = None

    @property
    def is_baseline(self) -> bool:
        """Whether this is the untouched model, before its first step."""
        return self.epoch == 0


@dataclass(frozen=True, kw_only=True)
class Finished(Progress):
    """All epochs are recorded and saved; checkpoints that are not to be kept are deleted after this."""
