"""Boxes: the formats, their areas and IoU, and `Detections`, the boxes that a model predicted.

Inside `core/` a box is float32 `xyxy` in absolute pixels of the original image. The other two formats live at the
edges only, and functions that convert say so in their names: COCO files hold `xywh` (pixels, top-left corner),
DETR predicts normalised `cxcywh` (centre, in [0, 1] of the image).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

CONTEXT = 48  # pixels: the shortest side of the square that is shown around a box

FloatArray = npt.NDArray[np.float32]


def as_boxes(boxes: npt.ArrayLike) -> FloatArray:
    """Return any list of four-number boxes, also an empty one, as a float32 array of shape (N, 4).

    >>> as_boxes([]).shape
    (0, 4)
    """
    return np.asarray(boxes, dtype=np.float32).reshape(-1, 4)


def xywh_to_xyxy(boxes: npt.ArrayLike) -> FloatArray:
    """Convert COCO's (x, y, width, height) to (x1, y1, x2, y2), both (N, 4) in pixels.

    >>> xywh_to_xyxy([[10, 20, 30, 40]]).tolist()
    [[10.0, 20.0, 40.0, 60.0]]
    """
    x, y, w, h = as_boxes(boxes).T
    return np.stack([x, y, x + w, y + h], axis=1)


def xyxy_to_xywh(boxes: npt.ArrayLike) -> FloatArray:
    """Convert (x1, y1, x2, y2) to COCO's (x, y, width, height), both (N, 4) in pixels.

    >>> xyxy_to_xywh([[10, 20, 40, 60]]).tolist()
    [[10.0, 20.0, 30.0, 40.0]]
    """
    x1, y1, x2, y2 = as_boxes(boxes).T
    return np.stack([x1, y1, x2 - x1, y2 - y1], axis=1)


def xyxy_to_cxcywh_normalized(boxes: npt.ArrayLike, size: tuple[int, int]) -> FloatArray:
    """Convert (x1, y1, x2, y2) in pixels to DETR's (cx, cy, w, h) in [0, 1], both (N, 4).

    `size` is (width, height) of the image.

    >>> xyxy_to_cxcywh_normalized([[0, 0, 50, 100]], (100, 200)).tolist()
    [[0.25, 0.25, 0.5, 0.5]]
    """
    width, height = size
    x1, y1, x2, y2 = as_boxes(boxes).T
    return np.stack([(x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height], axis=1)


def cxcywh_normalized_to_xyxy(boxes: npt.ArrayLike, size: tuple[int, int]) -> FloatArray:
    """Convert DETR's (cx, cy, w, h) in [0, 1] to (x1, y1, x2, y2) in pixels, both (N, 4).

    `size` is (width, height) of the image.

    >>> cxcywh_normalized_to_xyxy([[0.25, 0.25, 0.5, 0.5]], (100, 200)).tolist()
    [[0.0, 0.0, 50.0, 100.0]]
    """
    width, height = size
    cx, cy, w, h = as_boxes(boxes).T
    return np.stack([(cx - w / 2) * width, (cy - h / 2) * height, (cx + w / 2) * width, (cy + h / 2) * height], axis=1)


def clip(boxes: npt.ArrayLike, size: tuple[int, int]) -> FloatArray:
    """Cut `xyxy` boxes (N, 4) off at the borders of an image of `size` (width, height)."""
    limit = np.array([*size, *size], dtype=np.float32)
    return np.clip(as_boxes(boxes), 0, limit)


def area(boxes: npt.ArrayLike) -> FloatArray:
    """Return width times height of `xyxy` boxes, (N,); 0 where a side is negative.

    >>> area([[0, 0, 2, 3], [5, 5, 4, 9]]).tolist()
    [6.0, 0.0]
    """
    x1, y1, x2, y2 = as_boxes(boxes).T
    return np.clip(x2 - x1, 0, None) * np.clip(y2 - y1, 0, None)


def iou(boxes: npt.ArrayLike, others: npt.ArrayLike, iscrowd: npt.ArrayLike | None = None) -> FloatArray:
    """Return the intersection over union of every `xyxy` box (N, 4) with every other one (M, 4), as (N, M) float32.

    Where `iscrowd` (M,) is set, the union is the area of the box of `boxes`, as in COCO: a detection lies wholly
    inside a crowd or it does not (pycocotools, `maskApi.c: bbIou`). 0 where the union is empty.

    >>> iou([[0, 0, 2, 2]], [[1, 0, 3, 2], [0, 0, 2, 2]]).round(4).tolist()
    [[0.33329999446868896, 1.0]]
    """
    boxes, others = as_boxes(boxes), as_boxes(others)
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])  # (N, M, 2)
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])  # (N, M, 2)
    intersection = np.prod(np.clip(high - low, 0, None), axis=2)  # (N, M)
    areas = area(boxes)[:, None]  # (N, 1)
    union = areas + area(others)[None] - intersection
    if iscrowd is not None:
        union = np.where(np.asarray(iscrowd, dtype=bool)[None], areas, union)
    return np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)


def context_box(box: tuple[float, float, float, float], size: tuple[float, float]) -> tuple[float, float, float, float]:
    """Return the square, `xyxy`, that is shown around a box: three times its longer side, at least CONTEXT pixels.

    It is moved inside the image of `size` (width, height), and no larger than the image's shorter side unless the box
    itself is.

    >>> context_box((20, 30, 40, 40), (200, 100))
    (0.0, 5.0, 60.0, 65.0)
    """
    x1, y1, x2, y2 = box
    side = max(min(max(3 * max(x2 - x1, y2 - y1), CONTEXT), *size), x2 - x1, y2 - y1)
    left, top = (
        min(max((low + high - side) / 2, 0), max(limit - side, 0))
        for low, high, limit in ((x1, x2, size[0]), (y1, y2, size[1]))
    )
    return left, top, left + side, top + side


@dataclass(frozen=True)
class Detections:
    """What a model predicted on a set of images, one row per query, for all scores down to 0.

    image_id  (N,)   int64    COCO image id
    query     (N,)   int32    the object query that predicted it, 0 … queries - 1; its rank in results of other tools
    label     (N,)   int32    index into the LabelMap
    score     (N,)   float32  in [0, 1]
    boxes     (N, 4) float32  xyxy, pixels of the original image

    Raises ValueError if the lengths differ.
    """

    image_id: np.ndarray
    query: np.ndarray
    label: np.ndarray
    score: np.ndarray
    boxes: np.ndarray

    def __post_init__(self) -> None:
        dtypes = {"image_id": np.int64, "query": np.int32, "label": np.int32, "score": np.float32}
        for name, dtype in dtypes.items():
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=dtype).reshape(-1))
        object.__setattr__(self, "boxes", as_boxes(self.boxes))
        lengths = {name: len(getattr(self, name)) for name in (*dtypes, "boxes")}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"The columns of Detections differ in length: {lengths}.")

    def __len__(self) -> int:
        return len(self.score)

    def __getitem__(self, rows: slice | np.ndarray) -> Detections:
        """Return the rows chosen by a mask, a slice or an index array."""
        return Detections(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    @classmethod
    def empty(cls) -> Detections:
        """Return no detections."""
        return cls(*(np.empty(0) for _ in fields(cls)))

    @classmethod
    def concat(cls, parts: Iterable[Detections]) -> Detections:
        """Join several sets of detections into one, in their order."""
        parts = list(parts)
        if not parts:
            return cls.empty()
        return cls(**{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls)})
