"""The commands rename, notes, tag, delete, restore and bin."""

import json

import pytest

from core.runs.bin import Bin
from core.runs.schema import Status
from tests.core.cli.running import run

HOSTILE = "<b>x</b>\x1b[31m"


@pytest.fixture
def store(fake_store):
    return fake_store


@pytest.fixture
def made(store):
    return ended(store, "first")


def ended(store, name):
    run = store.create({}, name)
    store.update(run.id, status=Status.FINISHED)
    (store.checkpoints(run.id) / "best").mkdir(parents=True)
    (store.checkpoints(run.id) / "best/model.safetensors").write_bytes(b"x" * 2_500_000)
    return store.get(run.id)


def test_a_run_is_renamed_and_its_notes_are_written_and_printed(store, made, capsys):
    assert run(capsys, "rename", made.id[:-1], HOSTILE)[:2] == (0, f"{made.id} <b>x</b>\\x1b[31m\n")
    assert run(capsys, "notes", "last", f"one\n{HOSTILE}")[:2] == (0, "one\n<b>x</b>\\x1b[31m\n")
    assert json.loads(run(capsys, "notes", made.id, "--json")[1])["notes"] == f"one\n{HOSTILE}"
    assert "<b>x</b>\\x1b[31m  “one\\n" in run(capsys, "runs")[1]
    assert run(capsys, "rename", made.id, "")[1] == f"{made.id} {made.id}\n"
    assert run(capsys, "notes", made.id, "")[0] == 0 and store.get(made.id).notes == ""


def test_tags_are_added_listed_and_taken_away(store, made, capsys):
    assert run(capsys, "tag", "last", "paper", HOSTILE)[:2] == (0, "paper\n<b>x</b>\\x1b[31m\n")
    assert "first  [paper, <b>x</b>\\x1b[31m]" in run(capsys, "runs")[1]
    assert json.loads(run(capsys, "runs", "--json")[1])[0]["tags"] == ["paper", HOSTILE]
    assert json.loads(run(capsys, "tag", made.id, "--remove", "paper", "--json")[1])["tags"] == [HOSTILE]
    assert run(capsys, "tag", made.id)[1] == "<b>x</b>\\x1b[31m\n"
    status, _, err = run(capsys, "tag", made.id, "x" * 41)
    assert status == 1 and "give at most 40" in err and store.get(made.id).tags == [HOSTILE]


def test_delete_says_what_it_frees_and_how_to_undo_it(store, made, capsys):
    status, out, _ = run(capsys, "delete", made.id)
    assert status == 0 and "deleted; 2.5 MB will be free in 14 days" in out and store.runs() == []
    assert f"undo: python -m core restore {made.id}\n" in out
    assert "2.5 MB" in run(capsys, "bin")[1]
    assert "is deleted: python -m core restore" in run(capsys, "evaluate", made.id)[2]
    assert run(capsys, "restore", "last")[:2] == (0, f"{made.id} first: finished\n")
    assert store.get(made.id) == made


def test_delete_now_removes_deleted_runs_too(store, made, capsys):
    other = ended(store, "second")
    run(capsys, "delete", made.id)
    (one, two) = json.loads(run(capsys, "delete", made.id, other.id, "--now", "--json")[1])
    assert one == {"id": made.id, "name": "first", "bytes": 2_500_000, "is_removed": True} and two["id"] == other.id
    assert Bin(store).runs() == [] and not list(store.checkpoints_dir.rglob("*.safetensors"))
    assert run(capsys, "restore", made.id)[0] == 1


def test_the_bin_is_listed_and_emptied(store, made, capsys):
    assert run(capsys, "bin")[1] == "No run is deleted.\n"
    run(capsys, "delete", made.id)
    (row,) = json.loads(run(capsys, "bin", "--json")[1])
    assert (row["id"], row["bytes"]) == (made.id, 2_500_000) and row["deleted"] > 1e9
    assert run(capsys, "bin", "--empty")[1] == "1 removed, 2.5 MB are free\n"
    assert json.loads(run(capsys, "bin", "--json")[1]) == []


def test_of_several_runs_none_goes_if_one_is_not_there(store, made, capsys):
    assert run(capsys, "delete", made.id, "2020")[0] == 1
    assert store.get(made.id) == made


def test_a_live_run_is_not_deleted(store, capsys):
    waiting = store.create({})
    assert "stop it before you delete it" in run(capsys, "delete", waiting.id)[2]
    assert run(capsys, "delete", "last")[0] == 1 and store.get(waiting.id)
