"""What models answer on Predict: the task that asks a real one, and the answers as they come."""

import shutil
import threading

import numpy as np
import pytest

from core import PROJECT
from core.config import STARTER, TrainConfig
from core.inference.own_pictures import OwnPicture
from core.runs.store import RunStore
from ui.predict import answers as room
from ui.predict.answers import Answers, start_predicting
from ui.predict.model_picker import ModelChoice, model_choices
from ui.server.background import background_tasks
from ui.server.model_worker import ModelWorker


@pytest.fixture(scope="module")
def whole(tmp_path_factory, start_warm):
    """A store with a run whose best model is the starter, and the process that answers with it."""
    root = tmp_path_factory.mktemp("root")
    store, worker = RunStore(root), ModelWorker(str(root), start_warm)
    run = store.create(TrainConfig(data="x", shortest_edge=192, longest_edge=256).to_dict())
    shutil.copytree(PROJECT / STARTER, store.checkpoint(run.id, "best"))
    yield store, worker
    worker.stop()
    store.close()


@pytest.fixture
def asked(whole, monkeypatch):
    monkeypatch.setattr(room, "model_worker", lambda: whole[1])
    return whole[0]


def finish(task):
    seen = list(task.progress())
    task.join(60)
    assert not task.is_running
    return seen


def pictures_of(store, count):
    paths = sorted((store.data_dir / "street/val").glob("*.jpg"))[:count]
    return {n: OwnPicture(path.name, path, (64, 48)) for n, path in enumerate(paths, 1)}


def test_every_picture_gets_an_answer_and_a_broken_one_its_sentence(store, asked):
    answers, starter = Answers(), ModelChoice(STARTER, None, "Starter")
    pictures = pictures_of(store, 3)
    pictures[2] = OwnPicture("gone.png", store.root / "gone.png", (64, 48))
    assert answers.missing(pictures) == pictures
    task = start_predicting("test asking", starter, pictures, answers)
    finish(task)
    assert not task.error and task.latest == (3, 3)
    assert set(answers.predictions) == {1, 3} and "is missing" in answers.refused[2]
    assert answers.missing(pictures) == {} and answers.missing({**pictures, 4: pictures[1]}) == {4: pictures[1]}
    assert set(answers.predictions[3].detections.image_id.tolist()) == {3}
    assert answers.label_map.names[0] == "person" and answers.device
    background_tasks().forget("test asking")


def test_a_model_that_cannot_be_asked_is_told_once(store, asked):
    answers = Answers()
    task = start_predicting("test no model", ModelChoice("./nothing/here", None, "x"), pictures_of(store, 2), answers)
    finish(task)
    assert "There is no model in the folder" in task.error and not answers.predictions
    background_tasks().forget("test no model")


def test_a_runs_best_answers_as_the_checkpoint_that_it_is(store, asked):
    (best,) = (choice for choice in model_choices(asked).values() if choice.run_id)
    said = []
    for choice in (best, ModelChoice(STARTER, None, "Starter")):
        answers = Answers()
        finish(start_predicting(f"test {choice.model}", choice, pictures_of(store, 1), answers))
        background_tasks().forget(f"test {choice.model}")
        said.append(answers.predictions[1].detections)
    assert np.array_equal(said[0].boxes, said[1].boxes) and len(said[0]) == 30


def test_it_is_stopped_between_two_pictures(store, monkeypatch):
    begun = threading.Event()

    class Slow:
        asked = 0

        def ask(self, request, seconds):
            Slow.asked += 1
            begun.wait(20)
            task.stop()
            return {"names": ["car"], "category_ids": [3], "device": "CPU", "refused": "no"}

    monkeypatch.setattr(room, "model_worker", Slow)
    answers = Answers()
    task = start_predicting("test stop", ModelChoice("m", None, "m"), pictures_of(store, 3), answers)
    begun.set()
    finish(task)
    assert task.stopped and not task.error and Slow.asked == 1 and list(answers.refused) == [1]
    background_tasks().forget("test stop")
