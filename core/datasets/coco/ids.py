"""Numbers and ids of COCO files as tools write them: `7`, `7.0`, `"7"`, `"000007"`, a file's name, a UUID.

In: a value of a file, whatever its type. Out: a number or an id, or None. Each result depends on the value alone, so
that a ground truth, a results list, a subset and every other reader give one value the same id.
"""

from __future__ import annotations

import hashlib
import re
from typing import TypeGuard

EXACT_LIMIT = 2**53  # whole numbers below it are exact as float64
ID_LIMIT = 9 * 10**18  # ids below it are kept: int64 holds them, and as many new ones as a file may need
TEXT_IDS = 2**52  # ids made of texts lie from here to EXACT_LIMIT, so that tools which know only float64 read them
LONGEST = 400  # characters of a text that may be a number

_WHOLE = re.compile(r"[+-]?[0-9]+(\.0*)?")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


def is_number(value: object) -> TypeGuard[float]:
    """Check whether it is a number small enough to be exact as float64, so neither NaN nor infinite."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < EXACT_LIMIT


def to_number(value: object) -> float | None:
    """Return a number that is finite and below EXACT_LIMIT, also where it is written as text; None for anything else.

    >>> to_number("0.5"), to_number(" 3 "), to_number("nan"), to_number(True)
    (0.5, 3, None, None)
    """
    if isinstance(value, str):
        text = value.strip() if len(value) < LONGEST else ""
        if not _NUMBER.fullmatch(text):
            return None
        value = int(text) if text.lstrip("+-").isdigit() else float(text)
    return value if is_number(value) else None


def to_id(value: object) -> int | None:
    """Return an id as an int, also of `7.0`, `"7"` and `"000007"`; a number made of any other text; else None.

    A whole number beyond ID_LIMIT, which no database holds, is taken as the text of its digits.

    >>> to_id(7.0), to_id("000007"), to_id(None), to_id("abc-1") == to_id("abc-1") != to_id("abc-2")
    (7, 7, None, True)
    """
    if type(value) is int:  # almost always
        return value if -ID_LIMIT < value < ID_LIMIT else _of_text(f"{value:x}")
    if isinstance(value, float):
        return int(value) if is_number(value) and value == int(value) else None
    if not isinstance(value, str) or not (text := value.strip()):
        return None
    if len(text) < LONGEST and _WHOLE.fullmatch(text):
        return to_id(int(text.split(".")[0]))
    return _of_text(text)


def is_text_id(value: object) -> bool:
    """Check whether an id is text that is no whole number, of which `to_id` makes a number."""
    return isinstance(value, str) and not (len(value) < LONGEST and _WHOLE.fullmatch(value.strip()))


def _of_text(text: str) -> int:
    digest = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest()
    return TEXT_IDS + int.from_bytes(digest) % (EXACT_LIMIT - TEXT_IDS)
