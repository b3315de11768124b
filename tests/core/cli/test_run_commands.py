"""The commands runs and metrics."""

import json
import math
import os

import pytest

from core import RunError
from core.engine.process_id import this_process
from core.runs.queue import RunQueue
from tests.core.cli.running import run
from tests.core.runs.waiting import create


@pytest.fixture
def store(fake_store):
    return fake_store


def test_runs_shows_the_queue_in_order(store, capsys):
    first, second = create(store, "short"), create(store, "short")
    RunQueue(store).move(second.id, -1)
    out = run(capsys, "runs")[1]
    assert out.rindex(second.id) < out.rindex(first.id) and "queue, the next first" in out
    places = {r["id"]: r["place"] for r in json.loads(run(capsys, "runs", "--json")[1])}
    assert places == {first.id: 2, second.id: 1}
    RunQueue(store).begin(second.id, this_process())
    assert {r["place"] for r in json.loads(run(capsys, "runs", "--json")[1])} == {None, 1}


def test_runs_are_told_although_a_dead_one_cannot_be_closed_on_a_full_disk(store, capsys, monkeypatch):
    dead = store.create({}, process=(os.getpid(), 1.0))

    def fail(self, *arguments, **options):
        raise RunError("The disk is full.")

    monkeypatch.setattr(RunQueue, "end", fail)
    status, out, err = run(capsys, "runs")
    assert status == 0 and dead.id in out and err == "note: The disk is full.\n"


def test_metrics_as_csv_are_every_row_in_the_order_of_recording_and_in_full_precision(store, capsys):
    made = store.create({})
    values = {"a": 0.1 + 0.2, "b": math.nan, "=val/AP/traffic, light": -math.inf}
    store.record(made.id, 2, values)
    store.record(made.id, 1, {"a": 1e-300, "c": math.inf})
    status, out, _ = run(capsys, "metrics", made.id, "--csv")
    expected = ["2,a,0.30000000000000004", "2,b,nan", '2,"\'=val/AP/traffic, light",-inf', "1,a,1e-300", "1,c,inf"]
    assert status == 0 and out == "\n".join(["step,tag,value", *expected, ""])
    only = run(capsys, "metrics", made.id, "--csv", "--tag", "c", "--tag", "b")[1]
    assert only.splitlines()[1:] == ["2,b,nan", "1,c,inf"]


def test_metrics_of_many_rows_are_read_piece_by_piece_and_none_is_lost(store, capsys, monkeypatch):
    made = store.create({})
    for step in range(10):
        store.record(made.id, step, {"a": step})
    for rows in (1, 3, 5, 10, 11):
        monkeypatch.setattr("core.cli.run_commands.ROWS_AT_ONCE", rows)
        out = run(capsys, "metrics", made.id, "--csv")[1]
        assert out.splitlines()[1:] == [f"{step},a,{float(step)}" for step in range(10)]


def test_metrics_of_a_run_that_has_recorded_nothing(store, capsys):
    made = store.create({})
    assert run(capsys, "metrics", made.id, "--csv")[:2] == (0, "step,tag,value\n")
    status, _, err = run(capsys, "metrics", made.id)
    assert status == 1 and "has recorded nothing yet: it is queued" in err


def test_metrics_in_short_are_the_last_values_and_a_mistyped_tag_is_named(store, capsys):
    made = store.create({})
    for step, value in enumerate((3.0, 1.0, 2.0), start=1):
        store.record(made.id, step, {"train/loss": value, "never": math.nan})
    out = run(capsys, "metrics", made.id)[1]
    lines = {line.split()[0]: line.split()[1:] for line in out.splitlines()}
    assert lines["train/loss"] == ["3", "3", "2", "1", "3"] and lines["never"] == ["3", "3", "nan", "nan", "nan"]
    status, _, err = run(capsys, "metrics", made.id, "--tag", "train/los")
    assert status == 1 and "has no metric 'train/los'; it has: never, train/loss." in err


def test_runs_say_ap_in_percent_under_the_same_names_in_print_and_in_json(store, capsys):
    made = store.create({"epochs": 2}, "night")
    for epoch, ap in enumerate((0.332, 0.579, 0.5)):
        store.add_evaluation(made.id, epoch, 10 * epoch, {"AP": ap}, is_best=epoch < 2)
    (row,) = json.loads(run(capsys, "runs", "--json")[1])
    assert (row["baseline_AP"], row["AP"], row["best_AP"]) == pytest.approx((33.2, 50.0, 57.9))
    assert not {"baseline_ap", "ap", "best_ap"} & set(row)
    head, line, *_ = run(capsys, "runs")[1].splitlines()
    assert head.split() == ["id", "status", "epoch", "baseline", "AP", "AP", "best", "AP", "name"]
    assert line.split()[-4:] == ["33.2", "50.0", "57.9", "night"]
