"""Images shown in tiles: `TiledDataset` cuts them, `merge_tiles` puts together what a model finds in them.

In: a split as for a `DetectionDataset`. Out: of each image all of it and n × n overlapping parts, each as a sample; and
the image's detections, as if it had been seen at once. It finds small objects that were too small in the whole image,
without any training, for n² + 1 times the work. `core/datasets/pixels/tiling.py` says where the parts lie.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import torch

from core.boxes import Detections, iou
from core.datasets.pictures import resized
from core.datasets.pixels.tiling import tile_regions
from core.datasets.pixels.upright import Box, Size
from core.datasets.split import CocoSplit
from core.detr.input.batch import Sample
from core.detr.input.dataset import DetectionDataset
from core.detr.input.pixels import crop_pixels
from core.detr.input.transforms import ResizedCrop
from core.labels import LabelMap

SAME = 0.5  # IoU from which two boxes of one class, from two regions, are of one object
AT_CUT = 0.05  # of a tile's side: a box that comes so near to where a tile is cut off is taken for a part of an object
MOST_MERGED = 1000  # of an image's boxes, by score, that are looked at
MOST_KEPT = 300  # of an image's boxes, after that


class TiledDataset(DetectionDataset):
    """The regions of each image, one sample for each: first all of the image, then its tiles, row by row.

    A sample's `image_id` is its own number, and its `size` that of its region; it has no targets, as nothing is trained
    on tiles. `tiles` says into how many parts each side is divided.
    """

    def __init__(
        self, split: CocoSplit, label_map: LabelMap, shortest_edge: int, longest_edge: int, tiles: int, square: bool
    ) -> None:
        super().__init__(split, label_map, shortest_edge, longest_edge, square=square)
        self.tiles = tiles
        self._last: tuple[int, torch.Tensor] | None = None  # the picture of the sample before, which is often the same

    @property
    def per_image(self) -> int:
        """How many samples an image has."""
        return self.tiles**2 + 1

    def __len__(self) -> int:
        return len(self.split.images) * self.per_image

    def image_id(self, index: int) -> int:
        """Return the id of the image that sample `index` is of."""
        return super().image_id(index // self.per_image)

    def region(self, index: int) -> Box:
        """Return what sample `index` shows of its image, (x1, y1, x2, y2) in pixels."""
        place, number = divmod(index, self.per_image)
        size = self._size(place)
        return tile_regions(size, self.tiles)[number - 1] if number else (0, 0, *size)

    def shown_size(self, index: int) -> Size:
        """Return the (width, height) in which sample `index` is shown."""
        x1, y1, x2, y2 = self.region(index)
        return self._cut(resized((x2 - x1, y2 - y1), self.shortest_edge, self.longest_edge, self.square))

    def __getitem__(self, index: int) -> Sample:
        """Read sample `index`; raises DataError as `DetectionDataset`."""
        place, region = index // self.per_image, self.region(index)
        if self._last is None or self._last[0] != place:
            self._last = place, self._decoded(place)
        return {
            "pixel_values": crop_pixels(self._last[1], ResizedCrop(region, self.shown_size(index))),
            "labels": {"class_labels": torch.zeros(0, dtype=torch.int64), "boxes": torch.zeros(0, 4)},
            "image_id": index,
            "size": (region[2] - region[0], region[3] - region[1]),
        }


def merge_tiles(data: TiledDataset, parts: Iterable[Detections]) -> Iterator[Detections]:
    """Yield the detections of each image, given those of its samples in the data's order; some may be missing.

    A box that ends where its tile is cut off is left out: another region shows more of its object. Of boxes of one
    class from two regions that overlap by SAME or more the one with the highest score stays (greedy non-maximum
    suppression, as in SAHI's); within one region nothing is suppressed. `query` is the rank in its image.
    """
    waiting: list[Detections] = []
    at = -1  # the image that waits for its last samples
    for part in parts:
        numbers = part.image_id
        for place in np.unique(numbers // data.per_image).tolist():
            if place != at and waiting:
                yield _merged(data, at, Detections.concat(waiting))
                waiting = []
            at = place
            waiting.append(part[numbers // data.per_image == place])
    if waiting:
        yield _merged(data, at, Detections.concat(waiting))


def _merged(data: TiledDataset, place: int, seen: Detections) -> Detections:
    """Return the detections of the image at `place`, from those of its samples, in pixels of the image."""
    regions = np.array([data.region(place * data.per_image + n) for n in range(data.per_image)], dtype=np.float32)
    number = seen.image_id % data.per_image
    region = regions[number]
    boxes = seen.boxes + region[:, [0, 1, 0, 1]]
    kept = np.flatnonzero(~_is_cut(boxes, region, regions[0]))
    kept = kept[np.argsort(-seen.score[kept], kind="stable")][:MOST_MERGED]
    kept = kept[_survivors(boxes[kept], seen.label[kept], number[kept])][:MOST_KEPT]
    return Detections(
        image_id=np.full(len(kept), data.image_id(place * data.per_image)),
        query=np.arange(len(kept), dtype=np.int32),
        label=seen.label[kept],
        score=seen.score[kept],
        boxes=boxes[kept],
    )


def _is_cut(
    boxes: npt.NDArray[np.float32], region: npt.NDArray[np.float32], whole: npt.NDArray[np.float32]
) -> npt.NDArray[np.bool_]:
    """Return which boxes (N, 4) end where their region (N, 4) does, but the image (4,) does not."""
    sides = region[:, 2:] - region[:, :2]
    near = np.abs(boxes - region) <= AT_CUT * np.concatenate([sides, sides], axis=1)
    is_cut: npt.NDArray[np.bool_] = np.any(near & (region != whole), axis=1)
    return is_cut


def _survivors(
    boxes: npt.NDArray[np.float32], label: npt.NDArray[np.int64], number: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Return which boxes (N, 4), by falling score, no better one of their class from another region suppresses."""
    alike = (iou(boxes, boxes) >= SAME) & (label[:, None] == label) & (number[:, None] != number)
    alive = np.ones(len(boxes), dtype=bool)
    for row in range(len(boxes)):
        if alive[row]:
            alive[row + 1 :] &= ~alike[row, row + 1 :]
    return alive
