"""What corrected labels change of an evaluation, the journal of corrections, and the data set's revision.

In: a model as Results shows it. Out: AP with the labels before and after, by class; errors by type; what was done,
which can be taken back; and a button that saves all of it as a data set of its own, which Train offers.
"""

from __future__ import annotations

import time
from pathlib import Path

import pandas as pd
import streamlit as st

from core import LabError
from core.config import TrainConfig
from core.evaluation.findings.label_errors import LabelError
from core.evaluation.findings.label_noise import LabelNoise, in_words
from core.evaluation.findings.relabel import Label
from core.evaluation.table import ErrorType
from core.runs.corrections.journal import DONE, Correction, CorrectionKind, net_corrections
from core.runs.corrections.mend import Mender
from core.runs.corrections.revision import save_revision
from core.runs.evaluated.images import data_of
from core.runs.schema import Run
from core.wording import cell, visible
from ui.charts.tables import percent
from ui.choose.pickers import relative_to_root
from ui.choose.run_picker import EvaluatedModel
from ui.server import labels, services
from ui.server.going import open_page
from ui.text import plain
from ui.train.draft import query_of

SAVED, REFUSED = "saved revision", "refused correction"  # in the session
LISTED = 200  # corrections


def show_corrections(viewed: EvaluatedModel, score: float) -> None:
    """Show what the corrections change, the last ones, and the way to a revision; nothing while there are none."""
    mender = labels.mender_of(viewed.run)
    done = [one for one in mender.journal.all() if one.state == DONE]
    if not done:
        _show_saved(viewed.run)
        return
    fit = [one for one in mender.corrections() if one.state == DONE]
    net = net_corrections(fit)
    count, images = sum(map(len, net.values())), len(net)
    noise = labels.label_noise_of(viewed.run, viewed.evaluation, score)
    with st.container(border=True):
        st.markdown(plain(in_words(noise, count, images)))
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.button("Undo the last correction", key="undo correction", icon=":material/undo:", on_click=_undo,
                      args=(mender, done[-1].image_id))  # fmt: skip
            _offer_revision(viewed.run, mender)
        if lost := len(done) - len(fit):
            file = plain(mender.split.json_path.name)
            st.caption(f"{lost:,} more do not count: {file} has other images or labels now than when they were made.")
        if accepted := sum(one.kind is CorrectionKind.ACCEPTED for one in done):
            st.caption(f"{accepted:,} of {len(done):,} corrections took over what a model predicted: its own boxes are "
                       "then right by definition. To compare models, see to it that these boxes fit.")  # fmt: skip
        with st.expander("AP and errors before and after", key="what corrections change"):
            _show_changes(noise)
        with st.expander(f"What was corrected · {len(done):,}", key="journal"):
            _show_journal(done[::-1][:LISTED], mender)
            if len(done) > LISTED:
                st.caption(f"These are the last {LISTED:,} of {len(done):,}.")
    _show_saved(viewed.run)


def _show_changes(noise: LabelNoise) -> None:
    rows = [
        {
            "Class": name, "AP before": percent(change.before), "AP after": percent(change.after),
            "Change": percent(change.difference.value), "Low": percent(change.difference.low),
            "High": percent(change.difference.high),
        }
        for name, change in [("All classes", noise.ap), *((cell(visible(n)), c) for n, c in noise.per_class.items())]
    ]  # fmt: skip
    formats = {name: st.column_config.NumberColumn(format="%.1f") for name in ("AP before", "AP after")}
    formats |= {name: st.column_config.NumberColumn(format="%+.1f") for name in ("Change", "Low", "High")}
    st.dataframe(pd.DataFrame(rows), hide_index=True, column_config=formats, alt="AP before and after")
    before, after = noise.errors
    errors = [
        {"Error": one.label, "Before": before[one.value], "After": after[one.value],
         "Change": after[one.value] - before[one.value]}
        for one in ErrorType
    ]  # fmt: skip
    st.dataframe(pd.DataFrame(errors), hide_index=True, alt="Errors before and after",
                 column_config={"Change": st.column_config.NumberColumn(format="%+d")})  # fmt: skip
    st.caption(f"Percent, and errors from score {noise.score:g} on. Classes that no correction touches are left out.")


def _show_journal(corrections: list[Correction], mender: Mender) -> None:
    names = {image_id: image["file_name"] for image_id, image in mender.split.image_by_id.items()}
    rows = [
        {
            "When": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one.created)),
            "Image": cell(visible(names.get(one.image_id, str(one.image_id)))), "What": one.kind.label,
            "Before": _in_words(one.before), "After": _in_words(one.after), "Label": str(one.label_id),
        }
        for one in corrections
    ]  # fmt: skip
    st.dataframe(pd.DataFrame(rows), hide_index=True, alt="Corrections")


def _in_words(label: Label | None) -> str:
    if label is None:
        return "–"
    x1, y1, x2, y2 = label.box
    crowd = ", crowd" if label.crowd else ""
    return cell(visible(f"{label.class_name}, {x2 - x1:.0f} × {y2 - y1:.0f} px at {x1:.0f}, {y1:.0f}{crowd}"))


def mend_label(run: Run, error: LabelError) -> None:
    """Correct a likely label error as the model suggests; a callback."""
    try:
        labels.mender_of(run).mend(error)
    except LabError as refusal:
        st.session_state[REFUSED] = str(refusal)


def _undo(mender: Mender, image_id: int) -> None:
    try:
        mender.journal.undo(image_id)
    except LabError as error:
        st.session_state[REFUSED] = str(error)


def _offer_revision(run: Run, mender: Mender) -> None:
    """Show the field of the revision's name and the button that saves it."""
    key = f"revision name {run.id}"
    st.text_input("Name", key=key, placeholder="data set’s own, with a number", width=260,
                  help="Of the folder under data/: a COCO data set with the corrected labels, whose pictures are links "
                  "to those of this one. Your own files stay as they are.")  # fmt: skip
    st.button("Save as revision", key="save revision", icon=":material/save:", type="primary", on_click=_save,
              args=(run, mender, key))  # fmt: skip


def _save(run: Run, mender: Mender, key: str) -> None:
    name = (st.session_state.get(key) or "").strip() or None
    folder = data_of(run)
    data, images = (
        (folder, "") if folder is not None else (run.config["imported"]["gt"], run.config["imported"]["images"])
    )
    try:
        path, revision = save_revision(services.store(), data, images or "", name)
        st.session_state[SAVED] = (run.id, str(path), len(revision.changes))
    except LabError as error:
        st.session_state[REFUSED] = str(error)


def _show_saved(run: Run) -> None:
    """Say what the last click on this tab came to."""
    if refused := st.session_state.pop(REFUSED, None):
        st.error(plain(refused), icon=":material/error:")
    saved = st.session_state.get(SAVED)
    if not saved or saved[0] != run.id:
        return
    _, path, changes = saved
    data = relative_to_root(Path(path))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.success(f"Saved as **{plain(data)}**, with {changes:,} corrected label{'s' * (changes != 1)}.",
                   icon=":material/check_circle:")  # fmt: skip
        if st.button("Train on it", key="train on revision", icon=":material/model_training:",
                     help="Opens Train with this run's settings and the revision's labels."):  # fmt: skip
            config = None if run.is_imported else TrainConfig.from_dict(run.config)
            open_page(services.TRAIN_PAGE, query_of(config, data))
