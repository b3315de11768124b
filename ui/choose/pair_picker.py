"""Which two evaluated models are compared: the two choices of Compare, and which of all models fit together.

`before` and `after` are models of one run or of two. What comes after is the model that Results and Errors look at too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from core import LabError, RunError
from core.evaluation.findings.changes import GROUND_COLUMNS, Changes, changes, ground_truth, refuse_others
from core.evaluation.findings.curves import ClassFigures, class_figures
from core.evaluation.selection import Selection
from core.evaluation.table import read_table
from core.runs.models import evaluated_models
from core.runs.schema import Evaluation, Run
from ui.choose import pickers
from ui.choose.run_picker import MODEL, RUN, EvaluatedModel, remember
from ui.text import plain

BEFORE = "model before"  # in the session: (run id, model); nothing until it is chosen
AFTER_PICKER, BEFORE_PICKER = "compare after", "compare before"
FIRST_VIEW = "changes"  # in the address
MOST_OFFERED = 6  # models that fit
Key = tuple[str, str]  # a run's id and the name of one of its models, as an address has them


def all_models(found: list[tuple[Run, list[Evaluation]]]) -> dict[Key, EvaluatedModel]:
    """Every evaluated model, those of the newest run first."""
    answer = {}
    for run, evaluations in found:
        models = evaluated_models(evaluations)
        for name, evaluation in models.items():
            answer[run.id, name] = EvaluatedModel(run, name, evaluation, models.get("untouched"))
    return answer


def key_of(one: EvaluatedModel) -> Key:
    return one.run.id, one.model


def model_name(one: EvaluatedModel) -> str:
    """Which of its run's models it is, in a word."""
    return "imported" if one.run.is_imported else one.model


def short_names(before: EvaluatedModel, after: EvaluatedModel) -> tuple[str, str]:
    """What the two are called beside each other: by their runs, of one run by the models, or by both."""
    if before.run.id == after.run.id:
        return model_name(before).capitalize(), model_name(after).capitalize()
    names = tuple(f"{pickers.run_name(one.run)} · {model_name(one)}" for one in (before, after))
    if names[0] == names[1]:
        names = tuple(f"{name} · {one.run.id[-4:]}" for name, one in zip(names, (before, after), strict=True))
    return names


def pick_two(
    models: Mapping[Key, EvaluatedModel], address: Mapping[str, list[str]] | None
) -> tuple[EvaluatedModel, EvaluatedModel]:
    """The two choices as widgets, and a button that swaps them; as the address says, if there is one."""
    if address:
        remember(RUN, address.get("run", [None])[0])
        remember(MODEL, address.get("model", [None])[0])
        remember(BEFORE, tuple(address.get(name, [""])[0] for name in ("before", "before_model")))
    after = _chosen_after(models)
    rest = {key: one for key, one in models.items() if one is not after}
    before = rest.get(st.session_state.get(BEFORE)) or default_before(models, after)
    labels = _labels(models)
    key = pickers.pick("Before", {k: labels[k] for k in rest}, BEFORE_PICKER, key_of(before), _choose_before)
    if key != key_of(before):
        before = rest[key]
    pickers.pick("After", labels, AFTER_PICKER, key_of(after), lambda chosen: _choose(key_of(before), chosen))
    st.button("Swap", key="swap", icon=":material/swap_vert:", width="stretch", on_click=_choose,
              args=(key_of(after), key_of(before)), help="What was before comes after.")  # fmt: skip
    return before, after


def _chosen_after(models: Mapping[Key, EvaluatedModel]) -> EvaluatedModel:
    """The model looked at, or else its run's first, or else the newest run's."""
    run, model = st.session_state.get(RUN), st.session_state.get(MODEL)
    own = [one for key, one in models.items() if key[0] == run]
    return models.get((run, model)) or next(iter(own or models.values()))


def _choose_before(key: Key) -> None:
    remember(BEFORE, key)


def _choose(before: Key, after: Key) -> None:
    """A callback: these two. Where both are the same model, the other side finds another."""
    remember(BEFORE, before if before != after else None)
    remember(RUN, after[0])
    remember(MODEL, after[1])


def choose_pair(before: EvaluatedModel, after: EvaluatedModel) -> None:
    """A button's callback."""
    _choose(key_of(before), key_of(after))


