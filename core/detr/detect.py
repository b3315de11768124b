"""From batches to what a DETR answers: `Layers` of all its decoder layers, `Detections` of the last, `LossSums`.

The model's edge on the way out is here: normalised `cxcywh` becomes `xyxy` pixels of the original image.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import torch

from core import ConfigError, RunError
from core.boxes import Detections, cxcywh_normalized_to_xyxy
from core.detr.device import PRECISIONS
from core.detr.families.base import TOP_K
from core.detr.input.batch import Batch, ImageTargets, split_batch
from core.detr.losses import COUNTS, LossNormalizers, logged_errors, set_losses, sum_names, total
from core.detr.matching import Layers, LossConfig
from core.detr.states.keeper import StateKeeper

NO_ROOM = (
    "Not even one image fits into the GPU's memory: take smaller images (shortest and longest edge), precision bf16, "
    "or a smaller model."
)
NOTHING = LossNormalizers(0, 0.0, 0, 0)


class Model(Protocol):
    """What can be asked for boxes: a `Detector`, or a model in a file of another kind, as an `OnnxModel`."""

    training: bool

    @property
    def has_no_object(self) -> bool:
        """Whether the last logit is that of "no object", and scores are a softmax."""

    @property
    def top_k(self) -> int:
        """How many detections of an image there are where each class is a sigmoid of its own."""

    def __call__(
        self,
        pixel_values: torch.Tensor,
        pixel_mask: torch.Tensor | None = None,
        labels: Sequence[ImageTargets] | None = None,
    ) -> Layers:
        """Return what it says of pixels and mask as in a Batch, in training also of the images' labels."""

    def train(self, mode: bool = True) -> Self:
        """Set the mode, training or not."""

    def eval(self) -> Self:
        """Set the mode of evaluation."""


