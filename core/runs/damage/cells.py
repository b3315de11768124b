"""The cells of the run database, read with care: another program, a broken disk or a hand may have written them.

In: what SQLite holds, which may be of any type in any column. Out: the value that the column is for, or a BadCell that
says in a few words what it holds instead.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial
from typing import Any

from core import LabError
from core.config import TrainConfig
from core.labels import LabelMap
from core.runs.paths import RUN_ID
from core.training.remark import Remark
from core.wording import short

NO_TEXT = "\ufffd"  # stands for bytes that are not UTF-8
LAST_SECOND = 1e11  # since 1970: the year 5138, which every calendar can still name
MOST = 2**53  # up to here a browser counts
MOST_PIDS = 2**31 - 1
MOST_EPOCHS = 1_000_000


class BadCell(ValueError):
    """A cell does not hold what its column is for: the text says what it holds."""


def text(value: Any) -> str:
    """Return a text whose bytes were UTF-8."""
    if not isinstance(value, str) or NO_TEXT in value:
        raise BadCell(_holds(value))
    return value


def run_id(value: Any) -> str:
    """Return a run's id, as `RunStore.create` makes it: folders are named after it."""
    if not RUN_ID.fullmatch(text(value)):
        raise BadCell(_holds(value))
    return str(value)


def number(value: Any, low: float = -MOST, high: float = MOST) -> float:
    """Return a finite number between two limits."""
    if not isinstance(value, int | float) or not low <= value <= high:  # written so that NaN fails too
        raise BadCell(_holds(value))
    return value


def whole(value: Any, low: int = -(2**63), high: int = 2**63) -> int:
    """Return a whole number between two limits."""
    if not isinstance(value, int):
        raise BadCell(_holds(value))
    return int(number(value, low, high))


def count(value: Any, high: int = MOST) -> int:
    """Return a whole number from 0 on."""
    return whole(value, 0, high)


def flag(value: Any) -> bool:
    """Return a yes or no, which SQLite keeps as 1 or 0."""
    return bool(count(value, 1))


def seconds(value: Any) -> float:
    """Return a time in seconds since 1970."""
    return number(value, 0, LAST_SECOND)


def json_value(value: Any) -> Any:
    """Return what a text of JSON holds; NaN and infinities are none."""
    try:
        return json.loads(text(value), parse_constant=_refuse)
    except BadCell:
        raise
    except (ValueError, RecursionError):
        raise BadCell(f"{_holds(value)}, which is no JSON") from None


def config(value: Any) -> dict[str, Any]:
    """Return a run's settings: a training's, of which another version may lack some and know others, or an import's."""
    values = _mapping(value)
    imported = values.get("imported")
    if "imported" in values:
        paths = [imported.get(name) for name in ("gt", "images")] if isinstance(imported, dict) else []
        if not paths or not isinstance(paths[0], str) or not isinstance(paths[1], str | None):
            raise BadCell(f"{_holds(value)}, which is no import")
        if not isinstance(values.get("evaluation", {}), dict):
            raise BadCell(f"{_holds(value)}, which is no evaluation")
        return values
    known = {f.name for f in fields(TrainConfig)} | {"flip"}
    _try(TrainConfig.from_dict, {name: given for name, given in values.items() if name in known})
    return values


def label_map(value: Any) -> dict[str, Any]:
    """Return a label map as a dict."""
    values = _mapping(value)
    if not all(isinstance(values.get(name), list) for name in ("names", "category_ids")):
        raise BadCell(f"{_holds(value)}, which is no label map")
    labels: LabelMap = _try(LabelMap.from_dict, values)
    return labels.to_dict()


def remarks(value: Any) -> list[dict[str, Any]]:
    """Return remarks as dicts; one may have a rule that only another version knows."""
    values = json_value(value)
    if not isinstance(values, list):
        raise BadCell(f"{_holds(value)}, which is no list of remarks")
    for one in values:
        remark = _try(Remark.from_dict, one)
        words = (remark.rule, remark.title, remark.cause, remark.evidence, remark.advice)
        if not all(isinstance(word, str) for word in words):
            raise BadCell(f"{_holds(value)}, in which a remark has no words")
        if not isinstance(remark.changes, dict):
            raise BadCell(f"{_holds(value)}, in which a remark's changes are no settings")
        for one_number in (remark.step, *remark.images):
            whole(one_number)
    return values


def tags(value: Any) -> list[str]:
    """Return the words of a list of texts."""
    values = json_value(value)
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise BadCell(f"{_holds(value)}, which is no list of words")
    return values


def figures(value: Any) -> dict[str, Any]:
    """Return an evaluation's metrics by name; what is no number is None, as where one is not defined."""
    values = _mapping(value)
    return {name: one if name == "per_class" or _is_number(one) else None for name, one in values.items()}


def optional(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a reader of cells that may be empty."""
    return lambda value: None if value is None else read(value)


def _mapping(value: Any) -> dict[str, Any]:
    values = json_value(value)
    if not isinstance(values, dict):
        raise BadCell(f"{_holds(value)}, which is no JSON object")
    return values


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and -MOST <= value <= MOST


def _try(make: Callable[[Any], Any], values: Any) -> Any:
    """Return what `make` makes of values out of a cell, which may be anything."""
    try:
        return make(values)
    except LabError as error:
        raise BadCell(f"a value that cannot be: {short(str(error).rstrip('.'), 160)}") from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        raise BadCell(f"{_holds(values)}, which is something else") from None


def _holds(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bytes):
        return f"{len(value):,} bytes that are no text"
    return repr(short(value, 40)) if isinstance(value, str) else short(value, 40)


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


TIME, AMOUNT, MEASURE = optional(seconds), optional(count), optional(number)
READERS: Mapping[str, Callable[[Any], Any]] = {
    "id": run_id, "name": text, "config": config, "label_map": optional(label_map), "created": seconds,
    "queued": TIME, "started": TIME, "ended": TIME, "heartbeat": TIME,
    "pid": optional(partial(count, high=MOST_PIDS)), "pid_started": TIME, "stop_requested": flag,
    "message": optional(text), "epoch": AMOUNT, "epochs": AMOUNT, "step": AMOUNT, "steps": AMOUNT,
    "images_per_second": MEASURE, "seconds_left": MEASURE, "baseline_ap": MEASURE, "ap": MEASURE, "best_ap": MEASURE,
    "best_epoch": AMOUNT, "remarks": remarks, "tags": tags, "notes": text, "deleted": TIME,
}  # fmt: skip
