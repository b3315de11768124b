"""A user's YOLO or Pascal VOC folder, converted once to an ordinary COCO folder whose pictures are the user's own.

    out/annotations/instances_train.json, instances_val.json    out/train, out/val   links to the user's folder
    out/annotations/instances.json if it has no validation      out/images           the same
    out/source.json                                             which folder, how it was then, what was left out

Pictures are named by their path in the user's folder, never copied, and no file in that folder is written. The
converted folder appears under its name only when it is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Generator
from pathlib import Path

from core import DataError
from core.datasets.convert import voc, yolo
from core.datasets.convert.source import (
    MOST_DAMAGE,
    Item,
    LabelledObject,
    Listing,
    is_unicode,
    read_picture_size,
)
from core.disk import atomic_folder
from core.files import read_bytes, real_path

FORMATS = {"yolo": yolo, "voc": voc}
MADE_BY = "DETR Lab: converted"
CONVERTING = 2  # raise it whenever the result changes: folders converted before are then converted anew
SOURCE = "source.json"
MOST_SOURCE_BYTES = 1_000_000
OWN_NAMES = {"annotations", "images", "train", "val", SOURCE}


def detect_format(folder: str | Path) -> str | None:
    """Return which of FORMATS the folder has, by the names of its files; None for anything else."""
    folder = Path(folder)
    try:
        return next((name for name, reader in FORMATS.items() if folder.is_dir() and reader.looks_like(folder)), None)
    except OSError:  # no access
        return None


def default_target(folder: str | Path, data_dir: str | Path) -> Path:
    """Return where a folder is converted to if nobody says: under `data_dir`, with a name of its own."""
    folder = real_path(folder)
    return Path(data_dir) / f"{folder.name}-{hashlib.sha256(str(folder).encode()).hexdigest()[:6]}"


def convert(folder: str | Path, out: str | Path) -> Generator[tuple[int, int], None, None]:
    """Convert the folder into `out`, yielding (images done, images in all) after every image.

    Images are numbered by their path, categories in the order of the names (YOLO) or by name (VOC). A picture without
    a YOLO label file is kept as one without objects; of VOC it is left out. An `out` that is current is kept; one that
    was converted from something else is replaced.

    Raises DataError if the folder has none of the formats, holds no pictures, names something outside or has damaged
    files (the first is told, and how many there are), and if `out` holds anything else or cannot be written.
    """
    folder, out = real_path(folder), real_path(out)
    listing = _list(folder)
    if out.is_relative_to(folder):
        raise DataError(f"{out} is inside {folder}, which is not to be changed: choose another place.")
    if os.path.lexists(out) and not _is_ours(out):
        raise DataError(f"{out} holds something else than a converted data set: choose another folder.")
    return _convert(listing, out)


def is_current(folder: str | Path, out: str | Path) -> bool:
    """Check whether `out` was converted from this folder, whose labels, lists and picture names are still the same."""
    folder, out = real_path(folder), real_path(out)
    try:
        return _is_current(_list(folder), out)
    except DataError:
        return False


def _list(folder: Path) -> Listing:
    if not os.path.isdir(folder):
        raise DataError(f"There is no folder {folder}.")
    format_ = detect_format(folder)
    if format_ is None:
        raise DataError(f"{folder} has neither YOLO's data.yaml or labels nor Pascal VOC's XML files: choose another.")
    try:
        return FORMATS[format_].list_folder(folder)
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror or error}): give access to it.") from None


def _convert(listing: Listing, out: Path) -> Generator[tuple[int, int], None, None]:
    total = len(listing.items)
    if _is_current(listing, out):
        yield total, total
        return
    state = _state(listing)  # before the labels are read: a change while converting is found next time
    images: list[dict] = []
    objects: list[tuple[int, LabelledObject]] = []  # each with its image's id
    damage: list[str] = []
    for number, item in enumerate(listing.items, start=1):
        picture, objects_in_image = _read(listing, item, damage)
        images.append({"id": number, "file_name": item.picture, **picture})
        objects += [(number, one) for one in objects_in_image]
        if len(damage) >= MOST_DAMAGE:
            break
        if number < total:
            yield number, total
    if damage:
        least = "at least " if len(damage) >= MOST_DAMAGE else ""
        more = f", and {least}{len(damage) - 1} more damaged lines or files" if len(damage) > 1 else ""
        raise DataError(f"{damage[0]}{more}.")
    try:
        with atomic_folder(out, replace=True) as partial:
            (partial / "annotations").mkdir()
            _write_splits(partial, listing, images, objects)
            (partial / SOURCE).write_text(json.dumps(state, indent=1), encoding="utf-8")
    except OSError as error:
        raise DataError(f"{listing.folder} cannot be converted into {out}: {error.strerror or error}.") from error
    yield total, total


def _read(listing: Listing, item: Item, damage: list[str]) -> tuple[dict, list[LabelledObject]]:
    """Return a picture's width and height, with `upright` if EXIF turns it, and its objects; else adds to `damage`."""
    if not is_unicode(item.picture):
        damage.append(f"A picture's name in {listing.folder}, {item.picture!a}, is not UTF-8: rename the file")
        return {}, []
    size = read_picture_size(listing.folder / item.picture, damage)
    if size is None:
        return {}, []
    (width, height), objects = FORMATS[listing.format].read(item, listing, size, damage)
    is_turned = size.orientation > 1 and (width, height) == size.upright
    return {"width": width, "height": height, **({"upright": True} if is_turned else {})}, objects


