"""With which labels an evaluation is shown: those that it was made with, or as they are corrected now.

In: the model chosen on Results or Errors, and the journal of its labels. Out: the model with what is chosen, its tables
and images. While nothing is corrected there is no choice.
"""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import streamlit as st

from core.datasets.split import CocoSplit
from ui.choose.address import Address, Query, remember
from ui.choose.run_picker import EvaluatedModel
from ui.server import cache, labels

LABELS = "labels shown"
CORRECTED, EVALUATED = "corrected", "evaluated"  # in an address, under "labels"
WORDS = {CORRECTED: "Corrected", EVALUATED: "As evaluated"}


def pick_labels(viewed: EvaluatedModel, address: Address | None) -> EvaluatedModel:
    """Show the choice where labels were corrected; return the model with it. Raises DataError if the data is gone."""
    state = labels.mender_of(viewed.run).journal.state()
    if address:
        is_linked = address.get("labels", [""])[0] == EVALUATED
        remember(LABELS, EVALUATED if is_linked else CORRECTED)
    st.session_state.setdefault(LABELS, CORRECTED)
    if not state:
        st.session_state[LABELS] = CORRECTED
        return viewed
    chosen = st.segmented_control(
        "Labels", list(WORDS), format_func=WORDS.__getitem__, key=LABELS, required=True, width="stretch",
        persist_state="session", help="Labels of these images were corrected here: the same predictions are matched "
        "with them anew, or with those that the model was evaluated with.",
    )  # fmt: skip
    return replace(viewed, labels=state) if chosen == CORRECTED else viewed


def may_correct(viewed: EvaluatedModel) -> bool:
    """Check whether the labels can be corrected where they are shown: not where they are shown as evaluated."""
    return not labels_query(viewed)


def labels_query(viewed: EvaluatedModel) -> Query:
    """Return what an address says of the choice: nothing of corrected labels, which are shown where there are any."""
    return {"labels": EVALUATED} if not viewed.labels and st.session_state.get(LABELS) == EVALUATED else {}


def table_of(viewed: EvaluatedModel) -> pa.Table:
    """Return the model's detection table with the chosen labels; raises LabError."""
    if viewed.labels:
        return labels.corrected_table_of(viewed.run, viewed.evaluation)
    return cache.table_of(viewed.evaluation)


def baseline_table_of(viewed: EvaluatedModel) -> pa.Table | None:
    """Return the baseline's table with the same labels; None if there is none. Raises LabError."""
    return table_of(replace(viewed, evaluation=viewed.baseline)) if viewed.baseline else None


def images_of(viewed: EvaluatedModel) -> CocoSplit:
    """Return the images that the model was evaluated on, with the chosen labels; raises DataError."""
    return labels.corrected_images(viewed.run) if viewed.labels else cache.validation_images(viewed.run)
