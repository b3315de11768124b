"""What the models answer on Predict: the task that asks them, and the answers, which a session keeps.

In: a chosen model and pictures by number. Out: predictions by number as they come, from the child process that has
torch (`ui/server/model_worker.py`), one picture at a time, so that the task can be stopped between two.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field

import streamlit as st

from core import LabError
from core.inference.own_pictures import OwnPicture
from core.inference.predictions import Prediction
from core.labels import LabelMap
from ui.predict.model_picker import ModelChoice
from ui.server.background import Task, background_tasks
from ui.server.model_worker import model_worker

FIRST_SECONDS = 300.0  # that the first answer may take: a large model is loaded, or downloaded
SECONDS = 120.0  # that any other answer may take
KEPT = 4  # models whose answers a session keeps
ANSWERS, PRELOADED = "predict answers", "predict ready"  # in the session


@dataclass
class Answers:
    """What one model has answered so far: its classes and device, and for each picture's number a result.

    predictions  by number: its boxes
    refused      by number: a sentence on why it could not be read
    """

    label_map: LabelMap | None = None
    device: str = ""
    predictions: dict[int, Prediction] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)

    def missing(self, pictures: dict[int, OwnPicture]) -> dict[int, OwnPicture]:
        """Return the pictures that have no answer yet."""
        return {n: picture for n, picture in pictures.items() if n not in self.predictions and n not in self.refused}


def answers_of(choice: ModelChoice) -> Answers:
    """Return what this session has from the model; beyond KEPT models the one not used for longest is dropped."""
    answers_by_model = st.session_state.setdefault(ANSWERS, {})
    answers = answers_by_model.pop(choice.key, None) or Answers()
    answers_by_model[choice.key] = answers  # at the end: the first one is dropped next
    while len(answers_by_model) > KEPT:
        del answers_by_model[next(iter(answers_by_model))]
    return answers


def preload(choice: ModelChoice) -> None:
    """Have a run's model loaded while the user looks for pictures, once for each choice."""
    if st.session_state.get(PRELOADED) != choice.key:
        st.session_state[PRELOADED] = choice.key
        model_worker().warm(**({"run": choice.run_id, "model": choice.model} if choice.run_id else {}))


def start_predicting(name: str, choice: ModelChoice, pictures: dict[int, OwnPicture], answers: Answers) -> Task:
    """Start the task that fills `answers`, one picture after the other; it yields (pictures done, pictures in all)."""
    return background_tasks().start(name, lambda: _ask_all(choice, pictures, answers), "The model could not be asked")


def _ask_all(
    choice: ModelChoice, pictures: dict[int, OwnPicture], answers: Answers
) -> Generator[tuple[int, int], None, None]:
    yield 0, len(pictures)
    for done, (number, picture) in enumerate(pictures.items(), start=1):
        file = {"path": str(picture.path), "width": picture.size[0], "height": picture.size[1]}
        request = {"ask": "predict", "model": choice.model, "run": choice.run_id, "picture": file}
        answer = model_worker().ask(request, SECONDS if answers.label_map else FIRST_SECONDS)
        if "error" in answer:
            raise LabError(answer["error"])
        answers.label_map, answers.device = LabelMap.from_dict(answer), answer["device"]
        if "refused" in answer:
            answers.refused[number] = answer["refused"]
        else:
            answers.predictions[number] = Prediction.from_dict(answer["prediction"], number)
        yield done, len(pictures)
