"""core/runs/store.py and core/runs/schema.py: runs are created, listed, named, changed and deleted."""

import json
import os
from dataclasses import fields

import pytest

from core import RunError
from core.config import TrainConfig
from core.runs.queue import RunQueue
from core.runs.schema import Run, Status
from core.runs.store import RunStore

ME = (os.getpid(), 1.0)


@pytest.fixture
def run(store):
    return store.create({"data": "x"}, "first")


def end(store, run, status=Status.FINISHED):
    RunQueue(store).begin(run.id, ME)
    RunQueue(store).end(run.id, status, None)


def test_an_empty_store_has_no_runs_and_says_so(store):
    assert store.runs() == []
    with pytest.raises(RunError, match="There is no run yet"):
        store.get("last")


def test_a_new_run_is_queued_with_its_settings_and_nothing_else_known(store):
    run = store.create(TrainConfig(classes=("car", "dog")).to_dict(), "  cars and dogs ")
    assert (run.name, run.status, run.stop_requested) == ("cars and dogs", Status.QUEUED, False)
    assert TrainConfig.from_dict(run.config) == TrainConfig(classes=("car", "dog"))
    assert run.created == run.queued
    known = {"id", "name", "status", "config", "created", "queued", "stop_requested", "remarks", "notes", "tags"}
    assert run.remarks == run.tags == []
    assert all(getattr(run, f.name) is None for f in fields(Run) if f.name not in known)
    assert store.get(run.id) == run


@pytest.mark.parametrize("name", [None, "", "  "])
def test_a_run_without_a_name_is_named_by_its_id(store, name):
    run = store.create({}, name)
    assert run.name == run.id


def test_a_run_that_its_creator_begins_itself_is_never_in_the_queue(store):
    run = store.create({}, process=ME)
    assert (run.status, run.pid, run.pid_started) == (Status.STARTING, *ME)
    assert RunQueue(store).claim(ME) is None
    assert RunQueue(store).begin(run.id, ME).status is Status.RUNNING


def test_ids_sort_by_time_and_differ_even_if_chance_repeats_itself(store, monkeypatch):
    suffixes = iter(["0001", "0001", "0001", "0002"])
    monkeypatch.setattr("core.runs.store.secrets.token_hex", lambda _: next(suffixes))
    monkeypatch.setattr("core.runs.store.time.time", lambda: 1_700_000_000.0)
    first, second = store.create({}), store.create({})
    assert first.id[:-4] == second.id[:-4] and (first.id[-4:], second.id[-4:]) == ("0001", "0002")
    monkeypatch.setattr("core.runs.store.time.time", lambda: 1_700_000_001.0)
    monkeypatch.setattr("core.runs.store.secrets.token_hex", lambda _: "0000")
    assert store.create({}).id > second.id


def test_list_is_newest_first_and_last_is_the_newest_even_when_the_clock_goes_back(store, monkeypatch):
    first = store.create({})
    monkeypatch.setattr("core.runs.store.time.time", lambda: first.created - 1000)
    second = store.create({})
    assert store.runs() == [second, first]
    assert store.get("last") == second


def test_get_completes_an_id_if_only_one_run_begins_so(store, monkeypatch):
    suffixes = iter(["ab12", "ab34", "cd56"])
    monkeypatch.setattr("core.runs.store.secrets.token_hex", lambda _: next(suffixes))
    monkeypatch.setattr("core.runs.store.time.time", lambda: 1_700_000_000.0)
    one, two, three = (store.create({}) for _ in range(3))
    assert store.get(three.id[:-3]) == three
    with pytest.raises(RunError, match=f"begins 2 runs: choose one of {two.id}, {one.id}"):
        store.get(one.id[:-2])
    with pytest.raises(RunError, match="begins 3 runs"):
        store.get("2023")


@pytest.mark.parametrize("which", ["", "%", "_", "2023*", "nonsense", "' or 1=1 --", "../x", "ä\x00"])
def test_get_of_something_unknown_lists_runs_that_there_are(store, run, which):
    with pytest.raises(RunError, match=f"There is no run .*{run.id}"):
        store.get(which)


def test_get_of_a_mistyped_id_lists_the_nearest(store, run):
    for _ in range(5):
        store.create({})
    with pytest.raises(RunError, match=run.id):
        store.get(run.id[:-1] + "x")


def test_update_sets_fields_and_refuses_names_that_are_none(store, run):
    label_map = {"names": ["car"], "category_ids": [3]}
    store.update(run.id, label_map=label_map, message="Loading", epoch=0, seconds_left=1.5, status=Status.RUNNING)
    again = store.get(run.id)
    assert (again.label_map, again.message, again.epoch, again.seconds_left) == (label_map, "Loading", 0, 1.5)
    assert again.status is Status.RUNNING
    store.update(run.id, message=None)
    assert store.get(run.id).message is None
    with pytest.raises(ValueError, match="'number'"):
        store.update(run.id, number=5)
    with pytest.raises(RunError, match="no run"):
        store.update("20260101-000000-0000", epoch=1)


def test_every_status_has_a_word_and_a_sentence_for_the_user():
    assert all(s.label and s.description.endswith(".") for s in Status)
    assert {s for s in Status if s.is_live} == {Status.QUEUED, Status.STARTING, Status.RUNNING}
    assert json.dumps(Status.RUNNING) == '"running"' and f"{Status.RUNNING}" == "running"


def test_a_run_that_was_asked_to_stop_is_labelled_so_until_it_has(store, run):
    queue = RunQueue(store)
    queue.begin(run.id, ME)
    assert store.get(run.id).label == "Running"
    assert queue.request_stop(run.id).label == "Stopping"
    queue.end(run.id, Status.STOPPED, None)
    assert store.get(run.id).label == "Stopped"


def test_the_default_store_is_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("DETR_LAB_ROOT", str(tmp_path / "elsewhere"))
    store = RunStore.default()
    assert store.root == tmp_path / "elsewhere" and (store.runs_dir / "runs.db").is_file()
    store.close()


def test_a_run_is_renamed_and_has_notes(store, run):
    assert store.set_words(run.id, name="  better <b>run</b> ").name == "better <b>run</b>"
    assert store.set_words(run.id, notes=" too large a rate\nsee 2 \n").notes == "too large a rate\nsee 2"
    assert store.get(run.id).name == "better <b>run</b>"
    assert store.set_words(run.id, name=" ", notes="").name == run.id and store.get(run.id).notes == ""


@pytest.mark.parametrize(
    "words", [{"name": "\udcff"}, {"notes": "\udcff"}, {"name": "x" * 201}, {"notes": "x" * 10_001}]
)
def test_a_text_that_cannot_be_kept_changes_nothing(store, run, words):
    with pytest.raises(RunError, match=r"not UTF-8|give at most"):
        store.set_words(run.id, **{"name": "other", "notes": "other", **words})
    assert store.get(run.id) == run
