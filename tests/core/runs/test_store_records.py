"""core/runs/store.py: what is recorded is read again, whole, by anyone, and only what is new."""

import json
import math
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import RunError
from core.runs.database import Database
from core.runs.schema import Run
from core.runs.store import RunStore
from core.runs.tables import SCHEMA, VERSION

FAKE = Path(__file__).with_name("fake_training.py")


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory):
    """For property tests, which make a run of their own for every example."""
    store = RunStore(tmp_path_factory.mktemp("store"))
    yield store
    store.close()


@pytest.fixture
def run(store):
    return store.create({"data": "x"}, "first")


VALUES = st.floats(allow_nan=True, allow_infinity=True)


RECORDS = st.lists(
    st.tuples(st.integers(0, 2**40), st.dictionaries(st.text(max_size=5), VALUES, max_size=4)), max_size=6
)


@settings(deadline=None)  # how long the disk takes is not the point
@given(RECORDS)
def test_metrics_are_read_as_they_were_recorded_also_nan_and_infinity(shared_store, records):
    run = shared_store.create({})
    for step, metrics in records:
        shared_store.record(run.id, step, metrics)
    rows, last = shared_store.metrics_after(run.id)
    expected = [(tag, step, value) for step, metrics in records for tag, value in metrics.items()]
    assert [row[1:3] for row in rows] == [(tag, step) for tag, step, _ in expected]
    assert np.array_equal([row[3] for row in rows], [value for *_, value in expected], equal_nan=True)
    assert [row for row, *_ in rows] == sorted({row for row, *_ in rows})
    assert last == (rows[-1][0] if rows else 0)


@settings(deadline=None)
@given(RECORDS, st.integers(1, 5))
def test_reading_what_is_new_piece_by_piece_gives_every_metric_once(shared_store, records, limit):
    run, noise = shared_store.create({}), shared_store.create({})
    pieces, last = [], 0
    for step, metrics in records:
        shared_store.record(run.id, step, metrics)
        shared_store.record(noise.id, step, {"noise": 1.0})
        piece, last = shared_store.metrics_after(run.id, last, limit=limit)
        pieces += piece
    while (found := shared_store.metrics_after(run.id, last, limit=limit))[0]:
        pieces += found[0]
        last = found[1]
    assert repr(pieces) == repr(shared_store.metrics_after(run.id)[0])


def test_only_the_tags_that_were_asked_for_come(store, run):
    store.record(run.id, 1, {"a": 1.0, "b": 2.0, "c": 3.0})
    assert [r[1] for r in store.metrics_after(run.id, tags=["c", "a"])[0]] == ["a", "c"]
    assert store.metrics_after(run.id, 7, tags=[]) == ([], 7)


def test_what_is_new_is_found_by_index_alone(store, run):
    statements = []
    with store.database.read() as db:
        db.set_trace_callback(statements.append)
    store.metrics_after(run.id, 5)
    store.metrics_after(run.id, 5, tags=["a"])
    queries = [s for s in statements if "from metrics" in s]
    assert len(queries) == 2
    with store.database.read() as db:
        plans = [[row["detail"] for row in db.execute(f"explain query plan {query}")] for query in queries]
    assert plans == [["SEARCH metrics USING INDEX metrics_of_run (run=? AND rowid>?)"]] * 2


def test_curves_are_the_metrics_as_strict_json(store, run):
    store.record(run.id, 1, {"a": 1.0, "b": math.nan})
    store.record(run.id, 2, {"a": math.inf, "b": -0.5})
    curves, last = store.curves_after(run.id)
    said = json.loads(json.dumps(curves, allow_nan=False))
    assert said == {"a": [[1, 2], [1.0, None]], "b": [[1, 2], [None, -0.5]]}
    assert store.curves_after(run.id, last) == ({}, last)
    assert store.curves_after(run.id, last - 1)[0] == {"b": ([2], [-0.5])}


def test_a_record_is_one_transaction_with_the_runs_state_and_a_heartbeat(store, run):
    store.record(run.id, 3, {"a": 1.0}, {"epoch": 1, "message": "x"})
    again = store.get(run.id)
    assert (again.epoch, again.message) == (1, "x") and again.heartbeat >= run.created
    with pytest.raises(ValueError, match="nonsense"):
        store.record(run.id, 4, {"a": 2.0}, {"nonsense": 1})
    assert [row[2] for row in store.metrics_after(run.id)[0]] == [3]
    with pytest.raises(RunError, match="no run"):
        store.record("20260101-000000-0000", 1, {"a": 1.0})


def test_rows_are_never_numbered_twice_so_that_no_page_misses_one(store, run):
    store.record(run.id, 1, {"a": 1.0})
    store.record(run.id, 2, {"a": 2.0})
    _, seen = store.metrics_after(run.id)
    store.rewind(run.id, 2)
    store.record(run.id, 2, {"a": 2.5})
    assert [row[1:] for row in store.metrics_after(run.id, seen)[0]] == [("a", 2, 2.5)]


def test_rewind_forgets_what_comes_from_a_step_on_and_the_best_that_came_with_it(store, run):
    for epoch, ap in enumerate((0.1, 0.4, 0.6)):
        store.record(run.id, 10 * epoch, {"train/loss": 1.0, "val/AP": ap})
        store.add_evaluation(run.id, epoch, 10 * epoch, {"AP": ap}, is_best=epoch > 0)
    store.rewind(run.id, 20, ["val/AP"])
    assert [row[1:3] for row in store.metrics_after(run.id)[0]][-2:] == [("val/AP", 10), ("train/loss", 20)]
    again = store.get(run.id)
    assert (again.baseline_ap, again.ap, again.best_ap, again.best_epoch) == (0.1, 0.4, 0.4, 1)
    store.rewind(run.id, 0)
    assert store.metrics_after(run.id)[0] == [] and store.evaluations(run.id) == []
    assert store.get(run.id).best_ap is None


