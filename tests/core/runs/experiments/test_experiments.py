"""What the runs of an experiment say together, and how experiments are kept in the run store."""

from dataclasses import replace

import pytest

from core import RunError
from core.runs.bin import Bin
from core.runs.experiments.halving import advance
from core.runs.experiments.kinds import (
    cancel_experiment,
    queue_experiment,
    summarize,
)
from core.runs.experiments.record import Experiments
from core.runs.experiments.settings import FoldsSettings, SharesSettings, SweepSettings
from tests.core.runs.experiments.at_work import CURVE, FOLDS, SWEEP, all_over, lr_decides, members, sweep


def test_seeds_tell_which_difference_is_more_than_noise(store, base, manage):
    experiment = sweep(store, replace(base, epochs=1), "lr=2e-4,2.01e-4,5e-4", seeds=3)
    manage(in_process=True, train=lr_decides)
    all_over(store, experiment)
    summary = summarize(store, experiment)
    text = " ".join(summary.sentences)
    assert text.startswith("Best: lr 0.0005, AP 50.3, the mean of 3 seeds")
    assert "More than noise: it is better than lr 0.0002 by 30.0 points" in text
    (chart,) = summary.charts
    dots = chart.traces[0]
    assert sorted(dots["x"]) == [2e-4] * 3 + [2.01e-4] * 3 + [5e-4] * 3
    assert summary.values["settings"][2]["mean"] == pytest.approx(50.3)


def test_folds_have_their_mean_and_spread(store, base, manage):
    experiment = queue_experiment(store, FOLDS, replace(base, epochs=1, lr=4e-4), FoldsSettings(folds=3))
    manage(in_process=True, train=lr_decides)
    all_over(store, experiment)
    summary = summarize(store, experiment)
    assert summary.sentences[0] == "AP 40.1 on average over 3 of 3 folds, from 40.1 to 40.1 (standard deviation 0.0)."
    assert [chart.key for chart in summary.charts] == ["folds"]


def test_the_learning_curve_says_what_is_likely_and_not_measured(store, base, manage):
    experiment = queue_experiment(store, CURVE, base, SharesSettings(shares=("1/4", "1/2", "1")))
    manage(in_process=True, train=lr_decides)
    all_over(store, experiment)
    summary = summarize(store, experiment)
    assert "24" in summary.sentences[0] and "likely" in summary.sentences[0]
    assert "That is not measured" in summary.sentences[1]
    assert summary.values["twice"]["images"] == 24


def test_an_experiment_without_results_says_so(store, base):
    for experiment in (
        sweep(store, base, "lr=1e-4,2e-4"),
        queue_experiment(store, FOLDS, base, FoldsSettings(folds=2)),
        queue_experiment(store, CURVE, base, SharesSettings(shares=("1/2", "1"))),
    ):
        assert summarize(store, experiment).sentences == ["No training has gone to its end yet."]


# Kept


def test_experiments_are_listed_by_name_and_go_with_their_runs(store, base):
    first, second = sweep(store, base, "lr=1e-4,2e-4"), sweep(store, base, "lr=3e-4,4e-4")
    experiments = Experiments(store)
    assert [one.id for one in experiments.all()] == [second.id, first.id] or len(experiments.all()) == 2
    assert experiments.get(first.id) == first and experiments.get("last").id in (first.id, second.id)
    with pytest.raises(RunError, match="There is no experiment 'nothing'"):
        experiments.get("nothing")
    with pytest.raises(RunError, match="begins 2 experiments"):
        experiments.get("sweep-")
    experiments.rename(first.id, "My sweep")
    assert experiments.get(first.id).name == "My sweep"
    cancel_experiment(store, first.id)
    runs = [one.run.id for one in members(store, first)]
    for run_id in runs:
        Bin(store).delete(run_id)
    assert [one.id for one in experiments.all()] == [second.id]
    Bin(store).restore(runs[0])
    assert len(experiments.all()) == 2 and len(members(store, first)) == 1
    Bin(store).remove(runs[1:])
    assert len(members(store, first)) == 1
    assert len(experiments.experiment_of_runs()) == 3


def test_no_experiment_yet_says_how_one_is_made(store):
    with pytest.raises(RunError, match="python -m core sweep"):
        Experiments(store).get("last")


def test_damaged_rows_do_not_hide_the_others(store, base):
    first, second = sweep(store, base, "lr=1e-4,2e-4"), sweep(store, base, "lr=3e-4,4e-4")
    with store.database.write() as db:
        db.execute("update experiments set name = ?, plan = 'x' where id = ?", (b"\xff", first.id))
        db.execute("update experiment_runs set variant = '[', pause_epoch = 'x' where experiment = ?", (second.id,))
    assert [one.id for one in Experiments(store).all()] == [second.id]
    assert all(one.variant == {} and one.pause_epoch is None for one in members(store, second))
    assert advance(store) == []
    assert summarize(store, second).sentences


def test_a_name_that_cannot_be_kept_is_refused(store, base):
    with pytest.raises(RunError, match="cannot be called"):
        queue_experiment(store, SWEEP, base, SweepSettings(values=["lr=1e-4,2e-4"]), "\ud800")
    assert store.runs() == []
