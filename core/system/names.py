"""Names of files: which of them are one and the same on some system."""

from __future__ import annotations

import unicodedata


def same_name(name: str) -> str:
    r"""Return a name alike for all that are one name on a system that ignores case, or Unicode's forms, as macOS does.

    >>> same_name("Ä.JPG") == same_name("a\u0308.jpg")
    True
    """
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