def _write_splits(
    partial: Path, listing: Listing, images: list[dict], objects: list[tuple[int, LabelledObject]]
) -> None:
    """Write each split's JSON and its link to the user's folder; a single split has a neutral name."""
    names = sorted({one.name for _, one in objects}) if listing.names is None else listing.names.values()
    ids = {name: number for number, name in enumerate(names, start=1)}
    first = FORMATS[listing.format].first_pixel([one for _, one in objects])
    annotations = [
        _annotation(number, image_id, ids[one.name], one, first)
        for number, (image_id, one) in enumerate(objects, start=1)
    ]
    split_of = {image["id"]: item.split for image, item in zip(images, listing.items, strict=True)}
    splits = sorted(set(split_of.values()))
    for split in splits:
        data = {
            "info": {"description": f"{MADE_BY} from {listing.format.upper()}"},
            "images": [image for image in images if split_of[image["id"]] == split],
            "annotations": [one for one in annotations if split_of[one["image_id"]] == split],
            "categories": [{"id": number, "name": name} for name, number in ids.items()],
        }
        stem, link = (f"instances_{split}", split) if len(splits) > 1 else ("instances", "images")
        text = json.dumps(data, separators=(",", ":"))
        (partial / "annotations" / f"{stem}.json").write_text(text, encoding="utf-8")
        (partial / link).symlink_to(listing.folder, target_is_directory=True)


def _annotation(number: int, image_id: int, category_id: int, one: LabelledObject, first: int) -> dict:
    """Return COCO's annotation of an object; corners to a hundredth of a pixel, as COCO has them.

    first: the number that the label file gives to the first pixel.
    """
    x1, y1, x2, y2 = (round(value - shift, 2) for value, shift in zip(one.corners, (first, first, 0, 0), strict=True))
    width, height = round(x2 - x1, 2), round(y2 - y1, 2)
    return {
        "id": number,
        "image_id": image_id,
        "category_id": category_id,
        "bbox": [x1, y1, width, height],
        "area": round(width * height, 2),
        "iscrowd": 0,
        **({"difficult": 1} if one.difficult else {}),
    }


def _state(listing: Listing) -> dict:
    """Return the content of source.json, which changes with every label file, list and picture name."""
    digest = hashlib.sha256()
    for item in listing.items:
        digest.update(f"{item.split}\0{item.picture}\0{item.label}\n".encode(errors="surrogateescape"))
    lists = {path.relative_to(listing.folder).as_posix() for path in listing.lists}
    for name in sorted(lists | {item.label for item in listing.items if item.label}):
        try:
            status = os.stat(f"{listing.folder}/{name}")
            line = f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n"
        except OSError:  # a link to nowhere, or it has just gone: whoever reads it says so
            line = f"{name}\0\n"
        digest.update(line.encode(errors="surrogateescape"))
    return {
        "made_by": MADE_BY,
        "converting": CONVERTING,
        "source": os.fsencode(listing.folder).decode(errors="backslashreplace"),
        "kind": listing.format,
        "fingerprint": digest.hexdigest(),
        "left_out": listing.left_out,
    }


def _is_current(listing: Listing, out: Path) -> bool:
    return _read_source(out) == _state(listing) and any((out / "annotations").glob("*.json"))


def _read_source(out: Path) -> dict | None:
    """Return the content of source.json; None if it is missing, broken or another program's."""
    try:
        data = json.loads(read_bytes(out / SOURCE, MOST_SOURCE_BYTES))
        return data if data["made_by"] == MADE_BY else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _is_ours(out: Path) -> bool:
    """Check whether the folder is empty or holds a converted data set and nothing else, so that it may be replaced."""
    try:
        names = set(os.listdir(out))
    except OSError:  # a file, or a folder that must not be looked into
        return False
    return not names or (_read_source(out) is not None and names <= OWN_NAMES)
