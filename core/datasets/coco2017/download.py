"""The COCO 2017 subset: its annotations once, then only its pictures, through FiftyOne's downloader.

In: a `Subset`. Out: a folder in COCO layout that appears under its name only when it is whole:

    out/annotations/instances_train2017.json, instances_val2017.json
    out/train2017/000000000009.jpg …          out/val2017/000000000139.jpg …

Until then it grows in the hidden folder .out.partial beside it, where the next call finds what is there already.
FiftyOne works in a child process (`worker.py`); only files that were found whole there are moved on.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import msgspec

from core import DataError
from core.datasets.coco2017.child import Fetcher, Stalled, bytes_in
from core.datasets.coco2017.pictures import PAUSES, PERMANENT, DownloadProgress, Transfer, download_error, wait
from core.datasets.coco_json import read_coco
from core.datasets.json_reader import decode
from core.datasets.subset import ImageEntry, Subset, choose_images, write_split
from core.disk import PARTIAL, flush, is_disk_full, partial_path
from core.files import read_bytes
from core.system import moves

SPLITS = ("train", "val")
SETTINGS = "subset.json"  # in the unfinished folder: what it is to become
MOST_SETTINGS_BYTES = 1_000_000
ANNOTATION_BYTES = 1_100_000_000  # the zip file and what is in it, together for a while
PICTURE_BYTES = 165_000  # on average


def download(
    out: str | Path, subset: Subset, cache: str | Path | None = None
) -> Generator[DownloadProgress, None, None]:
    """Download the subset into the folder `out`; to stop is to stop iterating, and a later call goes on from there.

    The annotation files stay in `cache`, for other subsets; by default in .coco2017 beside `out`. A subset that is
    there already is kept as it is.
    Raises DataError if `out` holds anything else or the disk is too small for it, and, while it downloads, if the
    network, the server or the disk fails.
    """
    out = Path(out).absolute()
    cache = Path(cache).absolute() if cache else out.parent / ".coco2017"
    is_there = is_complete(out, subset)
    if not is_there and not _is_free(out):
        raise DataError(f"{out} holds something else than this subset, or not all of it: choose another folder.")
    return _download(out, subset, cache, is_there)


def is_complete(folder: str | Path, subset: Subset) -> bool:
    """Check whether the folder holds this very subset with all its pictures."""
    folder = Path(folder)
    for split in SPLITS:
        try:
            data = decode(folder / "annotations" / f"instances_{split}2017.json", _Written)
        except (DataError, msgspec.ValidationError):
            return False
        if data.info.get("subset") != subset.to_dict():
            return False
        paths = (folder / f"{split}2017" / picture.file_name for picture in data.images)
        if not all(os.path.isfile(path) and os.path.getsize(path) for path in paths):
            return False
    return True


def _is_free(folder: Path) -> bool:
    """Check whether there is nothing under that name, or an empty folder."""
    try:
        return not os.path.lexists(folder) or (not folder.is_symlink() and next(folder.iterdir(), None) is None)
    except OSError:  # a file, or a folder that one may not look into
        return False


class _Written(msgspec.Struct):
    info: dict
    images: list[ImageEntry]


def _download(out: Path, subset: Subset, cache: Path, is_there: bool) -> Generator[DownloadProgress, None, None]:
    partial = partial_path(out)
    try:
        if is_there:
            total = sum(1 for split in SPLITS for _ in (out / f"{split}2017").iterdir())
            yield DownloadProgress("done", total, total)
            return
        if not _has_annotations(cache):  # with them it is known how many pictures are missing
            _require_space(out.parent, ANNOTATION_BYTES + (subset.max_train + subset.max_val) * PICTURE_BYTES)
        for folder in (partial, cache):
            folder.mkdir(parents=True, exist_ok=True)
        # the lock stands beside the folder, which is renamed while it is locked
        with _alone(partial, partial.with_name(f"{partial.name}.lock")), Fetcher() as fetcher:
            (partial / SETTINGS).write_text(json.dumps(subset.to_dict()), encoding="utf-8")
            if not _has_annotations(cache):  # else the cache need not be one that can be written
                with _alone(cache, cache / ".lock"):
                    yield from _fetch_annotations(cache, fetcher)
            yield DownloadProgress("choosing", 0, 0)
            sources = {split: _annotation_file(cache, split) for split in SPLITS}
            chosen = {split: choose_images(sources[split], subset, split) for split in SPLITS}
            transfer = Transfer(partial, fetcher, chosen)
            yield from transfer.check()
            _require_space(partial, transfer.missing * PICTURE_BYTES)
            yield from transfer.fetch()
            for split, pictures in chosen.items():
                _annotation_file(partial, split).parent.mkdir(exist_ok=True)
                ids = [picture.id for picture in pictures]
                write_split(sources[split], _annotation_file(partial, split), ids, subset.classes, subset.to_dict())
            _remove_others(partial, chosen)
            moves.replace(partial, out)  # also an empty folder
    except OSError as error:
        raise _failure(error, out.parent) from error
    total = sum(len(pictures) for pictures in chosen.values())
    yield DownloadProgress("done", total, total)


def unfinished_downloads(data_dir: str | Path) -> dict[str, Subset]:
    """Return the downloads into folders of `data_dir` that were stopped or broken off: folder name and subset."""
    subsets = {}
    for path in sorted(Path(data_dir).glob(f".*{PARTIAL}/{SETTINGS}")):
        with contextlib.suppress(OSError, ValueError, TypeError, DataError):
            name = path.parent.name.removeprefix(".").removesuffix(PARTIAL)
            subsets[name] = Subset(**json.loads(read_bytes(path, MOST_SETTINGS_BYTES)))
    return subsets


def _annotation_file(folder: Path, split: str) -> Path:
    return folder / "annotations" / f"instances_{split}2017.json"


def _has_annotations(cache: Path) -> bool:
    return all(os.path.isfile(_annotation_file(cache, split)) for split in SPLITS)


def _fetch_annotations(cache: Path, fetcher: Fetcher) -> Iterator[DownloadProgress]:
    """Download both annotation files into the cache, unless they are there."""
    if _has_annotations(cache):
        return
    work = cache / ".unfinished"
    for pause in (*PAUSES, None):
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        try:
            reason = yield from _try_annotations(work, cache, fetcher)
        except Stalled as error:
            reason = str(error)
        if not reason:
            shutil.rmtree(work, ignore_errors=True)
            return
        if pause is None or reason.startswith(PERMANENT):
            raise download_error("COCO's annotations cannot be fetched", reason, cache)
        yield from wait(pause, DownloadProgress("annotations", 0, len(SPLITS)))


def _try_annotations(work: Path, cache: Path, fetcher: Fetcher) -> Generator[DownloadProgress, None, str | None]:
    """Download both annotation files once; returns why they did not come, or None."""
    reason = size = began = None
    for answer in fetcher.ask({"do": "annotations", "folder": str(work)}, work):
        size, reason = answer.get("size", size), answer.get("reason")
        fetched = bytes_in(work / "scratch")
        fetched = min(fetched, size) if size else fetched  # what is unpacked there does not count
        if fetched and began is None:  # not while FiftyOne is imported
            began = time.monotonic()
        seconds_left = None
        if began is not None and size and 0 < fetched < size:
            seconds_left = (size - fetched) * (time.monotonic() - began) / fetched
        yield DownloadProgress("annotations", 0, len(SPLITS), fetched, size, seconds_left)
    return reason or _take_annotations(work / "raw", cache)


def _take_annotations(raw: Path, cache: Path) -> str | None:
    """Move the two files into the cache if both can be read; returns the reason if not."""
    for split in SPLITS:
        path = raw / f"instances_{split}2017.json"
        try:
            read_coco(path)
        except DataError as error:
            if "memory" in str(error):  # fetching it again makes it no smaller
                raise
            return f"{path.name} in it is damaged"
        flush(path)
    (cache / "annotations").mkdir(exist_ok=True)
    for split in SPLITS:
        moves.replace(raw / f"instances_{split}2017.json", _annotation_file(cache, split))
    return None


def _require_space(folder: Path, needed: int) -> None:
    """Raise DataError unless the folder's disk has so many bytes free."""
    folder = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"The download needs about {needed / 1e9:.1f} GB more, but the disk of {folder} has {free / 1e9:.1f} GB "
            "free: free some space or choose fewer images."
        )


