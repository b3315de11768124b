"""What a model found on pictures of the user's own, and what becomes of it: detection table, COCO JSON, drawings.

In: pictures and `Prediction`s, whose image ids are the pictures' places in a list, from 1 on. Apart from `predict.py`,
which needs torch, because the pages only show them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from PIL import Image

from core.boxes import Detections, clip, xyxy_to_xywh
from core.evaluation.draw import draw_analysis
from core.evaluation.selection import image_rows
from core.inference.own_pictures import OwnPicture
from core.labels import LabelMap

UNSAFE = re.compile(r"[^\w.-]+")  # what a file's name is better without, on any system
LONGEST_NAME = 80


@dataclass(frozen=True)
class Prediction:
    """What a model found on one picture, at all scores.

    model_seconds  the model's own: the forward pass, until its boxes are back from the device
    whole_seconds  also reading the picture and bringing it to the model's size
    """

    detections: Detections
    model_seconds: float
    whole_seconds: float

    def to_dict(self) -> dict:
        """For JSON; `Prediction.from_dict` reads it back."""
        found = self.detections
        columns = {name: getattr(found, name).tolist() for name in ("query", "label", "score", "boxes")}
        return {**columns, "model_seconds": self.model_seconds, "whole_seconds": self.whole_seconds}

    @classmethod
    def from_dict(cls, data: dict, image_id: int) -> Prediction:
        columns = {name: data[name] for name in ("query", "label", "score", "boxes")}
        image_ids = np.full(len(data["score"]), image_id)
        return cls(Detections(image_id=image_ids, **columns), data["model_seconds"], data["whole_seconds"])


def prediction_table(
    pictures: dict[int, OwnPicture], predictions: dict[int, Prediction], label_map: LabelMap
) -> pa.Table:
    """The detection table of pictures by id, without any ground truth: so the column `error` says nothing."""
    from core.evaluation.tide import detection_table

    found = Detections.concat(p.detections for i, p in predictions.items() if i in pictures)
    gt = {"images": coco_images(pictures), "annotations": [], "categories": coco_categories(label_map)}
    return detection_table(gt, found, label_map)


def coco_images(pictures: dict[int, OwnPicture]) -> list[dict]:
    """The pictures as a COCO file's `images`."""
    return [
        {"id": i, "file_name": own.name, "width": own.size[0], "height": own.size[1]} for i, own in pictures.items()
    ]


def coco_categories(label_map: LabelMap) -> list[dict]:
    """The classes as a COCO file's `categories`."""
    return [{"id": i, "name": name} for i, name in zip(label_map.category_ids, label_map.names, strict=True)]


def predictions_to_coco(
    pictures: dict[int, OwnPicture], predictions: dict[int, Prediction], label_map: LabelMap, score: float, model: str
) -> dict:
    """The boxes from `score` on as a COCO file, for annotation tools and for `import`:

    info         model, score
    images       id, file_name, width, height; the pictures that the model has seen
    annotations  id, image_id, category_id, bbox [x, y, width, height] in pixels of the upright picture, cut off at its
                 border, area, iscrowd (0) and score, as COCO's results have it; by picture and falling score
    categories   id, name
    """
    seen = {i: own for i, own in pictures.items() if i in predictions}
    annotations: list[dict] = []
    for image_id, own in seen.items():
        found = above_score(predictions[image_id].detections, score)
        boxes = xyxy_to_xywh(clip(found.boxes, own.size)).tolist()
        ids = label_map.to_category_ids(found.label).tolist()
        for category_id, box, value in zip(ids, boxes, found.score.tolist(), strict=True):
            box = [round(side, 2) for side in box]
            annotations.append({
                "id": len(annotations) + 1, "image_id": image_id, "category_id": category_id, "bbox": box,
                "area": round(box[2] * box[3], 2), "iscrowd": 0, "score": round(value, 6),
            })  # fmt: skip
    return {
        "info": {"description": "Predictions of DETR Lab", "model": model, "score": score},
        "images": coco_images(seen), "annotations": annotations, "categories": coco_categories(label_map),
    }  # fmt: skip


def above_score(found: Detections, score: float) -> Detections:
    """Those with at least this score, the highest first."""
    found = found[np.argsort(-found.score, kind="stable")]
    return found[found.score >= np.float32(score)]


def draw_predictions(image: Image.Image, table: pa.Table, image_id: int, score: float) -> Image.Image:
    """The picture with the boxes of its rows of `prediction_table` from `score` on, enlarged if it is small."""
    rows = [row | {"error": None, "crowd_only": False} for row in image_rows(table, image_id, score)]
    return draw_analysis(image, rows, legend=False)


def safe_file_names(names: Sequence[str], ending: str) -> list[str]:
    """A file's name for each picture, safe on any system and none twice: its own without its suffix, and `ending`.

    >>> file_names(["a.jpg", "b/a.png", "<x>.jpg"], ".png")
    ['a.png', 'a-2.png', '_x_.png']
    """
    made: dict[str, str] = {}
    for name in names:
        stem = re.split(r"[/\\]", name)[-1].rpartition(".")
        stem = UNSAFE.sub("_", stem[0] or stem[2]).strip(".")[:LONGEST_NAME] or "picture"
        chosen, number = stem, 2
        while chosen.lower() in made:
            chosen, number = f"{stem}-{number}", number + 1
        made[chosen.lower()] = chosen + ending
    return list(made.values())
