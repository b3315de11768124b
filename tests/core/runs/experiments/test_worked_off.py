"""Experiments as the queue works them off: halved, stopped, resumed, killed; nothing holds up the others."""

import contextlib
import shutil
import subprocess
import sys

from core import PROJECT, RunError
from core.runs.bin import Bin
from core.runs.drive import drive
from core.runs.experiments.halving import Halving, advance
from core.runs.experiments.kinds import (
    cancel_experiment,
    queue_experiment,
    resume_experiment,
    summarize,
)
from core.runs.experiments.settings import SweepSettings
from core.runs.manager import JobManager, close_dead_runs
from core.runs.queue import RunQueue
from core.runs.schema import Status
from core.runs.store import RunStore
from tests.core.runs.experiments.at_work import SWEEP, all_over, lr_decides, members, sweep
from tests.core.runs.waiting import over, until


def test_the_worst_end_early_and_the_best_are_trained_to_their_end(store, base, manage):
    experiment = sweep(store, base, "lr=2e-4,3e-4,5e-4,4e-4", seeds=2, halving=2)
    manage(in_process=True, train=lr_decides)
    runs = all_over(store, experiment)
    epochs = {name: one.run.epoch for name, one in runs.items()}
    assert epochs == {
        f"lr {lr:g}, seed {seed}": end for lr, end in ((2e-4, 1), (3e-4, 1), (4e-4, 2), (5e-4, 4)) for seed in (0, 1)
    }
    assert runs["lr 0.0005, seed 0"].run.status is Status.FINISHED
    loser = runs["lr 0.0002, seed 0"].run
    assert loser.status is Status.STOPPED and loser.message.startswith("Paused after epoch 1")
    # each step once, though the training was broken off at every rung
    steps = [step for _, _, step, _ in store.metrics_after(runs["lr 0.0005, seed 1"].run.id, tags=["train/loss"])[0]]
    assert steps == list(range(1, 13))
    sentences = " ".join(summarize(store, experiment).sentences)
    assert "6 of 8 trainings ended early" in sentences and "With lr 0.0005: AP 50" in sentences


def test_a_failure_a_stop_and_a_deleted_run_do_not_hold_up_the_others(store, base, manage):
    experiment = sweep(store, base, "lr=1e-4,9e-4,3e-4,4e-4,5e-4", halving=2)
    by_lr = {one.variant["lr"]: one.run.id for one in members(store, experiment)}
    RunQueue(store).request_stop(by_lr[5e-4])
    Bin(store).delete(by_lr[5e-4])
    manager = manage(in_process=True, train=lr_decides)
    until(lambda: store.get(by_lr[9e-4]).step)
    manager.stop(by_lr[9e-4])
    runs = all_over(store, experiment)
    assert len(runs) == 4
    assert [store.get(by_lr[lr]).status for lr in (1e-4, 9e-4, 3e-4, 4e-4)] == [
        Status.FAILED, Status.STOPPED, Status.STOPPED, Status.FINISHED,
    ]  # fmt: skip
    assert (store.get(by_lr[3e-4]).epoch, store.get(by_lr[4e-4]).epoch) == (1, 4)


def test_a_run_whose_checkpoint_is_gone_fails_with_a_sentence_and_holds_up_nobody(store, base):
    experiment = sweep(store, base, "lr=2e-4,3e-4,4e-4,5e-4", halving=2)
    runs = [drive(store, one.run.id, lr_decides) for one in members(store, experiment)]
    assert {run.status for run in runs} == {Status.STOPPED}
    shutil.rmtree(store.checkpoints(runs[3].id))
    assert [run.id for run in advance(store)] == [runs[2].id]
    gone = store.get(runs[3].id)
    assert gone.status is Status.FAILED and "cannot be resumed" in gone.message
    assert drive(store, runs[2].id, lr_decides).epoch == 2
    assert [run.id for run in advance(store)] == [runs[2].id] and not advance(store)
    assert drive(store, runs[2].id, lr_decides).status is Status.FINISHED


def test_the_state_is_the_stores_so_an_app_that_is_killed_goes_on(tmp_path, base):
    """An app works off half of it and is killed with its training; the next one does the rest."""
    store = RunStore(tmp_path)
    experiment = queue_experiment(store, SWEEP, base, SweepSettings(values=["lr=2e-4,3e-4,4e-4,5e-4"], halving=2))
    program = (
        "import sys; sys.path.insert(0, '.');"
        "from core.runs.manager import JobManager; from core.runs.store import RunStore;"
        "from tests.core.runs.experiments.at_work import lr_decides;"
        f"manager = JobManager(RunStore({str(tmp_path)!r}), in_process=True, train=lr_decides); sys.stdin.read()"
    )
    for wanted in (2, 5):
        app = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, cwd=PROJECT)
        until(lambda wanted=wanted: sum(one.run.epoch or 0 for one in members(store, experiment)) >= wanted)
        app.kill()
        app.wait()
        app.stdin.close()
        close_dead_runs(store)
        # what was killed in the middle is INTERRUPTED, as any run: its user resumes it
        with contextlib.suppress(RunError):
            resume_experiment(store, experiment.id)
    manager = JobManager(store, in_process=True, train=lr_decides)  # the last app is this process
    runs = all_over(store, experiment)
    manager.shutdown()
    assert {name: one.run.epoch for name, one in runs.items()} == {
        "lr 0.0002": 1, "lr 0.0003": 1, "lr 0.0004": 2, "lr 0.0005": 4
    }  # fmt: skip
    store.close()


def test_an_experiment_is_cancelled_and_resumed_as_one(store, base, manage):
    other = store.create(base.to_dict())
    experiment = sweep(store, base, "lr=9e-4,3e-4,4e-4")
    assert len(cancel_experiment(store, experiment.id)) == 3
    assert [run.id for run in RunQueue(store).waiting()] == [other.id]
    assert not Halving(store).advance()
    assert len(resume_experiment(store, experiment.id)) == 3
    RunQueue(store).request_stop(other.id)
    manager = manage(in_process=True, train=lr_decides)
    endless = members(store, experiment)[0].run.id
    until(lambda: store.get(endless).step)
    cancel_experiment(store, experiment.id)
    manager.look()
    runs = all_over(store, experiment)
    assert {one.run.status for one in runs.values()} == {Status.STOPPED}


def test_what_is_cancelled_at_a_rung_goes_on_when_it_is_resumed(store, base, manage):
    experiment = sweep(store, base, "lr=2e-4,9e-4", halving=2)
    manager = manage(in_process=True, train=lr_decides)
    first, endless = (one.run.id for one in members(store, experiment))
    until(lambda: store.get(endless).step)
    cancel_experiment(store, experiment.id)
    over(store, endless)
    assert not advance(store)
    store.update(endless, status=Status.FAILED)  # as if it could not go on
    RunQueue(store)
    resume_experiment(store, experiment.id)
    RunQueue(store).request_stop(endless)
    manager.look()
    assert until(lambda: store.get(first).status is Status.FINISHED)


def test_a_manager_for_one_experiment_leaves_other_runs_in_the_queue(store, base, manage):
    other = store.create(base.to_dict())
    experiment = sweep(store, base, "lr=2e-4,3e-4")
    manage(in_process=True, train=lr_decides, experiment=experiment.id)
    all_over(store, experiment)
    assert store.get(other.id).status is Status.QUEUED
