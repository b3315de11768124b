"""core/runs/bin.py: deleted runs are out of sight, come back whole, and go for good; no kill loses one."""

import os
import shutil
import subprocess
import sys
from itertools import count

import pytest

from core import RunError
from core.engine.process_id import process_of
from core.runs.bin import Bin
from core.runs.deletion.folders import KEPT_DAYS
from core.runs.deletion.leftovers import recover
from core.runs.marks import Marks
from core.runs.queue import RunQueue
from core.runs.schema import Status
from core.runs.store import RunStore
from tests.killed import killed_at

DAY = 24 * 3600
SIZES = {"log.txt": 30, "tables/epoch_0000.parquet": 100}, {"best/model.safetensors": 1000, "last/state.pt": 500}
SIZE = 1630
IMPORTED = {"imported": {"gt": "gt.json", "dt": "dt.json", "images": None}}


def ended(store, config=None, name=None, status=Status.FINISHED):
    """A run that has ended, with files in both of its folders."""
    run = store.create(config or {}, name)
    store.record(run.id, 1, {"train/loss": 1.0}, {"status": status})
    for folder, sizes in zip((store.folder(run.id), store.checkpoints(run.id)), SIZES, strict=True):
        for file, size in sizes.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(b"x" * size)
    return store.get(run.id)


def files(store):
    """Every file below the runs and checkpoints, but the database."""
    paths = [path for top in (store.runs_dir, store.checkpoints_dir) for path in top.rglob("*") if path.is_file()]
    return sorted(str(path.relative_to(store.root)) for path in paths if not path.name.startswith("runs.db"))


@pytest.fixture
def run(store):
    return ended(store, name="first")


@pytest.mark.parametrize("config", [{}, IMPORTED])
def test_a_deleted_run_is_out_of_sight_and_comes_back_as_it_was(store, config):
    run, other = ended(store, config), ended(store)
    before = files(store)
    assert Bin(store).delete(run.id) == SIZE
    assert [one.id for one in store.runs()] == [other.id] and store.get("last") == other
    assert not store.folder(run.id).exists() and not store.checkpoints(run.id).exists()
    assert [(one.run.id, one.size) for one in Bin(store).runs()] == [(run.id, SIZE)]
    for ask in (store.get, store.metrics_after, store.evaluations):
        with pytest.raises(RunError, match=r"deleted: python -m core restore|no run .* any more"):
            ask(run.id)
    assert Bin(store).restore(run.id) == run == store.get(run.id)
    assert files(store) == before and Bin(store).runs() == [] and len(store.metrics_after(run.id)[0]) == 1


@pytest.mark.parametrize("act", [
    lambda store, run: RunQueue(store).requeue(run),
    lambda store, run: RunQueue(store).request_stop(run),
    lambda store, run: RunQueue(store).begin(run, (os.getpid(), 1.0)),
    lambda store, run: store.update(run, message="x"),
    lambda store, run: store.record(run, 2, {"a": 1.0}),
    lambda store, run: Marks(store).add_all(run, []),
    lambda store, run: Bin(store).delete(run),
])  # fmt: skip
def test_nothing_is_done_with_a_deleted_run(store, act):
    run = ended(store, status=Status.STOPPED)
    Bin(store).delete(run.id)
    with pytest.raises(RunError):
        act(store, run.id)
    assert Bin(store).restore(run.id) == run


def test_removing_for_good_takes_rows_and_folders_of_these_runs_only(store, run):
    other, kept = ended(store), ended(store)
    for one in (run, other):
        Bin(store).delete(one.id)
    Bin(store).remove([run.id])
    assert [one.run.id for one in Bin(store).runs()] == [other.id] and store.runs() == [kept]
    assert not any(run.id in file for file in files(store)) and len(files(store)) == 8
    with store.database.read() as db:
        assert db.execute("select count(*) from metrics").fetchone()[0] == 2
    with pytest.raises(RunError, match="There is no deleted run"):
        Bin(store).restore(run.id)
    Bin(store).remove([kept.id])  # which is not deleted
    assert store.get(kept.id) == kept


def test_what_was_deleted_long_ago_goes_when_a_store_is_opened(store, run, monkeypatch):
    Bin(store).delete(run.id)
    monkeypatch.setenv("DETR_LAB_ROOT", str(store.root))
    for days, is_kept in ((KEPT_DAYS - 1, True), (KEPT_DAYS + 1, False)):
        with store.database.write() as db:
            db.execute("update runs set deleted = unixepoch() - ?", (days * DAY,))
        RunStore.default().close()
        assert bool(Bin(store).runs()) == bool(files(store)) == is_kept


