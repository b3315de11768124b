"""What can be done with the runs that are chosen in the table: look at them, compare, tag, resume and delete them."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core import LabError
from core.runs.many.tags import all_tags, change_tags
from core.runs.schema import Run, Status
from core.wording import visible
from ui.choose.manage_run import attempt, delete_runs, show_manage
from ui.choose.run_picker import models_of_run
from ui.server import services
from ui.server.going import open_page

ADD, REMOVE = "runs add tags", "runs remove tags"  # in the session
RESUMABLE = (Status.STOPPED, Status.FAILED, Status.INTERRUPTED)


def show_actions(chosen: Sequence[Run], runs: Sequence[Run]) -> None:
    """Show the buttons for the chosen runs; `runs` are all, whose tags are offered."""
    evaluated = {run.id: model for run in chosen if not run.is_damaged and (model := _first_model(run))}
    pair = sorted((run for run in chosen if run.id in evaluated), key=lambda run: run.created)
    is_pair = len(chosen) == len(pair) == 2
    if st.button("Compare these two", key="compare two", icon=":material/compare:", type="primary",
                 disabled=not is_pair,
                 help="Choose two rows on their left, of runs that are evaluated."):  # fmt: skip
        before, after = pair
        open_page(services.COMPARE_PAGE, {
            "run": after.id, "model": evaluated[after.id], "before": before.id, "before_model": evaluated[before.id],
        })  # fmt: skip
    if len(chosen) == 1:
        _show_links(chosen[0], chosen[0].id in evaluated)
        show_manage(chosen[0], "all runs")
    if len(chosen) > 1:
        _show_tags([run for run in chosen if not run.is_damaged], runs)
    _show_resume([run for run in chosen if run.status in RESUMABLE and not run.is_imported])
    if len(chosen) > 1:
        _show_delete([run for run in chosen if not run.is_live], len(chosen))


def _first_model(run: Run) -> str | None:
    """Return the name of the run's best model; None if nothing of it is evaluated."""
    evaluations = [one for one in services.store().evaluations(run.id) if one.table]
    return next(iter(models_of_run(run, evaluations)), None)


def _show_links(run: Run, is_evaluated: bool) -> None:
    if is_evaluated:
        if st.button("Results", key="runs results", icon=":material/query_stats:"):
            open_page(services.RESULTS_PAGE, {"run": run.id})
        if st.button("Errors", key="runs errors", icon=":material/image_search:"):
            open_page(services.ERRORS_PAGE, {"run": run.id})


def _show_tags(chosen: Sequence[Run], runs: Sequence[Run]) -> None:
    with st.popover(f"Tag {len(chosen):d}", key="runs tags of several", icon=":material/label:"):
        st.multiselect("Add to all of them", all_tags(runs), key=ADD, format_func=visible, accept_new_options=True,
                       placeholder="Choose, or type a new one")  # fmt: skip
        st.multiselect("Take away", all_tags(chosen), key=REMOVE, format_func=visible, placeholder="None",
                       disabled=not all_tags(chosen))  # fmt: skip
        st.button("Apply", key="runs apply tags", type="primary", on_click=_change_tags,
                  args=([run.id for run in chosen],))  # fmt: skip


def _change_tags(run_ids: list[str]) -> None:
    add, remove = (list(st.session_state.get(key, [])) for key in (ADD, REMOVE))
    if attempt(lambda: change_tags(services.store(), run_ids, add, remove)):
        st.session_state[ADD] = st.session_state[REMOVE] = []


def _show_resume(resumable: Sequence[Run]) -> None:
    if resumable:
        st.button(f"Resume {len(resumable):d}", key="runs resume", icon=":material/play_arrow:", on_click=_resume,
                  args=(resumable,),
                  help="Puts them back into the queue: each goes on from its checkpoint.")  # fmt: skip


def _resume(runs: Sequence[Run]) -> None:
    refused = []
    for run in runs:
        try:
            services.jobs().resume(run.id)
        except LabError as error:
            refused.append(str(error))
    if refused:
        more = f" And {len(refused) - 1} more cannot be resumed." if len(refused) > 1 else ""
        attempt(lambda: _raise(refused[0] + more))


def _raise(sentence: str) -> None:
    raise LabError(sentence)


def _show_delete(deletable: Sequence[Run], chosen: int) -> None:
    """Show the button that deletes the chosen runs, behind a question, as it is easily clicked by mistake."""
    with st.popover("Delete", key="runs delete several", icon=":material/delete:", disabled=not deletable):
        if len(deletable) < chosen:
            st.caption(f"{chosen - len(deletable):d} of them are live: stop them first.")
        st.button(f"Delete {len(deletable):d} runs", key="runs delete", icon=":material/delete:", on_click=delete_runs,
                  args=(deletable,),
                  help="Moves them into the bin, from which they can be brought back.")  # fmt: skip
