"""Measures a detector and the ONNX files that were made of it: the same pictures, by each in turn, in one loop.

In: the detector, the sessions, the images. Out: AP, the median time of an image, and the largest difference from
PyTorch's answers. In turn, because a machine that has other work slows all of them down alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median

import numpy as np
import torch

from core.boxes import Detections
from core.datasets.part import only_images
from core.detr.detect import refuse_broken, to_detections
from core.detr.families.base import Detector
from core.detr.input.batch import Batch
from core.detr.input.dataset import DetectionDataset
from core.detr.input.loader import ReadFailure, loader
from core.detr.matching import Layers
from core.evaluation.coco_eval import evaluate
from core.inference.onnx.model import OnnxModel

PYTORCH = "pytorch"


@dataclass
class Measured:
    """What one model has shown so far."""

    seconds: list[float] = field(default_factory=list)
    detections: list[Detections] = field(default_factory=list)
    difference: float = 0.0

    @property
    def median_seconds(self) -> float | None:
        """The median time of an image."""
        return median(self.seconds) if self.seconds else None


class Measuring:
    """A measurement of a detector on the CPU, in evaluation mode, and of ONNX models by name.

    measured  by name, PYTORCH first
    """

    def __init__(self, detector: Detector, models: Mapping[str, OnnxModel], dataset: DetectionDataset) -> None:
        self.detector, self.models, self.dataset = detector, models, dataset
        self.measured = {name: Measured() for name in (PYTORCH, *models)}
        self._lost: list[ReadFailure] = []

    def run(self) -> Iterator[int]:
        """Measure image after image; yield how many are done. Pictures that cannot be read are left out."""
        is_first = True
        for done, batch in enumerate(loader(self.dataset, 1, spare=self._lost.append), start=1):
            if is_first:  # memory is allocated, and no time of it counts
                self._ask_all(batch, {name: Measured() for name in self.measured})
            is_first = False
            self._ask_all(batch, self.measured)
            yield done

    @property
    def images(self) -> int:
        """How many images were measured."""
        return len(self.measured[PYTORCH].seconds)

    def ap(self, name: str) -> float | None:
        """Return the AP of a model on the images that were measured; None without objects."""
        lost = {failure.image_id for failure in self._lost}
        split = only_images(self.dataset.split, self.dataset.split.image_by_id.keys() - lost)
        detections = Detections.concat(self.measured[name].detections)
        return evaluate(split.to_dict(), detections, self.dataset.label_map).AP

    def _ask_all(self, batch: Batch, measured: Mapping[str, Measured]) -> None:
        pixels, mask = batch["pixel_values"], batch["pixel_mask"] if batch["padded"] else None
        with torch.inference_mode():
            # the pixels of PyTorch are normalised before the clock runs, as those of ONNX
            values = self.detector.normalize(pixels, mask).contiguous()
            reference = self._ask(PYTORCH, lambda: self.detector.answer(values, mask), batch, measured)
            for name, model in self.models.items():
                inputs = model.inputs(pixels, mask)
                layers = self._ask(name, lambda m=model, i=inputs: m.answer(*i), batch, measured)  # type: ignore[misc]
                one = measured[name]
                one.difference = max(one.difference, difference(self.detector, reference, layers))

    def _ask(self, name: str, answer: Callable[[], Layers], batch: Batch, measured: Mapping[str, Measured]) -> Layers:
        begin = time.perf_counter()
        layers = answer()
        measured[name].seconds.append(time.perf_counter() - begin)
        if name == PYTORCH:
            refuse_broken(layers, batch)
        model = self.detector
        detections = to_detections(layers.logits[-1], layers.boxes[-1], batch, model.has_no_object, model.top_k)
        measured[name].detections.append(detections)
        return layers


def difference(detector: Detector, reference: Layers, layers: Layers) -> float:
    """Return how far the answers of the last layer are from another model's, of the same image.

    That is the largest difference of a score or of a side of a box, as a share of the picture, between a query of the
    reference and the query that says nearly the same: in two stages those with equal scores may change places.
    """
    answers = [
        torch.cat([detector.class_scores(one.logits[-1, 0]), one.boxes[-1, 0]], dim=1).numpy()
        for one in (reference, layers)
    ]
    if not all(np.isfinite(answer).all() for answer in answers):
        return float("inf")
    ours, theirs = answers
    by_query = np.abs(ours - theirs).max(axis=1)
    is_far = by_query > np.median(by_query)
    nearest = [np.abs(theirs - ours[query]).max(axis=1).min() for query in np.flatnonzero(is_far)]
    return float(max([*nearest, by_query[~is_far].max()]))
