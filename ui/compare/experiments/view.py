"""The tab Experiments of Compare: one experiment with its sentences, charts and runs, kept up to date while it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core import LabError
from core.runs.experiments.halving import ended_early, rungs_of
from core.runs.experiments.kind import Summary
from core.runs.experiments.kinds import KINDS, cancel_experiment, resume_experiment, summarize
from core.runs.experiments.record import Experiment, Experiments, Member
from core.runs.schema import Status
from core.wording import cell, visible
from ui.charts.component import show_chart
from ui.charts.tables import percent
from ui.choose import pickers
from ui.choose.address import Address, Query, remember
from ui.choose.pair_picker import ModelKey, choose_pair
from ui.choose.run_picker import EvaluatedModel
from ui.server import services
from ui.server.going import open_page
from ui.text import plain

NAME = "experiment"  # in the address, and in the session: the id of the one that is shown
REFUSED = "experiment refused"  # in the session: why an action could not be done
LIVE_SECONDS = 2.0  # between two looks at one that runs
Models = Mapping[ModelKey, EvaluatedModel]


def all_experiments() -> list[Experiment]:
    """Return the experiments of the store, the newest first."""
    return Experiments(services.store()).all()


def take_address(address: Address) -> bool:
    """Choose the experiment that an address names; return whether it names one."""
    wanted = next(iter(address.get(NAME, [])), "")
    if wanted:
        remember(NAME, wanted)
    return bool(wanted)


def experiment_query() -> Query:
    """Return the part of the address that names the experiment that is shown."""
    shown = st.session_state.get(NAME)
    return {NAME: shown} if shown else {}


def show_experiments(models: Models, on_compare: Callable[[], None]) -> None:
    """Show the choice of an experiment and the chosen one.

    models      every evaluated model, to compare two runs
    on_compare  called after two runs are chosen to be compared
    """
    experiments = {one.id: one for one in all_experiments()}
    if not experiments:
        st.info("No experiment yet: on Train, **Several at once** queues trainings that belong together.")
        st.page_link(services.TRAIN_PAGE, label="Open Train", icon=":material/model_training:")
        return
    wanted = st.session_state.get(NAME)
    if wanted and wanted not in experiments:
        st.warning(f"There is no experiment {plain(wanted)}: this is another one.")
    shown = wanted if wanted in experiments else next(iter(experiments))
    labels = {one.id: f"{one.name} · {KINDS[one.kind].label if one.kind in KINDS else one.kind}" for one in
              experiments.values()}  # fmt: skip
    repeated = {text for text in labels.values() if list(labels.values()).count(text) > 1}
    labels = {key: f"{text} · {key[-4:]}" if text in repeated else text for key, text in labels.items()}
    shown = pickers.pick("Experiment", labels, "experiment picker", shown, lambda chosen: remember(NAME, chosen))
    remember(NAME, shown)
    if error := st.session_state.pop(REFUSED, None):
        st.error(plain(error))
    if any(member.run.is_live for member in _members(shown)):
        _show_live(experiments[shown], models, on_compare)
    else:
        _show(experiments[shown], models, on_compare)


@st.fragment(run_every=LIVE_SECONDS)
def _show_live(experiment: Experiment, models: Models, on_compare: Callable[[], None]) -> None:
    """Show an experiment that runs; run the page again once it does not any more."""
    if not any(member.run.is_live for member in _members(experiment.id)):
        st.rerun()
    _show(experiment, models, on_compare)


def _members(experiment_id: str) -> list[Member]:
    return Experiments(services.store()).members(experiment_id)


def _show(experiment: Experiment, models: Models, on_compare: Callable[[], None]) -> None:
    members = _members(experiment.id)
    rungs, _ = rungs_of(experiment.plan)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.caption(plain(_progress(members)))
        _show_actions(experiment, members, rungs)
    try:
        summary = _summary(experiment.id, _signature(members), experiment, members)
    except LabError as error:
        st.error(plain(error))
        return
    for sentence in summary.sentences:  # each whole: of a long text the middle is left out
        st.markdown(plain(sentence))
    wide = [chart for chart in summary.charts if chart.wide]
    narrow = [chart for chart in summary.charts if not chart.wide]
    for chart in wide:
        show_chart(chart, f"chart {experiment.id} {chart.key}")
    for i in range(0, len(narrow), 2):
        for place, chart in zip(st.columns(2, gap="medium"), narrow[i : i + 2], strict=False):
            with place:
                show_chart(chart, f"chart {experiment.id} {chart.key}")
    _show_runs(experiment, members, rungs, models, on_compare)


def _signature(members: Sequence[Member]) -> str:
    """Return a text that changes with what the summary rests on."""
    return repr(
        [
            (one.run.id, "live" if one.run.is_live else one.run.status.value, one.run.best_ap, one.pause_epoch)
            for one in members
        ]
    )


@st.cache_data(show_spinner="Comparing the trainings …", max_entries=16)
def _summary(experiment_id: str, signature: str, _experiment: Experiment, _members: list[Member]) -> Summary:
    return summarize(services.store(), _experiment, _members)


def _progress(members: Sequence[Member]) -> str:
    """Say how far the runs are."""
    ended = sum(not member.run.is_live for member in members)
    words = [f"{ended} of {len(members)} trainings have ended"]
    for member in members:
        run = member.run
        if run.is_live and run.status is not Status.QUEUED:
            at = f", epoch {min((run.epoch or 0) + 1, run.epochs)} of {run.epochs}" if run.epochs else ""
            words.append(f"{', '.join(_words(member))} trains{at}")
    waiting = sum(member.run.status is Status.QUEUED for member in members)
    return " · ".join([*words, *([f"{waiting} wait"] if waiting else [])])


def _words(member: Member) -> list[str]:
    return [f"{name} {value}" for name, value in member.variant.items()]


def _show_actions(experiment: Experiment, members: Sequence[Member], rungs: Sequence[int]) -> None:
    if any(member.run.is_live for member in members):
        st.button("Stop all", key=f"stop {experiment.id}", icon=":material/stop_circle:", on_click=_attempt,
                  args=(cancel_experiment, experiment.id),
                  help="What waits leaves the queue, what trains ends after its step; all can be resumed.")  # fmt: skip
        return
    broken_off = [
        one for one in members
        if one.run.status in (Status.STOPPED, Status.FAILED, Status.INTERRUPTED) and not ended_early(one, rungs)
    ]  # fmt: skip
    if broken_off:
        st.button(f"Resume {len(broken_off)}", key=f"resume {experiment.id}", icon=":material/play_arrow:",
                  on_click=_attempt, args=(resume_experiment, experiment.id),
                  help="Puts those that ended before their end back into the queue.")  # fmt: skip


def _attempt(action: Callable[..., object], experiment_id: str) -> None:
    try:
        action(services.store(), experiment_id)
        services.jobs().look()
    except LabError as error:
        st.session_state[REFUSED] = str(error)


def _show_runs(
    experiment: Experiment,
    members: Sequence[Member],
    rungs: Sequence[int],
    models: Models,
    on_compare: Callable[[], None],
) -> None:
    """Show the table of runs, and above it where the chosen ones can be looked at."""
    place = st.container(horizontal=True, vertical_alignment="center")
    table, formats = _table(members, rungs)
    picked = st.dataframe(table, hide_index=True, on_select="rerun", selection_mode="multi-row",
                          key=f"runs of {experiment.id}", alt="The runs of the experiment", column_config=formats,
                          placeholder="")  # fmt: skip
    chosen = [members[i] for i in picked.selection.rows if i < len(members)]
    with place:
        if len(chosen) == 1:
            _show_links(chosen[0])
        best = [_best(models, member) for member in chosen]
        pair = sorted([model for model in best if model is not None], key=lambda model: model.run.created)

        def compare() -> None:
            choose_pair(*pair)
            on_compare()

        if st.button("Compare these two", key=f"compare two of {experiment.id}", icon=":material/compare:",
                     disabled=len(pair) != 2, on_click=compare, help="Choose two rows on their left."):  # fmt: skip
            st.rerun()
        st.caption("Choose rows on their left: one to look at it, two to compare them. AP in percent.")


def _best(models: Models, member: Member) -> EvaluatedModel | None:
    return next((model for (run_id, _), model in models.items() if run_id == member.run.id), None)


def _show_links(member: Member) -> None:
    run = member.run
    if run.best_ap is not None:
        if st.button("Results", key=f"results {run.id}", icon=":material/query_stats:"):
            open_page(services.RESULTS_PAGE, {"run": run.id})
        if st.button("Errors", key=f"errors {run.id}", icon=":material/image_search:"):
            open_page(services.ERRORS_PAGE, {"run": run.id})


def _table(members: Sequence[Member], rungs: Sequence[int]) -> tuple[pd.DataFrame, dict[str, Any]]:
    names = list(dict.fromkeys(name for member in members for name in member.variant))
    columns: dict[str, pd.Series] = {
        name: pd.Series([cell(visible(_text(member.variant.get(name)))) for member in members], dtype=object)
        for name in names
    }
    states = ["Ended early" if ended_early(member, rungs) else member.run.label for member in members]
    columns["Status"] = pd.Series(states, dtype=object)
    columns["Epoch"] = pd.Series([member.run.epoch for member in members], dtype=float)
    columns["Baseline AP"] = pd.Series([percent(member.run.baseline_ap) for member in members], dtype=float)
    columns["Best AP"] = pd.Series([percent(member.run.best_ap) for member in members], dtype=float)
    columns["Run"] = pd.Series([cell(pickers.run_name(member.run)) for member in members], dtype=object)
    formats: dict[str, Any] = {
        name: st.column_config.NumberColumn(format="%.1f") for name in ("Baseline AP", "Best AP")
    }
    formats["Epoch"] = st.column_config.NumberColumn(format="%d")
    return pd.DataFrame(columns), formats


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return "+".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
