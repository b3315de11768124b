"""The queue: a button with the number of waiting runs, behind it their list, to be reordered or cancelled.

Each run is told by its name, data set and model, and by the settings in which the waiting runs differ. Runs of one
experiment that wait one after another are one entry, which is cancelled as one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from core.runs.experiments.kinds import cancel_experiment
from core.runs.experiments.record import Experiment, Experiments
from core.runs.queue import queue_differences
from core.runs.schema import Run
from ui.choose import pickers
from ui.compare.experiments.view import NAME
from ui.server import services
from ui.server.going import open_page
from ui.text import plain


@dataclass(frozen=True)
class _Entry:
    """One line of the queue: a run, or the runs of one experiment that wait one after another."""

    runs: list[Run]
    experiment: Experiment | None = None


def show_queue(attempt: Callable[..., None], watch: Callable[[str], None]) -> None:
    """Show the button, unless no run waits.

    attempt  called as attempt(action, *args): calls the action and shows its error
    watch    shows a run, by its id
    """
    waiting = services.waiting()
    if not waiting:
        return
    entries = _entries(waiting)
    with st.popover(f"Queue · {len(waiting)}", key="queue", icon=":material/format_list_numbered:"):
        differences = queue_differences(waiting)
        for place, entry in enumerate(entries):
            if entry.experiment:
                _show_experiment(place, entry.experiment, entry.runs, attempt)
                continue
            around = [entries[i].runs if 0 <= i < len(entries) else [] for i in (place - 1, place + 1)]
            _show_run(place, entry.runs[0], len(around[0]), len(around[1]), attempt, watch)
            st.caption(plain(differences[entry.runs[0].id]))


def _entries(waiting: list[Run]) -> list[_Entry]:
    experiments = Experiments(services.store())
    of_run = experiments.experiment_of_runs()
    known = {one.id: one for one in experiments.all()} if of_run else {}
    entries: list[_Entry] = []
    for run in waiting:
        experiment = known.get(of_run.get(run.id, ""))
        if experiment and entries and entries[-1].experiment == experiment:
            entries[-1].runs.append(run)
        else:
            entries.append(_Entry([run], experiment))
    return entries


def _show_experiment(place: int, experiment: Experiment, runs: list[Run], attempt: Callable[..., None]) -> None:
    key = f"{place} {experiment.id}"
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", width=380):
        if st.button(f"{place + 1:d}. {plain(experiment.name)}", key=f"show {key}", type="tertiary",
                     help="Shows the experiment on Compare."):  # fmt: skip
            open_page(services.COMPARE_PAGE, {NAME: experiment.id})
        st.button("", key=f"cancel {key}", icon=":material/close:", on_click=attempt,
                  args=(cancel_experiment, services.store(), experiment.id),
                  help="Stops the whole experiment: those that wait leave the queue.")  # fmt: skip
    waits = "1 training waits" if len(runs) == 1 else f"{len(runs)} trainings wait"
    st.caption(f"Experiment, {waits}; next: {plain(pickers.run_name(runs[0]))}")


def _show_run(
    place: int, run: Run, before: int, after: int, attempt: Callable[..., None], watch: Callable[[str], None]
) -> None:
    """Show a run with its buttons; `before` and `after`: how many runs the entries beside it have."""
    jobs = services.jobs()
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", width=380):
        st.button(f"{place + 1:d}. {plain(pickers.run_name(run))}", key=f"show {run.id}", type="tertiary",
                  on_click=watch, args=(run.id,), help="Shows this run.")  # fmt: skip
        with st.container(horizontal=True, width="content", gap="xsmall"):
            st.button("", key=f"up {run.id}", icon=":material/arrow_upward:", disabled=not before,
                      on_click=attempt, args=(jobs.move, run.id, -before), help="One place earlier")  # fmt: skip
            st.button("", key=f"down {run.id}", icon=":material/arrow_downward:", disabled=not after,
                      on_click=attempt, args=(jobs.move, run.id, after), help="One place later")  # fmt: skip
            st.button("", key=f"cancel {run.id}", icon=":material/close:", on_click=attempt,
                      args=(jobs.stop, run.id), help="Takes it out of the queue.")  # fmt: skip
