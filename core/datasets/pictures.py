"""Picture files: where they lie, how they are read, what is wrong with them, which of them are the same.

In: paths and the sizes that a COCO file states. Out: RGB pictures; a `ProblemKind` and a few words for each file
that has one; pairs of the same picture. Apart because reading for a training and checking before it must agree, and
because nothing in a picture file is trusted: it may be missing, cut off, huge, turned, or no picture at all.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import stat
import warnings
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin  # noqa: F401 (plugins: see FORMATS)

from core import DataError
from core.datasets.problems import ProblemKind

Size = tuple[int, int]  # width, height

# No others, because Pillow's readers of rare formats start programs or take any text for a picture. MPO comes as JPEG.
# Without the two plugins imported above, a file of another format would make Pillow import all it has.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
END_MARKERS = {"JPEG": b"\xff\xd9", "MPO": b"\xff\xd9", "PNG": b"IEND"}
MOST_PIXELS = 1024**3 // 4 // 3  # Pillow's limit, unless somebody in this process has lifted it
TAIL = 4096  # bytes at a file's end in which its end marker is looked for: cameras write notes behind it

# EXIF orientations that swap width and height, each with what turns the picture upright
TURNS = {
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_UNHEARD = ("ignore", None, Warning, re.compile(r"PIL\."), 0)  # a warnings filter


def resized(size: tuple[int, int], shortest_edge: float, longest_edge: float = math.inf) -> tuple[int, int]:
    """The (width, height) to which DETR resizes an image of `size`, keeping its aspect.

    The shorter side becomes `shortest_edge`, unless the longer one would exceed `longest_edge`
    (facebookresearch/detr, datasets/transforms.py: get_size_with_aspect_ratio).

    >>> resized((640, 480), 800, 1333), resized((1000, 300), 800, 1333)
    ((1067, 800), (1333, 400))
    """
    scale = min(shortest_edge / min(size), longest_edge / max(size))
    width, height = (max(1, round(side * scale)) for side in size)
    return width, height


@dataclass(frozen=True)
class PicturesChecked:
    """How far `picture_problems` is: how many pictures are done; (key, kind, detail) of new ones with a problem."""

    done: int
    found: tuple[tuple[Hashable, ProblemKind, str], ...] = ()


class PictureError(Exception):
    """A picture that cannot be had: its kind, and why in a few words."""

    def __init__(self, kind: ProblemKind, why: str):
        super().__init__(why)
        self.kind, self.why = kind, why


def path_inside(root, name: str) -> Path | None:
    """Where a picture lies that a JSON names by its path inside `root`, a resolved folder; it need not exist.

    None if the name leads out of the folder: absolute, through "..", by a link; or if no file can have such a name.
    """
    root = os.fspath(root)
    if not name or "\0" in name or os.path.isabs(name) or os.path.splitdrive(name)[0]:
        return None
    path, plain = root, True
    for part in re.split(r"[/\\]" if os.sep == "\\" else "/", name):
        path = os.path.join(path, part)
        plain = plain and not os.path.islink(path)
    # the system is only asked where a link makes a difference: it takes far longer
    path = os.path.normpath(path) if plain else os.path.realpath(path)
    return Path(path) if path.startswith(os.path.join(root, "")) else None


def read_picture(path, size: Size | None = None) -> Image.Image:
    """The picture as RGB, with `size` as its JSON states it: as it is stored, or else turned upright as EXIF says.

    Of several frames the first, of 16 bits the upper 8. Raises DataError if the picture is missing, cut off, too large
    or none at all, or has the stated size neither way.
    """
    try:
        with open_picture(path) as image:
            image.load()
            turn = TURNS.get(orientation_of(image)) if size and image.size != tuple(size) else None
            picture = to_rgb(image)
    except PictureError as broken:
        if broken.kind is ProblemKind.MISSING:
            raise DataError(f"The picture {path} is missing: restore it or take its image out of the JSON.") from None
        raise DataError(f"The picture {path} cannot be read ({broken.why}): replace the file.") from None
    if turn is not None and picture.size[::-1] == tuple(size):
        return picture.transpose(turn)
    if size and picture.size != tuple(size):
        raise DataError(
            f"The picture {path} has {_text(picture.size)} pixels, but its JSON {_text(size)}"
            ": its boxes would be misplaced; put the original picture back."
        )
    return picture


def picture_problem(path, size: Size, whole: bool = False) -> tuple[ProblemKind, str] | None:
    """What is wrong with a picture whose JSON states `size`, with a few words; None if nothing is.

    Only its header is read, and the end of a JPEG or PNG file, which tells whether it is cut off; `whole` decodes all
    of it. Decoding finds every picture that is cut off, of any format, and whatever else `read_picture` would refuse.
    It does not find what the decoders pass over in silence: changed bytes or a run of zeros in the middle of a JPEG.
    """
    try:
        with open_picture(path) as image:
            stored = image.size
            if whole or not _ends_well(image):
                image.draft(None, (1, 1))  # a JPEG at an eighth of its size: twice as fast, and finds the same damage
                image.load()
            elif image.format == "PNG" and stored != tuple(size):
                image.load()  # it may tell its orientation after its pixels
            orientation = orientation_of(image)
    except PictureError as broken:
        return broken.kind, broken.why
    if stored == tuple(size):
        return None if orientation == 1 else (ProblemKind.MIRRORED, f"EXIF orientation {orientation}")
    if orientation in TURNS and stored[::-1] == tuple(size):
        return ProblemKind.TURNED, f"stored as {_text(stored)}, EXIF orientation {orientation}"
    return ProblemKind.OTHER_SIZE, f"{_text(stored)} instead of {_text(size)}"


def picture_problems(
    items: Iterable[tuple[Hashable, Path, Size]], workers: int | None = None, whole: bool = False
) -> Iterator[PicturesChecked]:
    """What `picture_problem` finds in each (key, path, size), a batch of pictures at a time, in their order.

    Closing the generator stops it as soon as the batches being looked at are done. `workers` is how many threads.
    """
    if workers is None:  # headers are read in Python, one at a time: a second thread only fills the waits for the disk
        workers = (os.cpu_count() or 1) if whole else 2
    items, done = iter(items), 0
    batches = iter(lambda: list(islice(items, 16 if whole else 128)), [])

    def look(batch: list) -> PicturesChecked:
        seen = [(key, picture_problem(path, size, whole)) for key, path, size in batch]
        return PicturesChecked(len(batch), tuple((key, *wrong) for key, wrong in seen if wrong))

    pool = ThreadPoolExecutor(workers)
    try:
        waiting = deque(pool.submit(look, batch) for batch in islice(batches, 2 * workers))
        while waiting:
            looked = waiting.popleft().result()
            waiting.extend(pool.submit(look, batch) for batch in islice(batches, 1))
            done += looked.done
            yield PicturesChecked(done, looked.found)
    finally:
        pool.shutdown(cancel_futures=True)


def leaked_pictures(
    train: Iterable[tuple[Hashable, Path]], val: Iterable[tuple[Hashable, Path]]
) -> list[tuple[Hashable, Hashable]]:
    """The pictures of `val` that are also in `train`, byte for byte, as (train key, val key) in the order of `val`.

    Of several twins in `train` the first. Links are what they lead to; empty and unreadable files are no pictures.
    """
    train, val = [(key, path, ()) for key, path in train], [(key, path, ()) for key, path in val]
    for fingerprint in (_length, _ending, _content):  # each dearer than the one before, and asked of fewer files
        train, val = _marked(train, fingerprint), _marked(val, fingerprint)
        common = {marks for *_, marks in train} & {marks for *_, marks in val}
        train, val = ([entry for entry in entries if entry[2] in common] for entries in (train, val))
    first = {marks: key for key, _, marks in reversed(train)}
    return [(first[marks], key) for key, _, marks in val]


@contextmanager
def open_picture(path, formats: Sequence[str] = FORMATS) -> Iterator[Image.Image]:
    """The picture, of which only the header is read; whatever goes wrong until the end of the block is a Broken."""
    with _quiet():
        try:
            _check_file(path)
            with open(path, "rb") as file, Image.open(file, formats=formats) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise PictureError(ProblemKind.UNREADABLE, _too_large(image.width * image.height))
                yield image
        except PictureError:
            raise
        except Image.DecompressionBombError:  # Pillow's own, at twice its limit
            raise PictureError(ProblemKind.UNREADABLE, "more than " + _too_large(2 * MOST_PIXELS)) from None
        except UnidentifiedImageError:
            raise PictureError(ProblemKind.UNREADABLE, "not a JPEG, PNG, WebP, BMP, GIF, TIFF or PPM picture") from None
        except Exception as error:  # the decoders raise almost anything at a file that was made or damaged for it
            raise PictureError(ProblemKind.UNREADABLE, _reason(error)) from None


def _check_file(path) -> None:
    """Raises Broken if there is nothing to open; to open a pipe would wait for ever."""
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: no file can have such a name
        raise PictureError(ProblemKind.MISSING, "no such file") from None
    if not stat.S_ISREG(status.st_mode):
        raise PictureError(ProblemKind.UNREADABLE, "a folder" if stat.S_ISDIR(status.st_mode) else "not a file")
    if not status.st_size:
        raise PictureError(ProblemKind.UNREADABLE, "an empty file")


@contextmanager
def _quiet() -> Iterator[None]:
    """Pillow's warnings are not heard meanwhile: what matters of them is a problem with a name here.

    By a filter for each reader, as warnings.catch_warnings mixes up the filters of threads.
    """
    filters = warnings.filters
    filters.insert(0, _UNHEARD)
    try:
        yield
    finally:
        with suppress(ValueError):  # somebody has emptied the list
            filters.remove(_UNHEARD)


def _ends_well(image: Image.Image) -> bool:
    """Whether the marker that ends a file of its format is where it should be; True of formats that have none."""
    marker = END_MARKERS.get(image.format)
    if marker is None:
        return True
    header = image.fp.tell()  # pictures inside the header have an end, too
    end = image.fp.seek(0, os.SEEK_END)
    image.fp.seek(max(header, end - TAIL))
    found = marker in image.fp.read()
    image.fp.seek(header)
    return found


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation that is still to be applied, 1 to 8; 1 if there is none or it makes no sense."""
    if image.format == "TIFF":  # Pillow applies it itself
        return 1
    try:
        # not PngImageFile's own, which decodes the picture to look for EXIF behind it
        found = Image.Image.getexif(image).get(0x0112)
    except Exception:  # damaged EXIF data: anything
        return 1
    return found if found in range(1, 9) else 1


