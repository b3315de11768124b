"""Which two evaluated models are compared: the two choices of Compare, and which models can be compared at all.

`before` and `after` are models of one run or of two. The model after is the one that Results and Errors show, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import streamlit as st

from core import LabError, RunError
from core.evaluation.findings.changes import Changes, changes, require_same_ground_truth
from core.evaluation.findings.curves import ClassFigures, class_figures
from core.evaluation.findings.threshold_curve import threshold_curve
from core.evaluation.selection import Selection
from core.evaluation.table import read_table, table_metadata
from core.runs.models import RunModel
from ui.choose import pickers
from ui.choose.address import Address, Query, remember
from ui.choose.run_picker import MODEL, RUN, EvaluatedModel, EvaluatedRun, TableKey, models_of_run
from ui.server import cache
from ui.text import plain

BEFORE = "model before"  # in the session: (run id, model); nothing until it is chosen
AFTER_PICKER, BEFORE_PICKER = "compare after", "compare before"
FIRST_VIEW = "changes"  # in the address
MOST_OFFERED = 6  # comparable models
ModelKey = tuple[str, str]  # a run's id and the name of one of its models, as an address has them


def all_models(runs: Sequence[EvaluatedRun]) -> dict[ModelKey, EvaluatedModel]:
    """Return every evaluated model, those of the newest run first."""
    return {
        (run.id, name): model for run, evaluations in runs for name, model in models_of_run(run, evaluations).items()
    }


def key_of(model: EvaluatedModel) -> ModelKey:
    """Return the key of a model."""
    return model.run.id, model.model


def model_name(model: EvaluatedModel) -> str:
    """Return in a word which of its run's models it is."""
    return model.run.origin if model.run.is_imported else RunModel(model.model).label.lower()


def short_names(before: EvaluatedModel, after: EvaluatedModel) -> tuple[str, str]:
    """Return names that tell the two apart: by their models if they are of one run, else by runs and models."""
    if before.run.id == after.run.id:
        return model_name(before).capitalize(), model_name(after).capitalize()
    first, second = (f"{pickers.run_name(model.run)} · {model_name(model)}" for model in (before, after))
    if first == second:
        return f"{first} · {before.run.id[-4:]}", f"{second} · {after.run.id[-4:]}"
    return first, second


def pick_pair(
    models: Mapping[ModelKey, EvaluatedModel], address: Address | None
) -> tuple[EvaluatedModel, EvaluatedModel]:
    """Show the two choices and a button that swaps them, and return (before, after): as the address says, if any."""
    if address:
        remember(RUN, address.get("run", [None])[0])
        remember(MODEL, address.get("model", [None])[0])
        remember(BEFORE, tuple(address.get(name, [""])[0] for name in ("before", "before_model")))
    after = _chosen_after(models)
    rest = {key: model for key, model in models.items() if model is not after}
    chosen = st.session_state.get(BEFORE)
    before = (rest.get(chosen) if chosen else None) or default_before(models, after)
    labels = _labels(models)
    key = pickers.pick("Before", {k: labels[k] for k in rest}, BEFORE_PICKER, key_of(before), _choose_before)
    if key != key_of(before):
        before = rest[key]
    pickers.pick("After", labels, AFTER_PICKER, key_of(after), lambda chosen: _choose(key_of(before), chosen))
    st.button("Swap", key="swap", icon=":material/swap_vert:", width="stretch", on_click=_choose,
              args=(key_of(after), key_of(before)), help="What was before comes after.")  # fmt: skip
    return before, after


def _chosen_after(models: Mapping[ModelKey, EvaluatedModel]) -> EvaluatedModel:
    """Return the model that is shown on other pages, or else its run's first, or else the newest run's."""
    run, model = st.session_state.get(RUN), st.session_state.get(MODEL)
    of_run = [one for key, one in models.items() if key[0] == run]
    return models.get((str(run), str(model))) or next(iter(of_run or models.values()))


def _choose_before(key: ModelKey) -> None:
    remember(BEFORE, key)


def _choose(before: ModelKey, after: ModelKey) -> None:
    """Choose these two; where both are the same model, the one before becomes the default. A callback."""
    remember(BEFORE, before if before != after else None)
    remember(RUN, after[0])
    remember(MODEL, after[1])


def choose_pair(before: EvaluatedModel, after: EvaluatedModel) -> None:
    """Choose these two; a callback."""
    _choose(key_of(before), key_of(after))


def default_before(models: Mapping[ModelKey, EvaluatedModel], after: EvaluatedModel) -> EvaluatedModel:
    """Return the best model of the newest older run on the same images, else the run's own baseline, else any."""
    older = [
        model for model in models.values()
        if model.run.created < after.run.created and model.model != RunModel.LAST
    ]  # fmt: skip
    firsts = {model.run.id: model for model in reversed(older)}  # of each run its best, or its only one
    for model in sorted(firsts.values(), key=lambda model: -model.run.created):
        if are_comparable(model, after):
            return model
    rest = [model for model in models.values() if model is not after]
    of_run = [model for model in rest if model.run.id == after.run.id]
    return next((model for model in of_run if model.model == RunModel.BASELINE), (of_run or rest)[0])


