"""The preset that fits the chosen model: taken when another model is chosen, or offered where settings were changed.

In: the model and the session, in which the form's preset and settings lie. Out: the same, and what is offered.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core import ConfigError, ModelError, lab_root
from core.files import real_path
from core.runs.models import run_settings
from core.training.doctor.fit import fitting_preset, suits
from ui.choose.pickers import typed_model
from ui.server import services
from ui.text import plain

PRESET = "preset"  # the key of the preset's widget in the session
FITTED, TAKEN, OFFERED = "model of the preset", "preset was taken", "preset is offered"  # in the session


def preset_for(model: str) -> str | None:
    """Return the preset that fits a model, None if none is known; a run's checkpoint counts as its run did."""
    return fitting_preset(model, lab_root(), run_settings(services.store(), model, lab_root())) if model else None


def keep_preset(model: str) -> None:
    """Let preset and settings be as they are: they were chosen for this model, or together with it."""
    st.session_state.update({FITTED: typed_model(model), TAKEN: "", OFFERED: False})


def _same(one: str, other: str) -> bool:
    """Check whether two models are the same, however their folder is written."""
    return one == other or real_path(lab_root() / one) == real_path(lab_root() / other)


def follow_model(model: str, is_changed: Callable[[str], bool], fill: Callable[[], None]) -> None:
    """Take the preset that fits a model that was just chosen, unless settings were changed by hand; then offer it.

    is_changed  whether the settings are others than the preset's for the model before, which it is called with
    fill        fills the form with the preset that is chosen
    """
    before = st.session_state[FITTED]
    if not model or _same(model, before):
        return
    keep_preset(model)
    preset = preset_for(model)
    if preset is None:
        return
    if is_changed(before):
        st.session_state[OFFERED] = preset != st.session_state[PRESET]
        return
    if not _suits(st.session_state[PRESET], model):
        st.session_state[PRESET] = st.session_state[TAKEN] = preset
    fill()  # also of the same preset: a family's has the size of the model's pictures


def _suits(preset: str, model: str) -> bool:
    try:
        return suits(preset, model, lab_root())
    except (ModelError, ConfigError):
        return False


def show_fit(model: str, spoils: bool, fill: Callable[[], None]) -> None:
    """Say which preset was taken for the model, or offer the one that fits; `spoils`: the settings do not."""
    if st.session_state.get(TAKEN) == st.session_state[PRESET]:
        st.caption("Taken because it fits this model.")
    if not (st.session_state.get(OFFERED) or spoils):
        return
    preset = preset_for(model)
    if preset:
        st.button(f"Take the preset that fits: {plain(preset)}", key="take fitting", icon=":material/check:",
                  on_click=take_preset, args=(preset, model, fill))  # fmt: skip


def take_preset(preset: str, model: str, fill: Callable[[], None]) -> None:
    """Choose a preset for the model, and fill the form with it; a callback."""
    keep_preset(model)
    st.session_state[PRESET] = preset
    fill()