def test_a_run_that_waits_or_trains_is_not_deleted(store):
    run, me = store.create({}, "first"), (os.getpid(), 1.0)
    for step in (lambda: None, lambda: RunQueue(store).claim(me), lambda: RunQueue(store).begin(run.id, me)):
        step()
        with pytest.raises(RunError, match="stop it before you delete it"):
            Bin(store).delete(run.id)
        assert store.get(run.id)


def test_a_run_whose_process_is_still_ending_is_not_deleted(store, run):
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    store.update(run.id, ended=1e11)  # far from now: a notebook that has trained it lives on
    pid, started = process_of(child.pid)
    store.update(run.id, pid=pid, pid_started=started)
    Bin(store).delete(run.id)
    Bin(store).restore(run.id)
    with store.database.write() as db:
        db.execute("update runs set ended = unixepoch()")
    with pytest.raises(RunError, match="still ending"):
        Bin(store).delete(run.id)
    child.communicate(b"\n")
    Bin(store).delete(run.id)


def test_a_run_from_whose_checkpoint_a_waiting_one_starts_is_not_deleted(store, run):
    waiting = store.create({"model": str(store.checkpoint(run.id, "best"))}, "second")
    with pytest.raises(RunError, match="second is queued and starts from a checkpoint of first"):
        Bin(store).delete(run.id)
    assert store.get(run.id) == run and len(files(store)) == 4
    RunQueue(store).request_stop(waiting.id)
    Bin(store).delete(run.id)


def test_a_run_without_folders_and_one_in_a_linked_folder_come_back_too(store, tmp_path):
    without, linked = store.create({}), ended(store)
    store.update(without.id, status=Status.FAILED)
    shutil.move(store.checkpoints(linked.id), tmp_path / "elsewhere")
    store.checkpoints(linked.id).symlink_to(tmp_path / "elsewhere")
    for run in (without, linked):
        Bin(store).delete(run.id)
        Bin(store).restore(run.id)
    assert (store.checkpoint(linked.id, "last") / "state.pt").is_file()
    Bin(store).delete(linked.id)
    Bin(store).remove([linked.id])
    assert (tmp_path / "elsewhere/last/state.pt").is_file()  # a user's own place


def test_what_a_late_writer_left_where_the_run_was_is_joined_with_it(store, run):
    Bin(store).delete(run.id)
    (store.folder(run.id) / "why").mkdir(parents=True)
    (store.folder(run.id) / "why/late.json").write_text("{}")
    Bin(store).restore(run.id)
    assert len(files(store)) == 5 and not (store.runs_dir / ".deleted" / run.id).exists()


def test_a_deleted_run_is_named_by_the_beginning_of_its_id_or_as_the_last_deleted(store, run):
    with pytest.raises(RunError, match="No run is deleted"):
        Bin(store).find("last")
    newer = ended(store)
    for one in (newer, run):
        Bin(store).delete(one.id)
    assert [Bin(store).find(name).id for name in ("last", newer.id[:-1], run.id)] == [run.id, newer.id, run.id]
    with pytest.raises(RunError, match="begins 2 deleted runs"):
        Bin(store).find(run.id[:4])


def test_folders_that_cannot_be_moved_leave_the_run_as_it_was(store, run, monkeypatch):
    before, rename = files(store), os.replace

    def refuse(source, target):
        if "checkpoints" in str(source):
            raise PermissionError(13, "Permission denied", str(source))
        rename(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(RunError, match=r"cannot be deleted: .*Permission denied"):
        Bin(store).delete(run.id)
    assert store.get(run.id) == run and files(store) == before


# Kills


def delete(store, run):
    Bin(store).delete(run)


def restore(store, run):
    Bin(store).restore(run)


def remove(store, run):
    Bin(store).remove([run])


@pytest.mark.parametrize("act", [delete, restore, remove])
def test_a_kill_at_any_change_of_a_file_leaves_the_run_or_the_deleted_run(tmp_path, act):
    template = RunStore(tmp_path / "template")
    run = ended(template)
    whole = files(template)
    if act is not delete:
        Bin(template).delete(run.id)
    template.close()
    for number in count(1):
        root = shutil.copytree(template.root, tmp_path / str(number))
        was_killed = killed_at(number, lambda root=root: act(RunStore(root), run.id))
        store = RunStore(root)
        recover(store, store.database)
        binned = [file.replace(run.id, f".deleted/{run.id}") for file in whole]
        states = {"run": (store.runs(), files(store)), "bin": (Bin(store).runs(), files(store))}
        if store.runs():
            assert act is not remove and states["run"] == ([run], whole), number
        elif Bin(store).runs():
            assert (states["bin"][0][0].size, states["bin"][1]) == (SIZE, binned), number
            assert Bin(store).restore(run.id) == run and files(store) == whole
        else:
            assert act is remove and files(store) == [], number
        store.close()
        if not was_killed:
            break
    assert number > 3
