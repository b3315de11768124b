"""core/runs/many/clock.py: by how many minutes a run's curves are drawn, and how well that is known."""

import time

import pytest

from core.runs.many.clock import ESTIMATED, RECORDED, UNKNOWN, clock
from core.runs.store import RunStore


@pytest.fixture
def store(tmp_path):
    store = RunStore(tmp_path)
    yield store
    store.close()


@pytest.fixture
def record(store, monkeypatch):
    """Records a step so many minutes after the first."""
    run, start = store.create({}), time.time()

    def record(step, minutes, tag="train/loss"):
        monkeypatch.setattr(time, "time", lambda: start + 60 * minutes)
        store.record(run.id, step, {tag: 1.0})
        return run.id

    return record


def forget_times(store):
    with store.database.write() as db:
        db.execute("delete from times")


def test_every_step_has_the_time_at_which_it_was_recorded_first(store, record):
    for step, minutes in ((0, 0), (1, 2), (2, 3)):
        run_id = record(step, minutes)
    record(2, 9, "val/AP")  # its evaluation, a while later
    read = clock(store, run_id)
    assert read.source == RECORDED and read.at([0, 1, 2]) == pytest.approx([0, 2, 3])
    assert read.at([3]) == [None]


def test_steps_that_are_made_anew_have_their_new_time(store, record):
    for step, minutes in ((0, 0), (1, 1), (2, 2)):
        run_id = record(step, minutes)
    store.rewind(run_id, 1)
    record(1, 60)
    assert clock(store, run_id).at([0, 1, 2]) == pytest.approx([0, 60, None], nan_ok=True)
    store.rewind(run_id, 1, tags=["val/AP"])  # only an evaluation is made anew: the step stays
    assert clock(store, run_id).at([1]) == pytest.approx([60])


def test_a_clock_that_was_set_back_does_not_make_time_fall(store, record):
    for step, minutes in ((0, 0), (1, 5), (2, 3), (3, 6)):
        run_id = record(step, minutes)
    assert clock(store, run_id).at([0, 1, 2, 3]) == pytest.approx([0, 5, 5, 6])


def test_of_an_older_run_the_evaluations_tell_the_time_and_steps_lie_evenly_between(store, record, monkeypatch):
    run_id, start = record(5, 0), time.time()
    forget_times(store)
    assert clock(store, run_id).source == UNKNOWN and clock(store, run_id).at([5]) == [None]
    for epoch, minutes in enumerate((0, 10)):
        monkeypatch.setattr(time, "time", lambda minutes=minutes: start + 60 * minutes)
        store.record(run_id, 10 * epoch, {})
        store.add_evaluation(run_id, epoch, 10 * epoch, {"AP": 0.5})
    read = clock(store, run_id)
    assert read.source == ESTIMATED and read.at([0, 4, 10, 11]) == [0, pytest.approx(4), pytest.approx(10), None]


def test_an_older_run_that_goes_on_knows_the_rest_exactly(store, record, monkeypatch):
    start = time.time()
    run_id = record(0, 0)
    store.add_evaluation(run_id, 0, 0, {"AP": 0.5})
    forget_times(store)
    record(11, 10)
    record(12, 12)
    read = clock(store, run_id)
    assert read.source == ESTIMATED and time.time() >= start
    assert read.at([0, 11, 12]) == pytest.approx([0, 10, 12], abs=0.02)


def test_a_run_without_anything_has_no_times(store):
    assert clock(store, store.create({}).id).source == UNKNOWN


@pytest.mark.parametrize("column, value", [("time", "noon"), ("time", b"\xff"), ("time", 1e300), ("step", "two")])
def test_a_damaged_time_is_left_out(store, record, column, value):
    for step, minutes in ((0, 0), (1, 4), (2, 8)):
        run_id = record(step, minutes)
    with store.database.write() as db:
        db.execute(f"update times set {column} = ? where step = 1", (value,))
    assert clock(store, run_id).at([0, 1, 2]) == pytest.approx([0, 4, 8])  # evenly between its neighbours
