"""Halving with real trainings: what goes on after its rung is the training that it would have been without."""

from dataclasses import replace

import pytest

from core.config import TrainConfig
from core.runs.experiments.kinds import KINDS, queue_experiment
from core.runs.experiments.record import Experiments
from core.runs.experiments.settings import SweepSettings
from core.runs.manager import JobManager
from core.runs.schema import Status
from core.runs.store import RunStore
from tests.core.runs.waiting import over, until


def curve(store, run_id, tag):
    return [(step, value) for _, _, step, value in store.metrics_after(run_id, tags=[tag])[0]]


@pytest.mark.ci
def test_the_winner_has_the_losses_and_rates_of_an_uninterrupted_training(street, tmp_path):
    base = TrainConfig(
        data=str(street), model="random", epochs=2, lr=1e-3, lr_backbone=1e-4, lr_head=1e-3, schedule="cosine",
        shortest_edge=72, longest_edge=96, workers=0, device="cpu", seed=5, freeze="none",
    )  # fmt: skip
    store = RunStore(tmp_path)
    experiment = queue_experiment(store, KINDS["sweep"], base, SweepSettings(values=["lr=1e-3,2e-3"], halving=2))
    manager = JobManager(store, in_process=True)

    def ended():
        runs = [one.run for one in Experiments(store).members(experiment.id)]
        return {run.status: run for run in runs} if not any(run.is_live for run in runs[:2]) else None

    runs = until(lambda: (found := ended()) and Status.FINISHED in found and found, 300)
    winner, loser = runs[Status.FINISHED], runs[Status.STOPPED]
    assert (winner.epoch, loser.epoch) == (2, 1) and (store.checkpoint(loser.id, "last")).is_dir()
    whole = manager.submit(replace(base, lr=winner.config["lr"]))
    over(store, whole.id, 300)
    manager.shutdown()
    for tag in ("train/loss", "train/lr", "val/AP"):
        assert curve(store, winner.id, tag) == curve(store, whole.id, tag), tag
    assert len(curve(store, winner.id, "train/loss")) == 6
    store.close()
