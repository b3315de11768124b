"""What the runs of an experiment are: values and seeds, folds, shares; or one sentence on why there are none."""

from dataclasses import replace

import pytest

from core import ConfigError, DataError, LabError
from core.datasets.split import read_split
from core.runs.experiments.kinds import (
    plan_experiment,
    queue_experiment,
)
from core.runs.experiments.record import Experiments
from core.runs.experiments.settings import FoldsSettings, SharesSettings, SweepSettings
from core.runs.queue import RunQueue
from tests.core.runs.experiments.at_work import CURVE, FOLDS, SWEEP, members, sweep


def test_a_sweep_is_the_product_of_values_and_seeds(store, base):
    experiment = sweep(store, replace(base, seed=3), "lr=1e-4,2e-4", "augment=none,flip", seeds=2)
    runs = members(store, experiment)
    assert len(runs) == 8 == len({str(one.variant) for one in runs})
    assert {(one.run.config["lr"], *one.run.config["augment"], one.run.config["seed"]) for one in runs} == {
        (lr, augment, seed) for lr in (1e-4, 2e-4) for augment in ("none", "flip") for seed in (3, 4)
    }
    assert [run.id for run in RunQueue(store).waiting()] == [one.run.id for one in runs]
    assert runs[0].run.name == "Sweep of learning rate, augmentation: lr 0.0001, augment none, seed 3"
    assert experiment.config == replace(base, seed=3).to_dict()


@pytest.mark.parametrize(
    "values, settings, sentence",
    [
        (["lr=2"], {}, "lr 2 cannot be trained. lr is 2.0, but must lie between"),
        (["shortest_edge=900", "longest_edge=800"], {}, "shortest_edge 900 is larger than"),
        (["lr=1e-4", "lr=2e-4"], {}, "lr is there twice"),
        ([], {}, "nothing to vary"),
        (["lr=1e-5..1e-3:50", "dropout=0..0.3:10"], {}, "That makes 500 trainings: at most 200"),
        (["lr=1e-5..1e-3:4"], {"halving": 5}, "nothing to choose"),
        (["lr=1e-5..1e-3:4", "epochs=4,5"], {"halving": 2}, "epochs cannot have several values"),
        (["data=nowhere,else"], {}, "There is no data set folder"),
        (["model=nowhere"], {}, "nowhere"),
        (["classes=car,unicorn"], {}, "unicorn"),
    ],
)
def test_what_cannot_be_trained_is_told_before_anything_is_queued(store, base, values, settings, sentence):
    with pytest.raises(LabError, match=sentence):
        queue_experiment(store, SWEEP, base, SweepSettings(values=values, **settings))
    assert store.runs() == [] and Experiments(store).all() == []
    assert not Experiments(store).data_folder("").parent.exists() or not any(store.data_dir.iterdir())


def test_halving_needs_trainings_that_do_not_end_by_themselves(base):
    with pytest.raises(ConfigError, match="early_stopping"):
        plan_experiment(SWEEP, replace(base, early_stopping=2), SweepSettings(values=["lr=1e-5..1e-3:4"], halving=2))
    with pytest.raises(ConfigError, match="halving is 1"):
        SweepSettings(values=["lr=1,2"], halving=1)


def test_folds_are_data_sets_each_image_is_validated_on_once(store, base):
    experiment = queue_experiment(store, FOLDS, base, FoldsSettings(folds=3))
    seen = []
    for one in members(store, experiment):
        train, val = (read_split(one.run.config["data"], part) for part in ("train", "val"))
        names = [image["file_name"] for image in val.images]
        assert len(train.images) + len(val.images) == 18 and not set(names) & {i["file_name"] for i in train.images}
        seen += names
    assert len(seen) == len(set(seen)) == 18


def test_too_many_folds_are_refused(store, base):
    with pytest.raises(DataError, match="18 images cannot be divided into 10 folds: take at most 9"):
        queue_experiment(store, FOLDS, base, FoldsSettings(folds=10))


def test_the_learning_curve_trains_nested_shares_for_as_many_steps(store, base):
    experiment = queue_experiment(store, CURVE, base, SharesSettings(shares=("1/4", "1/2", "1"), seeds=2))
    runs = members(store, experiment)
    images = {}
    for one in runs:
        train, val = (read_split(one.run.config["data"], part) for part in ("train", "val"))
        assert len(train.images) == one.variant["images"] and len(val.images) == 6
        images[one.seed, one.variant["images"]] = {image["file_name"].split("/")[-1] for image in train.images}
        steps = one.run.config["epochs"] * -(-len(train.images) // base.batch_size)
        assert steps == pytest.approx(4 * 3, abs=1) and one.run.config["seed"] == one.seed
    assert images[0, 3] < images[0, 6] < images[0, 12] == images[1, 12]
    assert len(runs) == 6


@pytest.mark.parametrize(
    "shares, sentence",
    [(("1",), "two different shares"), (("1/2", "2"), "'2' is no share"), (("1/0", "1"), "no share"),
     (("x", "1"), "no share"), (("1/1000", "1/900"), "as many images"), (("1/2", "0.5"), "two different")],
)  # fmt: skip
def test_shares_that_make_no_curve_are_refused(base, shares, sentence):
    with pytest.raises(LabError, match=sentence):
        plan_experiment(CURVE, base, SharesSettings(shares=shares))


def test_too_many_epochs_are_refused(base):
    with pytest.raises(ConfigError, match="needs 1,500 epochs for as many steps, at most 1,000"):
        plan_experiment(CURVE, replace(base, epochs=500), SharesSettings(shares=("1/4", "1")))
