"""The question before a training whose settings will likely spoil the model: train anyway, or take what fits.

In: the settings, and what is to be said of them. Out: what was clicked.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core.config import TrainConfig
from core.training.doctor.settings import Judgement
from ui.text import plain
from ui.train import form
from ui.train.fit import preset_for, take_preset


@st.dialog("This will likely spoil the model")
def confirm_spoiling(config: TrainConfig, judgement: Judgement, start: Callable[[TrainConfig], None]) -> None:
    """Ask; `start` begins the training with these settings, and is called as a callback."""
    for sentence in judgement.asks:
        st.markdown(plain(sentence))
    preset = preset_for(config.model)
    with st.container(horizontal=True):
        if preset and st.button(
            "Take the preset that fits", key="fit instead", type="primary", icon=":material/check:",
            on_click=take_preset, args=(preset, config.model, form.fill_settings),
            help=f"Fills the form with the preset {plain(preset)}.",
        ):  # fmt: skip
            st.rerun()
        if st.button("Train anyway", key="train anyway", icon=":material/play_arrow:", on_click=start, args=(config,)):
            st.rerun()
