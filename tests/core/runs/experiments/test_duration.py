"""core/runs/experiments/duration.py: how long an experiment takes is told by the last training that was like it."""

from dataclasses import replace

import pytest

from core.config import TrainConfig
from core.runs.experiments.duration import likely_seconds, planned_epochs
from core.runs.experiments.kinds import KINDS, plan_experiment
from core.runs.experiments.settings import FoldsSettings, SharesSettings, SweepSettings
from core.runs.schema import Status


@pytest.mark.parametrize(
    "kind, settings, epochs",
    [
        ("sweep", SweepSettings(values=["lr=1e-4,2e-4,3e-4"], seeds=2), 54),
        ("sweep", SweepSettings(values=["lr=1e-4,2e-4,3e-4"], seeds=2, halving=3), 2 * (3 * 3 + 6)),
        ("sweep", SweepSettings(values=["epochs=2,5"]), 7),
        ("folds", FoldsSettings(folds=3), 27),
        ("learning-curve", SharesSettings(shares=("1/4", "1"), seeds=2), 36),
    ],
)
def test_epochs_are_those_that_are_trained(street, kind, settings, epochs):
    base = TrainConfig(data=str(street), model="random", epochs=9)
    planned = plan_experiment(KINDS[kind], base, settings)
    assert planned_epochs(base, planned, KINDS[kind].details(base, settings)) == epochs


def test_the_last_training_like_it_tells_how_long_an_epoch_takes(store):
    config = TrainConfig(epochs=2)
    assert likely_seconds(store, config, 10) is None
    for changes, seconds in (({}, 30), ({"lr": 0.5}, 60), ({"longest_edge": 2000}, 1), ({"data": "else"}, 1)):
        run = store.create(replace(config, **changes).to_dict())
        store.update(run.id, status=Status.FINISHED, started=100.0, ended=100.0 + seconds, epoch=2)
    failed = store.create(config.to_dict())
    store.update(failed.id, status=Status.FAILED, started=100.0, ended=101.0, epoch=2)
    assert likely_seconds(store, config, 10) == 300
