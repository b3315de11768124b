"""The pictures of a COCO file's images: those that name none are left out, and a size that is missing is read there.

In: the images as `entries.clean_images` returns them, their annotations and where their pictures lie. Out: images that
all have a `file_name`, a `width` and a `height`, and the annotations on them. Only headers of pictures are read, and
only where the file does not state a size.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from core.datasets.coco.areas import to_array
from core.datasets.coco.entries import Entry
from core.datasets.pictures import PictureError, open_picture
from core.datasets.pixels.upright import Size, orientation_of, upright_size
from core.datasets.problems import Example, Problem, ProblemKind, problems_of

PathOf = Callable[[Entry], Path | None]


def with_pictures(
    images: list[Entry], annotations: list[Entry], path_of: PathOf, split: str
) -> tuple[list[Entry], list[Entry], list[Problem]]:
    """Return the images that have a file name and a size, the annotations on them, and what was wrong.

    path_of: where an image's picture lies, None if that is outside its folder.
    """
    read, unknown = [], []
    without = [image for image in images if image["file_name"] and image["width"] is None]
    extents = _extents(annotations, {image["id"] for image in without})
    for image in without:
        size = _size_of(path_of(image), extents.get(image["id"], (0, 0)))
        if isinstance(size, str):
            unknown.append(Example(f"{image['file_name']}: {size}", image["id"]))
        else:
            image["width"], image["height"] = size
            read.append(Example(f"{image['file_name']}: {size[0]} × {size[1]}", image["id"]))
    nameless = [Example(f"image {image['id']}", image["id"]) for image in images if not image["file_name"]]
    problems = [
        *problems_of(ProblemKind.IMAGE_NAME, split, nameless),
        *problems_of(ProblemKind.NO_SIZE, split, unknown),
        *problems_of(ProblemKind.IMAGE_STATED, split, read),
    ]
    kept = [image for image in images if image["file_name"] and image["width"] is not None]
    if len(kept) == len(images):
        return images, annotations, problems
    ids = {image["id"] for image in kept}
    lost = [a for a in annotations if a["image_id"] not in ids]
    examples = [Example(f"annotation {a['id']}: image_id {a['image_id']}", annotation_ids=(a["id"],)) for a in lost]
    problems += problems_of(ProblemKind.LOST, split, examples)
    return kept, [a for a in annotations if a["image_id"] in ids], problems


def _size_of(path: Path | None, extent: tuple[float, float]) -> Size | str:
    """Return the size of a picture, or why it cannot be read.

    Of a picture that EXIF turns it is the upright one, unless boxes, as far as `extent`, reach out of that and would
    not of the other.
    """
    if path is None:
        return "outside the picture folder"
    try:
        with open_picture(path) as picture:
            stored, upright = picture.size, upright_size(picture.size, orientation_of(picture))
    except PictureError as error:
        return error.reason
    return upright if _holds(upright, extent) or not _holds(stored, extent) else stored


def _holds(size: Size, extent: tuple[float, float]) -> bool:
    return extent[0] <= size[0] and extent[1] <= size[1]


def _extents(annotations: list[Entry], image_ids: set[int]) -> dict[int, tuple[float, float]]:
    """Return how far the boxes of some images reach to the right and down, in pixels."""
    chosen = [a for a in annotations if a["image_id"] in image_ids]
    extents: dict[int, tuple[float, float]] = {}
    for annotation, (x, y, w, h) in zip(chosen, np.nan_to_num(to_array(chosen)).tolist(), strict=True):
        right, bottom = extents.get(annotation["image_id"], (0, 0))
        extents[annotation["image_id"]] = max(right, x + w), max(bottom, y + h)
    return extents
