"""core/cli/experiments/: experiments on the command line; the trainings are the tests' stand-in."""

import json
import threading
from functools import partial

import pytest

from core.cli.experiments import follow
from core.runs.experiments.kinds import cancel_experiment
from core.runs.experiments.record import Experiments
from core.runs.manager import JobManager
from core.runs.queue import RunQueue
from core.runs.schema import Status
from core.runs.store import RunStore
from tests.core.cli.running import last_line, run
from tests.core.runs.fake_training import train
from tests.core.runs.waiting import end_all, until


@pytest.fixture
def store(home, monkeypatch):
    monkeypatch.setenv("DETR_LAB_ENGINE", "off")
    monkeypatch.setattr(follow, "JobManager", partial(JobManager, in_process=True, train=short))
    store = RunStore(home)
    yield store
    end_all(store)
    store.close()


def short(config, folder, resume=False):
    """The stand-in, whatever the data set: it fails at a learning rate of 0, and never ends at 1."""
    kind = {0: "wrong", 1: "endless"}.get(config.lr, "short")
    yield from train(type(config)(**{**config.to_dict(), "data": kind}), folder, resume)


def begin(capsys, home, command, *arguments):
    """The status, the id that is printed first, and the rest."""
    common = ("--data", home / "data/street", "--model", "random", "--epochs", "2")
    status, out, err = run(capsys, command, *arguments, *common)
    return status, out.split("\n")[0], out, err


def test_a_sweep_is_trained_and_says_which_is_best(store, home, capsys):
    status, made, out, err = begin(capsys, home, "sweep", "lr=1e-4,2e-4", "--seeds", "2", "--name", "Rates")
    assert status == 0 and "4 trainings\n" in err and made.startswith("sweep-")
    rows = [line.split() for line in out.splitlines() if "Finished" in line]
    assert len(rows) == 4 and all("2/2" in row and "50.0" in row for row in rows)
    assert "So none of these settings is shown to be better than another." in out
    assert "Rates: lr 0.0001, seed 0: finished, best AP 50.0" in out
    listed = run(capsys, "experiments")[1].splitlines()
    assert listed[1].split() == [made, "4", "4", "50.0", "Rates"]


def test_what_it_says_is_json_too(store, home, capsys):
    _, made, _, _ = begin(capsys, home, "folds", "--folds", "2")
    (listed,) = json.loads(run(capsys, "experiments", "--json")[1])
    one = json.loads(run(capsys, "experiment", "last", "--json")[1])
    assert listed["id"] == one["id"] == made and listed["plan"] == {"folds": 2}
    assert [(each["status"], each["best_AP"], each["variant"]) for each in one["runs"]] == [
        ("finished", 50.0, {"fold": 1}), ("finished", 50.0, {"fold": 2}),
    ]  # fmt: skip
    assert one["findings"]["mean"] == 50.0 and one["findings"]["sentences"][0].startswith("AP 50.0 on average over 2")


def test_the_learning_curve_halves_the_images(store, home, capsys):
    status, _, out, _ = begin(capsys, home, "learning-curve", "--shares", "1/2", "1")
    assert status == 0 and "6 images" in out and "12 images" in out and "with 24, twice as many" in out


def test_it_can_be_left_to_an_app(store, home, capsys):
    status, made, out, _ = begin(capsys, home, "sweep", "lr=1e-4,2e-4", "--queue")
    assert status == 0 and out == f"{made}\n2 trainings wait in the queue.\n"
    assert len(RunQueue(store).waiting()) == 2
    assert run(capsys, "experiment", made[:12], "--stop")[1] == f"{made}: 2 trainings are stopped.\n"
    status, _, err = run(capsys, "experiment", made, "--stop")
    assert status == 1 and "there is nothing to stop" in err
    assert run(capsys, "experiment", made, "--resume", "--queue")[1] == "2 trainings wait in the queue.\n"
    assert run(capsys, "experiment", made, "--stop")[0] == 0
    status, out, _ = run(capsys, "experiment", made, "--resume")
    assert status == 0 and out.count("Finished") == 2
    assert "can be resumed" in run(capsys, "experiment", made, "--resume")[2]


@pytest.mark.parametrize(
    "command, arguments, sentence",
    [
        ("sweep", (), "nothing to vary"),
        ("sweep", ("lr=fast",), "lr is 'fast', but must be a number."),
        ("sweep", ("rate=1",), "There is no setting 'rate'"),
        ("sweep", ("lr=1e-4,2e-4", "--seeds", "0"), "seeds is 0, but must lie between 1 and 50"),
        ("sweep", ("lr=1e-6..1e-3:100", "--seeds", "9"), "That makes 900 trainings: at most 200"),
        ("sweep", ("lr=1e-4,2e-4", "--halving", "4"), "nothing to choose"),
        ("folds", ("--folds", "17"), "18 images cannot be divided into 17 folds"),
        ("learning-curve", ("--shares", "half", "1"), "'half' is no share"),
        ("experiment", ("last",), "There is no experiment yet"),
    ],
)
def test_what_makes_no_sense_is_one_sentence_and_leaves_nothing(store, home, capsys, command, arguments, sentence):
    given = arguments if command == "experiment" else (*arguments, "--data", home / "data/street")
    status, out, err = run(capsys, command, *given)
    assert status == 1 and not out and last_line(err).startswith("error: ") and sentence in last_line(err)
    assert store.runs() == []


def test_a_failure_does_not_hold_up_the_rest_and_fails_the_command_only_if_nothing_is_left(store, home, capsys):
    status, _, out, _ = begin(capsys, home, "sweep", "lr=0,1e-4")
    assert status == 0 and "1 of 2 trainings failed" in out and "has no cow" in out
    status, _, _, err = begin(capsys, home, "sweep", "lr=0", "--seeds", "2")
    assert status == 1 and "has no cow" in last_line(err)


def test_ctrl_c_stops_all_and_says_how_it_goes_on(store, home, capsys, monkeypatch):
    interrupted = threading.Event()
    sleep = follow.time.sleep

    def interrupt(seconds):
        sleep(seconds)
        if not interrupted.is_set() and any(one.step for one in store.runs()):
            interrupted.set()
            raise KeyboardInterrupt

    monkeypatch.setattr(follow.time, "sleep", interrupt)
    status, made, _, err = begin(capsys, home, "sweep", "lr=1,1e-4")
    assert status == 130 and f"python -m core experiment {made} --resume goes on" in last_line(err)
    assert {one.run.status for one in Experiments(store).members(made)} == {Status.STOPPED}


def test_another_process_may_train_them(store, home, capsys, monkeypatch):
    """An app on the same store takes them from the queue; the command shows what it does."""
    app = JobManager(store, in_process=True, train=short)
    monkeypatch.setattr(follow, "JobManager", lambda *_, **__: app)
    status, made, out, _ = begin(capsys, home, "sweep", "lr=1e-4,2e-4")
    assert status == 0 and out.count("Finished") == 2
    until(lambda: not cancel_experiment(store, made))
