"""Checking picture files before a training: what is wrong with each of them, and which are the same.

In: paths and the sizes that a COCO file states. Out: a `ProblemKind` and a few words for each file that has a problem;
which pictures are the same. Apart from `pictures.py`, which reads one picture and refuses what is found here.
"""

from __future__ import annotations

import hashlib
import math
import os
import stat
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Generic, TypeVar

from PIL import ImageFile

from core.datasets.pictures import PictureError, open_picture, size_text
from core.datasets.pixels.eight_bits import decode, depth_of
from core.datasets.pixels.upright import Size, meant_orientation, orientation_of
from core.datasets.problems import ProblemKind
from core.files import open_file

END_MARKERS = {"JPEG": b"\xff\xd9", "MPO": b"\xff\xd9", "PNG": b"IEND"}
RIFF_LENGTH = 4  # where a WebP file says how many bytes follow
TIFF_PLACES = (273, 279), (324, 325)  # tags: where strips or tiles begin, and how many bytes they have
TAIL = 4096  # bytes at a file's end in which its end marker is looked for: cameras write notes behind it
SAMPLE, SAMPLED_AT = 2048, (0.3, 0.5, 0.7, 1.0)  # bytes, and where: shares of the file's length

Key = TypeVar("Key", bound=Hashable)
Fingerprint = int | bytes
Finding = tuple[ProblemKind, str]  # with a few words on it
_Candidate = tuple[Key, Path, tuple[Fingerprint, ...]]


@dataclass(frozen=True)
class PicturesChecked(Generic[Key]):
    """Progress of `picture_problems`: how many pictures are done, and (key, kind, detail) of each new problem."""

    done: int
    problems: tuple[tuple[Key, ProblemKind, str], ...] = ()


def examine_picture(path: str | Path, size: Size, whole: bool = False) -> list[Finding]:
    """Return what is wrong with a picture whose JSON states `size`, or odd, each with a few words.

    Only its header is read, and what tells whether the file is cut off; GIF, BMP and PPM, where nothing does, are
    decoded. `whole` decodes every picture, which finds whatever `read_picture` would refuse, as bytes that changed in
    the middle of a PNG, but not what the decoders pass over in silence, as those in the middle of a JPEG.
    """
    try:
        with open_picture(path) as image:
            stored, odd = image.size, _oddities(image)
            if whole or not _seems_whole(image):
                image.draft(None, (1, 1))  # a JPEG at an eighth of its size: twice as fast, and finds the same damage
                decode(image)
            elif image.format == "PNG" and stored != tuple(size):
                image.load()  # it may tell its orientation after its pixels
            orientation = orientation_of(image)
    except PictureError as error:
        return [(error.kind, error.reason)]
    meant = meant_orientation(orientation, stored, size)
    if meant is None:
        swapped = ": width and height are swapped" if stored[::-1] == tuple(size) else ""
        return [(ProblemKind.OTHER_SIZE, f"{size_text(stored)} instead of {size_text(size)}{swapped}")]
    if orientation > 1:
        kind, text = ProblemKind.TURNED, f"stored as {size_text(stored)}, EXIF orientation {orientation}"
        if stored == tuple(size):
            kind, text = (
                ProblemKind.AS_STORED if meant == 1 else ProblemKind.ORIENTED,
                f"EXIF orientation {orientation}",
            )
        odd.insert(0, (kind, text))
    return odd


def _oddities(image: ImageFile.ImageFile) -> list[Finding]:
    """Return what a picture's header tells of its colours and frames that need a decision when it is read."""
    odd = []
    if depth := depth_of(image):
        odd.append((ProblemKind.DEEP, depth))
    if image.has_transparency_data:
        odd.append((ProblemKind.TRANSPARENT, f"{image.format} of mode {image.mode}"))
    if image.format != "MPO" and getattr(image, "is_animated", False):  # a camera's second view is no page
        odd.append((ProblemKind.FRAMES, str(image.format)))
    return odd


