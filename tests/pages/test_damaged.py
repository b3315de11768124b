"""A damaged row of the run database on every page: told in a sentence, listed on Train, and all else works."""

import os
import sqlite3
from contextlib import closing

import pytest
from streamlit.testing.v1 import AppTest

from tests.core.runs.damage.test_cells import set_cell
from tests.pages.train_page import SHELL, checked
from ui.choose import pickers
from ui.server import services

PAGES = ("data", "train", "runs", "results", "errors", "compare", "predict")
DAMAGE = {
    "status": "gone", "config": '{"data": 5}', "label_map": '{"names": 1}', "remarks": "[{}]", "created": "yesterday",
    "epoch": -3, "name": b"na\xefve", "ap": "high", "queued": float("inf"), "id": "../../etc",
}  # fmt: skip


def open_page(name: str, **query) -> AppTest:
    app = AppTest.from_file(SHELL, default_timeout=30).run()
    if name != "train":
        app.switch_page(f"../pages/{name}.py")
    for key, value in query.items():
        app.query_params[key] = value
    return checked(app.run())


def warnings_of(app) -> list[str]:
    return [one.value.replace("\\", "") for one in app.warning]


@pytest.fixture
def three(run_maker):
    """Three finished runs, of which the middle one is damaged by the tests."""
    return [run_maker() for _ in range(3)]


@pytest.mark.few(2)
@pytest.mark.parametrize("column", DAMAGE)
def test_every_page_says_what_is_damaged_and_shows_the_rest(store, three, column):
    """About three seconds each."""
    value = DAMAGE[column]
    set_cell(store, three[1], column, value, is_text=isinstance(value, bytes))
    for page in PAGES:
        app = open_page(page)
        assert any(f"in its row of runs/runs.db {column} holds " in warning for warning in warnings_of(app)), page
        assert not app.error
        if page in ("results", "errors"):
            assert [len(box.options) for box in app.selectbox if box.label == "Run"] == [2]
        if page == "compare":
            assert len(app.selectbox[0].options) == 3  # of two runs, but for the model on the other side


@pytest.mark.few(1)
@pytest.mark.parametrize("column", ["config", "id", "created"])
def test_train_lists_a_damaged_run_with_a_button_to_delete_it_and_nothing_else(store, three, column):
    set_cell(store, three[1], column, DAMAGE[column])
    app = open_page("train")
    (box,) = (box for box in app.selectbox if box.label == "Run")
    assert len(box.options) == 3 and sum("damaged" in option for option in box.options) == 1
    damaged = store.runs()[1]
    box.set_value(damaged.id)
    checked(app.run())
    keys = {button.key for button in app.button}
    assert "train delete" in keys and not keys & {"resume", "again", "use", "stop", "look", "results"}
    assert not app.get("bidi_component")
    checked(app.button(key="train delete").click().run())
    assert [run.is_damaged for run in store.runs()] == [False, False]
    assert not any("damaged" in warning for warning in warnings_of(checked(app.run())))


def test_a_link_to_a_damaged_run_says_so_and_shows_another(store, three):
    set_cell(store, three[1], "config", "{")
    for page in ("results", "errors"):
        app = open_page(page, run=three[1].id, model="best")
        assert len(warnings_of(app)) == 2, page


def test_a_store_of_damaged_runs_alone_begins_anew(store, run_maker):
    one = run_maker()
    set_cell(store, one, "remarks", "x")
    for page in PAGES:
        assert len(warnings_of(open_page(page))) == 1, page
    assert pickers.run_label(store.runs()[0]).endswith("damaged")


def test_many_damaged_runs_take_four_lines(store, run_maker):
    for run in [run_maker(evaluated=False) for _ in range(6)]:
        set_cell(store, run, "config", "{" + "x" * 5000)
    warnings = warnings_of(open_page("data"))
    assert len(warnings) == 4 and warnings[-1].startswith("3 more runs are damaged")
    assert max(map(len, warnings)) < 450


def test_damaged_evaluations_and_marks_are_left_out_and_told(store, three):
    for column, value in (("figures", "{"), ("created", "x")):
        set_cell(store, three[1], column, value, table="evaluations")
        for page in PAGES:
            assert any("3 damaged rows of evaluations or marks" in warning for warning in warnings_of(open_page(page)))


@pytest.mark.few(2)
@pytest.mark.parametrize("harm", ["text", "cut", "garbage", "gone", "folder", "empty", "other"])
def test_a_database_that_cannot_be_read_is_one_sentence_on_every_page(store, three, harm):
    path = store.database.path
    store.close()
    services.store().close()
    harm_file(path, harm)
    for page in PAGES:
        app = AppTest.from_file(SHELL, default_timeout=30)
        app = checked(app.run())
        if page != "train":
            app.switch_page(f"../pages/{page}.py")
            checked(app.run())
        errors = [one.value.replace("\\", "") for one in app.error]
        if page == "data":  # which needs no database
            assert not errors
            continue
        assert len(errors) == 1 and "runs.db" in errors[0] and len(errors[0]) < 400, (page, errors)
        assert "Traceback" not in errors[0]


def harm_file(path, harm: str) -> None:
    whole = path.read_bytes()
    for part in (path, path.with_name("runs.db-wal"), path.with_name("runs.db-shm")):
        part.unlink(missing_ok=True)
    if harm == "text":
        path.write_text("this is no database\n" * 200)
    elif harm == "cut":
        path.write_bytes(whole[:5000])
    elif harm == "garbage":
        path.write_bytes(whole[:100] + os.urandom(len(whole) - 100))
    elif harm == "folder":
        path.mkdir()
    elif harm == "empty":
        path.touch()
    elif harm == "other":
        with closing(sqlite3.connect(path)) as db:
            db.execute("create table something (a)")