def to_rgb(image: Image.Image) -> Image.Image:
    """The picture as RGB, 8 bits a colour: of 16 bits the upper 8; what is transparent has the colour it has there."""
    if image.mode.startswith("I"):  # 16 bits, which convert() would cut off at 255: almost all white
        return Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
    return image.convert("RGB")


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:  # the system's, not Pillow's
        return error.strerror.lower()
    return "cut off" if "truncated" in str(error).lower() else f"damaged: {error}"


def _text(size: Size) -> str:
    return f"{size[0]} × {size[1]}"


def _too_large(pixels: int) -> str:
    return f"{pixels / 1e6:,.0f} megapixels: too large to be read safely"


def _marked(entries: list, fingerprint: Callable[[Path], Hashable]) -> list:
    """The (key, path, marks) with a further mark; without those whose fingerprint cannot be had."""
    marked = []
    for key, path, marks in entries:
        try:
            mark = fingerprint(path)
        except (OSError, ValueError):
            continue
        if mark:
            marked.append((key, path, (*marks, mark)))
    return marked


def _length(path) -> int:
    status = os.stat(path)
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def _ending(path) -> bytes:
    with open(path, "rb", buffering=0) as file:
        file.seek(-min(TAIL, _length(path)), os.SEEK_END)
        return file.read(TAIL)


def _content(path) -> bytes:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "blake2b").digest()
