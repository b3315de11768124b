"""What is left of experiments that were removed for good, or never recorded."""

import os
import time

from core.runs.bin import Bin
from core.runs.deletion.leftovers import recover
from core.runs.experiments.record import Experiments
from core.runs.experiments.settings import FoldsSettings
from core.runs.queue import RunQueue
from tests.core.runs.experiments.at_work import FOLDS, members, queue_experiment

YESTERDAY = 90_000  # seconds


def test_data_sets_go_with_the_last_run_and_what_was_never_recorded_goes_after_a_day(store, base):
    gone, kept = (queue_experiment(store, FOLDS, base, FoldsSettings(folds=2)) for _ in range(2))
    experiments = Experiments(store)
    unrecorded, fresh = store.experiments_dir / "folds-unrecorded", store.experiments_dir / "folds-fresh"
    for folder in (unrecorded, fresh):
        folder.mkdir()
    for one in members(store, gone):
        RunQueue(store).request_stop(one.run.id)
        Bin(store).delete(one.run.id)
    recover(store, store.database)
    assert all(experiments.data_folder(one.id).is_dir() for one in (gone, kept)) and unrecorded.is_dir()
    Bin(store).remove([one.run.id for one in Bin(store).runs()])
    old = time.time() - YESTERDAY
    with store.database.write() as db:
        db.execute("update experiments set created = ?", (old,))
    for folder in (experiments.data_folder(gone.id), experiments.data_folder(kept.id), unrecorded):
        os.utime(folder, (old, old))
    recover(store, store.database)
    assert not experiments.data_folder(gone.id).exists() and not unrecorded.exists() and fresh.is_dir()
    assert experiments.data_folder(kept.id).is_dir() and [one.id for one in experiments.all()] == [kept.id]
