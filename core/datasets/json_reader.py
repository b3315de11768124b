"""JSON files that nobody vouches for: missing, cut off, half a gigabyte, or as only Python writes them.

In: a path, and the types that are wanted of the file. Out: plain objects of these types; or one sentence that says what
is wrong. Apart from `cocofile.py` because files beside COCO's annotations are read the same way.

msgspec decodes only the fields that a type names, so polygons, nine tenths of a COCO file, are never made.
"""

from __future__ import annotations

import gc
import json
import mmap
import re
import stat
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psutil

from core import DataError

MEMORY_FACTOR = 3  # times a file's size, at most, for what is read from it and the file itself
LARGE = 100_000_000  # bytes from which the memory is looked at first


class PythonOnlyJson(msgspec.ValidationError):
    """JSON that only Python reads: with NaN, Infinity or a number beyond float64."""


def decode(path, type):
    """The JSON file as `type`, a type that msgspec knows; fields that it does not name are skipped.

    Raises DataError if the file is missing, is no JSON or needs more memory than there is, and
    msgspec.ValidationError if it is JSON, but something else than `type`.
    """
    path = Path(path)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # to open a pipe would wait for ever
            raise DataError(f"{path} cannot be read: it is not a file.")
        if not status.st_size:
            raise DataError(f"{path} is empty: fetch or export it again.")
        with path.open("rb") as file:
            start = file.read(64)
            begin = len(BOM_UTF8) if start.startswith(BOM_UTF8) else 0
            if start[begin:].lstrip()[:1] not in (b"{", b"["):
                raise DataError(f"{path} is not valid JSON: it begins with neither {{ nor [; is it another file?")
            _check_memory(path, status.st_size)
            with (
                mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole,
                memoryview(whole)[begin:] as content,
                _no_collector(),
            ):
                return msgspec.json.decode(content, type=type)
    except FileNotFoundError:
        raise DataError(f"There is no file {path}.") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    except RecursionError:
        raise DataError(f"{path} is not valid JSON: it is nested without end.") from None
    except msgspec.ValidationError as error:
        if "out of range" in str(error):
            raise PythonOnlyJson("a number is too large") from None
        raise
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _explained(path, error) from None


@contextmanager
def _no_collector() -> Iterator[None]:
    """Without garbage collection, which takes half of the time among a million new dicts, none of them garbage."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _explained(path: Path, error: ValueError) -> Exception:
    """What to raise for JSON that does not decode; where only NaN or Infinity stands in the way, OnlyPython."""
    place = re.search(r"\(byte (\d+)\)", str(error))
    if place and _is_no_number(path, int(place[1])):
        return PythonOnlyJson("a number is NaN or infinite")
    where = f" from byte {int(place[1]):,} on" if place else ""
    return DataError(f"{path} is not valid JSON{where}: it may be cut off or damaged; fetch or export it again.")


def _is_no_number(path: Path, place: int) -> bool:
    """Whether NaN, Infinity or -Infinity stands there, which Python writes and JSON does not know."""
    with path.open("rb") as file:
        file.seek(max(place - 1, 0))
        return bool(re.search(rb"NaN|Infinity", file.read(12)))


def _check_memory(path: Path, size: int) -> None:
    free = psutil.virtual_memory().available
    if size > LARGE and MEMORY_FACTOR * size > free:
        raise DataError(
            f"{path} has {size / 1e9:.1f} GB; reading it takes up to {MEMORY_FACTOR * size / 1e9:.1f} GB of memory, "
            f"but only {free / 1e9:.1f} GB are free: close other programs, or cut it down to the classes you need."
        )


def decode_with_python(path: Path):
    """As Python reads JSON, NaN included; without polygons."""

    def without_polygons(values: dict) -> dict:
        values.pop("segmentation", None)
        return values

    try:
        with path.open(encoding="utf-8-sig") as file:
            return json.load(file, object_hook=without_polygons)
    except (ValueError, RecursionError):
        raise DataError(f"{path} is not valid JSON: it may be cut off or damaged; fetch or export it again.") from None
