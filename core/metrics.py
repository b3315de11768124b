"""The metrics that a training records: each with its tag, and with the words and the unit in which it is shown.

In: nothing. Out: tags for whoever records or asks for them, labels and groups for whoever shows them. The tags are the
same in the run store, in TensorBoard's events and in `python -m core metrics`. Apart from `training`, and without
torch, because losses, charts, doctor, run store and pages all name them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MOST_LAYERS = 12  # of a decoder; a published DETR has 6
LAYER_NUMBERS = tuple(str(n) for n in range(1, MOST_LAYERS + 1))
COUNTED_SCORE = 0.3  # from which a detection counts as a prediction in `PREDICTED`


@dataclass(frozen=True)
class Metric:
    """A number that is recorded at a step.

    tag    its name in the record
    label  what it is, in a few words
    help   how it is measured, as a sentence
    unit   in which it is shown, "" for a plain number
    scale  by which a recorded value is multiplied to be in that unit
    short  what it is, for a legend that tells it from others of its group
    """

    tag: str
    label: str
    help: str
    unit: str = ""
    scale: float = 1.0
    short: str = ""


@dataclass(frozen=True)
class MetricFamily:
    """The same metric of several classes or decoder layers: the name of each follows the family's `prefix` in its tag.

    names  all that there can be, for a request; empty where these are the run's classes

    >>> AP_BY_CLASS.tag("car"), AP_BY_CLASS.name("val/AP/car"), AP_BY_CLASS.name("val/AP")
    ('val/AP/car', 'car', None)
    """

    prefix: str
    label: str
    help: str
    unit: str = ""
    scale: float = 1.0
    names: tuple[str, ...] = ()

    def tag(self, name: str | int) -> str:
        """Return the tag of the one with this name."""
        return f"{self.prefix}{name}"

    def name(self, tag: str) -> str | None:
        """Return the name in a tag of this family, None for any other tag."""
        return tag.removeprefix(self.prefix) if tag.startswith(self.prefix) else None


@dataclass(frozen=True)
class Loss:
    """One of DETR's losses, or of the errors that it logs beside them: recorded after each step and at evaluations.

    name   in DETR's code and log, and in the tags
    label  what it is, for a title
    short  the same for a title with little room
    help   what it measures, as a sentence
    unit   in which it is shown, "" for a plain number
    optional  whether only some kinds of DETR have it
    """

    name: str
    label: str
    short: str
    help: str
    unit: str = ""
    optional: bool = False

    @property
    def train(self) -> Metric:
        """The metric of a training step."""
        return Metric(f"train/{self.name}", self.label, self.help, self.unit, short="training")

    @property
    def val(self) -> Metric:
        """The metric of the validation images."""
        return Metric(f"val/{self.name}", self.label, self.help, self.unit, short="validation")

    @property
    def layers(self) -> MetricFamily:
        """The metrics of the decoder's layers, counted from 1, at a training step."""
        return MetricFamily(f"train/{self.name}/layer", self.label, self.help, names=LAYER_NUMBERS)

    @property
    def val_layers(self) -> MetricFamily:
        """The same on the validation images."""
        return MetricFamily(f"val/{self.name}/layer", self.label, self.help, names=LAYER_NUMBERS)


LOSS = Loss(
    "loss", "Total loss", "total loss",
    "What the training makes small: the sum of the losses below over all decoder layers, each with its weight in the "
    "model's config (DETR's: box 5, overlap 2). A model that learns from queries with noise (RT-DETR, D-FINE, DEIMv2) "
    "has their losses in it too, in training alone.",
)  # fmt: skip
LOSS_CE = Loss(
    "loss_ce", "Class loss (loss_ce)", "class", "How far the predicted classes are off; without its weight.",
    optional=True,
)  # fmt: skip
LOSS_VFL = Loss(
    "loss_vfl", "Class loss (loss_vfl)", "class, varifocal",
    "How far the score of an object's class is from the overlap (IoU) of its box, and the other scores from 0; without "
    "its weight.", optional=True,
)  # fmt: skip
LOSS_MAL = Loss(
    "loss_mal", "Class loss (loss_mal)", "class, matching-aware",
    "How far the score of an object's class is from a power of the overlap (IoU) of its box, and the other scores from "
    "0; without its weight.", optional=True,
)  # fmt: skip
LOSS_BBOX = Loss(
    "loss_bbox", "Box loss (loss_bbox)", "box, L1",
    "The distance of the boxes' centres and sides (L1), without its weight in the total.",
)  # fmt: skip
LOSS_GIOU = Loss(
    "loss_giou", "Overlap loss (loss_giou)", "box, GIoU",
    "How little the boxes overlap (generalised IoU), without its weight in the total.",
)  # fmt: skip
LOSS_FGL = Loss(
    "loss_fgl", "Edge loss (loss_fgl)", "edges, fine-grained",
    "How far the distributions of the boxes' four edges are from where the edges are (fine-grained localization); "
    "without its weight.", optional=True,
)  # fmt: skip
LOSS_DDF = Loss(
    "loss_ddf", "Edge distillation (loss_ddf)", "edges, distilled",
    "How far the layers' distributions of edges are from the last layer's, which teaches them (decoupled distillation "
    "focal); 0 in the last; without its weight.", optional=True,
)  # fmt: skip
CLASS_LOSSES = (LOSS_CE, LOSS_VFL, LOSS_MAL)  # of which a model has one
LOSS_PARTS = (*CLASS_LOSSES, LOSS_BBOX, LOSS_GIOU, LOSS_FGL, LOSS_DDF)  # the total is the weighted sum of a model's own
LOSS_BY_NAME = {loss.name: loss for loss in LOSS_PARTS}
LOSSES = (LOSS, *LOSS_PARTS)
CLASS_ERROR = Loss(
    "class_error", "Class error (class_error)", "class error",
    "The share of matched queries whose best class is not their object's; as in DETR's log, 100 without objects.", "%",
)  # fmt: skip
CARDINALITY_ERROR = Loss(
    "cardinality_error", "Cardinality error (cardinality_error)", "objects miscounted",
    "How many more or fewer queries than objects say something else than the last class, by image: “no object” in "
    "DETR; in models without it a class of its own, so that it tells little there, as in their published code.",
)  # fmt: skip
LOGGED_ERRORS = (CLASS_ERROR, CARDINALITY_ERROR)  # of the last layer; nothing is trained by them
CURVES = (*LOSSES, *LOGGED_ERRORS)  # in the order in which they are shown

