"""A user's folder of another format, converted once to an ordinary COCO folder whose pictures are the user's own.

    out/annotations/instances_train.json, instances_val.json    out/train, out/val   links to the user's folder
    out/annotations/instances.json if it has no validation      out/images           the same
    out/annotations/instances_test.json if it has such a part   out/test             the same
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
from core.datasets.convert.conversion import Content, read_items
from core.datasets.convert.format import TEST, USED, Format, LabelledObject, Listing, ProblemCounter
from core.datasets.convert.formats.createml import CREATEML
from core.datasets.convert.formats.cvat import CVAT
from core.datasets.convert.formats.datumaro import DATUMARO
from core.datasets.convert.formats.fiftyone import LABELS, SAMPLES
from core.datasets.convert.formats.label_studio import LABEL_STUDIO
from core.datasets.convert.formats.labelme import LABELME
from core.datasets.convert.formats.rows import KERAS_YOLO, RETINANET, TENSORFLOW
from core.datasets.convert.formats.supervisely import SUPERVISELY
from core.datasets.convert.formats.via import VIA
from core.datasets.folder.conversion_record import MADE_BY, SOURCE, Conversion, read_conversion, write_conversion
from core.datasets.layouts import is_coco_first, is_dataset
from core.disk import atomic_folder
from core.files import lies_in, real_path
from core.system.moves import link_folder

FORMATS: dict[str, Format] = {
    "yolo": yolo, "voc": voc, "labelme": LABELME, "cvat": CVAT, "createml": CREATEML, "tensorflow": TENSORFLOW,
    "retinanet": RETINANET, "yolo list": KERAS_YOLO, "label studio": LABEL_STUDIO, "supervisely": SUPERVISELY,
    "datumaro": DATUMARO, "fiftyone labels": LABELS, "fiftyone": SAMPLES, "via": VIA,
}  # fmt: skip
OWN_NAMES = {"annotations", "images", "train", "val", "test", SOURCE}


def detect_format(folder: str | Path) -> str | None:
    """Return which of FORMATS the folder is to be converted from, by what its files hold; None for anything else.

    None where it holds COCO's files, too, and these come first. Of several formats the one in which more pictures have
    a label file is meant.
    """
    try:
        return None if is_coco_first(folder) else _format_of(Path(folder))
    except OSError:  # no access
        return None


def _format_of(folder: Path) -> str | None:
    keys = [key for key, reader in FORMATS.items() if folder.is_dir() and reader.looks_like(folder)]
    return max(keys, key=lambda key: _labelled(folder, key)) if len(keys) > 1 else next(iter(keys), None)


def _labelled(folder: Path, key: str) -> int:
    """Return how many pictures of a folder have a label file in a format."""
    try:
        items = FORMATS[key].list_folder(real_path(folder), ProblemCounter()).items
    except (DataError, OSError):
        return 0
    return sum(bool(item.picture and item.label) for item in items)


def default_target(folder: str | Path, data_dir: str | Path) -> Path:
    """Return where a folder is converted to if nobody says: under `data_dir`, with a name of its own."""
    folder = real_path(folder)
    return Path(data_dir) / f"{folder.name}-{hashlib.sha256(str(folder).encode()).hexdigest()[:6]}"


def convert(folder: str | Path, out: str | Path) -> Generator[tuple[int, int], None, None]:
    """Convert the folder into `out`, yielding (images done, images in all) after every image.

    Images are numbered by their path, categories in the order of the list of names, else by name. What is damaged,
    or in no list is left out, and told by `out`'s source.json. An `out` that is current is kept; one that
    was converted from something else is replaced.

    Raises DataError if the folder has none of the formats or nothing in it can be used, and if `out` holds anything
    else or cannot be written.
    """
    folder, out = real_path(folder), real_path(out)
    problems = ProblemCounter()
    listing = _list(folder, problems)
    if lies_in(out, folder):
        raise DataError(f"{out} is inside {folder}, which is not to be changed: choose another place.")
    if os.path.lexists(out) and not _is_ours(out):
        raise DataError(f"{out} holds something else than a converted data set: choose another folder.")
    return _convert(listing, out, problems)


def is_current(folder: str | Path, out: str | Path) -> bool:
    """Check whether `out` was converted from this folder, whose labels, lists and picture names are still the same."""
    folder, out = real_path(folder), real_path(out)
    try:
        return _is_current(_state(_list(folder, ProblemCounter())), out)
    except DataError:
        return False


def _list(folder: Path, problems: ProblemCounter) -> tuple[str, Listing]:
    """Return the key of the folder's format and what the folder holds."""
    if not os.path.isdir(folder):
        raise DataError(f"There is no folder {folder}.")
    try:
        key = _format_of(folder)
        if key is None and is_dataset(folder):
            raise DataError(f"{folder} is in COCO layout: use it as it is, or say with --boxes what its boxes are.")
        if key is None:
            raise DataError(
                f"{folder} has neither YOLO's data.yaml or labels nor Pascal VOC's XML files, nor another tool's files "
                "that are read here: choose another, or export it as COCO."
            )
        return key, FORMATS[key].list_folder(folder, problems)
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror or error}): give access to it.") from None


