"""The watched images of an evaluation with their boxes, for TensorBoard's Images tab.

In: a detection table, the images that were evaluated, and where their pictures lie. Out: a small JPEG of each as a
value, drawn by `core/evaluation/draw.py`. Which images they are is decided by `watched.py`: the first of those whose
boxes are kept at every epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from PIL import Image

from core import DataError
from core.datasets.coco.entries import Entry
from core.evaluation.draw import draw_analysis, thumbnail
from core.evaluation.threshold import image_rows
from core.runs.tensorboard.values import picture_value
from core.runs.watched import watched_images
from core.wording import short

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary

MOST, LONGEST = 8, 480  # pictures of an evaluation, and pixels of a picture's longest side
MOST_BOXES = 100  # of each kind: more would hide the picture
SCORE = 0.5  # predictions from there on
QUALITY = 75  # of JPEG, at every epoch; a PNG takes seven times the room, and TensorBoard's writer as much longer
DESCRIPTION = (
    f"Green: ground truth; red: predictions with a score of {SCORE:g} or more; dashed: missed objects; dotted: crowds."
)


class WatchedPictures:
    """Draws the same few images at every evaluation of a training; their pictures are read once.

    seed  of the run, by which its images are chosen
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._pictures: dict[int, Image.Image] = {}  # as small as they are drawn, without boxes

    def values(
        self, table: pa.Table, images: Sequence[Entry], path_of: Callable[[Entry], Path | None]
    ) -> list[Summary.Value]:
        """Return a value for each watched image, in the order of their ids; one whose picture cannot be read has none.

        images   id, file_name, width, height of each image of the table
        path_of  where the picture of one of them lies
        """
        chosen = watched_images(table, self._seed, MOST)
        wanted = set(chosen)
        entries = {image["id"]: image for image in images if image["id"] in wanted}
        values = []
        for image_id in chosen:
            with suppress(DataError):
                image = entries[image_id]
                picture = self._picture(image, path_of(image))
                drawn = draw_analysis(picture, _rows(table, image, picture), legend=False, longest=LONGEST)
                out = BytesIO()
                drawn.save(out, "JPEG", quality=QUALITY)
                tag = f"watched/{image_id} {short(image['file_name'])}"
                values.append(picture_value(tag, drawn.size, out.getvalue(), DESCRIPTION))
        return values

    def _picture(self, image: Entry, path: Path | None) -> Image.Image:
        """Return an image's picture, its longest side at most LONGEST; raise DataError if it cannot be read."""
        if image["id"] not in self._pictures:
            if path is None:
                raise DataError(f"The picture {short(image['file_name'])} is not inside the data set's folder.")
            small = thumbnail(path, LONGEST, (image["width"], image["height"]))
            with Image.open(BytesIO(small)) as opened:
                self._pictures[image["id"]] = opened.convert("RGB")
        return self._pictures[image["id"]]


def _rows(table: pa.Table, image: Entry, picture: Image.Image) -> list[dict[str, Any]]:
    """Return the rows to draw on an image, MOST_BOXES of each kind, their boxes in pixels of the small picture."""
    factors = {
        "x1": picture.width / image["width"], "x2": picture.width / image["width"],
        "y1": picture.height / image["height"], "y2": picture.height / image["height"],
    }  # fmt: skip
    kinds: dict[str, list[dict[str, Any]]] = {"ground_truth": [], "detection": []}
    for row in image_rows(table, image["id"], SCORE):
        kinds[row["kind"]].append(row | {corner: row[corner] * factor for corner, factor in factors.items()})
    return [row for rows in kinds.values() for row in rows[:MOST_BOXES]]
