"""Predict: pictures in, boxes out, with a real model; what goes wrong is said, and what was found is kept."""

import io
import json
import threading
import time
from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.inference.own_pictures import ENDINGS
from core.inference.predictions import Prediction
from ui.choose.pickers import OTHER
from ui.predict import answers as room
from ui.server import services
from ui.server.background import background_tasks
from ui.server.model_worker import ModelWorker

SHELL = str(Path(__file__).parents[2] / "ui/shell.py")
PAGE = "../pages/predict.py"


@pytest.fixture(scope="module")
def worker(start_warm):
    worker = ModelWorker(start=start_warm)
    yield worker
    worker.stop()


class Counting:
    """Passes questions on and counts them."""

    def __init__(self, worker):
        self.worker, self.asked = worker, []

    def ask(self, request, seconds):
        self.asked.append(request)
        return self.worker.ask(request, seconds)

    def warm(self, **model):
        self.asked.append({"ask": "warm", **model})

    @property
    def pictures(self) -> int:
        return sum(request["ask"] == "predict" for request in self.asked)


@pytest.fixture
def models(worker, monkeypatch, store):
    counting = Counting(worker)
    monkeypatch.setattr(room, "model_worker", lambda: counting)
    yield counting
    background_tasks().stop_all(30)
    services.uploads().clear()


def open_page(model=None):
    """The page; `model` as if it had been typed."""
    app = AppTest.from_file(SHELL, default_timeout=60).run()
    if model:
        app.session_state["predict model"] = model
    app.switch_page(PAGE)
    return checked(app.run())


def checked(app):
    assert not app.exception, app.exception
    return app


def settled(app):
    """The page once all tasks have ended."""
    deadline = time.monotonic() + 60
    while any(button.key == "predict stop" for button in app.button):
        assert time.monotonic() < deadline
        time.sleep(0.05)
        checked(app.run())
    return app


def encoded(colour="navy", form="PNG", size=(64, 48)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, form)
    return file.getvalue()


def drop(app, *files):
    """Drops (name, bytes) into the uploader."""
    app.file_uploader[0].set_value([(name, data, "image/png") for name, data in files])
    return checked(app.run())


def street(store, count):
    paths = sorted((store.data_dir / "street/val").glob("*.jpg"))[:count]
    return [(path.name, path.read_bytes()) for path in paths]


def shown(app) -> dict:
    return json.loads(json.loads(app.get("bidi_component")[0].proto.json)[0]["page"])


def boxes(app) -> list[int]:
    return shown(app)["models"][0]["predictions"]["n"]


def keys(app):
    return {button.key for button in app.button}


def test_the_empty_page_says_what_to_do_and_has_a_model_loaded_once(models):
    app = open_page()
    assert "Drop pictures of your own" in app.info[0].value and not app.get("bidi_component")
    checked(app.run())
    assert [request["ask"] for request in models.asked] == ["warm"]
    assert app.selectbox[0].options[0] == "Starter model (built in)"
    assert set(ENDINGS) <= set(app.file_uploader[0].allowed_type)


def test_the_built_in_pictures_are_there_with_their_boxes_after_a_click(models, store):
    app = open_page()
    app.button(key="predict built in").click()
    app = settled(checked(app.run()))
    page = shown(app)
    assert [image["name"] for image in page["images"]] == [name for name, _ in street(store, 6)]
    assert page["bare"] and page["score"] == 0.5 and boxes(app) and models.pictures == 6
    assert "6 pictures · Starter model (built in) · " in app.caption[0].value
    assert " a picture in the model, " in app.caption[0].value


def test_a_broken_file_never_hides_the_good_ones(models, store):
    app = open_page()
    files = [*street(store, 1), ("<b>*broken*.jpg", b"nothing"), ("iphone.heic", b"\0\0\0\x18ftypheic"),
             ("white [x](y).png", encoded("white"))]  # fmt: skip
    app = settled(drop(app, *files))
    assert [image["name"] for image in shown(app)["images"]] == [files[0][0], files[3][0]]
    assert [error.value for error in app.error] == [
        (
            r"\<b\>\*broken\*.jpg cannot be read (not a JPEG, PNG, WebP, BMP, GIF, TIFF or PPM picture): "
            "save it again as JPEG or PNG."
        ),
        "iphone.heic is a HEIC picture, which cannot be read here: save it as JPEG first.",
    ]
    assert models.pictures == 2
    app = settled(drop(app, ("more.png", encoded())))  # into a new, empty uploader
    assert not app.error and len(shown(app)["images"]) == 3 and models.pictures == 3


def test_pictures_and_boxes_are_still_there_after_a_visit_to_another_page(models, store):
    app = settled(drop(open_page(), *street(store, 3)))
    before = shown(app)
    app.switch_page("../pages/train.py")
    checked(app.run())
    app.switch_page(PAGE)
    app = settled(checked(app.run()))
    assert shown(app)["images"] == before["images"] and boxes(app) == before["models"][0]["predictions"]["n"]
    assert models.pictures == 3


