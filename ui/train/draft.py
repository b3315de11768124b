"""The form's draft in the address of Train: what differs from a fresh form, so that a reload and a link bring it back.

In: an address, which anybody may have written. Out: the session, as the form's widgets have it; what makes no sense is
left out. Settings have their own names: ?preset=Experiment&model=facebook/detr-resnet-50&class=car&lr=0.0002.
"""

from __future__ import annotations

from dataclasses import Field, fields
from typing import Any

import streamlit as st

from core import ConfigError
from core.augmentation.kinds import NONE
from core.config import STARTER, TrainConfig
from core.presets import PRESETS
from core.training.settings_file.yaml_file import SettingsFile
from core.wording import is_utf8
from ui.choose import data_source, pickers
from ui.choose.address import Address, Query, is_back_or_forward, new_address, write_address
from ui.train import form
from ui.train.augment import held
from ui.train.fit import keep_preset, preset_for

SHOWN = "train"  # the key of a widget that the page always shows
LONGEST = 1000  # characters of a path or name
CLASS = "class"  # as in the addresses of the other pages
OTHERS = ("preset", "data", "model", CLASS)
WIDEST = {"shortest_edge": 32, "longest_edge": 4096}  # so that each edge is judged for itself
SETTINGS = {f.name: f for f in fields(TrainConfig) if f.name not in form.WITH_OWN_WIDGET}


def take_draft() -> None:
    """Fill the form as the address says, at the first run of a visit and when the browser goes back or forward."""
    address = new_address(SHOWN, [*OTHERS, *SETTINGS])
    if address is not None:
        fill_from_address(address)


def fill_from_address(address: Address) -> None:
    """Fill the form; what the address does not say is as in a fresh one."""
    data, model, preset = (_first(address, name) for name in ("data", "model", "preset"))
    st.session_state["preset"] = preset if preset in PRESETS else first_preset(model if _is_path(model) else STARTER)
    fresh = form.fresh_choices()
    st.session_state[form.FIELD + "model"] = model if _is_path(model) else fresh["model"]
    form.fill_settings()  # of the preset, for this model
    keep_preset(st.session_state[form.FIELD + "model"])
    for name, field in SETTINGS.items():
        value = _value(field, _first(address, name)) if name in address else None
        if value is not None:
            st.session_state[form.FIELD + name] = value
    may_open = _is_path(data) and data_source.opens_unchanged(data)  # else a link could have a folder converted
    st.session_state[form.FIELD + "data"] = data if may_open else fresh["data"]
    st.session_state[form.FIELD + "classes"] = [name for name in address.get(CLASS, []) if len(name) <= LONGEST]


def fill_from_file(file: SettingsFile) -> None:
    """Fill the form with what a settings file says, as a link with the same words would; a callback."""
    address = {name: [_text(value)] for name, value in file.values.items() if name != "classes"}
    address |= {"preset": [file.preset]} if file.preset else {}
    fill_from_address(address | {CLASS: list(file.values.get("classes", ()))})


def first_preset(model: str) -> str:
    """Return the preset of a fresh form with this model."""
    return preset_for(model) or form.FIRST_PRESET


def query_of(config: TrainConfig | None, data: str) -> Query:
    """Return the address of a form with a run's settings, but on this data; None: with those of a fresh form."""
    if config is None:
        return {"data": data}
    values = {name: getattr(config, name) for name in SETTINGS}
    query: Query = {name: _text(value) for name, value in values.items() if value is not None}
    query |= {"data": data, "model": config.model}
    return query | ({CLASS: list(config.classes)} if config.classes else {})


def write_draft() -> None:
    """Make the address say what differs from a fresh form; to be called once the form is shown.

    An address without a draft to which the browser went back stays: else it would come forward again at every turn.
    """
    if is_back_or_forward() and not any(name in st.query_params for name in (*OTHERS, *SETTINGS)):
        return
    state, query = st.session_state, Query()
    preset = form.chosen_preset()
    chosen = {name: pickers.picked(form.FIELD + name) for name in ("data", "model")}
    fresh = form.fresh_choices()
    query |= {name: value for name, value in chosen.items() if value and value != fresh[name] and _is_path(value)}
    if state["preset"] != first_preset(chosen["model"]):
        query["preset"] = state["preset"]
    if classes := state.get(form.FIELD + "classes"):
        query[CLASS] = list(classes)
    for name in SETTINGS:
        value = state.get(form.FIELD + name)
        if value is not None and value != held(getattr(preset, name)):
            query[name] = _text(value)
    write_address(query)


def _first(address: Address, name: str) -> str:
    return next(iter(address.get(name, [])), "")


def _is_path(text: str) -> bool:
    return 0 < len(text) <= LONGEST and text.isprintable() and is_utf8(text)


def _text(value: Any) -> str:
    """Return a setting's value for an address; `_value` reads it."""
    if isinstance(value, list | tuple):
        return ", ".join(value) or NONE
    return str(int(value) if isinstance(value, bool) else value)


def _value(field: Field[Any], text: str) -> Any:
    """Return a setting's value from an address; None if it is none that the setting may have."""
    kind: Any = type(field.default)
    try:
        value = {"1": True, "0": False}[text] if kind is bool else text if kind is tuple else kind(text)
        config = TrainConfig.from_dict({**WIDEST, field.name: value})
    except (KeyError, ValueError, ConfigError):
        return None
    return held(getattr(config, field.name))