LR = Metric("train/lr", "Learning rate", "Of the transformer, at this step.", short="transformer")
LR_BACKBONE = Metric(
    "train/lr_backbone", "Learning rate of the backbone", "0 where it does not learn.", short="backbone"
)
LR_HEAD = Metric("train/lr_head", "Learning rate of the heads", "0 where they do not learn.", short="heads")
LEARNING_RATES = (LR, LR_BACKBONE, LR_HEAD)
GRAD_NORM = Metric("train/grad_norm", "Gradient norm", "Of all weights together, before clipping.")
SKIPPED = Metric("train/skipped", "Step left out", "1 for a step whose loss or gradient was not a finite number.")

SPEED = Metric("train/images_per_second", "Images per second", "Of one step, its waiting for data included.")
WAIT = Metric("train/wait", "Waiting for data", "The share of a step's time without an image.", "%", 100)
GPU_MEMORY = Metric("train/gpu_memory", "GPU memory", "The most that was in use since the step before.", "GiB", 2**-30)
GPU_BUSY = Metric("train/gpu_busy", "GPU busy", "The share of time in which the GPU computed.", "%", 100)
MACHINE = (SPEED, WAIT, GPU_MEMORY, GPU_BUSY)

# COCO's twelve figures by their name in `CocoFigures`; recorded as shares, shown in percent
COCO = {
    name: Metric(f"val/{name}", name, help, "%", 100)
    for name, help in {
        "AP": "Average precision: the mean over IoU 0.50 to 0.95.",
        "AP50": "Average precision at IoU 0.50.",
        "AP75": "Average precision at IoU 0.75.",
        "APs": "Average precision on small objects, below 32² pixels.",
        "APm": "Average precision on medium objects.",
        "APl": "Average precision on large objects, from 96² pixels.",
        "AR1": "Average recall with 1 detection per image and class.",
        "AR10": "Average recall with 10 detections per image and class.",
        "AR100": "Average recall with 100 detections per image and class.",
        "ARs": "Average recall on small objects, below 32² pixels.",
        "ARm": "Average recall on medium objects.",
        "ARl": "Average recall on large objects, from 96² pixels.",
    }.items()
}
AP = COCO["AP"]
AP_BY_CLASS = MetricFamily("val/AP/", "AP by class", "Average precision of one class.", "%", 100)
PREDICTED = Metric(
    "val/predicted", "Predictions per image", f"Detections with a score of at least {COUNTED_SCORE}, by image."
)
PREDICTED_BY_CLASS = MetricFamily(
    "val/predicted/", "Predictions by class", f"Detections of one class with a score of at least {COUNTED_SCORE}."
)
OBJECTS = Metric("val/truths", "Objects per image", "Annotated objects, crowds left out, by image.")

METRICS: tuple[Metric, ...] = (
    *(metric for loss in CURVES for metric in (loss.train, loss.val)),
    *LEARNING_RATES, GRAD_NORM, SKIPPED, *MACHINE, *COCO.values(), PREDICTED, OBJECTS,
)  # fmt: skip
LAYERS = tuple(family for loss in LOSS_PARTS for family in (loss.layers, loss.val_layers))
FAMILIES: tuple[MetricFamily, ...] = (*LAYERS, AP_BY_CLASS, PREDICTED_BY_CLASS)


@dataclass(frozen=True)
class MetricGroup:
    """Metrics that the live page draws in one tab, and asks for together.

    key       in the request
    label     of the tab
    metrics   those with one tag each
    families  those with a tag for each class or decoder layer
    """

    key: str
    label: str
    metrics: tuple[Metric, ...] = ()
    families: tuple[MetricFamily, ...] = ()

    def tags(self, class_names: Sequence[str]) -> list[str]:
        """Return the tags of the group in a run with these classes."""
        named = [family.tag(name) for family in self.families for name in family.names or class_names]
        return [metric.tag for metric in self.metrics] + named


GROUPS = {
    group.key: group
    for group in (
        MetricGroup("losses", "Losses", (*(m for loss in LOSSES for m in (loss.train, loss.val)), AP)),
        MetricGroup("layers", "Layers", families=LAYERS),
        MetricGroup("matching", "Matching", tuple(m for error in LOGGED_ERRORS for m in (error.train, error.val))),
        MetricGroup("rates", "Rates", (*LEARNING_RATES, GRAD_NORM)),
        MetricGroup("machine", "Machine", MACHINE),
        MetricGroup("classes", "Classes", families=(AP_BY_CLASS,)),
    )
}