def test_another_model_is_asked_at_once_and_the_first_ones_boxes_are_kept(models, store):
    typed = str(Path("checkpoints/starter").resolve())
    app = settled(drop(open_page(typed), *street(store, 2)))
    first = boxes(app)
    for chosen in ("checkpoints/starter", OTHER):  # what was typed is still there
        app.selectbox[0].set_value(chosen)
        app = settled(checked(app.run()))
        assert models.pictures == 4 and boxes(app) == first
    assert [request["model"] for request in models.asked if "model" in request][-4:] == [
        typed, typed, "checkpoints/starter", "checkpoints/starter",
    ]  # fmt: skip


def test_many_pictures_are_asked_about_at_a_click(models, store, monkeypatch):
    app = drop(open_page(), *street(store, 13))
    assert "predict stop" not in keys(app) and app.button(key="predict now").label == "Predict 13 pictures"
    assert len(shown(app)["images"]) == 13 and models.pictures == 0
    app.button(key="predict now").click()
    app = settled(checked(app.run()))
    assert models.pictures == 13 and "predict now" not in keys(app)
    app = settled(drop(app, ("one more.png", encoded())))
    assert models.pictures == 14


def test_a_stopped_task_waits_for_a_click(models, store, monkeypatch):
    go = threading.Event()

    class Gate(Counting):
        def ask(self, request, seconds):
            go.wait(30)
            return super().ask(request, seconds)

    gate = Gate(models.worker)
    monkeypatch.setattr(room, "model_worker", lambda: gate)
    app = drop(open_page(), *street(store, 3))
    app.button(key="predict stop").click()
    checked(app.run())
    go.set()
    app = settled(checked(app.run()))
    assert gate.pictures == 1 and app.button(key="predict now").label == "Predict 2 pictures"
    checked(app.run())
    assert gate.pictures == 1 and boxes(app)[0] > 0 == boxes(app)[1]
    app.button(key="predict now").click()
    app = settled(checked(app.run()))
    assert gate.pictures == 3 and "predict now" not in keys(app)


def test_a_model_that_cannot_be_asked_is_told_and_tried_again_at_a_click(models, store):
    app = settled(drop(open_page("./no/*model*"), *street(store, 2)))
    assert r"There is no model in the folder ./no/\*model\*" in app.error[0].value
    assert models.pictures == 1 and app.button(key="predict now")
    checked(app.run())
    assert models.pictures == 1
    app.button(key="predict now").click()
    settled(checked(app.run()))
    assert models.pictures == 2


def test_the_galleries_score_is_the_tables_and_the_downloads(models, store):
    app = settled(drop(open_page(), *street(store, 6)))
    app.session_state["score"] = 0.05
    checked(app.run())
    app.session_state["predict boxes"] = True  # opens the table
    checked(app.run())
    assert shown(app)["score"] == 0.05
    table = app.dataframe[0].value
    assert list(table.columns) == ["Picture", "Class", "Score", "x", "y", "Width", "Height"]
    assert len(table) == sum(boxes(app)) > 0 and table["Score"].min() >= 0.05
    assert f"{len(table):,} boxes with a score of 0.05 or more" in app.caption[-1].value


def test_the_camera_is_off_until_it_is_asked_for(models):
    app = open_page()
    assert not app.camera_input
    app.toggle(key="predict camera").set_value(True)
    checked(app.run())
    app.camera_input[0].set_value(("photo.jpg", encoded("red", "JPEG"), "image/jpeg"))
    app = settled(checked(app.run()))
    assert [image["name"] for image in shown(app)["images"]] == ["photo.jpg"]
    app = settled(checked(app.run()))
    assert models.pictures == 1  # and not again


def test_a_session_does_not_see_another_ones_pictures(models, store):
    app, other = drop(open_page(), *street(store, 1)), open_page()
    assert app.session_state["predict key"] != other.session_state["predict key"]
    assert not other.get("bidi_component")
    settled(app)


def test_clear_deletes_the_pictures(models, store):
    app = settled(drop(open_page(), *street(store, 2)))
    folder = services.uploads().folder / app.session_state["predict key"]
    assert len(list(folder.iterdir())) == 2
    app.button(key="predict clear").click()
    checked(app.run())
    assert app.info and not app.get("bidi_component") and not folder.exists()
    app = settled(drop(app, *street(store, 1)))
    assert models.pictures == 3 and len(shown(app)["images"]) == 1


def test_new_pictures_on_a_second_page_are_shown_at_once(models, store):
    app = drop(open_page(), *street(store, 26))
    assert app.session_state["predict page"] == 1
    app = drop(app, ("new.png", encoded()))
    assert app.session_state["predict page"] == 2 and shown(app)["images"][-1]["name"] == "new.png"


def test_a_picture_that_the_model_refuses_is_told_beside_the_others(models, store):
    app = drop(open_page(), *street(store, 13))
    services.uploads().find(app.session_state["predict key"], 2)[0].unlink()
    app.button(key="predict now").click()
    app = settled(checked(app.run()))
    assert len(app.warning) == 1 and "is missing" in app.warning[0].value
    assert len(list(boxes(app))) == 13 and isinstance(boxes(app)[0], int)


def test_a_prediction_has_the_pictures_number(models, store):
    app = settled(drop(open_page(), *street(store, 2)))
    (answers,) = app.session_state["predict answers"].values()
    assert all(isinstance(p, Prediction) for p in answers.predictions.values())
    assert {n: set(p.detections.image_id.tolist()) for n, p in answers.predictions.items()} == {1: {1}, 2: {2}}