def picture_problems(
    items: Iterable[tuple[Key, Path, Size]], workers: int | None = None, whole: bool = False
) -> Iterator[PicturesChecked[Key]]:
    """Yield what `examine_picture` finds in each (key, path, size), a batch of pictures at a time, in their order.

    Closing the generator stops it as soon as the batches being checked are done. `workers` is the number of threads.
    """
    if workers is None:  # headers are read in Python, one at a time: a second thread only fills the waits for the disk
        workers = (os.cpu_count() or 1) if whole else 2
    items, done = iter(items), 0
    batches = iter(lambda: list(islice(items, 16 if whole else 128)), [])

    def check(batch: list[tuple[Key, Path, Size]]) -> PicturesChecked[Key]:
        findings = [(key, *one) for key, path, size in batch for one in examine_picture(path, size, whole)]
        return PicturesChecked(len(batch), tuple(findings))

    pool = ThreadPoolExecutor(workers)
    try:
        waiting = deque(pool.submit(check, batch) for batch in islice(batches, 2 * workers))
        while waiting:
            checked = waiting.popleft().result()
            waiting.extend(pool.submit(check, batch) for batch in islice(batches, 1))
            done += checked.done
            yield PicturesChecked(done, checked.problems)
    finally:
        pool.shutdown(cancel_futures=True)


def same_pictures(pictures: Iterable[tuple[Key, Path]], unread: bool = False) -> list[list[Key]]:
    """Return the keys of pictures that are the same, byte for byte, in lists of at least two, in the order given.

    Links count as the file they lead to; empty and unreadable files are no pictures. With `unread`, those of one path
    are the same also where it cannot be read.
    """
    keys: dict[Path, list[Key]] = {}
    order: dict[Key, int] = {}
    for key, path in pictures:
        keys.setdefault(path, []).append(key)
        order[key] = len(order)
    left: list[_Candidate[Path]] = [(path, path, ()) for path in keys]
    for fingerprint in (_length, _samples, _digest):  # each dearer than the one before, and taken of fewer files
        left = _with_fingerprint(fingerprint, left)
        counts = Counter(marks for _, _, marks in left)
        left = [one for one in left if counts[one[2]] > 1 or len(keys[one[0]]) > 1]
    groups: dict[tuple[Fingerprint, ...], list[Key]] = {}
    for path, _, marks in left:
        groups.setdefault(marks, []).extend(keys.pop(path))
    lists = [*groups.values(), *(keys.values() if unread else ())]
    return [sorted(group, key=order.__getitem__) for group in lists if len(group) > 1]


def _with_fingerprint(
    fingerprint: Callable[[Path], Fingerprint], candidates: list[_Candidate[Key]]
) -> list[_Candidate[Key]]:
    """Return the (key, path, fingerprints) with one fingerprint more, without files that have none."""
    extended = []
    for key, path, marks in candidates:
        try:
            mark = fingerprint(path)
        except (OSError, ValueError):
            continue
        if mark:
            extended.append((key, path, (*marks, mark)))
    return extended


def _seems_whole(image: ImageFile.ImageFile) -> bool:
    """Check whether a file is as long as its header says, or has the marker of its end; False where neither tells."""
    file = image.fp
    if file is None:
        return False
    header = file.tell()  # pictures inside the header have an end, too
    end = file.seek(0, os.SEEK_END)
    if marker := END_MARKERS.get(image.format or ""):
        file.seek(max(header, end - TAIL))
        seems_whole = marker in file.read()
    elif image.format == "WEBP":
        file.seek(RIFF_LENGTH)
        seems_whole = end >= RIFF_LENGTH + 4 + int.from_bytes(file.read(4), "little")
    else:
        seems_whole = image.format == "TIFF" and end >= _end_of_tiff(image)
    file.seek(header)
    return seems_whole


def _end_of_tiff(image: ImageFile.ImageFile) -> float:
    """Return how many bytes a TIFF has at least: up to the end of its last strip or tile."""
    tags = image.tag_v2  # type: ignore[attr-defined]  # of Pillow's class for TIFF
    for starts, lengths in TIFF_PLACES:
        if starts in tags and len(tags[starts]) == len(tags.get(lengths, ())):
            return max(start + length for start, length in zip(tags[starts], tags[lengths], strict=True))
    return math.inf


def _length(path: Path) -> int:
    status = os.stat(path)
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def _samples(path: Path) -> bytes:
    """Return a digest of parts from all over a file: the borders of frames of a film are often the same, and black."""
    length, digest = _length(path), hashlib.blake2b()
    with open_file(path) as file:
        for place in SAMPLED_AT:
            file.seek(int(place * max(0, length - SAMPLE)))
            digest.update(file.read(SAMPLE))
    return digest.digest()


def _digest(path: Path) -> bytes:
    with open_file(path) as file:
        return hashlib.file_digest(file, "blake2b").digest()
