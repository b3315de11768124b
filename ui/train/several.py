"""Several at once: the expander below Train that makes a sweep, folds or a learning curve of the form's settings."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import Field, fields
from typing import Any

import streamlit as st

from core import LabError, lab_root
from core.config import TrainConfig
from core.runs.experiments.duration import duration_words, likely_seconds, planned_epochs
from core.runs.experiments.kind import Kind, Planned
from core.runs.experiments.kinds import KINDS, plan_experiment, queue_experiment
from core.runs.experiments.record import Experiments
from core.runs.experiments.settings import SweepSettings
from core.runs.experiments.sweep import Sweep, cost_words
from core.runs.schema import Run
from core.settings import Settings
from ui.compare.experiments.view import NAME
from ui.server import cache, services
from ui.server.going import open_page
from ui.text import plain
from ui.train.device import check_device

KEY = "several "  # before a field's name, in the session
QUEUED = "experiment queued"  # in the session: the id of the one that was queued at this turn
HALVING = {0: "Train all to the end", 2: "The better half goes on", 3: "The best third goes on"}
PLAN_SECONDS = 60  # so long a plan is kept: its data may change


def show_experiment_of(run: Run) -> None:
    """Show a button that opens the experiment of a run on Compare, if it has one."""
    experiment = Experiments(services.store()).experiment_of_runs().get(run.id)
    if experiment and st.button("Experiment", key="experiment", icon=":material/stacks:",
                                help="What the runs that were queued with this one say together."):  # fmt: skip
        open_page(services.COMPARE_PAGE, {NAME: experiment})


def show_several(config: TrainConfig | None, spoils: bool, attempt: Callable[..., None]) -> None:
    """Show the expander; opens Compare once an experiment is queued.

    config   the form's settings, None where they cannot be trained with
    spoils   whether they will likely spoil the model, as the form says: then it is asked
    attempt  called as attempt(action, *args): calls the action and keeps its error for the page
    """
    if queued := st.session_state.pop(QUEUED, None):
        open_page(services.COMPARE_PAGE, {NAME: queued})
    box = st.expander("Several at once", key="several", on_change="rerun", icon=":material/stacks:")
    if not box.open:
        return
    with box:
        key = st.selectbox("Experiment", list(KINDS), format_func=lambda key: KINDS[key].label, key=f"{KEY}kind",
                           persist_state="session")  # fmt: skip
        kind = KINDS[key]
        st.caption(plain(kind.description))
        values = {field.name: _widget(key, field) for field in fields(kind.settings)}
        name = st.text_input("Name", key=f"{KEY}name", placeholder="Made of its settings", persist_state="session")
        if config is None:
            st.caption("The settings above cannot be trained with yet.")
            return
        planned = _planned(kind, values, config)
        agreed = not spoils or st.checkbox("Although the settings will likely spoil the model", key=f"{KEY}anyway")
        if st.button(f"Queue {len(planned)} trainings" if planned else "Queue", key=f"{KEY}queue", width="stretch",
                     icon=":material/playlist_add:", disabled=not (planned and agreed)):  # fmt: skip
            attempt(_queue, kind, kind.settings(**values), config, name)
            st.rerun()


def _widget(kind: str, field: Field[Any]) -> Any:
    """Show a setting of an experiment and return its value."""
    key, label, explanation = f"{KEY}{kind} {field.name}", plain(field.metadata["label"]), field.metadata["help"]
    if field.name == "halving":
        return st.selectbox(label, list(HALVING), format_func=HALVING.__getitem__, key=key, help=plain(explanation),
                            persist_state="session")  # fmt: skip
    if field.name == "values":
        text = st.text_area(f"{label}, a setting a line", key=key, placeholder="lr=1e-4,2e-4\naugment=none,flip",
                            help=plain(explanation), height=80, persist_state="session")  # fmt: skip
        return [line.strip() for line in text.splitlines() if line.strip()]
    if isinstance(field.default, tuple):
        st.session_state.setdefault(key, " ".join(field.default))
        return st.text_input(label, key=key, help=plain(explanation), persist_state="session").replace(",", " ").split()
    st.session_state.setdefault(key, field.default)
    return st.number_input(label, step=1, key=key, help=plain(explanation), persist_state="session")


def _planned(kind: Kind, values: dict[str, Any], config: TrainConfig) -> list[Planned]:
    """Return the runs, and say how many they are and how long they take; none, with the reason, if it cannot be."""
    try:
        settings = kind.settings(**values)
        planned = _plan(kind.key, json.dumps(settings.to_dict()), json.dumps(config.to_dict()))
    except LabError as error:
        is_fresh = kind.key == Sweep.key and not values["values"]
        (st.caption if is_fresh else st.error)(plain(error))
        return []
    epochs = planned_epochs(config, planned, kind.details(config, settings))
    seconds = likely_seconds(services.store(), config, epochs)
    long = f", {duration_words(seconds)} as far as the last training tells" if seconds else ""
    words = f"{len(planned)} trainings{long}."
    if isinstance(settings, SweepSettings):
        words = " ".join(filter(None, [words, cost_words(config, settings, planned)]))
    st.caption(plain(words))
    return planned


@st.cache_data(show_spinner=False, ttl=PLAN_SECONDS, max_entries=16)
def _plan(key: str, settings: str, config: str) -> list[Planned]:
    kind = KINDS[key]
    made = kind.settings.from_dict(json.loads(settings))
    return plan_experiment(kind, TrainConfig.from_dict(json.loads(config)), made, lab_root(), cache.images_of)


def _queue(kind: Kind, settings: Settings, config: TrainConfig, name: str) -> None:
    """Queue an experiment; raises LabError for what is not there."""
    check_device(config)
    experiment = queue_experiment(services.store(), kind, config, settings, name, lab_root(), cache.images_of)
    services.jobs().look()
    st.session_state[QUEUED] = experiment.id