def default_before(models: Mapping[Key, EvaluatedModel], after: EvaluatedModel) -> EvaluatedModel:
    """The best model of the run before on the same images, else the own untouched one, else any."""
    older = [one for one in models.values() if one.run.created < after.run.created and one.model != "last"]
    firsts = {one.run.id: one for one in reversed(older)}  # of each run its best, or its only one
    for one in sorted(firsts.values(), key=lambda one: -one.run.created):
        if are_comparable(one, after):
            return one
    rest = [one for one in models.values() if one is not after]
    own = [one for one in rest if one.run.id == after.run.id]
    return next((one for one in own if one.model == "untouched"), (own or rest)[0])


def compare_address(found: list[tuple[Run, list[Evaluation]]], looked: EvaluatedModel, score: float) -> dict:
    """What Compare's address says at first with this model after: whoever opens it whole leaves one step in history."""
    models = all_models(found)
    address = {"run": looked.run.id, "model": looked.model, "view": FIRST_VIEW, **Selection(score).to_query()}
    if len(models) > 1:
        before = default_before(models, models[key_of(looked)])
        address |= {"before": before.run.id, "before_model": before.model}
    return address


def comparable_models(models: Mapping[Key, EvaluatedModel], after: EvaluatedModel) -> list[EvaluatedModel]:
    """All other models that were evaluated on the same images, annotations and classes."""
    return [one for one in models.values() if one is not after and are_comparable(one, after)]


def are_comparable(one: EvaluatedModel, other: EvaluatedModel) -> bool:
    """Whether the two can be compared; not if a table is gone."""
    try:
        marks = [_ground_truth(e.evaluation.table, e.evaluation.created) for e in (one, other)]
    except LabError:
        return False
    return marks[0] == marks[1]


@st.cache_data(show_spinner=False, max_entries=1000)
def _ground_truth(path: Path, created: float) -> str:
    return ground_truth(read_table(path, GROUND_COLUMNS, pc.field("kind") == "ground_truth"))


def show_comparable_models(models: Mapping[Key, EvaluatedModel], after: EvaluatedModel, problem: str) -> None:
    """The two cannot be compared: why, and which could be."""
    st.warning(plain(problem))
    found = comparable_models(models, after)
    if not found:
        st.caption("No other model was evaluated on the same data as the one after: choose another there.")
        return
    st.caption("These were evaluated on the same data as the one after:")
    labels = _labels(models)
    for one in found[:MOST_OFFERED]:
        st.button(plain(labels[key_of(one)]), key=f"fits {one.run.id} {one.model}", icon=":material/compare:",
                  on_click=choose_pair, args=(one, after))  # fmt: skip
    if len(found) > MOST_OFFERED:
        st.caption(f"And {len(found) - MOST_OFFERED:,} more.")


def _labels(models: Mapping[Key, EvaluatedModel]) -> dict[Key, str]:
    """A line for each; runs of the same name are told apart by the end of their ids."""
    lines = {
        key: [pickers.run_name(one.run), model_name(one)]
        + ([] if one.run.is_imported or not one.evaluation.epoch else [f"epoch {one.evaluation.epoch}"])
        + [f"AP {pickers.ap_text(one.evaluation.figures.get('AP'))}"]
        for key, one in models.items()
    }
    texts = {key: " · ".join(words) for key, words in lines.items()}
    twice = {text for text in texts.values() if list(texts.values()).count(text) > 1}
    return {key: f"{text} · {key[0][-4:]}" if text in twice else text for key, text in texts.items()}


# What is found, once for all sessions


@st.cache_data(show_spinner=False, max_entries=64)
def problem_of(before: tuple, after: tuple, _before: pa.Table, _after: pa.Table) -> str:
    """Why the two tables cannot be compared, in a sentence; empty if they can."""
    try:
        refuse_others(_before, _after)
    except RunError as error:
        return str(error)
    return ""


@st.cache_resource(show_spinner="Comparing every object …", max_entries=8)
def changes_of(before: tuple, after: tuple, score: float, _before: pa.Table, _after: pa.Table) -> Changes:
    """`before` and `after` name the tables."""
    return changes(_before, _after, score)


@st.cache_data(show_spinner=False, max_entries=16)
def figures_of(mark: tuple, _table: pa.Table) -> list[ClassFigures]:
    return class_figures(_table)
