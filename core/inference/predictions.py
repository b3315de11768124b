"""Predictions on the user's own pictures, as a detection table, as COCO JSON and as drawings.

In: pictures and `Prediction`s, whose image ids are the pictures' positions in a list, from 1. Apart from `predict.py`,
which needs torch, because the pages only show them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from core.boxes import Detections, clip, xyxy_to_xywh
from core.evaluation.draw import draw_analysis
from core.evaluation.threshold import image_rows
from core.inference.own_pictures import OwnPicture
from core.labels import LabelMap
from core.system.names import same_name, valid_stem


@dataclass(frozen=True)
class Prediction:
    """The detections of a model on one picture, at all scores.

    model_seconds  of the forward pass, until its boxes are back from the device
    whole_seconds  also of reading the picture and resizing it for the model
    """

    detections: Detections
    model_seconds: float
    whole_seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return a dict for JSON, which `Prediction.from_dict` reads back."""
        columns = {name: getattr(self.detections, name).tolist() for name in ("query", "label", "score", "boxes")}
        return {**columns, "model_seconds": self.model_seconds, "whole_seconds": self.whole_seconds}

    @classmethod
    def from_dict(cls, data: dict[str, Any], image_id: int) -> Prediction:
        """Return the Prediction of a dict that `to_dict` has made."""
        columns = {name: data[name] for name in ("query", "label", "score", "boxes")}
        image_ids = np.full(len(data["score"]), image_id)
        return cls(Detections(image_id=image_ids, **columns), data["model_seconds"], data["whole_seconds"])


def prediction_table(
    pictures: dict[int, OwnPicture], predictions: dict[int, Prediction], label_map: LabelMap
) -> pa.Table:
    """Return the detection table of pictures by id; without ground truth its column `error` means nothing."""
    from core.evaluation.tide import detection_table

    detections = Detections.concat(p.detections for i, p in predictions.items() if i in pictures)
    gt = {"images": coco_images(pictures), "annotations": [], "categories": coco_categories(label_map)}
    return detection_table(gt, detections, label_map)


def coco_images(pictures: dict[int, OwnPicture]) -> list[dict[str, Any]]:
    """Return the pictures as a COCO file's `images`."""
    return [
        {"id": image_id, "file_name": picture.name, "width": picture.size[0], "height": picture.size[1]}
        for image_id, picture in pictures.items()
    ]


def coco_categories(label_map: LabelMap) -> list[dict[str, Any]]:
    """Return the classes as a COCO file's `categories`."""
    return [{"id": i, "name": name} for i, name in zip(label_map.category_ids, label_map.names, strict=True)]


def predictions_to_coco(
    pictures: dict[int, OwnPicture], predictions: dict[int, Prediction], label_map: LabelMap, score: float, model: str
) -> dict[str, Any]:
    """Return the boxes with at least `score` as a COCO file, for annotation tools and for `import`:

    info         model, score
    images       id, file_name, width, height; the pictures that have a Prediction
    annotations  id, image_id, category_id, bbox [x, y, width, height] in pixels of the upright picture, cut off at its
                 border, area, iscrowd (0) and score, as COCO's results have it; by picture and falling score
    categories   id, name
    """
    predicted = {image_id: picture for image_id, picture in pictures.items() if image_id in predictions}
    annotations: list[dict[str, Any]] = []
    for image_id, picture in predicted.items():
        detections = above_score(predictions[image_id].detections, score)
        boxes = xyxy_to_xywh(clip(detections.boxes, picture.size)).tolist()
        ids = label_map.to_category_ids(detections.label).tolist()
        for category_id, box, value in zip(ids, boxes, detections.score.tolist(), strict=True):
            box = [round(side, 2) for side in box]
            annotations.append({
                "id": len(annotations) + 1, "image_id": image_id, "category_id": category_id, "bbox": box,
                "area": round(box[2] * box[3], 2), "iscrowd": 0, "score": round(value, 6),
            })  # fmt: skip
    return {
        "info": {"description": "Predictions of DETR Lab", "model": model, "score": score},
        "images": coco_images(predicted), "annotations": annotations, "categories": coco_categories(label_map),
    }  # fmt: skip


def above_score(detections: Detections, score: float) -> Detections:
    """Return the detections with at least this score, by falling score."""
    detections = detections[np.argsort(-detections.score, kind="stable")]
    return detections[detections.score >= np.float32(score)]


def draw_predictions(image: Image.Image, table: pa.Table, image_id: int, score: float) -> Image.Image:
    """Draw the boxes of a picture in `prediction_table` that have at least `score`; a small picture is enlarged."""
    rows = [row | {"error": None, "crowd_only": False} for row in image_rows(table, image_id, score)]
    return draw_analysis(image, rows, legend=False)


def safe_file_names(names: Sequence[str], ending: str) -> list[str]:
    """Return a file name for each picture, valid on any system and none twice: its name with another `ending`.

    >>> safe_file_names(["a.jpg", "b/a.png", "<x>.jpg"], ".png")
    ['a.png', 'a-2.png', '_x_.png']
    """
    chosen: dict[str, str] = {}  # by the stem, as a system reads it that ignores case
    for name in names:
        stem = re.split(r"[/\\]", name)[-1].rpartition(".")
        stem = valid_stem(stem[0] or stem[2], "picture")
        free, number = stem, 2
        while same_name(free) in chosen:
            free, number = f"{stem}-{number}", number + 1
        chosen[same_name(free)] = free + ending
    return list(chosen.values())
