"""Rows of the run database with damaged cells: read without an error, listed, deleted; and nothing waits for them."""

import json
import math
import sqlite3
from contextlib import closing
from dataclasses import asdict
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import RunError
from core.config import TrainConfig
from core.evaluation.findings.label_errors import LabelErrorKind
from core.runs.bin import Bin
from core.runs.damage.report import lost_rows
from core.runs.manager import close_dead_runs
from core.runs.marks import Mark, Marks
from core.runs.queue import RunQueue
from core.runs.schema import Run, Status
from core.runs.store import RunStore
from core.runs.tables import SCHEMA

WHOLE = {
    "number": 7, "id": "20261123-001530-ab12", "name": "first", "status": "finished",
    "config": json.dumps(TrainConfig().to_dict()), "label_map": '{"names": ["car"], "category_ids": [3]}',
    "created": 1e9, "queued": 1e9, "started": None, "ended": 1e9, "heartbeat": 1e9, "pid": 1, "pid_started": 1.0,
    "stop_requested": 0, "message": None, "epoch": 2, "epochs": 2, "step": 20, "steps": 20, "images_per_second": 1.5,
    "seconds_left": None, "baseline_ap": 0.1, "ap": 0.2, "best_ap": 0.3, "best_epoch": 1, "remarks": "[]",
    "notes": "", "deleted": None, "tags": "[]",
}  # fmt: skip
CELLS = (
    st.none() | st.text(max_size=20) | st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=12) | st.floats()
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
            st.sampled_from(["data", "imported", "gt", "names", "category_ids", "epochs", "rule", "level", "step"]),
            inner, max_size=4,
        ), max_leaves=8,
    ).map(json.dumps)
    | st.sampled_from(["queued", "running", "finished", "{}", "[]", "[" * 9999, "1" * 5000, "\ufffd", "[1e999]"])
)  # fmt: skip
REMARK = {"rule": "of another version", "level": "info", "title": "a", "cause": "b", "evidence": "c", "advice": "d",
          "step": 3}  # fmt: skip
DAMAGE = {
    "status": ["gone", "", None, b"\xff", 3, "damaged"],
    "config": ["", "{", "[]", "3", "null", '{"data": 5}', '{"epochs": -3}', '{"imported": 1}', '{"lr": NaN}', b"{}",
               '{"imported": {}}', '{"classes": 5}', '{"lr": 1e999}', '{"batch_size": 1' + "0" * 400 + "}", "[" * 9999],
    "label_map": ["{}", "[]", '{"names": ["a"], "category_ids": []}', '{"names": "a", "category_ids": "1"}', "x",
                  '{"names": ["a"], "category_ids": ["b"]}', '{"names": ["a"], "category_ids": [1e999]}'],
    "remarks": ["", "{}", "[1]", '[{"rule": 1}]', '[{"level": "warning"}]', None, "[[]]",
                json.dumps([{**REMARK, "changes": [1]}])],
    "created": ["yesterday", None, math.inf, -1.0, 1e300, b""],
    "epoch": [-1, 2.5, "two", 2**63 - 1], "epochs": [-5, "x"], "step": ["", -1], "steps": [b"1"],
    "queued": [math.inf, "x"], "heartbeat": [-math.inf], "pid": [-1, 2**40, "x", 1.5], "pid_started": ["x"],
    "stop_requested": ["maybe", 7], "message": [b"\xff\xfe", 3], "name": [b"\xff", 5], "ap": ["high", math.inf],
    "best_ap": [b""], "images_per_second": [math.inf], "seconds_left": ["soon"], "best_epoch": ["x"],
    "notes": [b"\xff"], "tags": ["", "{}", "[1]", b"\xff"],
    "id": ["../../etc", "", 5, b"\xff", "20261123"],
}  # fmt: skip
EVERY = [(column, value) for column, values in DAMAGE.items() for value in values]

TEXTS = (
    "name",
    "message",
    "status",
    "id",
    "config",
    "label_map",
    "remarks",
    "notes",
)  # SQLite makes text of a number there
KEPT = [(c, v) for c, v in EVERY if v is not None and not (c in TEXTS and isinstance(v, int))]


