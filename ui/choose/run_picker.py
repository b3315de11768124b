"""Which run, and which of its models, is looked at: the choice that Results and Errors share."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from core.runs.models import evaluated_models
from core.runs.schema import Evaluation, Run
from core.runs.store import RunStore
from ui.choose import pickers
from ui.choose.pickers import ap_text
from ui.server import services
from ui.text import plain

RUN, MODEL = "run looked at", "model looked at"  # in the session: over all pages


@dataclass(frozen=True)
class EvaluatedModel:
    """A run, the name of one of its models in an address (best, last or untouched) and that model's evaluation."""

    run: Run
    model: str
    evaluation: Evaluation
    untouched: Evaluation | None

    @property
    def mark(self) -> tuple:
        """Names the model's detection table."""
        return self.run.id, self.evaluation.epoch, self.evaluation.created

    @property
    def baseline(self) -> Evaluation | None:
        """The untouched model's evaluation, if there is one and this is another's."""
        return self.untouched if self.untouched is not self.evaluation else None


def evaluated_runs(store: RunStore) -> list[tuple[Run, list[Evaluation]]]:
    """Every run that has detection tables, with their evaluations, the newest first."""
    found = [(run, [e for e in store.evaluations(run.id) if e.table]) for run in store.runs()]
    return [(run, evaluations) for run, evaluations in found if evaluations]


def show_empty_page(title: str) -> None:
    """An empty page: what to do first."""
    st.title(title)
    st.info("No run has been evaluated yet: open Train and click **Train**.")
    st.page_link(services.TRAIN_PAGE, label="Open Train", icon=":material/model_training:")
    st.sidebar.caption("What to look at is chosen here.")  # with a sidebar the links above stay in their place
    st.stop()


def pick_evaluated_model(
    found: list[tuple[Run, list[Evaluation]]], key: str, address: dict[str, list[str]] | None
) -> EvaluatedModel:
    """The two choices as widgets: as the address says, if there is one, else as they were last on any page."""
    if address:
        remember(RUN, address.get("run", [None])[0])
        remember(MODEL, address.get("model", [None])[0])
    runs, asked = [run for run, _ in found], st.session_state.get(RUN)
    if asked and asked not in {run.id for run in runs}:  # of a link or chosen on Train; until another one is chosen
        st.warning(f"There is no evaluated run {plain(asked)}: this is another one.")
    run = pickers.pick_run(runs, key, asked, runs[0], lambda run_id: remember(RUN, run_id))
    models = evaluated_models(next(evaluations for other, evaluations in found if other is run))
    model = _pick_model(run, models, st.session_state.get(MODEL))
    return EvaluatedModel(run, model, models[model], models.get("untouched"))


def remember(key: str, value) -> None:
    """A callback: for this session, and so for the address."""
    st.session_state[key] = value


def _pick_model(run: Run, models: dict[str, Evaluation], chosen: str | None) -> str:
    """The chosen one, else the first; if the last model is the best, it goes by that name."""
    names = {"best": "Best" if "last" in models else "Best and last", "last": "Last", "untouched": "Untouched"}
    labels = {
        model: f"{names[model]} · epoch {e.epoch} · AP {ap_text(e.figures.get('AP'))}" for model, e in models.items()
    }
    if run.is_imported:
        labels = {model: f"Imported · AP {ap_text(e.figures.get('AP'))}" for model, e in models.items()}
    name = chosen if chosen in models else next(iter(models))
    return pickers.pick("Model", labels, "model", name, lambda value: remember(MODEL, value))
