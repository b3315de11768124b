"""JSON, and what was read from it, into values of a type: the one way to msgspec's, which threads share.

msgspec makes ready what it needs of a Struct at its first use, and another thread that comes meanwhile reads what is
half made: the process is ended by SIGSEGV (msgspec 0.22). So that first use is one thread's at a time.
"""

from __future__ import annotations

import threading
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}
_making = threading.Lock()


def decode(content: bytes | str, type_: type[T]) -> T:
    """Return the value in JSON text; raises msgspec.DecodeError, and ValidationError if it is none of that type."""
    return decoder(type_).decode(content)


def convert(value: object, type_: type[T]) -> T:
    """Return a value of the type, of plain lists, dictionaries and the like; raises msgspec.ValidationError."""
    decoder(type_)
    return msgspec.convert(value, type_)


def decoder(type_: type[T]) -> msgspec.json.Decoder[T]:
    """Return the decoder of JSON for a type."""
    ready = _decoders.get(type_)
    if ready is None:
        with _making:
            ready = _decoders.setdefault(type_, msgspec.json.Decoder(type_))
    return ready
