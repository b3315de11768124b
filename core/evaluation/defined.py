"""What is known to be defined: AP, recall and the like are None without objects, and not None with them."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def defined(value: T | None) -> T:
    """Return a value of which it is known that it is defined, as AP is for a class with objects.

    Raises ValueError if it is None after all.
    """
    if value is None:
        raise ValueError("a value that should be defined is None")
    return value