@contextlib.contextmanager
def _alone(folder: Path, lock_file: Path) -> Iterator[None]:
    """Keep a second download out of the folder; the lock goes with the process, however it ends."""
    from filelock import FileLock, Timeout  # here: only a download needs it, and every page would wait for it

    lock = FileLock(lock_file, blocking=False, thread_local=False)  # a generator may be closed by another thread
    try:
        lock.acquire()
    except Timeout:
        raise DataError(f"Another download works in {folder}: wait until it has ended.") from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows deletes no open file
            lock_file.unlink()  # while it is locked: whoever has opened it meanwhile sees that it is gone
        lock.release()


def _remove_others(folder: Path, chosen: dict[str, list[ImageEntry]]) -> None:
    """Delete what does not belong to the subset: traces of the work, and pictures of other settings."""
    kept = {f"{split}2017": {picture.file_name for picture in pictures} for split, pictures in chosen.items()}
    kept["annotations"] = {f"instances_{split}2017.json" for split in chosen}
    for entry in folder.iterdir():
        if entry.name not in kept:
            _remove(entry)
            continue
        for path in entry.iterdir():
            if path.name not in kept[entry.name]:
                _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _failure(error: OSError, folder: Path) -> DataError:
    if is_disk_full(error):
        return download_error("", "disk full", folder)
    return DataError(f"The subset cannot be written to {folder}: {error.strerror or error}.")
