import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import PROJECT, RunError
from core.evaluation.findings.relabel import Label
from core.runs.corrections.journal import CorrectionKind, Journal, label_file, net_corrections
from core.runs.damage.report import lost_rows
from core.runs.store import RunStore

FILE = "data/street/annotations/instances_val.json"
CAR, DOG = Label("car", (0.5, 1.0, 10.25, 20.0), 80.0), Label("dog", (0.5, 1.0, 10.25, 20.0), 80.0)
KIND = CorrectionKind


@pytest.fixture
def journal(store) -> Journal:
    return Journal(store, FILE)


def states(journal: Journal) -> list[str]:
    return [one.state for one in journal.all()]


def test_a_correction_comes_back_whole(journal, store):
    made = journal.add(3, 7, KIND.CLASS, CAR, DOG, 99)
    named = journal.add(4, 8, KIND.CROWD, CAR, Label("car", CAR.box, crowd=True), 99, "4.jpg")
    assert journal.all() == [made, named] and journal.of_image(3) == [made] and named.file_name == "4.jpg"
    assert (made.label_id, made.before, made.after) == (7, CAR, DOG) and abs(made.created - time.time()) < 60
    assert Journal(store, "another").all() == [] and journal.of_image(5) == []


def test_new_labels_get_ids_above_the_files_and_the_journals(journal):
    first = journal.add(1, None, KIND.DRAWN, None, CAR, 40)
    second = journal.add(2, None, KIND.ACCEPTED, None, DOG, 7)
    journal.undo(2)
    third = journal.add(2, None, KIND.DRAWN, None, CAR, 7)
    assert (first.label_id, second.label_id, third.label_id) == (41, 42, 43)
    assert Journal(journal_store(journal), "other").add(1, None, KIND.DRAWN, None, CAR, -5).label_id == 1


def journal_store(journal: Journal):
    class Store:
        database = journal._database

    return Store


def test_undo_and_redo_go_through_all_of_an_image_and_leave_others_alone(journal):
    journal.add(1, 1, KIND.CLASS, CAR, DOG, 9)
    journal.add(2, 2, KIND.DELETED, CAR, None, 9)
    journal.add(1, None, KIND.DRAWN, None, CAR, 9)
    assert [journal.undo(1).label_id, journal.undo(1).label_id, journal.undo(1)] == [10, 1, None]
    assert net_corrections(journal.all()) == {2: {2: None}}
    assert [journal.redo(1).label_id, journal.redo(1).label_id, journal.redo(1)] == [1, 10, None]
    assert net_corrections(journal.all()) == {1: {1: DOG, 10: CAR}, 2: {2: None}}


def test_what_was_undone_cannot_be_done_again_once_something_else_is_done(journal):
    journal.add(1, 1, KIND.CLASS, CAR, DOG, 9)
    journal.undo(1)
    journal.add(1, 1, KIND.DELETED, CAR, None, 9)
    assert states(journal) == ["dropped", "done"] and journal.redo(1) is None  # the row stays


def test_a_label_that_is_as_it_was_is_no_correction(journal):
    journal.add(1, 1, KIND.CLASS, CAR, DOG, 9)
    journal.add(1, 1, KIND.CLASS, DOG, CAR, 9)
    journal.add(1, None, KIND.DRAWN, None, CAR, 9)
    journal.add(1, 10, KIND.DELETED, CAR, None, 9)
    assert net_corrections(journal.all()) == {}
    with pytest.raises(RunError, match="like that already"):
        journal.add(1, 1, KIND.CLASS, CAR, CAR, 9)


def test_the_state_is_another_one_whenever_something_else_is_done(journal):
    seen = [journal.state()]
    journal.add(1, 1, KIND.CLASS, CAR, DOG, 9)
    seen.append(journal.state())
    journal.add(2, 2, KIND.DELETED, CAR, None, 9)
    seen.append(journal.state())
    assert len(set(seen)) == 3 and seen[0] == ""
    journal.undo(2)
    assert journal.state() == seen[1]
    journal.redo(2)
    assert journal.state() == seen[2]


