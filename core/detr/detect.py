"""From batches to what a DETR says: the answers of all its layers, and `Detections` of the last one.

The model's edge on the way out is here: normalised `cxcywh` becomes `xyxy` pixels of the original image.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from transformers import PreTrainedModel

from core import ConfigError, RunError
from core.boxes import Detections, cxcywh_normalized_to_xyxy
from core.detr.losses import Layers, LossSums

PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
NO_ROOM = (
    "Not even one image fits into the GPU's memory: take smaller images (shortest and longest edge), precision bf16, "
    "or a smaller model."
)
MOST = 100  # detections of an image where each class is a sigmoid of its own (post_process_object_detection, top_k)


def forward(model: PreTrainedModel, batch: dict, device: torch.device, precision: str = "fp32") -> Layers:
    """What every decoder layer says of one batch of the Collator, in float32 whatever the `precision`."""
    kind = PRECISIONS[precision]
    with torch.autocast(device.type, dtype=kind, enabled=kind is not None):
        output = model(
            pixel_values=batch["pixel_values"].to(device, memory_format=torch.channels_last, non_blocking=True),
            pixel_mask=batch["pixel_mask"].to(device, non_blocking=True) if batch["padded"] else None,
            labels=[],  # `layers.py` stands in for transformers' loss
        )
    logits, boxes = output.auxiliary_outputs
    return Layers(logits.float(), boxes.float())


def refuse_broken(layers: Layers, batch: dict) -> None:
    """Raises RunError that names the images of a batch on which the model's answer is not made of finite numbers."""
    finite = torch.isfinite(layers.logits).flatten(2).all(2) & torch.isfinite(layers.boxes).flatten(2).all(2)
    images = [image for image, ok in zip(batch["image_id"], finite.all(0).tolist(), strict=True) if not ok]
    if images:
        raise RunError(
            f"The model's answers are not finite numbers on the images {images}: its weights are broken, "
            "start again from an earlier checkpoint with a smaller learning rate."
        )


@torch.no_grad()
def to_detections(logits: torch.Tensor, boxes: torch.Tensor, batch: dict, softmax: bool = True) -> Detections:
    """A model's answer as Detections, whatever their scores.

    logits (B, Q, N+1) with `softmax`: one row per query, its best class but never "no object", and that class's score.
    logits (B, Q, N) else: the MOST highest scores of all queries and classes. boxes (B, Q, 4) normalised cxcywh.
    Source: transformers, post_process_object_detection of each model's image processor, at threshold 0.
    """
    if softmax:
        scores, labels = logits.float().softmax(-1)[..., :-1].max(-1)  # (B, Q)
        queries = torch.arange(logits.shape[1], device=logits.device).expand_as(labels)
    else:
        most = min(MOST, logits.shape[1] * logits.shape[2])
        scores, places = logits.float().sigmoid().flatten(1).topk(most, dim=1)
        queries, labels = places // logits.shape[2], places % logits.shape[2]
    scores, labels, queries, boxes = (part.cpu().numpy() for part in (scores, labels, queries, boxes.float()))
    return Detections.concat(
        Detections(
            image_id=np.full(len(queries[row]), image_id),
            query=queries[row],
            label=labels[row],
            score=scores[row],
            boxes=cxcywh_normalized_to_xyxy(boxes[row][queries[row]], batch["size"][row]),
        )
        for row, image_id in enumerate(batch["image_id"])
    )


def detect(
    model: PreTrainedModel,
    batches: Iterable[dict],
    device: torch.device,
    losses: LossSums | None = None,
    precision: str = "fp32",
) -> Iterator[Detections]:
    """Run the model over batches: yields each batch's Detections at all scores, and adds its losses to `losses`.

    The model is left in the mode (training or not) in which it was. A batch for which the GPU's memory does not suffice
    is cut in halves. Raises RunError as `refuse_broken`, ConfigError if not even one image fits.
    """
    for batch in batches:
        was_training = model.training
        model.eval()
        try:
            with torch.inference_mode():
                found = _detect(model, batch, device, losses, precision)
        finally:
            model.train(was_training)
        yield found


def _detect(model, batch: dict, device: torch.device, losses: LossSums | None, precision: str) -> Detections:
    images = len(batch["image_id"])
    try:
        layers = forward(model, batch, device, precision)
        refuse_broken(layers, batch)
        if losses:
            losses.add(layers, batch["labels"])
        return to_detections(layers.logits[-1], layers.boxes[-1], batch, model.config.model_type == "detr")
    except torch.OutOfMemoryError as error:
        if images == 1:
            raise ConfigError(NO_ROOM) from error
    torch.cuda.empty_cache()
    halves = split_batch(batch, images // 2)
    return Detections.concat([_detect(model, half, device, losses, precision) for half in halves])


def split_batch(batch: dict, most: int) -> list[dict]:
    """A batch of the Collator cut into parts of at most `most` images; itself if it has no more."""
    images = len(batch["image_id"])
    if images <= most:
        return [batch]
    return [
        {key: value if key == "padded" else value[first : first + most] for key, value in batch.items()}
        for first in range(0, images, most)
    ]
