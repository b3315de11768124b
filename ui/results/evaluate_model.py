"""A popover on Results that evaluates any model on any images with labels, as a run of its own.

In: what is chosen in it. Out: evaluations in the queue (`ui/results/evaluations.py`).
"""

from __future__ import annotations

import streamlit as st

from core import ConfigError
from core.inference.evaluation.config import EvaluationConfig
from core.inference.evaluation.tried import AS_TRAINED, suggested_inputs
from ui.choose import data_source, pickers
from ui.choose.run_picker import EvaluatedModel
from ui.predict.model_picker import pick_model
from ui.results.evaluations import begin_evaluations
from ui.server import services
from ui.text import plain

MODEL, DATA, PART, INPUTS = (f"evaluate {name}" for name in ("model", "data", "part", "inputs"))
PARTS = {"val": "Validation", "test": "Test", "train": "Training"}


def show_evaluate_model(viewed: EvaluatedModel | None) -> None:
    """Show the popover."""
    with st.popover("Evaluate a model", icon=":material/fact_check:", width="stretch", key="evaluate"):
        model = pick_model(services.store(), MODEL)
        data = pickers.pick_data(services.store(), DATA)
        part = st.selectbox("Images", list(PARTS), format_func=PARTS.__getitem__, key=PART, persist_state="session",
                            help="Of the data set. Training images show overfitting, and where most labels are, "
                            "label errors.")  # fmt: skip
        inputs = pick_inputs(INPUTS, ["0"], suggested_inputs())
        if st.button("Evaluate", key="begin evaluation", type="primary", disabled=not (model and data and inputs),
                     help="In the queue, as a run of its own."):  # fmt: skip
            assert model
            try:
                config = EvaluationConfig((model.name,), data_source.in_coco_layout(data), part)
                configs = [config.with_input(text) for text in inputs]
            except ConfigError as error:
                st.error(plain(error))
                return
            begin_evaluations(configs, viewed)
            st.rerun()


def pick_inputs(key: str, chosen: list[str], offered: list[str]) -> list[str]:
    """Show the inputs, beside which others may be typed; return the chosen ones, as `read_input` takes them."""
    st.session_state.setdefault(key, chosen)
    typed = [text for text in st.session_state[key] if text not in offered]
    return st.multiselect(
        "What the model sees", [*offered, *typed], key=key, accept_new_options=True, persist_state="session",
        format_func=_words, placeholder="A size as 640, tiles as 2x2, or both as 640/2x2",
        help="Each is evaluated on its own: a size in pixels of the shortest edge (of the side of a square), tiles "
        "that overlap and whose boxes are merged, or both, as 640/2x2.",
    )  # fmt: skip


def _words(text: str) -> str:
    try:
        return EvaluationConfig(("-",)).with_input(text).input_words or AS_TRAINED
    except ConfigError:
        return text
