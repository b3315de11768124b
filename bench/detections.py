"""A ground truth and detections by the hundred thousand, as a model might make them."""

from __future__ import annotations

import numpy as np

from core.boxes import Detections, xywh_to_xyxy
from core.labels import COCO_TEN, LabelMap


def synthetic_detections(images: int, per_image: int, classes: int = 0) -> tuple[dict, Detections, LabelMap]:
    """Return a ground truth of 7 objects an image; and detections, a third near an object, mostly with its class.

    Of COCO's ten classes of the experiment, or of so many that are made up.
    """
    rng, objects = np.random.default_rng(0), 7 * images
    ids = {f"class {i}": i for i in range(1, classes + 1)} or COCO_TEN
    label_map = LabelMap(tuple(ids), tuple(ids.values()))
    boxes, of_class = random_boxes(rng, objects), rng.integers(0, len(label_map), objects)
    image_of = np.repeat(np.arange(1, images + 1), 7)
    columns = (image_of.tolist(), label_map.to_category_ids(of_class).tolist(), boxes.tolist())
    annotations = [
        {"id": number, "image_id": image, "category_id": category, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
        for number, (image, category, box) in enumerate(zip(*columns, strict=True), start=1)
    ]
    categories = [{"id": i, "name": name} for name, i in ids.items()]
    pictures = [{"id": i, "file_name": "", "width": 640, "height": 480} for i in range(1, images + 1)]
    gt = {"images": pictures, "annotations": annotations, "categories": categories}

    n = images * per_image
    image_id, query = np.repeat(np.arange(1, images + 1), per_image), np.tile(np.arange(per_image), images)
    source = 7 * (image_id - 1) + rng.integers(0, 7, n)
    near = rng.random(n) < 0.35
    moved = boxes[source] + rng.normal(0, 0.12, (n, 4)) * np.tile(boxes[source, 2:], 2)
    predicted = np.where(near[:, None], moved, random_boxes(rng, n))
    predicted[:, 2:] = np.maximum(predicted[:, 2:], 1)
    label = np.where(near & (rng.random(n) < 0.85), of_class[source], rng.integers(0, len(label_map), n))
    score = np.where(near, rng.beta(2, 2, n), rng.beta(1, 8, n))
    return gt, Detections(image_id, query, label, score, xywh_to_xyxy(predicted)), label_map


def random_boxes(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return `xywh` boxes (n, 4) of all sizes, most of them small, as in COCO."""
    return np.column_stack([rng.uniform(0, 500, (n, 2)), np.exp(rng.normal(4, 1, (n, 2))).clip(4, 400)])
