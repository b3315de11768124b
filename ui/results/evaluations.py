"""Evaluations: put into the queue, followed on Results whoever began them, and opened when they are done.

In: settings, from the tabs and the popover beside them. Out: runs in the queue, and what has become of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core import LabError
from core.inference.evaluation.config import EvaluationConfig
from core.inference.evaluation.job import create_evaluations
from core.runs.models import RunModel
from core.runs.schema import Run, Status
from ui.choose.address import Query, remember
from ui.choose.pickers import run_name
from ui.choose.run_picker import MODEL, RUN, EvaluatedModel
from ui.server import services
from ui.server.going import open_page
from ui.text import plain

BEGUN = "evaluations begun"  # in the session: ids of runs, until their end has been seen
FAILED = "evaluation refused"  # in the session: why none could be begun


def begin_evaluations(configs: Sequence[EvaluationConfig], viewed: EvaluatedModel | None) -> None:
    """Put evaluations into the queue, and stay with the model that is shown when they make newer runs; a callback."""
    if viewed:
        remember(RUN, viewed.run.id)
        remember(MODEL, viewed.model)
    try:
        runs = create_evaluations(services.store(), configs)
        services.jobs().look()
    except LabError as error:
        st.session_state[FAILED] = str(error)
        return
    st.session_state[BEGUN] = [*st.session_state.get(BEGUN, []), *(run.id for run in runs)]


def show_begun(viewed: EvaluatedModel | None) -> None:
    """Show the evaluations that wait or are at work, and the end of those that this session saw, until that is seen."""
    if error := st.session_state.pop(FAILED, None):
        st.error(plain(error), icon=":material/error:")
    runs = _begun()
    if any(run.is_live for run in runs):
        _show_progress()
    ended = [run for run in runs if not run.is_live]
    for run in ended:
        _show_end(run, viewed)


def _begun() -> list[Run]:
    runs = []
    live = [run.id for run in services.busy() if run.is_evaluation]  # of other sessions, too
    st.session_state[BEGUN] = list(dict.fromkeys([*st.session_state.get(BEGUN, []), *live]))
    for run_id in st.session_state[BEGUN]:
        try:
            runs.append(services.store().get(run_id))
        except LabError:  # deleted meanwhile
            continue
    return runs


@st.fragment(run_every=1.0)
def _show_progress() -> None:
    """Show how far the evaluations are, each with Stop; run the page again when one has ended."""
    runs = _begun()
    live = [run for run in runs if run.is_live]
    if st.session_state.setdefault("evaluations live", len(live)) != len(live) or not live:
        st.session_state["evaluations live"] = len(live)
        st.rerun()
    for run in live:
        with st.container(horizontal=True, vertical_alignment="center"):
            share = min((run.step or 0) / run.steps, 1.0) if run.steps else 0.0
            words = "waits in the queue" if run.status is Status.QUEUED else (run.message or run.label)
            st.progress(share, f"{plain(run_name(run))}: {plain(words[0].lower() + words[1:])} …")
            st.button("Stop", key=f"stop evaluation {run.id}", icon=":material/stop:", disabled=run.stop_requested,
                      on_click=_stop, args=(run.id,))  # fmt: skip
    st.caption("It goes on when this tab is closed.")


def _stop(run_id: str) -> None:
    services.jobs().stop(run_id)


def _show_end(run: Run, viewed: EvaluatedModel | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if run.status is Status.FINISHED:
            notes = " ".join(run.config["imported"]["notes"])
            st.success(plain(f"Evaluated: {run_name(run)}. {notes}"))
            st.button("Look at it", key=f"open {run.id}", icon=":material/query_stats:", on_click=_open, args=(run.id,))
            if viewed and st.button("Compare", key=f"compare {run.id}", icon=":material/compare:"):
                _forget(run.id)
                open_page(services.COMPARE_PAGE, compare_query(run, viewed))
        elif run.status is Status.STOPPED:
            st.info(plain(f"{run_name(run)}: {run.message}"), icon=":material/stop_circle:")
        else:
            st.error(plain(f"{run_name(run)}: {run.message}"), icon=":material/error:")
        if run.status is not Status.FINISHED:
            st.button("Again", key=f"again {run.id}", icon=":material/replay:", on_click=_again, args=(run.id,),
                      help="Begins anew, in the queue.")  # fmt: skip
        st.button("", key=f"seen {run.id}", icon=":material/close:", help="Takes this line away.", type="tertiary",
                  on_click=_forget, args=(run.id,))  # fmt: skip


def compare_query(run: Run, viewed: EvaluatedModel) -> Query:
    """Return the address at which Compare shows an evaluation beside the model that Results shows."""
    model = RunModel.BASELINE.value
    return {"run": run.id, "model": model, "before": viewed.run.id, "before_model": viewed.model}


def _again(run_id: str) -> None:
    try:
        services.jobs().resume(run_id)
    except LabError as error:  # another tab was quicker
        st.session_state[FAILED] = str(error)


def _open(run_id: str) -> None:
    _forget(run_id)
    remember(RUN, run_id)


def _forget(run_id: str) -> None:
    st.session_state[BEGUN] = [one for one in st.session_state.get(BEGUN, []) if one != run_id]
