"""Which run, and which of its models, is shown: the choice that Results and Errors share.

In: the run store, the session and, on arrival, the address. Out: an `EvaluatedModel`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import streamlit as st

from core.runs.models import RunModel, baseline_of, evaluated_models
from core.runs.schema import Evaluation, Run
from core.runs.store import RunStore
from ui.choose import pickers
from ui.choose.address import Address, remember
from ui.choose.manage_run import show_manage
from ui.choose.pickers import ap_text
from ui.server import services
from ui.text import plain

RUN, MODEL = "run looked at", "model looked at"  # in the session: over all pages
TableKey = tuple[str, int, float, str]  # names a detection table, for caches
EvaluatedRun = tuple[Run, list[Evaluation]]  # a run and its evaluations that have detection tables


@dataclass(frozen=True)
class EvaluatedModel:
    """A model of a run with its evaluation.

    model         its name in an address: a `RunModel`
    run_baseline  the evaluation of the run's baseline, None if there is none
    labels        the state of the journal whose corrections it is shown with; "": the labels that it was evaluated with
    may_correct   whether its labels can be corrected as they are shown
    """

    run: Run
    model: str
    evaluation: Evaluation
    run_baseline: Evaluation | None
    labels: str = ""
    may_correct: bool = False

    @property
    def table_key(self) -> TableKey:
        """Name the model's detection table, with the labels that it is matched with, for caches."""
        return self.run.id, self.evaluation.epoch, self.evaluation.created, self.labels

    @property
    def baseline(self) -> Evaluation | None:
        """Return the baseline's evaluation; None if there is none, or this model is the baseline itself."""
        return self.run_baseline if self.run_baseline is not self.evaluation else None


def evaluated_runs(store: RunStore) -> list[EvaluatedRun]:
    """Return every whole run that has detection tables, with the evaluations that have one, the newest run first."""
    whole = [run for run in store.runs() if not run.is_damaged]
    runs = [(run, [e for e in store.evaluations(run.id) if e.table]) for run in whole]
    return [(run, evaluations) for run, evaluations in runs if evaluations]


def models_of_run(run: Run, evaluations: Sequence[Evaluation]) -> dict[str, EvaluatedModel]:
    """Return the run's evaluated models by their names in an address."""
    baseline = baseline_of(evaluations)
    return {name: EvaluatedModel(run, name, e, baseline) for name, e in evaluated_models(evaluations).items()}


def show_empty_page(title: str) -> None:
    """Say what to do first while no run is evaluated, and end the page."""
    st.title(plain(title))
    st.info("No run has been evaluated yet: open Train and click **Train**.")
    st.page_link(services.TRAIN_PAGE, label="Open Train", icon=":material/model_training:")
    st.sidebar.caption("What to look at is chosen here.")  # with a sidebar the links above stay in their place
    st.stop()


def pick_evaluated_model(runs: Sequence[EvaluatedRun], key: str, address: Address | None) -> EvaluatedModel:
    """Show the choice of run and model, as the address says if there is one, else as on the page before."""
    if address:
        remember(RUN, address.get("run", [None])[0])
        remember(MODEL, address.get("model", [None])[0])
    wanted = st.session_state.get(RUN)
    evaluations = {run.id: evaluations for run, evaluations in runs}
    if wanted and wanted not in evaluations:  # of a link or chosen on Train; until another one is chosen
        st.warning(f"There is no evaluated run {plain(wanted)}: this is another one.")
    run = pickers.pick_run([run for run, _ in runs], key, wanted, runs[0][0], lambda run_id: remember(RUN, run_id))
    show_manage(run, key)
    if run.notes:
        st.caption(plain(run.notes))
    models = models_of_run(run, evaluations[run.id])
    return models[_pick_model(models, st.session_state.get(MODEL))]


def _pick_model(models: Mapping[str, EvaluatedModel], chosen: str | None) -> str:
    """Return the chosen model's name, or else the first's."""
    labels = {
        name: f"{_title(name, models)} · AP {ap_text(one.evaluation.figures.get('AP'))}" for name, one in models.items()
    }
    name = chosen if chosen and chosen in models else next(iter(models))
    return pickers.pick("Model", labels, "model", name, partial(remember, MODEL))


def _title(name: str, models: Mapping[str, EvaluatedModel]) -> str:
    if (run := models[name].run).is_imported:
        return run.origin.capitalize()
    # the last model has no line of its own where it is the best one
    title = "Best and last" if name == RunModel.BEST and RunModel.LAST not in models else RunModel(name).label
    return f"{title} · epoch {models[name].evaluation.epoch}"
