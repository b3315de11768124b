"""Why this box: where an object query's attention went, and its box and class after each decoder layer.

In: a model, a batch with one image, and a query, or an object that was missed. Out: `Why`, or the queries that came
`nearest` to the object. Boxes are `xyxy` in pixels of the original image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from core import DataError
from core.boxes import as_boxes, cxcywh_normalized_to_xyxy, iou, xyxy_to_cxcywh_normalized
from core.detr.detect import forward, refuse_broken
from core.detr.families.base import Detector
from core.detr.input.batch import Batch
from core.detr.matching import Layers, giou

NEAREST = 3  # queries that are shown of a missed object


@dataclass(frozen=True)
class Why:
    """How a query came to its box: L layers, of which the last A answer, C classes, a feature map of h × w cells.

    query          its number
    labels         (A,) int64, its best class after each layer, never "no object"; scores (A,) float32, that one's
    boxes          (A, 4) float32 xyxy, pixels of the original image, after each layer; the last one is the model's
    probabilities  (C + 1,) float32, "no object" last, which sum to 1; or (C,) where each class is a sigmoid of its own
    decoder        (L, h, w) float32, each layer's cross-attention map, mean of its heads; each map sums to 1
    encoder        (h, w) float32, the last self-attention map of the cell under the box's centre; it sums to 1; None
                   where the encoder has no attention
    cover          (width, height) in pixels of the original image that the maps cover, from its upper left corner on:
                   the last cells may reach beyond its border
    sampled        whether the maps are made of Deformable DETR's sampling points instead of dense attention
    tokens         whether the queries are tokens among the cells, as in YOLOS: then `decoder` is their self-attention
    """

    query: int
    labels: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray
    probabilities: np.ndarray
    decoder: np.ndarray
    encoder: np.ndarray | None
    cover: tuple[float, float]
    sampled: bool
    tokens: bool


@dataclass(frozen=True)
class Near:
    """A query that came near an object, and what it predicts there.

    box          (4,) float32 xyxy in pixels
    iou          of its box with the object's
    score        of the object's class
    label        its best class, never "no object"; label_score is the score of that one
    no_object    its probability of "no object"; None where each class is a sigmoid of its own
    """

    query: int
    box: np.ndarray
    iou: float
    score: float
    label: int
    label_score: float
    no_object: float | None


@torch.inference_mode()
def explain(detector: Detector, batch: Batch, query: int, precision: str = "fp32") -> Why:
    """Explain the box of a query on the one image of `batch`; `precision` is that of the evaluation.

    Raises DataError for a query that the model does not have, RunError if its answers are not finite numbers.
    """
    with detector.record_attention() as record:
        layers = _answer(detector, batch, precision)
    if not 0 <= query < layers.boxes.shape[2]:
        raise DataError(f"There is no query {query}: the model has {layers.boxes.shape[2]}, counted from 0.")
    logits, boxes = layers.logits[:, 0, query], layers.boxes[:, 0, query]
    scores, labels = detector.class_scores(logits).max(-1)
    grid, size = _Grid.of(batch, record.mask), batch["size"][0]
    x, y = boxes[-1, :2].tolist()
    of_encoder = record.encoder_map(grid.cell_at(x, y))
    return Why(
        query=query,
        labels=labels.numpy(),
        scores=scores.numpy(),
        boxes=cxcywh_normalized_to_xyxy(boxes.numpy(), size),
        probabilities=detector.probabilities(logits[-1]).numpy(),
        decoder=np.stack([grid.normalized(cells) for cells in record.decoder_maps(query)]),
        encoder=None if of_encoder is None else grid.normalized(of_encoder),
        cover=grid.cover(size),
        sampled=record.sampled,
        tokens=record.tokens,
    )


@torch.inference_mode()
def nearest(
    detector: Detector, batch: Batch, box: Sequence[float], label: int, precision: str = "fp32"
) -> tuple[Near, ...]:
    """Return the NEAREST queries to an object of class `label` at `box` (4,) xyxy, on the one image of `batch`.

    Those whose last boxes have the highest IoU with it, whatever their class; of equal IoU, as where none overlaps it,
    those with the lowest cost of its box in DETR's matching: L1 and GIoU, weighted as the model's config says.
    Raises RunError if the model's answers are not finite numbers.
    """
    layers, size = _answer(detector, batch, precision), batch["size"][0]
    logits, predicted = layers.logits[-1, 0], layers.boxes[-1, 0]
    boxes = cxcywh_normalized_to_xyxy(predicted.numpy(), size)
    overlap = iou(boxes, as_boxes(box))[:, 0]
    expected, config = torch.from_numpy(xyxy_to_cxcywh_normalized(box, size)), detector.loss_config
    cost = config.bbox_cost * (predicted - expected).abs().sum(-1) - config.giou_cost * giou(predicted, expected)
    probabilities, (scores, labels) = detector.probabilities(logits), detector.class_scores(logits).max(-1)
    return tuple(
        Near(
            query=query,
            box=boxes[query],
            iou=float(overlap[query]),
            score=float(probabilities[query, label]),
            label=int(labels[query]),
            label_score=float(scores[query]),
            no_object=float(probabilities[query, -1]) if detector.has_no_object else None,
        )
        for query in np.lexsort((cost.numpy(), -overlap))[:NEAREST].tolist()
    )


def _answer(detector: Detector, batch: Batch, precision: str) -> Layers:
    """Return all layers' answers as in an evaluation, on the CPU."""
    was_training = detector.training
    try:
        layers = forward(detector.eval(), batch, detector.inner.device, precision)
    finally:
        detector.train(was_training)
    refuse_broken(layers, batch)
    return Layers(layers.logits.cpu(), layers.boxes.cpu())


