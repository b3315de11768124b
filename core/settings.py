"""Settings as a frozen dataclass whose fields carry what form and command line need: `setting` and `Settings`.

In: values from a form, a command line or a file. Out: settings that are checked, each against its own limits. Apart
from `config.py` because a training is not the only work that has settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self, TypeVar

from core import ConfigError
from core.wording import is_utf8, short

T = TypeVar("T")


def setting(default: T, label: str, help: str, group: str, **limits: Any) -> T:
    """Make a dataclass field with what form and command line need: `label`, `help`, `group`, and limits.

    The limits are `min` and `max`, or `choices`; `optional` of a text that may be empty; `is_bookkeeping` of what
    changes nothing in a run, so that no two runs differ by it.
    """
    return field(default=default, metadata={"label": label, "help": help, "group": group, **limits})


@dataclass(frozen=True)
class Settings:
    """Base of settings, whose fields are made by `setting`: checked when made, and written as JSON.

    Raises ConfigError naming the field, its value and what it may be.
    """

    def __post_init__(self) -> None:
        for f in fields(self):
            if isinstance(f.default, tuple):
                self._split(f.name)
            self._check(f.name, getattr(self, f.name), type(f.default), f.metadata)

    def _split(self, name: str) -> None:
        """Make a tuple of names out of a list, or of one text with commas, as the command line gives them."""
        value: Any = getattr(self, name)
        names = value.split(",") if isinstance(value, str) else value
        if not (isinstance(names, list | tuple) and all(isinstance(one, str) for one in names)):
            raise ConfigError(f"{name} is {short(repr(names))}, but must be a list of names.")
        object.__setattr__(self, name, tuple(one.strip() for one in names if one.strip()))

    def _check(self, name: str, value: object, kind: type, limits: Mapping[str, Any]) -> None:
        if kind is float and type(value) is int and abs(value) < 2**53:
            value = float(value)
            object.__setattr__(self, name, value)
        if type(value) is not kind:
            raise ConfigError(f"{name} is {short(repr(value))}, but must be of type {kind.__name__}.")
        if isinstance(value, str) and not value.strip() and not limits.get("optional"):
            raise ConfigError(f"{name} is empty: give one.")
        if isinstance(value, str) and not is_utf8(value):
            raise ConfigError(f"{name} is {short(value)}, which is not UTF-8: give the file or folder another name.")
        choices = limits.get("choices", ())
        for one in (value if isinstance(value, tuple) else (value,)) if choices else ():
            if one not in choices:
                raise ConfigError(f"{name} is {short(repr(one))}, but must be one of: {', '.join(choices)}.")
        # written so that NaN fails too
        if "min" in limits and not limits["min"] <= value <= limits["max"]:
            raise ConfigError(f"{name} is {short(value)}, but must lie between {limits['min']} and {limits['max']}.")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings for JSON; `from_dict` reads them back."""
        values = asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Make the settings that `to_dict` returned, also in an earlier version.

        Raises ConfigError if a setting is unknown, as after a newer version wrote it, or is not what it may be.
        """
        if not isinstance(data, Mapping):
            raise ConfigError(f"The settings are {short(repr(data))}, but must be a mapping of names to values.")
        data = cls._renamed(dict(data))
        if unknown := set(data) - {f.name for f in fields(cls)}:
            raise ConfigError(
                f"Unknown setting {short(repr(min(unknown, key=str)))}: it comes from another version of DETR Lab."
            )
        return cls(**data)

    @classmethod
    def _renamed(cls, data: dict[str, Any]) -> dict[str, Any]:
        """Return settings as this version calls them."""
        return data
