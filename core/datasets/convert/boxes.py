"""A copy of a COCO data set whose boxes had another format: `rewrite_boxes`.

In: a COCO folder, or one annotation file, and the `BoxFormat` of its boxes. Out: the same with COCO's boxes, and the
answer in each file's "info", so that nobody asks again. Pictures stay where they are; the new folder links to them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from core import DataError
from core.datasets.coco.box_format import ANSWER, BoxFormat
from core.datasets.coco.box_guess import to_xywh
from core.datasets.coco.entries import Entries, add_names, clean_images, resolve
from core.datasets.coco.ids import to_number
from core.datasets.coco.sizes import with_pictures
from core.datasets.coco_json import COCO_LISTS
from core.datasets.folder.located import locate_pictures
from core.datasets.json_reader import decode, decode_with_python
from core.datasets.layouts import SplitLocation, find_splits
from core.datasets.pictures import path_inside
from core.disk import atomic_file, atomic_folder
from core.files import real_path
from core.system.moves import link_folder


def rewrite_boxes(source: str | Path, out: str | Path, format: BoxFormat) -> int:
    """Write the COCO folder or file `source` to `out` with its boxes, of `format`, as COCO's; return their number.

    Raises DataError if `out` exists or cannot be written, if a file cannot be read, or if a normalized box lies on an
    image whose size is unknown.
    """
    source, out = Path(source), Path(out)
    if os.path.lexists(out):
        raise DataError(f"{out} is there already: choose another name.")
    try:
        if os.path.isdir(source):
            return _rewrite_folder(source, out, format)
        data, count, _ = _rewritten(SplitLocation(source, source.parent), format)
        with atomic_file(out) as partial:
            partial.write_text(json.dumps(data), encoding="utf-8")
        return count
    except OSError as error:
        raise DataError(f"{out} cannot be written: {error.strerror or error}.") from error


def _rewrite_folder(source: Path, out: Path, format: BoxFormat) -> int:
    total = 0
    with atomic_folder(out) as partial:
        (partial / "annotations").mkdir()
        for split, location in find_splits(source).items():
            data, count, pictures = _rewritten(location, format)
            stem, link = ("instances", "images") if location.shared else (f"instances_{split}", split)
            (partial / "annotations" / f"{stem}.json").write_text(json.dumps(data), encoding="utf-8")
            link_folder(pictures, partial / link)
            total += count
            if location.shared:
                break
    return total


def _rewritten(location: SplitLocation, format: BoxFormat) -> tuple[dict[str, Any], int, Path]:
    """Return a file's content with COCO's boxes, how many boxes it has, and the folder that holds its pictures."""
    path = location.json_path
    try:
        data = decode(path, Any)
    except msgspec.ValidationError:
        data = decode_with_python(path)
    if not isinstance(data, dict) or not all(isinstance(data.get(name), list) for name in COCO_LISTS):
        raise DataError(f"{path} is not a COCO annotation file: it should hold the lists {', '.join(COCO_LISTS)}.")
    images = clean_images([dict(image) if isinstance(image, dict) else image for image in data["images"]])
    pictures, root = real_path(location.image_dir), location.root or location.image_dir
    named = [image for image in images.kept if image["file_name"]]
    located = locate_pictures(named, pictures, location.bases, root, None, "")
    if format.is_normalized:
        with_pictures(
            images.kept, [], lambda i: located.paths.get(i["id"]) or path_inside(pictures, i["file_name"]), ""
        )
    add_names(images)
    sizes = {image["id"]: (image["width"], image["height"]) for image in images.kept}
    count = 0
    for annotation in data["annotations"]:
        if isinstance(annotation, dict) and (box := _numbers(annotation.get("bbox"))) is not None:
            size = _size(annotation, images, sizes) if format.is_normalized else (1.0, 1.0)
            if size is None:
                continue
            annotation["bbox"] = to_xywh(np.array([box]), np.array([size]), format)[0].round(3).tolist()
            if not annotation.get("segmentation"):  # else its outline tells
                annotation["area"] = round(annotation["bbox"][2] * annotation["bbox"][3], 3)
            count += 1
    info = data.get("info")
    data["info"] = (info if isinstance(info, dict) else {}) | {ANSWER: BoxFormat.XYWH.value}
    return data, count, real_path(root) if located.paths else pictures


def _numbers(bbox: Any) -> list[float] | None:
    """Return the four numbers of a box; None if it is anything else, which its reader leaves out."""
    if not isinstance(bbox, list) or len(bbox) != 4:
        return None
    numbers = [number for side in bbox if (number := to_number(side)) is not None]
    return numbers if len(numbers) == 4 else None


def _size(annotation: dict[str, Any], images: Entries, sizes: dict[int, tuple[Any, Any]]) -> tuple[float, float] | None:
    """Return the size of an annotation's image; None if that is not listed. Raises DataError if it is unknown."""
    image_id = resolve(annotation.get("image_id"), images)
    if image_id not in sizes:
        return None
    width, height = sizes[image_id]
    if width is None:
        raise DataError(f"Image {image_id} has no width and height, and its picture cannot be read: state them.")
    return width, height
