"""Enums whose members carry the words that a user reads, so that no page spells them again."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class LabelledEnum(StrEnum):
    """An enum of `value, label, description`: the value is for files and addresses, the others are for the user.

    >>> class Side(LabelledEnum):
    ...     LEFT = "left", "Left", "Where the heart is."
    >>> Side("left").label
    'Left'
    """

    label: str
    description: str

    def __new__(cls, value: str, label: str = "", description: str = "") -> Self:
        """Make a member; looking one up, as in `Side("left")`, takes its value alone."""
        member = str.__new__(cls, value)
        member._value_, member.label, member.description = value, label, description
        return member
