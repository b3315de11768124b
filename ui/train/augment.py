"""Augmentation in the form: presets, a switch for each kind, and the first training images as the model will see them.

In: the session, where the kinds lie as a list of keys. Out: those keys, and the picture, which the process that runs
the models draws (core/training/data/preview.py).
"""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import streamlit as st

from core import LabError, lab_root
from core.augmentation.kinds import BY_KEY, NONE, PRESETS, preset_of
from core.config import TrainConfig
from ui.choose.widget_value import set_widget_value
from ui.refusal import show_refusal
from ui.server import cache
from ui.server.model_worker import model_worker
from ui.text import Markup, plain

PREVIEW, EPOCH = "preview of the images", "preview epoch"
CHOICE, OTHER = "augmentation", "own choice"
SECONDS = 60.0  # for a picture, with the import of torch


def held(value: Any) -> Any:
    """Return a setting's value as its widget has it: of several names a list, without a name for none."""
    return [name for name in value if name != NONE] if isinstance(value, list | tuple) else value


def pick_augmentation(key: str, label: Markup, explanation: Markup) -> tuple[str, ...]:
    """Show presets and switches; return the keys of the kinds that are on, as the settings have them."""
    preset = preset_of(st.session_state.get(key, ()))
    set_widget_value(CHOICE, preset.name if preset else OTHER)
    names = [one.name for one in PRESETS] + ([] if preset else [OTHER])
    st.selectbox(label, names, key=CHOICE, on_change=_take, args=(key,), help=explanation)
    kinds = st.pills(
        "Kinds", BY_KEY, selection_mode="multi", key=key, persist_state="session", label_visibility="collapsed",
        help=explanation,
    )  # fmt: skip
    if preset:
        st.caption(plain(preset.sentence))
    elif kinds:
        st.caption(plain("; ".join(f"{kind}: {BY_KEY[kind].words}" for kind in BY_KEY if kind in kinds) + "."))
    st.toggle("Preview", key=PREVIEW, persist_state="session",
              help="Shows the first training images as the model will see them, with their boxes.")  # fmt: skip
    return tuple(kinds) or (NONE,)


def _take(key: str) -> None:
    """Switch on what the chosen preset names; a callback."""
    chosen = next((preset for preset in PRESETS if preset.name == st.session_state[CHOICE]), None)
    if chosen:
        st.session_state[key] = held(chosen.keys)


def show_preview(config: TrainConfig) -> None:
    """Show the picture of these settings, where it is wanted; other random numbers come with a click."""
    if not st.session_state.get(PREVIEW):
        return
    epoch = st.session_state.setdefault(EPOCH, 0)
    with st.container(border=True):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.markdown("**The first training images as the model will see them**")
            st.button(f"Epoch {epoch % config.epochs + 1:d} · next", key="next preview", icon=":material/casino:",
                      on_click=_next, help="The same images, with the random numbers of the next epoch.")  # fmt: skip
        try:
            stamps = cache.data_stamps(lab_root() / config.data)
            picture = _picture(json.dumps(config.to_dict()), epoch, stamps)
            st.image(picture, width="stretch", alt="Training images with their boxes, as these settings change them")
        except LabError as error:
            show_refusal(error)


def _next() -> None:
    st.session_state[EPOCH] = st.session_state.get(EPOCH, 0) + 1


@st.cache_data(max_entries=16, show_spinner="Drawing the images …")
def _picture(settings: str, epoch: int, stamps: cache.Stamps) -> bytes:
    """Return a JPEG; raise LabError with the reason where there is none."""
    values = json.loads(settings)
    values["data"] = str(lab_root() / values["data"])
    answer = model_worker().ask({"ask": "preview", "settings": values, "epoch": epoch, "stamps": stamps}, SECONDS)
    if "error" in answer:
        raise LabError(answer["error"])
    return b64decode(answer["picture"])
