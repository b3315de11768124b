"""What killed processes leave among a store's files: an import that was decided becomes whole, all else goes."""

import os

from core.runs.deletion.leftovers import clear_run, recover
from core.runs.provenance.data import accept_changed_data
from core.runs.schema import Status
from core.runs.store import RunStore
from tests.core.runs.fake_training import leave_checkpoint

DEAD = 2**22 + 1  # more than any process's number
IMPORTED = {"imported": {"gt": "gt.json", "dt": "dt.json", "images": None}}


def leave(folder, name, pid=DEAD):
    path = folder / f".{name}-{pid}-0a1b2c3d.partial"
    (path / "tables").mkdir(parents=True)
    return path


def test_a_recorded_import_gets_its_folder_and_one_that_was_not_goes(tmp_path):
    with_row = RunStore(tmp_path).create(IMPORTED)
    leave(tmp_path / "runs", with_row.id)
    unknown = leave(tmp_path / "runs", "20260101-000000-0000")
    written = leave(tmp_path / "runs", "20260101-000000-0001", pid=os.getppid())
    drawn = leave(tmp_path / "data", "street")
    dropped = leave(tmp_path / "checkpoints" / with_row.id, "last")
    store = RunStore(tmp_path)
    recover(store, store.database)
    assert (store.folder(with_row.id) / "tables").is_dir()
    assert not unknown.exists() and not drawn.exists() and written.exists() and not dropped.exists()


def test_a_finished_runs_replaced_checkpoints_go_and_those_that_another_run_may_need_stay(tmp_path):
    store = RunStore(tmp_path)
    runs = [store.create({}) for _ in range(3)]
    store.update(runs[0].id, status=Status.FINISHED)
    store.update(runs[1].id, status=Status.FINISHED)
    for run, name in zip(runs, ("best", "last.old", "best"), strict=True):
        leave_checkpoint(store.checkpoints(run.id) / name)
        leave_checkpoint(store.checkpoints(run.id) / "last.old")
    recover(store, store.database)
    left = [sorted(path.name for path in store.checkpoints(run.id).iterdir()) for run in runs]
    assert left == [["best"], ["last.old"], ["best", "last.old"]]


def test_a_folder_that_is_there_is_not_replaced(tmp_path):
    store = RunStore(tmp_path)
    run = store.create({})
    (store.folder(run.id) / "kept").mkdir(parents=True)
    left = leave(tmp_path / "runs", run.id)
    recover(store, store.database)
    assert (store.folder(run.id) / "kept").is_dir() and not left.exists()


def test_the_store_of_the_app_recovers_when_it_opens(tmp_path, monkeypatch):
    monkeypatch.setenv("DETR_LAB_ROOT", str(tmp_path))
    left = leave(tmp_path / "data", "street")
    assert RunStore.default().runs() == [] and not left.exists()


def test_a_finished_run_is_made_whole_or_not_at_all(tmp_path):
    store = RunStore(tmp_path)
    folder = store.runs_dir / "made"
    (folder / "tables").mkdir(parents=True)
    run = store.create_finished(IMPORTED, "mine", {"epoch": 0}, {"AP": 0.5}, folder)
    assert (run.status, run.name, run.ap, run.best_ap) == (Status.FINISHED, "mine", 0.5, 0.5)
    assert (store.folder(run.id) / "tables").is_dir() and store.evaluations(run.id)[0].table
    assert sorted(path.name for path in store.runs_dir.iterdir() if path.is_dir()) == [run.id]


def test_nothing_is_left_in_any_folder_of_a_run(tmp_path):
    store = RunStore(tmp_path)
    run = store.create({})
    accept_changed_data(store, run.id, "any")  # its folder for data, with a file that stays
    folder = store.folder(run.id)
    places = [folder, *(folder / name for name in ("data", "tables", "watched", "why", "of/a/later version"))]
    left = [leave(place, "record.json") for place in [*places, store.checkpoints(run.id)]]
    written = leave(folder / "data", "record.json", pid=os.getppid())
    clear_run(store, run.id)
    assert not any(path.exists() for path in left) and written.exists()
    assert (folder / "data" / "record.json").is_file()
