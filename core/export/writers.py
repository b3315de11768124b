"""Writers of a bundle for other tools: COCO JSON, PNGs with boxes, or a folder for FiftyOne.

In: a `Bundle` and a path. Out: the file at that path, whole or not at all; a zip is written picture by picture, so its
size needs no memory. A text file inside lists the images that cannot be exported, as where a picture is gone.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from core import DataError
from core.datasets.decoding import MOST_FILE_BYTES
from core.datasets.picture_check import examine_picture
from core.datasets.pictures import read_picture
from core.datasets.problems import ProblemKind
from core.disk import whole_file
from core.evaluation.draw import draw_analysis
from core.evaluation.table import table_metadata
from core.evaluation.threshold import image_rows
from core.export.bundle import Bundle, coco_ground_truth, coco_results, safe_names
from core.files import open_file
from core.labelled_enum import LabelledEnum
from core.runs.marks import marks_to_coco
from core.wording import size_text, visible

HERE = Path(__file__).parent
SCRIPT = "open_in_fiftyone.py"
LEFT_OUT = "left_out.txt"
UNUSABLE = (
    ProblemKind.MISSING,
    ProblemKind.UNREADABLE,
    ProblemKind.OTHER_SIZE,
)  # pictures that boxes cannot be shown on
# Other programs do not agree on whether EXIF turns a picture, and show more than 8 bits dark: these are written anew.
SHOWN_OTHERWISE = {ProblemKind.TURNED, ProblemKind.ORIENTED, ProblemKind.AS_STORED, ProblemKind.DEEP}
SAVED_AS: dict[str, tuple[str, dict[str, Any]]] = {
    **dict.fromkeys((".jpg", ".jpeg"), ("JPEG", {"quality": 95, "subsampling": 0})),
    ".webp": ("WEBP", {"lossless": True}),
}  # by ending; else PNG
README = """{title}

{images} images, predictions from score {score:g}.

data/                the pictures; those that EXIF turns, and those of more than 8 bits a colour, as DETR Lab shows them
labels.json          what is annotated (COCO ground truth, original ids)
predictions.json     what was predicted (COCO results); each with
                       error   classification, localization, both, duplicate or background (TIDE); null if it is right
                       iou     with the object that it found, else the highest with any
                       gt_id   the annotation that it found
                       query   the object query it comes from
open_in_fiftyone.py  opens all of it:

    pip install fiftyone
    python open_in_fiftyone.py

In FiftyOne's sidebar, predictions > error filters by error type, ground_truth > error shows the missed objects.
In Python:

    from fiftyone import ViewField as F
    from open_in_fiftyone import load
    dataset = load(".")
    dataset.filter_labels("predictions", F("error") == "localization")
    dataset.filter_labels("ground_truth", F("error") == "missed")