@dataclass
class LossSums:
    """Losses summed over any number of batches, as if they were one: the same however they were cut."""

    loss_config: LossConfig
    normalizers: LossNormalizers = NOTHING
    sums: dict[str, torch.Tensor] | None = None  # each (1 + L,) float64

    def add(self, layers: Layers, labels: Sequence[ImageTargets]) -> None:
        """Add the losses of one batch."""
        names = sum_names(self.loss_config)
        losses = set_losses(layers, labels, LossNormalizers(1, 1.0, 1, 1), self.loss_config)
        normalizers = LossNormalizers.of(labels, layers.logits.shape[2] // layers.groups, self.loss_config)
        values = torch.stack([losses[name] for name in names]).cpu().double()
        self.add_sums(dict(zip(names, values, strict=True)), normalizers)

    def add_sums(self, sums: dict[str, torch.Tensor] | None, normalizers: LossNormalizers) -> None:
        """Add the `sums` and `normalizers` of another process; its sums are None if it had no batch."""
        if sums is not None:
            self.sums = sums if self.sums is None else {name: self.sums[name] + sums[name] for name in sums}
            self.normalizers = self.normalizers + normalizers

    def by_answer(self) -> dict[str, torch.Tensor]:
        """Return the model's losses as `set_losses` does, each (1 + L,) float64."""
        if self.sums is None:
            raise ValueError("No batch was added, so there are no losses.")
        return {
            name: self.sums[name] / self.normalizers.divisor(divisor) for name, _, divisor in self.loss_config.terms
        }

    def values(self) -> dict[str, float]:
        """Return {loss, loss_ce, loss_bbox, …}: the weighted sum over all layers, and the last layer's losses."""
        losses = self.by_answer()
        whole = float(total(losses, self.loss_config))
        return {"loss": whole, **{name: float(value[-1]) for name, value in losses.items()}}

    def errors(self) -> dict[str, float]:
        """Return {class_error, cardinality_error} of the last layer."""
        right, miscounted = (float(self.sums[name][-1]) if self.sums else 0.0 for name in COUNTS)
        return logged_errors(right, miscounted, self.normalizers)


def forward(detector: Model, batch: Batch, device: torch.device, precision: str = "fp32") -> Layers:
    """Return what every decoder layer says of one batch, in float32 whatever the `precision` of the model.

    precision  one of `device.PRECISIONS`
    """
    dtype = PRECISIONS[precision]
    with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
        layers: Layers = detector(
            batch["pixel_values"].to(device, non_blocking=True),
            batch["pixel_mask"].to(device, non_blocking=True) if batch["padded"] else None,
            batch["labels"] if detector.training else None,
        )
    return layers


def refuse_broken(layers: Layers, batch: Batch) -> None:
    """Raise RunError that names the images of a batch on which the model's answers are not finite numbers."""
    finite = torch.isfinite(layers.logits).flatten(2).all(2) & torch.isfinite(layers.boxes).flatten(2).all(2)
    images = [image for image, ok in zip(batch["image_id"], finite.all(0).tolist(), strict=True) if not ok]
    if images:
        raise RunError(
            f"The model's answers are not finite numbers on the images {images}: its weights are broken, "
            "start again from an earlier checkpoint with a smaller learning rate."
        )


@torch.no_grad()
def to_detections(
    logits: torch.Tensor, boxes: torch.Tensor, batch: Batch, has_no_object: bool = True, top_k: int = TOP_K
) -> Detections:
    """Return a model's answer as Detections, whatever their scores.

    logits (B, Q, N+1) if it `has_no_object`: one row per query, its best class but never "no object", and that class's
    score. logits (B, Q, N) else: the `top_k` highest scores of all queries and classes. boxes (B, Q, 4) normalised
    cxcywh. Source: transformers, post_process_object_detection of each model's image processor, at threshold 0.
    """
    if has_no_object:
        scores, labels = logits.float().softmax(-1)[..., :-1].max(-1)  # (B, Q)
        queries = torch.arange(logits.shape[1], device=logits.device).expand_as(labels)
    else:
        count = min(top_k, logits.shape[1] * logits.shape[2])
        scores, places = logits.float().sigmoid().flatten(1).topk(count, dim=1)
        queries, labels = places // logits.shape[2], places % logits.shape[2]
    query, label, score, box = (part.cpu().numpy() for part in (queries, labels, scores, boxes.float()))
    return Detections.concat(
        Detections(
            image_id=np.full(len(query[row]), image_id),
            query=query[row],
            label=label[row],
            score=score[row],
            boxes=cxcywh_normalized_to_xyxy(box[row][query[row]], batch["size"][row]),
        )
        for row, image_id in enumerate(batch["image_id"])
    )


def detect(
    detector: Model,
    batches: Iterable[Batch],
    device: torch.device,
    losses: LossSums | None = None,
    precision: str = "fp32",
    keeper: StateKeeper | None = None,
) -> Iterator[Detections]:
    """Run the model over batches: yield each batch's Detections at all scores, and add its losses to `losses`.

    The `keeper` is shown the states of the queries, where the model gives them. The model is left in the mode (training
    or not) in which it was. A batch for which the GPU's memory does not suffice is cut in halves.
    Raises RunError as `refuse_broken`, ConfigError if not even one image fits.
    """
    for batch in batches:
        was_training = detector.training
        detector.eval()
        try:
            with torch.inference_mode():
                detections = _detect(detector, batch, device, losses, precision, keeper)
        finally:
            detector.train(was_training)
        yield detections


def _detect(
    detector: Model, batch: Batch, device: torch.device, losses: LossSums | None, precision: str,
    keeper: StateKeeper | None,
) -> Detections:  # fmt: skip
    images = len(batch["image_id"])
    try:
        layers = forward(detector, batch, device, precision)
        refuse_broken(layers, batch)
        if losses:
            losses.add(layers, batch["labels"])
        answer = layers.logits[-1], layers.boxes[-1]
        detections = to_detections(*answer, batch, detector.has_no_object, detector.top_k)
        if keeper and layers.states is not None:
            keeper.add(layers.states, detections, batch)
        return detections
    except torch.OutOfMemoryError as error:
        if images == 1:
            raise ConfigError(NO_ROOM) from error
    torch.cuda.empty_cache()  # outside `except`, whose traceback holds the tensors of the failed attempt
    halves = split_batch(batch, images // 2)
    return Detections.concat([_detect(detector, half, device, losses, precision, keeper) for half in halves])
