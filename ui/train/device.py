"""Whether this machine has the device that a training asks for, before there is a run.

In: its settings. Out: nothing, or the error. Only torch knows, so the process that runs the models is asked, and only
where somebody chose a device: "auto" takes what there is.
"""

from __future__ import annotations

import streamlit as st

from core import ConfigError
from core.config import TrainConfig
from ui.server.model_worker import model_worker

SECONDS = 60.0  # for an answer, with the import of torch; without one the training itself tells


def check_device(config: TrainConfig) -> None:
    """Raise ConfigError if this machine lacks the device of the settings, or has too few for their processes."""
    if config.device == "cpu" or (config.device == "auto" and config.processes == 1):
        return
    question = {"ask": "device", "device": config.device, "processes": config.processes}
    with st.spinner("Looking for the device …"):
        answer = model_worker().ask(question, SECONDS)
    if answer.get("refused"):
        raise ConfigError(answer["refused"])
