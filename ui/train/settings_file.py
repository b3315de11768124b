"""Settings as a file on Train: the form's, which can be downloaded and filled in again; and a run's, with its command.

In: the form and the session, or a run. Out: popovers. A file may come from anybody: what it says is filled in by the
rules for a link (`draft.py`), so that it opens no folder that would have to be converted.
"""

from __future__ import annotations

import streamlit as st

from core import ConfigError, RunError
from core.config import TrainConfig
from core.runs.advised.advised_run import settings_of
from core.runs.schema import Run
from core.training.settings_file.command_line import reproduce
from core.training.settings_file.yaml_file import MOST_BYTES, parse_settings, settings_text
from core.wording import short
from ui.text import plain
from ui.train import draft, form

UPLOADED, PASTED, SAID = "settings uploaded", "settings pasted", "settings said"  # in the session
MOST_LETTERS = 100_000  # that may be pasted: a file has about 8,000


def show_file_of_form(config: TrainConfig | None) -> None:
    """Show the popover that gives the form's settings as a file, and fills the form from one."""
    with st.popover("Settings file", key="settings file", icon=":material/description:"):
        if config:
            st.download_button(
                "Download settings", settings_text(config, preset=st.session_state["preset"]), "settings.yaml",
                "application/yaml", key="download settings", icon=":material/download:", on_click="ignore",
                help="Every setting of the form as YAML, for a colleague or for train --config.",
            )  # fmt: skip
        st.file_uploader("Settings to fill in", ["yaml", "yml"], key=UPLOADED, on_change=_take_upload,
                         max_upload_size=MOST_BYTES // 1_000_000)  # fmt: skip
        st.text_area("Or paste them", key=PASTED, max_chars=MOST_LETTERS, on_change=_take_pasted, height=120,
                     placeholder="lr: 1e-5\nepochs: 10")  # fmt: skip
        if outcome := st.session_state.get(SAID):
            sentence, is_error = outcome
            if is_error:
                st.error(plain(sentence))
            else:
                st.caption(plain(sentence))


def _take_upload() -> None:
    uploaded = st.session_state[UPLOADED]
    if uploaded is None:
        st.session_state.pop(SAID, None)
    elif uploaded.size > MOST_BYTES:
        st.session_state[SAID] = f"{short(uploaded.name)} is larger than a settings file: it was not read.", True
    else:
        _fill(uploaded.getvalue(), short(uploaded.name))


def _take_pasted() -> None:
    if text := st.session_state[PASTED].strip("\n"):
        _fill(text.encode(errors="replace"), "What was pasted")


def _fill(data: bytes, name: str) -> None:
    """Fill the form with what a file says, and keep a sentence on it; with nothing of a file that is wrong."""
    try:
        file = parse_settings(data, name)
    except ConfigError as error:
        st.session_state[SAID] = str(error), True
        return
    draft.fill_from_file(file)
    refused = [
        label for key, label in (("data", "the data set"), ("model", "the model"))
        if key in file.values and file.values[key] != st.session_state[form.FIELD + key]
    ]  # fmt: skip
    words = f", but {' and '.join(refused)} must be chosen by hand" if refused else ""
    st.session_state[SAID] = f"{name}: {len(file.values):,} settings are filled in{words}.", bool(refused)


def show_settings_of(run: Run) -> None:
    """Show the popover with the command line that trains as a run did, and its settings as a file."""
    try:
        config = settings_of(run)
    except RunError:  # of another version, imported or damaged
        return
    with st.popover("Command", key=f"settings of {run.id}", icon=":material/terminal:"):
        st.caption("The same training on the command line: what differs from the preset that it names.")
        st.code(reproduce(config), language="bash", wrap_lines=True)
        st.download_button(
            "Download settings", settings_text(config, f"the settings of the run {run.id}"), f"{run.id}.yaml",
            "application/yaml", key=f"download settings of {run.id}", icon=":material/download:", on_click="ignore",
        )  # fmt: skip
