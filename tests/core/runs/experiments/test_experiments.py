"""Experiments in the run store: planned, queued, worked off, halved, stopped, resumed; and what they say."""

import contextlib
import subprocess
import sys
from dataclasses import replace

import pytest

from core import PROJECT, ConfigError, DataError, LabError, RunError
from core.config import TrainConfig
from core.datasets.split import read_split
from core.runs.bin import Bin
from core.runs.experiments.halving import Halving, advance
from core.runs.experiments.kinds import (
    KINDS,
    cancel_experiment,
    plan_experiment,
    queue_experiment,
    resume_experiment,
    summarize,
)
from core.runs.experiments.record import Experiments
from core.runs.experiments.settings import FoldsSettings, SharesSettings, SweepSettings
from core.runs.manager import JobManager, close_dead_runs
from core.runs.queue import RunQueue
from core.runs.schema import Status
from core.runs.store import RunStore
from core.training.events import Evaluated, StepDone
from tests.core.runs import fake_training
from tests.core.runs.fake_training import figures
from tests.core.runs.waiting import over, until

SWEEP, FOLDS, CURVE = KINDS["sweep"], KINDS["folds"], KINDS["learning-curve"]


@pytest.fixture
def base(street):
    return TrainConfig(data=str(street), model="random", epochs=4)


def lr_decides(config, folder, resume=False):
    """The stand-in of a training, whose AP is 1,000 times its learning rate, a little more with each seed."""
    kind = "endless" if config.lr == 0.9e-3 else "short"
    for event in fake_training.train(replace(config, data=kind), folder, resume):
        if isinstance(event, Evaluated) and event.epoch:
            ap = 1000 * config.lr + 0.001 * event.epoch + 0.002 * config.seed
            event = replace(event, figures=figures(ap), metrics={"val/AP": ap}, is_best=True)
        if isinstance(event, StepDone) and config.lr == 0.1e-3 and event.step == 2:
            raise ConfigError("This one fails.")
        yield event


def sweep(store, base, *values, **settings):
    return queue_experiment(store, SWEEP, base, SweepSettings(values=values, **settings))


def members(store, experiment):
    return Experiments(store).members(experiment.id)


def all_over(store, experiment):
    def is_over():
        begun = advance(store)  # before the look at the runs: a manager may let one go on in between
        return not begun and not any(one.run.is_live for one in members(store, experiment))

    until(is_over)
    return {one.run.name.split(": ")[1]: one for one in members(store, experiment)}


# Planned


def test_a_sweep_is_the_product_of_values_and_seeds(store, base):
    experiment = sweep(store, replace(base, seed=3), "lr=1e-4,2e-4", "augment=none,flip", seeds=2)
    runs = members(store, experiment)
    assert len(runs) == 8 == len({str(one.variant) for one in runs})
    assert {(one.run.config["lr"], one.run.config["augment"], one.run.config["seed"]) for one in runs} == {
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


# Worked off


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


def test_a_run_whose_checkpoint_is_gone_fails_with_a_sentence_and_holds_up_nobody(store, base, manage):
    experiment = sweep(store, base, "lr=2e-4,3e-4", halving=2)
    manager = manage(in_process=True, train=lr_decides)
    until(lambda: all(one.run.epoch for one in members(store, experiment)))
    manager.shutdown()
    best = members(store, experiment)[1].run
    RunQueue(store)  # the next manager decides
    if store.get(best.id).status is not Status.STOPPED:
        pytest.skip("it went on before the manager ended")
    for path in sorted(store.checkpoints(best.id).rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    store.checkpoints(best.id).rmdir()
    manage(in_process=True, train=lr_decides)
    gone = over(store, until(lambda: store.get(best.id).status is Status.FAILED and best.id))
    assert "cannot be resumed" in gone.message


def test_the_state_is_the_stores_so_an_app_that_is_killed_goes_on(tmp_path, base):
    """An app works off half of it and is killed with its training; the next one does the rest."""
    store = RunStore(tmp_path)
    experiment = queue_experiment(store, SWEEP, base, SweepSettings(values=["lr=2e-4,3e-4,4e-4,5e-4"], halving=2))
    program = (
        "import sys; sys.path.insert(0, '.');"
        "from core.runs.manager import JobManager; from core.runs.store import RunStore;"
        "from tests.core.runs.experiments.test_experiments import lr_decides;"
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


# What they say


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