def _convert(
    listed: tuple[str, Listing], out: Path, problems: ProblemCounter
) -> Generator[tuple[int, int], None, None]:
    state = _state(listed)  # before the labels are read: a change while converting is found next time
    key, listing = listed
    total = listing.used
    if _is_current(state, out):
        yield total, total
        return
    content = yield from read_items(FORMATS[key], listing, problems)
    conversion = Conversion(
        state.source, key, state.fingerprint, tuple(problems.to_list(content.ids)), content.pictures, content.boxes
    )
    try:
        with atomic_folder(out, replace=True) as partial:
            (partial / "annotations").mkdir()
            _write_splits(partial, key, listing, content)
            write_conversion(partial, conversion)
    except OSError as error:
        raise DataError(f"{listing.folder} cannot be converted into {out}: {error.strerror or error}.") from error
    yield total, total


def _write_splits(partial: Path, key: str, listing: Listing, content: Content) -> None:
    """Write each split's JSON and its link to the user's folder; a single split for training has a neutral name."""
    objects, trained = content.objects, content.of_training()
    # what only the part for testing says changes nothing of the others
    names = sorted({one.name for one in trained}) if listing.names is None else list(listing.names.values())
    more = sorted({one.name for one in content.of_training(False)})
    ids = {name: number for number, name in enumerate(dict.fromkeys([*names, *more]), start=1)}
    first = FORMATS[key].first_pixel(trained)
    annotations = [
        _annotation(number, image_id, ids[one.name], one, first)
        for number, (image_id, one) in enumerate(objects, start=1)
    ]
    splits = sorted(set(content.split_of.values()))
    is_divided = set(USED) <= set(splits)
    for split in splits:
        images = [image for image in content.images if content.split_of[image["id"]] == split]
        data = {
            "info": {"description": f"{MADE_BY} from {FORMATS[key].TITLE}"},
            "images": images,
            "annotations": [one for one in annotations if content.split_of[one["image_id"]] == split],
            "categories": [{"id": n, "name": name} for name, n in ids.items() if name in names or split == TEST],
        }
        stem, link = (f"instances_{split}", split) if is_divided or split == TEST else ("instances", "images")
        text = json.dumps(data, separators=(",", ":"))
        (partial / "annotations" / f"{stem}.json").write_text(text, encoding="utf-8")
        link_folder(listing.folder, partial / link, [image["file_name"] for image in images])


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


def _state(listed: tuple[str, Listing]) -> Conversion:
    """Return what source.json says of the folder as it is: it changes with every label file, list and picture name."""
    key, listing = listed
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
    source = os.fsencode(listing.folder).decode(errors="backslashreplace")
    return Conversion(source, key, digest.hexdigest())


def _is_current(state: Conversion, out: Path) -> bool:
    before = read_conversion(out)
    return before is not None and before.is_of(state) and any((out / "annotations").glob("*.json"))


def _is_ours(out: Path) -> bool:
    """Check whether the folder is empty or holds a converted data set and nothing else, so that it may be replaced."""
    try:
        names = set(os.listdir(out))
    except OSError:  # a file, or a folder that must not be looked into
        return False
    return not names or (read_conversion(out) is not None and names <= OWN_NAMES)