def compare_address(runs: Sequence[EvaluatedRun], viewed: EvaluatedModel, score: float) -> Query:
    """Return the whole address that Compare shows at first with this model after.

    A page that is opened with a part of its address completes it, which leaves two steps in the browser's history.
    """
    models = all_models(runs)
    address: Query = {"run": viewed.run.id, "model": viewed.model, "view": FIRST_VIEW, **Selection(score).to_query()}
    if len(models) > 1:
        before = default_before(models, models[key_of(viewed)])
        address |= {"before": before.run.id, "before_model": before.model}
    return address


def comparable_models(models: Mapping[ModelKey, EvaluatedModel], after: EvaluatedModel) -> list[EvaluatedModel]:
    """Return all other models that were evaluated on the same images and classes."""
    return [model for model in models.values() if model is not after and are_comparable(model, after)]


def are_comparable(one: EvaluatedModel, other: EvaluatedModel) -> bool:
    """Check whether two models were evaluated on the same images and classes; False if a detection table is gone.

    Annotations may differ: the older ones give way to the newer (`ui/compare/same_labels.py`).
    """
    try:
        first, second = (
            _evaluated_on(cache.table_path(model.evaluation), model.evaluation.created) for model in (one, other)
        )
    except LabError:
        return False
    return first == second


@st.cache_data(show_spinner=False, max_entries=1000)
def _evaluated_on(path: Path, created: float) -> str:
    metadata = table_metadata(read_table(path, ["image_id"]))
    return hashlib.sha256(repr((metadata.image_ids, sorted(metadata.classes))).encode()).hexdigest()


def show_comparable_models(models: Mapping[ModelKey, EvaluatedModel], after: EvaluatedModel, problem: str) -> None:
    """Show why the chosen two cannot be compared, and buttons for models that can be compared with the one after."""
    st.warning(plain(problem))
    comparable = comparable_models(models, after)
    if not comparable:
        st.caption("No other model was evaluated on the same data as the one after: choose another there.")
        return
    st.caption("These were evaluated on the same data as the one after:")
    labels = _labels(models)
    for model in comparable[:MOST_OFFERED]:
        st.button(plain(labels[key_of(model)]), key=f"fits {model.run.id} {model.model}", icon=":material/compare:",
                  on_click=choose_pair, args=(model, after))  # fmt: skip
    if len(comparable) > MOST_OFFERED:
        st.caption(f"And {len(comparable) - MOST_OFFERED:,} more.")


def _labels(models: Mapping[ModelKey, EvaluatedModel]) -> dict[ModelKey, str]:
    """Return a line for each model; runs of the same name are told apart by the end of their ids."""
    lines = {
        key: [pickers.run_name(model.run), model_name(model)]
        + ([] if model.run.is_imported or not model.evaluation.epoch else [f"epoch {model.evaluation.epoch}"])
        + [f"AP {pickers.ap_text(model.evaluation.figures.get('AP'))}"]
        for key, model in models.items()
    }
    texts = {key: " · ".join(words) for key, words in lines.items()}
    repeated = {text for text in texts.values() if list(texts.values()).count(text) > 1}
    return {key: f"{text} · {key[0][-4:]}" if text in repeated else text for key, text in texts.items()}


# Findings, computed once for all sessions; `before` and `after` name the tables


@st.cache_data(show_spinner=False, max_entries=64)
def problem_of(before: TableKey, after: TableKey, _before: pa.Table, _after: pa.Table) -> str:
    """Return a sentence on why the two tables cannot be compared; "" if they can."""
    try:
        require_same_ground_truth(_before, _after)
    except RunError as error:
        return str(error)
    return ""


@st.cache_resource(show_spinner="Comparing every object …", max_entries=8)
def changes_of(
    before: TableKey, after: TableKey, scores: tuple[float, float], _before: pa.Table, _after: pa.Table
) -> Changes:
    """Return what changed from one table to the other, counting the predictions of each from its score on."""
    return changes(_before, _after, scores)


@st.cache_data(show_spinner=False, max_entries=16)
def best_scores_of(
    before: TableKey, after: TableKey, _before: pa.Table, _after: pa.Table
) -> tuple[float | None, float | None]:
    """Return the scores of the best F1 of all classes, of (before, after); None where nothing was found."""
    return threshold_curve(_before).best, threshold_curve(_after).best


@st.cache_data(show_spinner=False, max_entries=16)
def class_metrics_of(key: TableKey, _table: pa.Table) -> list[ClassFigures]:
    """Return the metrics of each class."""
    return class_figures(_table)
