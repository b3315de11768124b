"""What Predict asks of the models: which one, the task of asking, and the answers, which a session keeps.

In: a choice of model and pictures by number. Out: predictions by number as they come, from the child that has torch
(`ui/server/model_worker.py`), one picture at a time, so that it can be stopped between two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import streamlit as st

from core import LabError
from core.config import RANDOM_MODEL
from core.detr.pretrained import KNOWN_MODELS
from core.inference.own_pictures import OwnPicture
from core.inference.predictions import Prediction
from core.labels import LabelMap
from core.runs.schema import Run
from core.runs.store import RunStore
from ui.choose.pickers import STARTER, run_name
from ui.choose.run_picker import MODEL, RUN
from ui.server import services
from ui.server.background import Task, background_tasks
from ui.server.model_worker import models

FIRST_SECONDS = 300.0  # that the first answer may take: a large model is loaded, or fetched
SECONDS = 120.0  # that any other may take
KEPT = 4  # models whose answers a session keeps
PICKER, TYPED, ANSWERS, READY = (f"predict {what}" for what in ("model", "typed", "answers", "ready"))
WHICH = {"best": "Best", "last": "Last", "untouched": "Untouched"}


@dataclass(frozen=True)
class Choice:
    """A model to ask: `model` of the run, or without a run a checkpoint's folder or a name on the hub.

    label  what it is called here
    stamp  changes with its weights, where they may change
    """

    model: str
    run_id: str | None
    label: str
    stamp: str = ""

    @property
    def mark(self) -> str:
        return f"{self.run_id} {self.model} {self.stamp}"


@dataclass
class Answers:
    """What one model has said so far: its classes and device, and by a picture's number a prediction or a refusal."""

    label_map: LabelMap | None = None
    device: str = ""
    predictions: dict[int, Prediction] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)

    def missing(self, pictures: dict[int, OwnPicture]) -> dict[int, OwnPicture]:
        """The pictures that it has not been asked about."""
        return {n: own for n, own in pictures.items() if n not in self.predictions and n not in self.refused}


# Which model


def pick_choice(store: RunStore) -> Choice:
    """The models of all runs that have kept some, the starter and published ones; or any that is typed."""
    found, typed = choices(store), st.session_state.setdefault(TYPED, [])
    asked = st.session_state.setdefault(PICKER, first_choice(found))
    if asked not in (*found, *typed):
        typed.append(asked)
    found |= {value: Choice(value, None, value) for value in typed if value not in found}
    chosen = st.selectbox(
        "Model", list(found), format_func=lambda value: found[value].label if value in found else value, key=PICKER,
        accept_new_options=True, persist_state="session",
        help="Of a run, or the starter; or type a checkpoint's folder, or a model's name on the Hugging Face hub.",
    )  # fmt: skip
    return found.get(chosen) or Choice(chosen, None, chosen)


def choices(store: RunStore) -> dict[str, Choice]:
    """Every model that can be asked, by a value that stays while a run trains; the newest runs first."""
    found = {}
    for run in store.runs():
        found |= {f"{run.id}/{one.model}": one for one in _of_run(store, run)}
    found[STARTER] = Choice(STARTER, None, "Starter model (built in)")
    return found | {name: Choice(name, None, name) for name in KNOWN_MODELS if name not in (STARTER, RANDOM_MODEL)}


def first_choice(found: dict[str, Choice]) -> str:
    """The model that was last looked at on another page, else the newest run's best, else the first there is."""
    looked = f"{st.session_state.get(RUN)}/{st.session_state.get(MODEL)}"
    return looked if looked in found else next(iter(found))


def _of_run(store: RunStore, run: Run) -> list[Choice]:
    """Its best, its last if that is another epoch's, and the untouched model it began with."""
    if run.is_imported:
        return []
    stamps = {name: services.stamp(store.checkpoint(run.id, name) / "model.safetensors") for name in ("best", "last")}
    if run.best_epoch and run.best_epoch == run.epoch and stamps["best"]:
        stamps["last"] = ""
    kept = [name for name, stamp in stamps.items() if stamp]
    if kept and run.label_map:
        kept.append("untouched")
    return [Choice(name, run.id, f"{WHICH[name]} of {run_name(run)}", stamps.get(name, "")) for name in kept]


# Asking it


def answers_of(choice: Choice) -> Answers:
    """What this session has heard of the model; the oldest of KEPT models goes for a new one."""
    heard = st.session_state.setdefault(ANSWERS, {})
    answers = heard.pop(choice.mark, None) or Answers()
    heard[choice.mark] = answers  # the last one asked for stays longest
    while len(heard) > KEPT:
        del heard[next(iter(heard))]
    return answers


def get_ready(choice: Choice) -> None:
    """Has the model loaded, if it is a run's, while the user looks for pictures; once for each choice."""
    if st.session_state.get(READY) != choice.mark:
        st.session_state["predict ready"] = choice.mark
        models().warm(**({"run": choice.run_id, "model": choice.model} if choice.run_id else {}))


def begin(name: str, choice: Choice, pictures: dict[int, OwnPicture], answers: Answers) -> Task:
    """Asks about the pictures one after the other; the answers come into `answers`. Yields (how many, of how many)."""
    return background_tasks().start(name, lambda: _ask_all(choice, pictures, answers), "The model could not be asked")


def _ask_all(choice: Choice, pictures: dict[int, OwnPicture], answers: Answers) -> Iterator[tuple[int, int]]:
    yield 0, len(pictures)
    for done, (number, own) in enumerate(pictures.items(), start=1):
        picture = {"path": str(own.path), "width": own.size[0], "height": own.size[1]}
        asked = {"ask": "predict", "model": choice.model, "run": choice.run_id, "picture": picture}
        said = models().ask(asked, SECONDS if answers.label_map else FIRST_SECONDS)
        if "error" in said:
            raise LabError(said["error"])
        answers.label_map, answers.device = LabelMap.from_dict(said), said["device"]
        if "refused" in said:
            answers.refused[number] = said["refused"]
        else:
            answers.predictions[number] = Prediction.from_dict(said["prediction"], number)
        yield done, len(pictures)
