"""A training's settings as a YAML file, for `train --config`: written with a comment for each, and read with care.

In: settings, or a file that anybody may have written. Out: its text, or what the file says, by name. A file may name a
preset, begins where that does, and need not say more than it changes.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from core import ConfigError
from core.config import TrainConfig
from core.files import read_bytes
from core.presets import PRESETS
from core.wording import short, visible

MOST_BYTES = 1_000_000  # of a file
PRESET = "preset"
FIELDS: dict[str, Field[Any]] = {f.name: f for f in fields(TrainConfig)}
ALONE = {"shortest_edge": 32, "longest_edge": 4096}  # so that each edge is judged for itself


@dataclass(frozen=True)
class SettingsFile:
    """What a file says.

    preset  the name of the preset that it begins with; None if it names none
    values  settings by name, as `TrainConfig` has them
    """

    preset: str | None
    values: Mapping[str, Any]


def settings_text(config: TrainConfig, title: str = "", preset: str = "") -> str:
    """Return settings as a YAML file: every one of them, below what it is.

    title  a first line, in words
    preset  the name of the preset that the form had, for a reader: each setting is said
    """
    lines = [f"# {visible(title)}"] if title else []
    lines += ["# for: python -m core train --config FILE"]
    lines += ["", f"{PRESET}: {_scalar(preset)}"] if preset else []
    for name, value in config.to_dict().items():
        meta = FIELDS[name].metadata
        limits = f" One of: {', '.join(meta['choices'])}." if "choices" in meta else ""
        limits = f" From {meta['min']} to {meta['max']}." if "min" in meta else limits
        lines += ["", f"# {visible(meta['help'] + limits)}", f"{name}: {_scalar(value)}"]
    return "\n".join(lines) + "\n"


def _scalar(value: Any) -> str:
    """Return a value in one line of YAML."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10**9, allow_unicode=False)
    return text.removesuffix("\n").removesuffix("\n...")


def read_settings(path: str | Path) -> SettingsFile:
    """Return what a file says; raise ConfigError, with the line, for a setting that is unknown or wrong."""
    try:
        data = read_bytes(path, MOST_BYTES)
    except OSError as error:
        raise ConfigError(f"The settings {short(path)} cannot be read: {error.strerror or error}.") from None
    return parse_settings(data, short(path))


def parse_settings(data: bytes, name: str) -> SettingsFile:
    """Return what the bytes of a file say; `name` is what errors call it. Raises as `read_settings`."""
    try:
        text = data.decode("utf-8-sig")
        _check_shape(text, name)
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        entries = node.value if isinstance(node, yaml.MappingNode) else []
        if node is not None and not isinstance(node, yaml.MappingNode):
            raise ConfigError(f"{name}, line 1: there are no lines of the form “setting: value”.")
        values: dict[str, Any] = {}
        for key_node, value_node in entries:
            line = key_node.start_mark.line + 1
            key, value = str(key_node.value), loader.construct_object(value_node, deep=True)
            _add(values, key, value, f"{name}, line {line}")
    except UnicodeDecodeError:
        raise ConfigError(f"{name} is not UTF-8: save it as text.") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{name}{where} is no YAML: {error.problem or error.context}.") from None
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise ConfigError(f"{name} is no YAML: {short(error)}.") from None
    if "epochs" in values:  # else a preset's minutes would count instead
        values.setdefault("minutes", 0.0)
    return SettingsFile(values.pop(PRESET, None), values)


def _check_shape(text: str, name: str) -> None:
    """Raise ConfigError for what no such file needs and what could cost much: references, and lists in lists."""
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > 2 or isinstance(event, yaml.AliasEvent):
            line = event.start_mark.line + 1 if event.start_mark else 0
            raise ConfigError(f"{name}, line {line}: a setting is one value, or a list of names.")


def _add(values: dict[str, Any], key: str, value: Any, where: str) -> None:
    """Add a setting of the file to `values`, checked for itself; raise ConfigError, beginning with where it stands."""
    if key in values:
        raise ConfigError(f"{where}: {short(key)} is there twice.")
    if key == PRESET:
        if value not in list(PRESETS):
            raise ConfigError(f"{where}: there is no preset {short(repr(value))}{_nearest(value, PRESETS)}.")
        values[key] = value
        return
    kind = type(FIELDS[key].default) if key in FIELDS else None
    if kind is float and isinstance(value, str):  # YAML's 1e-5 is a text: its numbers have a point
        try:
            value = float(value)
        except ValueError:
            raise ConfigError(f"{where}: {key} is {short(repr(value))}, but must be a number.") from None
    try:
        config = TrainConfig.from_dict({**ALONE, key: value})
    except ConfigError as error:
        if kind is None:
            near = _nearest(key, [*FIELDS, PRESET])
            raise ConfigError(f"{where}: there is no setting {short(repr(key))}{near}.") from None
        raise ConfigError(f"{where}: {error}") from None
    if kind is None:  # of an earlier version, by its name of then
        defaults = TrainConfig.from_dict(ALONE)
        changed = {name for name in FIELDS if getattr(config, name) != getattr(defaults, name)}
        values.update({name: getattr(config, name) for name in changed})
    else:
        values[key] = getattr(config, key)


def _nearest(word: object, words: Any) -> str:
    near = difflib.get_close_matches(str(word)[:100], list(words), 1, 0.4)
    return f"; the nearest is {near[0]!r}" if near else f"; there are: {short(', '.join(words), 300)}"
