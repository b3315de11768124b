"""The panel of an application, on a small page: it opens, is followed, ends, and says what came of it.

A small process stands in for the applications, whose real ones `tests/core/apps` opens.
"""

import sys
from unittest.mock import Mock

import psutil
import pytest
from streamlit.testing.v1 import AppTest

from core.apps import side_app
from core.apps.side_app import FIFTYONE, TENSORBOARD, AppProcess
from core.evaluation.table import read_table
from core.runs.evaluated.attributes import attributes_of
from core.runs.evaluated.tags import keep_tags, tags_path
from tests.core.runs.waiting import until
from ui.server import attributes as known
from ui.server import services
from ui.server.background import background_tasks
from ui.server.side_apps import SideApps

CHILD = """
import sys
from core import LabError
from core.apps.answering import answer_requests
def answer(request):
    yield "Loading"
    if sys.argv[1] == "refuse":
        raise LabError("There is no *database* here.")
    if request["ask"] == "tags":
        return {"sentence": "1 mark added, 0 removed; tags that are slices now: *odd*."}
    return {"port": 5199, "path": "/datasets/a%20b", "note": "2 images are left out.", "asked": request}
answer_requests("FiftyOne", answer)
"""


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch, store):
    """The processes of the server, in whose place a small one stands; "refuse" makes it refuse everything."""
    apps = SideApps()
    kind = ["serve"]

    def fill():
        for app in (FIFTYONE, TENSORBOARD):
            apps._processes[app.key] = AppProcess(app, command=[sys.executable, "-c", CHILD, kind[0]])

    fill()
    for module in ("ui.apps.panel", "ui.apps.fiftyone"):
        monkeypatch.setattr(f"{module}.side_apps", lambda: apps)

    def refuse():
        kind[0] = "refuse"
        fill()

    apps.refuse = refuse
    yield apps
    apps.stop_all()
    background_tasks().stop_all(10)


def page():
    import streamlit as st

    from ui.apps.fiftyone import show_fiftyone
    from ui.apps.tensorboard import show_tensorboard
    from ui.choose.run_picker import EvaluatedModel
    from ui.server import services

    run = services.store().get(st.session_state.run)
    evaluation = services.store().evaluations(run.id)[-1]
    show_fiftyone(EvaluatedModel(run, "best", evaluation, None), 0.5, st.session_state.get("images", [3, 1]), "here")
    show_tensorboard(run)


@pytest.fixture
def app(finished):
    app = AppTest.from_function(page, default_timeout=30)
    app.session_state["run"] = finished.id
    return checked(app.run())


def checked(app):
    assert not app.exception, app.exception
    return app


def click(app, key, task) -> AppTest:
    """Clicks, waits for the task and comes back to the page."""
    checked(app.button(key=key).click().run())
    background_tasks().find(task).join(30)
    return checked(app.run())


def text(app) -> str:
    return " ".join(element.value for element in (*app.caption, *app.error)).replace("\\", "")


def links(app) -> list[str]:
    return [element.proto.url for element in app.get("link_button")]


def test_a_click_opens_it_and_the_page_has_its_link_and_names_its_port(app, finished, stand_ins):
    task = f"fiftyone {finished.id} 2"
    assert links(app) == []
    click(app, "here open", task)
    assert links(app) == ["http://127.0.0.1:5199/datasets/a%20b"]
    assert "at port 5199 of this machine only: from another one, forward that port, too." in text(app)
    assert "2 images are left out." in text(app)
    asked = background_tasks().find(task).result["asked"]
    assert asked == {
        "ask": "open", "run": finished.id, "epoch": 2, "score": 0.5, "corrected": False, "images": [3, 1],
    }  # fmt: skip


def test_the_link_of_tensorboard_shows_the_run(app, finished, stand_ins):
    click(app, "tensorboard open", "tensorboard")
    assert links(app) == [f"http://127.0.0.1:5199/datasets/a%20b?runFilter={finished.id}#timeseries"]


def test_a_process_that_was_killed_is_said_and_it_can_be_opened_again(app, finished, stand_ins):
    click(app, "here open", f"fiftyone {finished.id} 2")
    process = stand_ins.process_of(FIFTYONE)
    psutil.Process(process.pid).kill()
    until(lambda: process.pid is None)
    checked(app.run())
    assert links(app) == [] and "FiftyOne has ended (by signal 9): open it again." in text(app)
    click(app, "here open", f"fiftyone {finished.id} 2")
    assert len(links(app)) == 1 and "has ended" not in text(app)


def test_stop_brings_the_tags_back_and_ends_it(app, finished, stand_ins):
    click(app, "here open", f"fiftyone {finished.id} 2")
    pid = stand_ins.process_of(FIFTYONE).pid
    click(app, "here stop", f"fiftyone {finished.id} 2")
    assert links(app) == [] and not psutil.pid_exists(pid)
    assert text(app) == "1 mark added, 0 removed; tags that are slices now: *odd*."


def test_tags_come_back_while_it_stays_open(app, finished, stand_ins):
    click(app, "here open", f"fiftyone {finished.id} 2")
    click(app, "here tags", f"fiftyone tags {finished.id} 2")
    assert len(links(app)) == 1 and "1 mark added, 0 removed; tags that are slices now: *odd*." in text(app)


def test_why_it_cannot_be_opened_is_said(app, finished, stand_ins):
    stand_ins.refuse()
    click(app, "here open", f"fiftyone {finished.id} 2")
    assert links(app) == [] and text(app) == "There is no *database* here."


def test_without_an_image_there_is_nothing_to_open(app, stand_ins):
    assert not app.button(key="here open").disabled
    app.session_state["images"] = []
    assert checked(app.run()).button(key="here open").disabled


def test_another_model_is_not_shown_as_open(app, finished, run_maker, stand_ins):
    click(app, "here open", f"fiftyone {finished.id} 2")
    app.session_state["run"] = run_maker().id
    checked(app.run())
    assert links(app) == [] and app.button(key="here open")


def test_all_processes_end_with_the_server(app, finished, stand_ins, monkeypatch):
    click(app, "here open", f"fiftyone {finished.id} 2")
    click(app, "tensorboard open", "tensorboard")
    pids = [stand_ins.process_of(one).pid for one in side_app.SIDE_APPS]
    monkeypatch.setattr(services, "side_apps", lambda: stand_ins)
    for other in ("model_worker", "uploads", "jobs", "engine"):
        monkeypatch.setattr(services, other, Mock())
    services._stop()
    assert all(pids) and not any(map(psutil.pid_exists, pids))


def test_tags_of_a_run_are_slices_on_the_pages(store, finished):
    table = read_table(store.evaluations(finished.id)[0].table)
    image_id = table["image_id"][0].as_py()
    assert known.attributes_of(finished, table).images_of([("FiftyOne tags", "*odd*")]) != {image_id}
    keep_tags(tags_path(store, finished.id, 2), {"tags": {image_id: ["*odd*"]}})
    for attributes in (known.attributes_of(finished, table), attributes_of(store, finished, table)):
        assert attributes.images_of([("FiftyOne tags", "*odd*")]) == {image_id}
