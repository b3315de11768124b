"""ui/live/start.py: how far a start is, from the click to the first figures."""

import json

import pytest
from PIL import Image

from core.runs.bin import Bin
from core.runs.queue import RunQueue
from core.runs.recorder import Recorder
from core.runs.schema import Status
from core.training.events import CHECKS, START, Check, Loading, PreflightRunning
from ui.live.start import PROCESS, start_of

ALL = [PROCESS, *START]


@pytest.fixture
def run(store):
    return store.create({"data": "x"})


def start(client, run):
    return client.get(f"/api/metrics/{run.id}").json()["start"]


def now(client, run):
    """The names of all steps, of those that are done, and the one at hand with its text."""
    steps = start(client, run)["steps"]
    (at_hand,) = [(s["name"], s["text"]) for s in steps if s["state"] == "now"]
    return [s["name"] for s in steps], [s["name"] for s in steps if s["state"] == "done"], at_hand


def begin(store, run):
    return RunQueue(store).begin(run.id, (1, 1.0))


def test_from_the_click_on_the_process_starts_and_every_step_is_named(client, run, store):
    assert now(client, run) == (ALL, [], (PROCESS, "Starting"))
    store.update(run.id, status=Status.STARTING)
    assert now(client, run) == (ALL, [], (PROCESS, "Starting"))
    begin(store, run)
    assert now(client, run) == (ALL, [], (PROCESS, "Loading the libraries"))
    assert start(client, run)["soon"] is True


def test_behind_another_run_it_waits_for_its_turn(client, run, store):
    begin(store, store.create({"data": "y"}))
    assert now(client, run)[2] == (PROCESS, "Next in the queue")
    assert start(client, run)["soon"] is False


def test_a_step_is_done_with_what_was_seen_and_the_next_one_says_what_it_is_about(client, run, store):
    begin(store, run)
    with Recorder(store, run.id) as recorder:
        recorder.write(Loading(epoch=0, epochs=2, step=0, steps=0, message="Reading the annotations: train"))
        assert now(client, run) == (ALL, [PROCESS], ("Annotations", "Reading the annotations: train"))
        recorder.write(Loading(
            epoch=0, epochs=2, step=0, steps=0, message="Looking at the pictures: 3 of 9",
            done=Check("Annotations", True, "9 <b>images</b>."),
        ))  # fmt: skip
    assert now(client, run)[1:] == ([PROCESS, "Annotations"], ("Pictures", "Looking at the pictures: 3 of 9"))
    assert start(client, run)["steps"][1] == {"name": "Annotations", "state": "done", "text": "9 <b>images</b>."}


def test_the_picture_comes_before_the_checks_and_a_check_that_failed_is_told(client, run, store):
    begin(store, run)
    common = {"epoch": 0, "epochs": 2, "step": 0, "steps": 6}
    with Recorder(store, run.id) as recorder:
        recorder.write(PreflightRunning(**common, picture=Image.new("RGB", (8, 6), "navy")))
        picture = client.get(start(client, run)["picture"])
        assert picture.status_code == 200 and picture.headers["content-type"] == "image/png"
        recorder.write(PreflightRunning(**common, done=Check("Data", False, "No.")))
    assert {"name": "Data", "state": "failed", "text": "No."} in start(client, run)["steps"]


def test_a_run_with_figures_or_that_has_ended_has_no_start(client, run, store):
    begin(store, run)
    store.record(run.id, 0, {"val/loss": 1.0})
    assert start(client, run) is None
    ended = store.create({"data": "x"})
    store.update(ended.id, status=Status.FAILED)
    assert start(client, ended) is None


def test_a_run_that_is_deleted_while_the_page_is_made_is_no_error(run, store):
    store.update(run.id, status=Status.STOPPED)
    Bin(store).delete(run.id)
    assert start_of(run, "") is None


def test_what_an_earlier_start_has_left_does_not_count(client, run, store):
    begin(store, run)
    with Recorder(store, run.id) as recorder:
        recorder.write(Loading(epoch=0, epochs=2, step=0, steps=0, done=Check("Annotations", True, "9 images.")))
    RunQueue(store).end(run.id, Status.STOPPED, None)
    RunQueue(store).requeue(run.id)
    begin(store, run)
    assert now(client, run) == (ALL, [], (PROCESS, "Loading the libraries"))


def test_a_run_that_goes_on_before_its_first_figures_is_not_checked_again(client, run, store):
    begin(store, run)
    with Recorder(store, run.id) as recorder:
        recorder.write(Loading(epoch=0, epochs=2, step=0, steps=0, resumes=True, message="Reading"))
    assert now(client, run)[0] == [name for name in ALL if name not in CHECKS]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"started": 1}', '{"done": [{}]}', "[" * 100_000])
def test_a_file_that_cannot_be_read_is_as_if_it_were_not_there(client, run, store, text):
    begin(store, run)
    store.folder(run.id).mkdir(parents=True)
    store.start_path(run.id).write_text(text)
    assert now(client, run)[1:] == ([], (PROCESS, "Loading the libraries"))
    store.start_path(run.id).write_text(json.dumps({"started": store.get(run.id).started, "done": 3}))
    assert now(client, run)[1:] == ([], (PROCESS, "Loading the libraries"))
