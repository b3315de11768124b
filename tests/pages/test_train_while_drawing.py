"""Train while the built-in scenes are still being drawn: the form stands, and a click counts."""

import shutil
import threading

import pytest
import streamlit as st

from core import DataError, RunError
from core.config import TrainConfig
from tests.pages.train_page import checked, click_train, open_page, setting, shown
from ui.choose import built_in
from ui.server.background import background_tasks
from ui.train import drawing as ui_drawing

NAME = ui_drawing.NAME


class Scenes:
    """The drawing of the first data set, which has drawn 3 of 700 scenes and goes on when it is told."""

    def __init__(self, store, drawn) -> None:
        self.folder, self.drawn = store.data_dir / "street", drawn
        self.error = None
        self.times = 0
        self.goes_on = threading.Event()

    def draw(self, one, data_dir):
        self.times += 1
        yield 3, 700
        while not self.goes_on.wait(0.02):
            yield 3, 700
        if self.error:
            raise self.error
        shutil.copytree(self.drawn, self.folder)
        yield 700, 700

    def end(self):
        """Draw the rest; wait until whatever waited for it has begun."""
        self.goes_on.set()
        for name in (f"draw {self.folder}", NAME):
            if task := background_tasks().find(name):
                task.join(20)
                assert not task.is_running


@pytest.fixture
def scenes(store, drawn, monkeypatch):
    shutil.rmtree(store.data_dir / "street")
    scenes = Scenes(store, drawn)
    monkeypatch.setattr(built_in, "draw_built_in", scenes.draw)
    yield scenes
    scenes.end()
    background_tasks().forget(NAME)
    background_tasks().forget(f"draw {scenes.folder}")


@pytest.fixture
def at_once(monkeypatch):
    """The page's script ends where it would follow the drawing, so that the page can be looked at meanwhile."""
    monkeypatch.setattr(ui_drawing, "follow", lambda *_: st.stop())


@pytest.fixture
def followed(scenes, monkeypatch):
    """A page on which Train was clicked; the drawing goes on once the page follows it, at the next turn."""
    with monkeypatch.context() as context:
        context.setattr(ui_drawing, "follow", lambda *_: st.stop())
        app = click_train(open_page())
    follow = ui_drawing.follow
    monkeypatch.setattr(ui_drawing, "follow", lambda *both: scenes.goes_on.set() or follow(*both))
    return app


def captions(app) -> str:
    return " ".join(caption.value for caption in app.caption)


def test_the_form_stands_and_train_can_be_clicked(scenes, at_once):
    app = open_page()
    assert "Drawing the scenes, once: " in captions(app) and " of 700" in captions(app)
    assert "Copied from the model: all 10 classes." in captions(app)
    assert setting(app, "classes").options[:2] == ["person", "bicycle"]
    assert not app.button(key="train").disabled and not app.error
    assert not scenes.folder.exists()


def test_a_class_that_the_model_does_not_know_is_told_before_it_is_drawn(scenes, at_once, store):
    app = open_page()
    checked(setting(app, "data").set_value(str(store.data_dir / "scooters")).run())
    assert captions(app).count("fresh: scooter.") == 1
    scenes.end()
    background_tasks().find(f"draw {store.data_dir / 'scooters'}").join(20)


def test_a_click_begins_the_training_when_all_are_drawn_though_the_tab_is_closed(scenes, at_once, store):
    app = open_page()
    checked(setting(app, "epochs").set_value(3).run())
    app = click_train(app)
    assert not store.runs() and app.button(key="train").disabled and app.button(key="cancel waiting")
    assert open_page().button(key="train").disabled  # in another tab, too
    scenes.end()
    (run,) = store.runs()
    assert (run.config["epochs"], run.config["data"]) == (3, str(scenes.folder))


def test_the_page_follows_until_the_run_is_there(scenes, store, followed):
    app = checked(followed.run())
    (run,) = store.runs()
    assert shown(app)["run"] == run.id
    assert "3 train + 30 val images" in captions(app)
    assert not app.error and not app.button(key="train").disabled


def test_a_click_can_be_taken_back(scenes, at_once, store):
    app = click_train(open_page())
    checked(app.button(key="cancel waiting").click().run())
    assert not app.button(key="train").disabled
    assert "click **Train**" in app.info[0].value
    scenes.end()
    assert not store.runs()


def test_only_one_training_waits(scenes, at_once, store):
    click_train(open_page())
    task = background_tasks().find(f"draw {scenes.folder}")
    with pytest.raises(RunError, match="waits for the scenes"):
        ui_drawing.begin_when_drawn(TrainConfig(), task)
    scenes.end()
    assert len(store.runs()) == 1


def test_a_drawing_that_fails_is_told_once_and_tried_again_at_the_next_turn(scenes, store, followed):
    scenes.error = DataError("The disk is full.")
    app = checked(followed.run())
    assert [error.value for error in app.error] == ["The disk is full."]
    assert app.button(key="train").disabled and scenes.times == 1
    scenes.error = None
    checked(app.run())
    assert scenes.times == 2 and not app.error and not app.button(key="train").disabled
    assert not store.runs()  # what waited has been told that it cannot begin


def test_who_brought_a_folder_waits_for_no_scenes(scenes, store, drawn):
    shutil.copytree(drawn, store.data_dir / "mine")
    app = open_page(data=str(store.data_dir / "mine"))
    assert setting(app, "data").value.endswith("mine") and not app.button(key="train").disabled
    assert scenes.times == 0
    click_train(app)
    assert store.get("last").config["data"].endswith("mine") and scenes.times == 0
