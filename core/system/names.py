"""Names of files: which are valid on every system, and which of them are one and the same on some."""

from __future__ import annotations

import re
import unicodedata

UNSAFE = re.compile(r"[^\w.+@=-]+")  # signs that some system does not allow in a file's name
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)  # on Windows
LONGEST_NAME = 50  # characters, each of four bytes at most: folders hold names of 255 bytes


def same_name(name: str) -> str:
    r"""Return a name alike for all that are one name on a system that ignores case, or Unicode's forms, as macOS does.

    >>> same_name("Ä.JPG") == same_name("a\u0308.jpg")
    True
    """
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def valid_stem(name: str, otherwise: str) -> str:
    """Return a name, without its ending, made valid on any system; `otherwise` if nothing of it is.

    >>> valid_stem("<x> y", "image"), valid_stem("con", "image"), valid_stem("..", "image")
    ('_x_y', '_con', 'image')
    """
    stem = UNSAFE.sub("_", unicodedata.normalize("NFC", name)).lstrip(".-")[:LONGEST_NAME].rstrip(".") or otherwise
    return f"_{stem}" if RESERVED.match(stem) else stem