def row_of(**cells) -> sqlite3.Row:
    values = WHOLE | cells
    with closing(sqlite3.connect(":memory:")) as db:
        db.row_factory = sqlite3.Row
        return db.execute(f"select {', '.join(f'? as {name}' for name in values)}", tuple(values.values())).fetchone()


def damage(store: RunStore) -> list[str]:
    return [run.message for run in store.runs() if run.is_damaged] + lost_rows(store.database)


def set_cell(store: RunStore, run: Run, column: str, value: object, is_text: bool = False, table: str = "runs") -> None:
    """As another program might: beside the store, without its checks."""
    where = "id = ?" if table == "runs" else "run = (select number from runs where id = ?)"
    with closing(sqlite3.connect(store.database.path)) as db, db:
        db.execute("pragma ignore_check_constraints = on")
        db.execute(
            f"update {table} set {column} = {'cast(? as text)' if is_text else '?'} where {where}", (value, run.id)
        )


@pytest.fixture
def one(store):
    """A run between two others."""
    store.create(TrainConfig().to_dict())
    made = store.create(TrainConfig().to_dict(), "damaged one")
    store.create(TrainConfig().to_dict())
    return made


def test_a_whole_row_is_not_damaged():
    run = Run.from_row(row_of())
    assert not run.is_damaged and run.message is None and run.config["data"] == "data/street"
    older = {"data": "x", "flip": True, "a setting of another version": [1]}
    assert Run.from_row(row_of(config=json.dumps(older))).config == older
    for remark in (REMARK, {**REMARK, "changes": {"lr": 0.1}}):
        assert Run.from_row(row_of(remarks=json.dumps([remark]))).remarks == [remark]


@pytest.mark.parametrize(("column", "value"), EVERY, ids=[f"{c}-{i}" for i, (c, _) in enumerate(EVERY)])
def test_a_damaged_cell_is_named_in_one_sentence(column, value):
    run = Run.from_row(row_of(**{column: value}))
    assert run.is_damaged and not run.is_live and run.label == "Damaged"
    assert f"in its row of runs/runs.db {column} holds " in run.message
    assert len(run.message) < 500 and run.message.endswith("in its place.") and "\n" not in run.message


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(st.sampled_from([name for name in WHOLE if name != "number"]), CELLS, max_size=4))
def test_whatever_a_row_holds_it_is_read_and_can_be_sent(cells):
    run = Run.from_row(row_of(**cells))
    json.dumps(asdict(run), allow_nan=False)
    assert isinstance(run.config, dict) and isinstance(run.remarks, list) and isinstance(run.created, float | int)
    if run.is_damaged:
        assert len(run.message) < 600
    else:
        assert run.status in Status and isinstance(run.config.get("data", ""), str)


@pytest.mark.parametrize(("column", "value"), KEPT)
def test_a_damaged_run_is_listed_and_deleted_and_the_others_are_untouched(store, one, column, value):
    is_text = isinstance(value, bytes) and column in TEXTS[:4]
    set_cell(store, one, column, value, is_text)
    listed = store.runs()
    assert [run.is_damaged for run in listed] == [False, True, False]
    assert damage(store) == [listed[1].message]
    with pytest.raises(RunError, match="is damaged" if column != "id" else "There is no run"):
        store.get(one.id)
    Bin(store).delete(listed[1].id)
    assert [run.is_damaged for run in store.runs()] == [False, False] and damage(store) == []


def test_the_queue_goes_past_a_damaged_run(store, one):
    first, damaged, last = reversed(store.runs())
    for column, value in (("config", "{"), ("queued", "first of all"), ("queued", 1e300)):
        set_cell(store, damaged, column, value)
        queue = RunQueue(store)
        assert [run.id for run in queue.waiting()] == [first.id, last.id]
    queue.move(last.id, -1)
    assert queue.claim((1, 1.0)).id == last.id
    with pytest.raises(RunError, match="is damaged"):
        queue.begin(damaged.id, (1, 1.0))
    added = store.create({})
    assert not store.get(added.id).is_damaged and queue.waiting()[-1].id == added.id