"""


class ExportFormat(LabelledEnum):
    """The formats of an export; `label` and `description` are for the user."""

    COCO = ("coco", "COCO JSON", "Annotations and predictions, for annotation tools and pycocotools.")
    PNG = ("png", "PNGs with boxes", "Each image with its boxes drawn on it.")
    FIFTYONE = ("fiftyone", "FiftyOne", "Pictures, annotations, predictions and a script that opens them in FiftyOne.")


@dataclass(frozen=True)
class ExportResult:
    """A written export: its file, size in bytes, number of images, and a line on each image that is left out."""

    path: Path
    size: int
    images: int
    left_out: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """As "24 images, 1.8 MB; 2 left out: left_out.txt inside says why"."""
        size = size_text(self.size)
        text = f"{self.images:,} image{'s' * (self.images != 1)}, {size}"
        if not self.left_out:
            return text
        why = "left the data set" if self.path.suffix.lower() == ".json" else f"{LEFT_OUT} inside says why"
        return f"{text}; {len(self.left_out):,} left out: {why}"


Steps = Generator[tuple[int, int], None, list[str]]  # (images done, of how many); returns a line on each left out
Open = Callable[[str], IO[bytes]]  # opens a file of this name for writing


def write_export(bundle: Bundle, kind: ExportFormat, out: str | Path) -> Generator[tuple[int, int], None, ExportResult]:
    """Write the bundle to `out`, a zip; yield (images done, of how many).

    As COCO with the ending ".json", `out` becomes the annotations, and beside it are written NAME-predictions.json and,
    if there are marks on the images, NAME-marks.json. A caller that stops iterating stops the export, and nothing is
    left. Raises DataError if no image is chosen or none can be exported, RunError if `out` cannot be written.
    """
    out = Path(out)
    if not bundle.image_ids:
        raise DataError("There is no image to export: mark or choose some first.")
    if not bundle.images:
        raise DataError(f"{bundle.split.json_path} does not have the chosen images any more: nothing can be exported.")
    missing = [f"image {image_id}: it left the data set" for image_id in bundle.missing_ids]
    with ExitStack() as stack:
        if out.suffix.lower() == ".json":
            names = {name: out.with_name(f"{out.stem}-{name}.json") for name in ("predictions", "marks")}
            names = {"labels": out, **{n: path for n, path in names.items() if n != "marks" or bundle.image_marks}}
            parts = {f"{name}.json": stack.enter_context(whole_file(path)) for name, path in names.items()}
            left_out = missing + (yield from _coco(bundle, lambda name: parts[name].open("wb")))
        else:
            part = stack.enter_context(whole_file(out))
            archive = stack.enter_context(ZipFile(part, "w", strict_timestamps=False))
            write = {ExportFormat.COCO: _coco_zip, ExportFormat.PNG: _pngs, ExportFormat.FIFTYONE: _fiftyone}[kind]
            left_out = missing + (yield from write(bundle, archive))
            if left_out:
                _add(archive, LEFT_OUT, "\n".join(left_out) + "\n")
    images = len(bundle.images) + len(missing) - len(left_out)
    return ExportResult(out, out.stat().st_size, images, tuple(left_out))


def _coco(bundle: Bundle, open_file: Open, names: dict[int, str] | None = None) -> Steps:
    """Write labels.json, marks.json if there are marks, and predictions.json, an image at a time."""
    with open_file("labels.json") as file:
        file.write(_json(coco_ground_truth(bundle, names)))
    if bundle.image_marks:
        with open_file("marks.json") as file:
            file.write(_json(marks_to_coco(bundle.image_marks, bundle.split, table_metadata(bundle.table))))
    total, between = len(bundle.images), b""
    with open_file("predictions.json") as file:
        file.write(b"[")
        for done, rows in enumerate(coco_results(bundle), start=1):
            if rows:
                file.write(between + b",\n".join(map(_json, rows)))
                between = b",\n"
            yield done, total
        file.write(b"]")
    return []


def _coco_zip(bundle: Bundle, archive: ZipFile) -> Steps:
    return _coco(bundle, partial(_opened, archive))


def _pngs(bundle: Bundle, archive: ZipFile) -> Steps:
    """Write each picture with its boxes, as `analyze` draws it."""
    names, left_out = safe_names(bundle.images, ".png"), []
    for done, image in enumerate(bundle.images, start=1):
        try:
            path = bundle.split.image_path(image)
            try:
                picture = read_picture(path, (image["width"], image["height"]))
            except DataError as error:
                raise DataError(str(error).replace(str(path), image["file_name"])) from None
        except DataError as error:
            left_out.append(_line(image, str(error)))
        else:
            drawn, file = draw_analysis(picture, image_rows(bundle.table, image["id"], bundle.score)), BytesIO()
            drawn.save(file, "PNG", compress_level=3)  # thrice as fast as the usual 6, a tenth larger
            with _opened(archive, names[image["id"]], ZIP_STORED) as entry:  # it is compressed already
                entry.write(file.getbuffer())
        yield done, len(bundle.images)
    _check_some(bundle, left_out)
    return left_out


def _fiftyone(bundle: Bundle, archive: ZipFile) -> Steps:
    """Write the pictures under safe names, the JSON files of those copied, and a script that opens them in FiftyOne."""
    names, copied, left_out = safe_names(bundle.images), [], []
    for done, image in enumerate(bundle.images, start=1):
        if why := _copy(bundle, image, archive, f"data/{names[image['id']]}"):
            left_out.append(_line(image, why))
        else:
            copied.append(image)
        yield done, len(bundle.images)
    _check_some(bundle, left_out)
    for _ in _coco(bundle.restricted_to(copied), partial(_opened, archive), names):
        yield len(bundle.images), len(bundle.images)
    title = bundle.title or "Images with annotations and predictions"
    _add(archive, "README.txt", README.format(title=visible(title), images=len(copied), score=bundle.score))
    _add(archive, SCRIPT, (HERE / "fiftyone" / SCRIPT).read_text(encoding="utf-8"))
    return left_out


def _copy(bundle: Bundle, image: dict[str, Any], archive: ZipFile, name: str) -> str:
    """Copy the picture's file into the archive; return the reason if that is not possible, else ""."""
    try:
        path = bundle.split.image_path(image)
    except DataError:
        return "its name leads out of the picture folder"
    size = image["width"], image["height"]
    kinds = dict(examine_picture(path, size))
    if unusable := next((why for kind, why in kinds.items() if kind in UNUSABLE), ""):
        return unusable
    if not SHOWN_OTHERWISE.isdisjoint(kinds):
        return _write_as_seen(path, size, archive, name)
    try:
        picture = open_file(path, MOST_FILE_BYTES)
    except OSError as error:  # deleted or replaced since it was looked at
        return "no such file" if isinstance(error, FileNotFoundError) else (error.strerror or str(error)).lower()
    with picture, _opened(archive, name, ZIP_STORED) as entry:
        shutil.copyfileobj(picture, entry)
    return ""


def _write_as_seen(path: Path, size: tuple[int, int], archive: ZipFile, name: str) -> str:
    """Write the picture as it is shown here; return the reason if it cannot be read, else ""."""
    file = BytesIO()
    form, how = SAVED_AS.get(Path(name).suffix.lower(), ("PNG", {"compress_level": 3}))
    try:
        read_picture(path, size).save(file, form, **how)
    except DataError as error:
        return str(error).replace(str(path), "it")
    with _opened(archive, name, ZIP_STORED) as entry:
        entry.write(file.getbuffer())
    return ""


def _opened(archive: ZipFile, name: str, compression: int = ZIP_DEFLATED) -> IO[bytes]:
    info = ZipInfo(name, time.localtime()[:6])
    info.compress_type = compression
    return archive.open(info, "w")


def _add(archive: ZipFile, name: str, text: str) -> None:
    with _opened(archive, name) as entry:
        entry.write(text.encode())


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _check_some(bundle: Bundle, left_out: list[str]) -> None:
    if len(left_out) == len(bundle.images):
        raise DataError(
            f"None of the {len(left_out):,} pictures can be exported, as {left_out[0].rstrip('.')}: "
            "put the pictures back, or export as COCO JSON, which needs none."
        )


def _line(image: dict[str, Any], why: str) -> str:
    """Return one printable line on an image that is left out; its name comes from a file."""
    return visible(f"image {image['id']}, {image['file_name']}: {why}")
