"""Enums whose members carry the words that a user reads, so that no page spells them again."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class LabelledEnum(StrEnum):
    """Members are `value, label, description`: the value is for files and addresses, the others are read.

    >>> class Side(LabelledEnum):
    ...     LEFT = "left", "Left", "Where the heart is."
    >>> Side("left").label
    'Left'
    """

    label: str
    description: str

    def __new__(cls, value: str, label: str = "", description: str = "") -> Self:
        """Make a member; the type checker takes a look-up by value, as `Side("left")`, for a call of this, too."""
        member = str.__new__(cls, value)
        member._value_, member.label, member.description = value, label, description
        return member
