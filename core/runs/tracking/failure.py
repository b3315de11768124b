"""What went wrong with a tracker, in words, and without the passwords and keys in what its library says.

In: an error. Out: a sentence for the record, or a text for the log.
"""

from __future__ import annotations

import os
import re

from core import LabError
from core.trackers.kinds import TrackerKind
from core.wording import sentence, short

SECRET_NAMES = ("KEY", "TOKEN", "SECRET", "PASSWORD", "WEBHOOK", "ON_END")
SHORTEST = 6  # characters: what is shorter stands in many texts
USER = re.compile(r"//[^/\s@]++@")


def redacted(text: str) -> str:
    """Return the text without users and passwords in addresses, and without secrets of the environment.

    >>> redacted("no answer from https://ana:abc@host/x")
    'no answer from https://…@host/x'
    """
    for name, value in os.environ.items():
        if len(value) >= SHORTEST and any(word in name for word in SECRET_NAMES):
            text = text.replace(value, "…")
    return USER.sub("//…@", text)


def words(kind: TrackerKind, error: Exception) -> str:
    """Return in a sentence what went wrong."""
    if isinstance(error, LabError):
        return sentence(error)
    if isinstance(error, ModuleNotFoundError) and error.name and error.name.split(".")[0] == kind.package:
        return f"{kind.label} needs a package that is not installed: run pip install {kind.install}."
    reason = short(redacted(str(error)).strip().split("\n")[0], 300).rstrip(".")
    return f"{kind.label} could not be told ({type(error).__name__}{': ' * bool(reason)}{reason})."
