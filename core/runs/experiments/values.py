"""Values of a setting as somebody types them: `lr=1e-4,2e-4` or, as a range and a number, `lr=1e-5..1e-3:4`.

    values  = setting "=" (list | range)
    list    = value { "," value }          a value that holds a comma stands in double quotes
    range   = number ".." number ":" n     n numbers from the first to the last, both included

A range of learning rates and of the weight decay is geometric, that of the EMA's decay geometric in its distance from 1
(0.99, 0.999, 0.9999), every other one linear; whole numbers are rounded. Of `classes` and `augment` a value is names
with "+" between them. Whether a value may be one of the setting is for `TrainConfig` to say.
"""

from __future__ import annotations

import csv
import difflib
import math
from dataclasses import Field, fields
from typing import Any

from core import ConfigError
from core.config import TrainConfig
from core.wording import short

MOST_VALUES = 100  # of one setting
DIGITS = 4  # of the numbers inside a range
GEOMETRIC = ("weight_decay",)  # and all learning rates
FROM_ONE = ("ema",)
NOT_SWEPT = {
    "seed": "Give the number of seeds instead.",
    "trackers": "Where a run's record is sent changes nothing in it.",
}
SWITCH = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


def parse_values(text: str) -> tuple[str, tuple[Any, ...]]:
    """Return the setting's name and its values, each once, in the order given.

    Raises ConfigError with a sentence on what is wrong, and how it is written.

    >>> parse_values("lr=1e-5..1e-3:3")
    ('lr', (1e-05, 0.0001, 0.001))
    >>> parse_values("epochs=2..5:3")
    ('epochs', (2, 4, 5))
    """
    name, sign, rest = text.partition("=")
    name, rest = name.strip().replace("-", "_"), rest.strip()
    if not sign or not name or not rest:
        raise ConfigError(f"{short(repr(text))} gives no values: write a setting, =, and values, as lr=1e-4,2e-4.")
    field = _field(name)
    if ".." in rest and isinstance(field.default, int | float) and not isinstance(field.default, bool):
        values = _range(field, rest)
    else:
        values = [_value(field, one) for one in _list(rest)]
    values = list(dict.fromkeys(values))
    if len(values) > MOST_VALUES:
        raise ConfigError(f"{name} has {len(values):,} values: give at most {MOST_VALUES}.")
    return name, tuple(values)


def _field(name: str) -> Field[Any]:
    known = {field.name: field for field in fields(TrainConfig)}
    if name in NOT_SWEPT:
        raise ConfigError(f"{name} cannot have several values. {NOT_SWEPT[name]}")
    if name in known:
        return known[name]
    similar = difflib.get_close_matches(name, known, n=3) or ["lr", "epochs", "augment"]
    raise ConfigError(f"There is no setting {short(repr(name))}; there are, among others: {', '.join(similar)}.")


def _list(text: str) -> list[str]:
    try:
        (row,) = csv.reader([text], skipinitialspace=True, strict=True)
    except (csv.Error, ValueError):
        raise ConfigError(f"{short(text)} is no list: separate values by commas, each quote having its end.") from None
    values = [value.strip() for value in row]
    if not all(values):
        raise ConfigError(f"{short(text)} has an empty value: write each between two commas.")
    return values


def _value(field: Field[Any], text: str) -> Any:
    """Return a value of the setting's type; raise ConfigError if it is none."""
    if isinstance(field.default, bool):
        if text.lower() not in SWITCH:
            raise ConfigError(f"{field.name} is {short(repr(text))}, but must be yes or no.")
        return SWITCH[text.lower()]
    if isinstance(field.default, tuple):
        names = tuple(one.strip() for one in text.split("+") if one.strip())
        return getattr(TrainConfig.from_dict({field.name: names}), field.name)  # as it will stand in the settings
    if isinstance(field.default, int | float):
        return _number(field, text)
    return text


def _number(field: Field[Any], text: str) -> Any:
    kind: Any = type(field.default)
    try:
        return kind(text)
    except ValueError:
        word = "a whole number" if kind is int else "a number"
        raise ConfigError(f"{field.name} is {short(repr(text))}, but must be {word}.") from None


def _range(field: Field[Any], text: str) -> list[Any]:
    """Return the numbers of a range, its ends as they were given."""
    ends, sign, count = text.partition(":")
    low_text, _, high_text = ends.partition("..")
    low, high = (_number(field, one.strip()) for one in (low_text, high_text))
    if not sign or not count.strip().isdecimal() or len(count.strip()) > 6:
        raise ConfigError(f"{short(text)} does not say how many values: write it as {low_text}..{high_text}:4.")
    n = int(count)
    if not 2 <= n <= MOST_VALUES:
        raise ConfigError(f"A range has 2 to {MOST_VALUES} values, not {n:,}: {short(text)}.")
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ConfigError(f"{short(text)} has an end that is no finite number.")
    inner = [_between(field.name, low, high, i / (n - 1)) for i in range(1, n - 1)]
    if isinstance(field.default, int):
        return [low, *(round(value) for value in inner), high]
    least, most = sorted((low, high))  # which rounding may pass
    return [low, *(min(max(float(f"{value:.{DIGITS}g}"), least), most) for value in inner), high]


def _between(name: str, low: float, high: float, share: float) -> float:
    """Return the number that lies at `share` of the way; raise ConfigError for 0 in a geometric range."""
    if name in FROM_ONE:
        if max(low, high) >= 1:
            raise ConfigError(f"A range of {name} must end below 1.")
        # by so many digits as tell it from 1
        return round(1 - math.exp(math.log(1 - low) + share * (math.log(1 - high) - math.log(1 - low))), 6)
    if name.startswith("lr") or name in GEOMETRIC:
        if min(low, high) <= 0:
            raise ConfigError(f"A range of {name} is geometric, so it cannot begin or end at 0: list its values.")
        return math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    return low + share * (high - low)