@pytest.mark.parametrize("side", [float("nan"), float("inf"), 1e300])
def test_a_box_that_is_no_place_is_refused(journal, side):
    with pytest.raises(RunError, match="no place"):
        journal.add(1, None, KIND.DRAWN, None, Label("car", (0.0, 0.0, side, 1.0)), 9)
    assert journal.all() == []


labels = st.sampled_from([None, CAR, DOG, Label("car", (1, 1, 2, 2), crowd=True)])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["add", "undo", "redo"]), st.integers(1, 2), labels), max_size=12))
def test_whatever_is_done_the_net_is_that_of_a_stack_of_each_image(tmp_path_factory, steps):
    store = RunStore(tmp_path_factory.mktemp("store"))
    journal, done, undone = Journal(store, FILE), {1: [], 2: []}, {1: [], 2: []}
    for what, image_id, label in steps:
        now = done[image_id][-1] if done[image_id] else CAR
        if what == "add" and label != now:
            journal.add(image_id, image_id, KIND.CLASS, now, label, 9)
            done[image_id].append(label)
            undone[image_id].clear()
        elif what == "undo" and (journal.undo(image_id) is not None) | bool(done[image_id]):
            undone[image_id].append(done[image_id].pop())
        elif what == "redo" and (journal.redo(image_id) is not None) | bool(undone[image_id]):
            done[image_id].append(undone[image_id].pop())
    expected = {i: {i: stack[-1]} for i, stack in done.items() if stack and stack[-1] != CAR}
    assert net_corrections(journal.all()) == expected
    store.close()


def test_two_tabs_that_correct_at_once_lose_nothing(store):
    def correct(image_id: int) -> None:
        mine = Journal(store, FILE)
        for _ in range(20):
            mine.add(image_id, None, KIND.DRAWN, None, CAR, 9)

    threads = [threading.Thread(target=correct, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = Journal(store, FILE).all()
    assert len({one.label_id for one in made}) == len(made) == 80


def test_a_kill_in_the_midst_of_correcting_loses_nothing_that_was_answered(tmp_path):
    RunStore(tmp_path).close()
    program = (
        "import sys\nfrom core.runs.store import RunStore\nfrom core.runs.corrections.journal import *\n"
        "from core.evaluation.findings.relabel import Label\n"
        f"journal = Journal(RunStore({str(tmp_path)!r}), {FILE!r})\n"
        "while True:\n"
        "    made = journal.add(1, None, CorrectionKind.DRAWN, None, Label('car', (0, 0, 9, 9)), 0)\n"
        "    print(made.number, flush=True)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", program], cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    answered = [int(child.stdout.readline()) for _ in range(25)]
    os.kill(child.pid, signal.SIGKILL)
    answered += [int(line) for line in child.communicate()[0].splitlines() if line.strip()]
    store = RunStore(tmp_path)
    numbers = [one.number for one in Journal(store, FILE).all()]
    assert numbers[: len(answered)] == answered and len(numbers) - len(answered) in (0, 1)
    store.close()


@pytest.mark.parametrize(("column", "value"), [
    ("kind", "x"), ("state", "x"), ("image_id", "x"), ("label_after", "{"), ("label_after", '{"class": 3}'),
    ("created", "x"), ("label_before", b"\xff"),
])  # fmt: skip
def test_a_damaged_row_costs_itself_and_is_told(store, journal, column, value):
    journal.add(1, 1, KIND.CLASS, CAR, DOG, 9)
    journal.add(2, 2, KIND.CLASS, CAR, DOG, 9)
    with closing(sqlite3.connect(store.database.path)) as db, db:
        db.execute(f"update corrections set {column} = ? where number = 1", (value,))
    assert [one.image_id for one in journal.all()] == [2]
    told = lost_rows(store.database)
    assert len(told) == (value not in ("x", '{"class": 3}') or column in ("state", "image_id", "created"))


def test_a_file_is_known_by_its_path_below_the_root(store, tmp_path):
    inside = store.root / "data/street/annotations/instances_val.json"
    inside.parent.mkdir(parents=True)
    inside.write_text("{}")
    (store.root / "data/link").symlink_to(store.root / "data/street")
    assert label_file(store, inside) == FILE == label_file(store, store.root / "data/link/annotations" / inside.name)
    assert label_file(store, PROJECT / "README.md") == str(PROJECT / "README.md")
