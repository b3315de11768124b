"""A training by minutes: planned after its first steps, saved with its plan, and repeated with the same numbers."""

import shutil
from contextlib import closing
from dataclasses import replace

import pytest

from core.training.checkpoint import read_state
from core.training.checkpoint_folder import is_whole
from core.training.events import MEASURING, Evaluated, Finished, StepDone
from core.training.length.length import Length
from core.training.train import train
from tests.core.training.chosen_events import evaluations, losses

TICK = 0.25  # seconds that pass from one look at the clock to the next


@pytest.fixture
def ticking(monkeypatch):
    """A clock that goes on whenever it is looked at, so that the same training is planned the same way each time."""
    times = iter(range(10**9))
    monkeypatch.setattr(
        "core.training.training.Length",
        lambda config, most_steps, cost, _: Length(config, most_steps, cost, None, lambda: TICK * next(times)),
    )


@pytest.fixture
def by_minutes(config):
    return replace(config, minutes=0.5, batch_size=1, schedule="cosine", start_size=0.5, augment="flip")


@pytest.mark.usefixtures("ticking")
def test_it_is_planned_after_its_first_steps_and_its_schedule_ends_with_it(by_minutes, tmp_path):
    progress = list(train(by_minutes, tmp_path))
    steps = [p for p in progress if isinstance(p, StepDone)]
    before = [p for p in steps if not p.steps]
    assert 3 <= len(before) <= 12 and steps[: len(before)] == before  # one pass at most
    assert {(p.epochs, p.message) for p in before} == {(0, MEASURING)}
    left = [p.seconds_left for p in steps]  # of its minutes, not of its steps at their speed
    assert left == sorted(left, reverse=True) and 60 * by_minutes.minutes > left[0] > left[-1]
    assert all(p.epoch < p.epochs and p.step <= p.steps and not p.message for p in steps[len(before) :])
    assert [p.step for p in steps] == list(range(1, len(steps) + 1))
    assert isinstance(progress[-1], Finished) and progress[-1].epoch == progress[-1].epochs
    assert progress[-1].step == progress[-1].steps == len(steps)
    assert steps[-1].metrics["train/lr"] < 0.05 * by_minutes.lr < steps[0].metrics["train/lr"]
    evaluated = [p.epoch for p in evaluations(progress)]
    assert evaluated == sorted(set(evaluated)) and evaluated[0] == 0 and evaluated[-1] == progress[-1].epoch
    assert read_state(tmp_path / "last")["length"]["used"] > 0 and is_whole(tmp_path / "best")


@pytest.mark.usefixtures("ticking")
def test_a_killed_training_repeats_what_its_checkpoint_lacks_with_the_same_plan_and_numbers(by_minutes, tmp_path):
    folder, copies, seen = tmp_path / "run", {}, []
    with closing(train(by_minutes, folder)) as running:
        for progress in running:
            seen.append(progress)
            if isinstance(progress, StepDone) and (folder / "last").exists() and progress.step % 5 == 1:
                copies[progress.step] = shutil.copytree(folder, tmp_path / str(progress.step))
            if len(copies) == 3:
                break
    recorded, plans = losses(seen), {p.step: (p.epochs, p.steps) for p in seen if isinstance(p, StepDone)}
    assert len(copies) >= 2
    for step, copy in copies.items():
        state, again = read_state(copy / "last"), []
        with closing(train(by_minutes, copy, resume=True)) as running:
            for progress in running:
                again.append(progress)
                if isinstance(progress, StepDone) and progress.step == step:
                    break
        repeated = losses(again)
        assert repeated == {n: recorded[n] for n in range(state["step"] + 1, step + 1)}
        told = {p.step: (p.epochs, p.steps) for p in again if isinstance(p, StepDone)}
        assert told == {n: plans[n] for n in told}


@pytest.mark.usefixtures("ticking")
@pytest.mark.few(1)
@pytest.mark.parametrize("stop_at", [(Evaluated, 0), (StepDone, 2), (StepDone, 8)])
def test_a_stopped_training_goes_on_with_the_time_that_is_left(by_minutes, tmp_path, stop_at):
    with closing(train(by_minutes, tmp_path)) as running:
        before = [next(p for p in running if (type(p), p.step) == stop_at)]
    used = read_state(tmp_path / "last")["length"]["used"]
    after = list(train(by_minutes, tmp_path, resume=True))
    steps = [p.step for p in after if isinstance(p, StepDone)]
    assert steps == list(range(before[0].step + 1, after[-1].step + 1)) and isinstance(after[-1], Finished)
    assert used < read_state(tmp_path / "last")["length"]["used"]


@pytest.mark.usefixtures("ticking")
def test_epochs_stay_what_they_are_without_minutes(config, whole, tmp_path):
    progress = list(train(config, tmp_path))
    assert losses(progress) == losses(whole[0])
    assert read_state(tmp_path / "last")["length"] is None
