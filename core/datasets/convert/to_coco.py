"""A user's YOLO or Pascal VOC folder, converted once to an ordinary COCO folder whose pictures are the user's own.

    out/annotations/instances_train.json, instances_val.json    out/train, out/val   links to the user's folder
    out/annotations/instances.json if it has no validation      out/images           the same
    out/source.json                                             which folder, how it was then, what was left out

Pictures are named by their path in the user's folder, never copied, and no file in that folder is written. The
converted folder appears under its name only when it is whole.

Each file imports only those above it in this order: source, yolo, voc.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from core import DataError
from core.datasets.convert import voc, yolo
from core.datasets.convert.source import Item, Labelled, Listing, is_unicode, picture_size
from core.disk import atomic_folder

KINDS = {"yolo": yolo, "voc": voc}
MADE_BY = "DETR Lab: converted"
CONVERTING = 1  # raise it whenever the result changes: folders converted before are then converted anew
SOURCE = "source.json"
OWN_NAMES = {"annotations", "images", "train", "val", SOURCE}


def kind_of(folder: str | Path) -> str | None:
    """Which of KINDS the folder is, by the names of its files; None for anything else."""
    folder = Path(folder)
    try:
        return next((kind for kind, room in KINDS.items() if folder.is_dir() and room.looks_like(folder)), None)
    except OSError:  # no access
        return None


def home(folder: str | Path, data_dir: str | Path) -> Path:
    """Where a folder is converted to if nobody says: under `data_dir`, with a name of its own."""
    folder = Path(folder).resolve()
    return Path(data_dir) / f"{folder.name}-{hashlib.sha256(str(folder).encode()).hexdigest()[:6]}"


def convert(folder: str | Path, out: str | Path) -> Iterator[tuple[int, int]]:
    """Converts the folder into `out`, yielding (images done, images in all) after every image.

    Images are numbered by their path, categories in the order of the names (YOLO) or by name (VOC). A picture without
    a YOLO label file is kept as one without objects; of VOC it is left out. An `out` that is current is kept; one that
    was converted from something else is replaced.

    Raises DataError if the folder is of no kind, holds no pictures, names something outside or has damaged files (the
    first is told, and how many there are), and if `out` holds anything else or cannot be written.
    """
    folder, out = Path(folder).resolve(), Path(out).resolve()
    listing = _list(folder)
    if out.is_relative_to(folder):
        raise DataError(f"{out} is inside {folder}, which is not to be changed: choose another place.")
    if out.exists() and not _is_ours(out):
        raise DataError(f"{out} holds something else than a converted data set: choose another folder.")
    return _convert(listing, out)


def is_current(folder: str | Path, out: str | Path) -> bool:
    """Whether `out` was converted from this folder, whose labels, lists and picture names are still the same."""
    folder, out = Path(folder).resolve(), Path(out).resolve()
    try:
        return _is_current(_list(folder), out)
    except DataError:
        return False


def _list(folder: Path) -> Listing:
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}.")
    kind = kind_of(folder)
    if kind is None:
        raise DataError(f"{folder} has neither YOLO's data.yaml or labels nor Pascal VOC's XML files: choose another.")
    try:
        return KINDS[kind].list_folder(folder)
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror or error}): give access to it.") from None


def _convert(listing: Listing, out: Path) -> Iterator[tuple[int, int]]:
    total = len(listing.items)
    if _is_current(listing, out):
        yield total, total
        return
    state = _state(listing)  # before the labels are read: a change while converting is found next time
    images, objects, damage = [], [], []
    for number, item in enumerate(listing.items, start=1):
        size, found = _read(listing, item, damage)
        images.append({"id": number, "file_name": item.picture, "width": size[0], "height": size[1]})
        objects += [(number, one) for one in found]
        if number < total:
            yield number, total
    if damage:
        more = f", and {len(damage) - 1} more damaged lines or files" if len(damage) > 1 else ""
        raise DataError(f"{damage[0]}{more}.")
    try:
        with atomic_folder(out, replace=True) as partial:
            (partial / "annotations").mkdir()
            _write_parts(partial, listing, images, objects)
            (partial / SOURCE).write_text(json.dumps(state, indent=1), encoding="utf-8")
    except OSError as error:
        raise DataError(f"{listing.folder} cannot be converted into {out}: {error.strerror or error}.") from error
    yield total, total


def _read(listing: Listing, item: Item, damage: list[str]) -> tuple[tuple[int, int], list[Labelled]]:
    """A picture's (width, height) and objects; anything wrong goes into `damage`."""
    if not is_unicode(item.picture):
        damage.append(f"A picture's name in {listing.folder}, {ascii(item.picture)}, is not UTF-8: rename the file")
        return (0, 0), []
    size = picture_size(listing.folder / item.picture, damage)
    return ((0, 0), []) if size is None else KINDS[listing.kind].read(item, listing, size, damage)