def test_evaluations_come_back_whole_and_the_run_repeats_the_figures_that_a_list_shows(store, run):
    figures = {"AP": 0.2, "APs": None, "per_class": {"car": 0.3, "dog": None}}
    store.add_evaluation(run.id, 0, 0, figures)
    assert store.get(run.id).best_ap is None  # the untouched model is the measure, not a result
    store.add_evaluation(run.id, 1, 10, {"AP": 0.5}, is_best=True)
    store.add_evaluation(run.id, 2, 20, {"AP": 0.4})
    first, second, third = store.evaluations(run.id)
    assert (first.epoch, first.step, first.figures, first.is_best, first.table) == (0, 0, figures, False, None)
    assert (second.is_best, third.figures) == (True, {"AP": 0.4})
    again = store.get(run.id)
    assert (again.baseline_ap, again.ap, again.best_ap, again.best_epoch) == (0.2, 0.4, 0.5, 1)


def test_an_epoch_that_is_evaluated_again_replaces_its_evaluation(store, run):
    store.add_evaluation(run.id, 1, 10, {"AP": 0.5}, is_best=True)
    store.add_evaluation(run.id, 1, 10, {"AP": 0.3}, is_best=True)
    assert [e.figures["AP"] for e in store.evaluations(run.id)] == [0.3]
    assert store.get(run.id).best_ap == 0.3


def test_an_undefined_ap_stays_undefined(store, run):
    store.add_evaluation(run.id, 0, 0, {"AP": None})
    assert store.get(run.id).baseline_ap is None and store.evaluations(run.id)[0].figures == {"AP": None}


@settings(deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=8))
def test_tables_kept_are_the_untouched_the_best_and_the_last_ones(shared_store, are_best):
    store = shared_store
    run = store.create({})
    for epoch, is_best in enumerate([False, *are_best]):
        store.table_path(run.id, epoch).parent.mkdir(parents=True, exist_ok=True)
        store.table_path(run.id, epoch).write_text("a table")
        store.add_evaluation(run.id, epoch, epoch, {"AP": 0.1}, is_best, has_table=True)
        evaluations = store.evaluations(run.id)
        best = [e.epoch for e in evaluations if e.is_best][-1:]
        assert {e.epoch for e in evaluations if e.table} == {0, epoch, *best}
        on_disk = set(store.table_path(run.id, 0).parent.iterdir())
        assert on_disk == {e.table for e in evaluations if e.table}


def test_rewind_removes_the_watched_boxes_of_the_epochs_that_it_forgets_and_no_others(store, run):
    other = store.create({})
    for one in (run, other):
        for epoch in range(3):
            store.watched_path(one.id, epoch).parent.mkdir(parents=True, exist_ok=True)
            store.watched_path(one.id, epoch).write_text("boxes")
            store.add_evaluation(one.id, epoch, 10 * epoch, {"AP": 0.1})
    store.watched_path(run.id, 2).unlink()  # by hand
    store.rewind(run.id, 10)
    assert [store.watched_path(run.id, epoch).exists() for epoch in range(3)] == [True, False, False]
    assert all(store.watched_path(other.id, epoch).exists() for epoch in range(3))


def in_processes(root, *arguments, count=4) -> list[str]:
    """The output of `count` processes of fake_training.py that begin at the same moment."""
    processes = [
        subprocess.Popen(
            [sys.executable, FAKE, *arguments], env={**os.environ, "DETR_LAB_ROOT": str(root)}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for _ in range(count)
    ]  # fmt: skip
    for process in processes:
        assert process.stdout.readline() == "ready\n", process.stderr.read()
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [(p.returncode, e) for p, (_, e) in zip(processes, outputs, strict=True)] == [(0, "")] * count
    return [out for out, _ in outputs]


def test_processes_that_make_one_store_at_once_all_succeed_and_give_no_id_twice(tmp_path):
    outputs = in_processes(tmp_path, "create", "6")
    created = [tuple(line.split()) for out in outputs for line in out.splitlines()]
    assert len(created) == len(set(created)) == 4 * 6 * 20
    for i in range(6):
        store = RunStore(tmp_path / str(i))
        assert {run.id for run in store.runs()} == {run_id for number, run_id in created if number == str(i)}
        store.close()


def test_processes_that_work_off_and_reorder_one_queue_never_take_the_same_run(store):
    ids = [store.create({}).id for _ in range(60)]
    outputs = in_processes(store.root, "claim", "3")
    assert sorted(line for out in outputs for line in out.splitlines()) == sorted(ids)


def test_threads_that_record_at_once_lose_nothing(store, run):
    barrier = threading.Barrier(4)

    def write(thread):
        barrier.wait()
        for step in range(50):
            store.record(run.id, step, {f"t{thread}": step}, {"epoch": step})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    curves, _ = store.curves_after(run.id)
    assert curves == {f"t{i}": (list(range(50)), list(range(50))) for i in range(4)}


def test_a_store_of_a_newer_version_is_refused_with_a_sentence(tmp_path):
    Database(tmp_path / "runs" / "runs.db", SCHEMA, VERSION + 1).close()
    with pytest.raises(RunError, match=r"newer version .*update DETR Lab"):
        RunStore(tmp_path)


def test_the_tables_have_a_column_for_every_field_of_a_run(store):
    with store.database.read() as db:
        columns = {row["name"] for row in db.execute("pragma table_info(runs)")}
    assert columns == {f.name for f in fields(Run)} | {"number"}