@pytest.mark.parametrize(("column", "value"), [("pid", "x"), ("config", "{"), ("id", "gone"), ("id", "../x")])
def test_a_damaged_run_that_seems_to_be_at_work_holds_up_nobody(store, one, column, value):
    set_cell(store, one, "status", "running")
    set_cell(store, one, column, value)
    close_dead_runs(store)
    assert RunQueue(store).active() == []
    assert RunQueue(store).claim((1, 1.0)).id == store.runs()[-1].id


def test_a_damaged_evaluation_is_left_out_and_told(store, one):
    for epoch in range(3):
        store.add_evaluation(one.id, epoch, 10 * epoch, {"AP": 0.1 * epoch}, is_best=epoch == 1)
    for column, value in (("figures", "{"), ("figures", "[]"), ("step", "x"), ("created", -1.0), ("has_table", 5)):
        with closing(sqlite3.connect(store.database.path)) as db, db:
            before = db.execute(f"select {column} from evaluations where epoch = 1").fetchone()
            db.execute(f"update evaluations set {column} = ? where epoch = 1", (value,))
        assert [e.epoch for e in store.evaluations(one.id)] == [0, 2], (column, value)
        (told,) = damage(store)
        assert "damaged one has 1 damaged row of evaluations or marks" in told
        with closing(sqlite3.connect(store.database.path)) as db, db:
            db.execute(f"update evaluations set {column} = ? where epoch = 1", before)
    set_cell(store, one, "figures", '{"AP": "high", "AP50": 0.5, "AP75": 1e999}', table="evaluations")
    assert store.evaluations(one.id)[0].figures == {"AP": None, "AP50": 0.5, "AP75": None}
    with closing(sqlite3.connect(store.database.path)) as db, db:
        db.execute("update evaluations set epoch = 'two' where epoch = 2")
    store.add_evaluation(one.id, 3, 30, {"AP": 0.4}, has_table=True)
    assert [e.epoch for e in store.evaluations(one.id) if e.table] == [3]
    store.rewind(one.id, 10)
    assert [e.epoch for e in store.evaluations(one.id)] == [0]


def test_a_damaged_metric_is_a_gap(store, one):
    for step in range(4):
        store.record(one.id, step, {"train/loss": 1.0})
    with closing(sqlite3.connect(store.database.path)) as db, db:
        db.execute("update metrics set value = 'x' where step = 1")
        db.execute("update metrics set step = 'x' where step = 2")
        db.execute("update metrics set tag = cast(x'ff' as text) where step = 3")
    curves, last = store.curves_after(one.id)
    assert curves == {"train/loss": ([0, 1], [1.0, None]), "\ufffd": ([3], [1.0])} and last == 4


def test_a_damaged_mark_is_left_out_and_told(store, one):
    marks = Marks(store)
    for image_id in (1, 2):
        marks.add(one.id, Mark(LabelErrorKind.IMAGE, image_id))
    for column, value in (("kind", b"\xff"), ("image_id", "x"), ("created", "x"), ("score", "x"), ("x1", "x")):
        with closing(sqlite3.connect(store.database.path)) as db, db:
            db.execute(f"update marks set {column} = ? where key = 'image 2'", (value,))
        assert [mark.image_id for mark in marks.all(one.id)] == [1]
        assert len(damage(store)) == 1


def test_a_name_with_the_sign_of_damage_is_not_taken_for_damaged(store):
    assert store.create({}, "caf\ufffd").name == "caf?"


def test_bytes_that_are_no_text_cost_one_cell(store, one):
    with closing(sqlite3.connect(store.database.path)) as db:
        db.text_factory = partial(str, encoding="utf-8", errors="replace")
        assert SCHEMA.count("create table") == 10  # read above, in test_journal.py, test_experiments.py, many/
    set_cell(store, one, "message", b"caf\xe9", is_text=True)
    assert "message holds 'caf\ufffd'" in store.runs()[1].message
