"""Reading JSON files that may be missing, cut off, half a gigabyte large, or as only Python writes them.

In: a path, and the type that the file should have. Out: plain objects of this type, or one sentence that says what is
wrong. Apart from `coco_json.py` because other files than COCO's annotations are read the same way.

msgspec decodes only the fields that a type names, so polygons, nine tenths of a COCO file, are never made.
"""

from __future__ import annotations

import gc
import json
import os
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, overload

import msgspec
import psutil

from core import DataError, typed_json
from core.files import FileRefused, open_file
from core.wording import is_utf8

T = TypeVar("T")

MEMORY_FACTOR = 3  # times a file's size: the most memory that reading takes, the file itself included
PYTHON_FACTOR = 10  # the same of decode_with_python
BEGINNING = 65_536  # bytes that are looked at before the whole file is read
LARGE = 100_000_000  # bytes; before a larger file is read, the free memory is checked


class PythonOnlyJson(msgspec.ValidationError):
    """A file is JSON that only Python reads: with NaN, Infinity or a number beyond float64."""


@overload
def decode(path: str | Path, type: type[T]) -> T: ...
@overload
def decode(path: str | Path, type: Any) -> Any: ...
def decode(path: str | Path, type: Any) -> Any:
    """Read a JSON file as `type`, a type that msgspec knows; fields that the type does not name are skipped.

    Raises DataError if the file is missing, is no JSON or needs more memory than is free, PythonOnlyJson if only
    Python reads it, and msgspec.ValidationError if it is JSON, but not of `type`.
    """
    path = Path(path)
    content = _read(path, MEMORY_FACTOR)
    try:
        with _no_collector():
            return typed_json.decode(content, type)
    except RecursionError:
        raise DataError(f"{path} is not valid JSON: it is nested without end.") from None
    except msgspec.ValidationError as error:
        if "out of range" in str(error):
            raise PythonOnlyJson("a number is too large") from None
        raise
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _explained(path, error, content) from None


def _read(path: Path, memory_factor: int) -> bytes:
    """Return the bytes of a JSON file, without a byte order mark; reading it takes so many times its size of memory.

    Raises DataError.
    """
    try:
        with open_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            if not size:
                raise DataError(f"{path} is empty: fetch or export it again.")
            start = file.read(BEGINNING)
            if start.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
                raise DataError(f"{path} is not valid JSON: it is written as UTF-16; save it as UTF-8.")
            begin = len(BOM_UTF8) if start.startswith(BOM_UTF8) else 0
            if start[begin:].lstrip()[:1] not in (b"{", b"["):
                raise DataError(f"{path} is not valid JSON: it begins with neither {{ nor [; is it another file?")
            if b"\0" in start:  # as of a file whose end was never written: not to be read as a whole
                raise DataError(f"{path} is not valid JSON: it holds zeros; fetch or export it again.")
            _check_memory(path, size, memory_factor)
            file.seek(begin)
            return file.read()
    except FileNotFoundError:
        raise DataError(f"There is no file {path}.") from None
    except FileRefused as error:
        raise DataError(f"{path} cannot be read: it is {error.strerror}.") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None


@contextmanager
def _no_collector() -> Iterator[None]:
    """Switch garbage collection off: among a million new dicts it takes half of the time and finds nothing."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _explained(path: Path, error: msgspec.DecodeError | UnicodeDecodeError, content: bytes) -> Exception:
    """Return the error to raise for JSON that does not decode: PythonOnlyJson where NaN or Infinity is the cause."""
    place = re.search(r"\(byte (\d+)\)", str(error))
    if place and _is_no_number(content, int(place[1])):
        return PythonOnlyJson("a number is NaN or infinite")
    where = f" from byte {int(place[1]):,} on" if place else ""
    if "trailing" in str(error):
        advice = "if each line is a value (JSON lines), make one list of them, else export it again"
        return DataError(f"{path} is not valid JSON{where}, where more follows behind its first value: {advice}.")
    return DataError(f"{path} is not valid JSON{where}: it may be cut off or damaged; fetch or export it again.")


def _is_no_number(content: bytes, place: int) -> bool:
    """Check whether NaN, Infinity or -Infinity is at byte `place`: Python writes these, JSON does not know them."""
    begin = max(place - 1, 0)
    return bool(re.search(rb"NaN|Infinity", content[begin : begin + 12]))


def _check_memory(path: Path, size: int, factor: int) -> None:
    free = psutil.virtual_memory().available
    if size > LARGE and factor * size > free:
        raise DataError(
            f"{path} has {size / 1e9:.1f} GB; reading it takes up to {factor * size / 1e9:.1f} GB of memory, "
            f"but only {free / 1e9:.1f} GB are free: close other programs, or cut it down to the classes you need."
        )


def decode_with_python(path: Path) -> Any:
    """Read a JSON file with Python's own reader, which knows NaN; polygons of annotations with a box are left out.

    Raises DataError if it is no JSON.
    """

    def without_polygons(values: dict[str, Any]) -> dict[str, Any]:
        if values.get("bbox"):
            values.pop("segmentation", None)
        if not all(is_utf8(value) for value in values.values() if isinstance(value, str)):
            raise ValueError  # half a character: msgspec refuses it too, and nothing could store or show it
        return values

    content = _read(path, PYTHON_FACTOR)
    try:
        return json.loads(content.decode("utf-8"), object_hook=without_polygons)
    except (ValueError, RecursionError):
        raise DataError(f"{path} is not valid JSON: it may be cut off or damaged; fetch or export it again.") from None