@dataclass(frozen=True)
class _Grid:
    """The finest feature map of a padded image: `rows` × `columns` of its cells are on the image.

    shape  (H, W) of the map, in cells
    image  (width, height) in pixels of the model's input, without padding
    cell   (width, height) of one cell, in pixels of the model's input
    """

    shape: tuple[int, int]
    rows: int
    columns: int
    image: tuple[int, int]
    cell: tuple[float, float]

    @classmethod
    def of(cls, batch: Batch, mask: torch.Tensor) -> _Grid:
        """Measure a batch with one image by its mask (H, W), true on the image, as the backbone gave it.

        The backbone may have seen the batch padded to a square.
        """
        pixels = batch["pixel_mask"][0]
        (columns, rows), image = (_extent(one) for one in (mask, pixels))
        is_square = mask.shape[0] == mask.shape[1]
        width, height = (max(pixels.shape),) * 2 if is_square else (pixels.shape[1], pixels.shape[0])
        cell = width / mask.shape[1], height / mask.shape[0]
        return cls((mask.shape[0], mask.shape[1]), rows, columns, image, cell)

    def cell_at(self, x: float, y: float) -> int:
        """Return the number of the cell, row by row, at a place in [0, 1] of the image; the nearest if it is beside."""
        column, row = int(x * self.image[0] / self.cell[0]), int(y * self.image[1] / self.cell[1])
        return min(max(row, 0), self.rows - 1) * self.shape[1] + min(max(column, 0), self.columns - 1)

    def cover(self, size: tuple[int, int]) -> tuple[float, float]:
        """Return (width, height) in pixels of the original image, `size`, that the cells on the image cover."""
        width = self.columns * self.cell[0] * size[0] / self.image[0]
        height = self.rows * self.cell[1] * size[1] / self.image[1]
        return width, height

    def normalized(self, cells: torch.Tensor) -> npt.NDArray[np.float32]:
        """Return a map (H, W) as (rows, columns) float32 with the sum 1."""
        values = cells[: self.rows, : self.columns]
        # all sampling points may lie beside the image
        return (values / values.sum()).numpy() if values.sum() > 0 else values.numpy()


def _extent(mask: torch.Tensor) -> tuple[int, int]:
    """Return (columns, rows) of a mask (H, W) that hold any of the image."""
    return int(mask.any(0).sum()), int(mask.any(1).sum())