def _write_parts(partial: Path, listing: Listing, images: list[dict], objects: list):
    """Writes each part's JSON and its link to the user's folder; a single part has a neutral name."""
    names = sorted({one.name for _, one in objects}) if listing.names is None else listing.names.values()
    ids = {name: number for number, name in enumerate(names, start=1)}
    first = KINDS[listing.kind].first_pixel([one for _, one in objects])
    annotations = [
        _annotation(number, image_id, ids[one.name], one, first)
        for number, (image_id, one) in enumerate(objects, start=1)
    ]
    part_of = {image["id"]: item.part for image, item in zip(images, listing.items, strict=True)}
    parts = sorted(set(part_of.values()))
    for part in parts:
        data = {
            "info": {"description": f"{MADE_BY} from {listing.kind.upper()}"},
            "images": [image for image in images if part_of[image["id"]] == part],
            "annotations": [one for one in annotations if part_of[one["image_id"]] == part],
            "categories": [{"id": number, "name": name} for name, number in ids.items()],
        }
        stem, link = (f"instances_{part}", part) if len(parts) > 1 else ("instances", "images")
        text = json.dumps(data, separators=(",", ":"))
        (partial / "annotations" / f"{stem}.json").write_text(text, encoding="utf-8")
        (partial / link).symlink_to(listing.folder, target_is_directory=True)


def _annotation(number: int, image_id: int, category_id: int, one: Labelled, first: int) -> dict:
    """The COCO dict; corners to a hundredth of a pixel, as COCO has them."""
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
    """What source.json says."""
    digest = hashlib.sha256()
    for item in listing.items:
        digest.update(f"{item.part}\0{item.picture}\0{item.label}\n".encode(errors="surrogateescape"))
    lists = {path.relative_to(listing.folder).as_posix() for path in listing.lists}
    for name in sorted(lists | {item.label for item in listing.items if item.label}):
        about = os.stat(f"{listing.folder}/{name}")
        line = f"{name}\0{about.st_size}\0{about.st_mtime_ns}\n"
        digest.update(line.encode(errors="surrogateescape"))
    return {
        "made_by": MADE_BY,
        "converting": CONVERTING,
        "source": os.fsencode(listing.folder).decode(errors="backslashreplace"),
        "kind": listing.kind,
        "fingerprint": digest.hexdigest(),
        "left_out": listing.left_out,
    }


def _is_current(listing: Listing, out: Path) -> bool:
    try:
        return _source(out) == _state(listing) and any((out / "annotations").glob("*.json"))
    except OSError:  # a label file has just gone
        return False


def _source(out: Path) -> dict | None:
    """What source.json says; None if it is missing, broken or another program's."""
    try:
        data = json.loads((out / SOURCE).read_text(encoding="utf-8"))
        return data if data["made_by"] == MADE_BY else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _is_ours(out: Path) -> bool:
    """Whether the folder is empty or holds a converted data set and nothing else, so that it may be replaced."""
    if not out.is_dir():
        return False
    names = {path.name for path in out.iterdir()}
    return not names or (_source(out) is not None and names <= OWN_NAMES)
