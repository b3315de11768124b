"""What is saved is recorded, and what is recorded can be brought back: at every event, and whatever ends a training."""

import shutil
from contextlib import closing, suppress
from dataclasses import replace

import pytest
import torch

from core.training.checkpoint import latest_checkpoint, read_state
from core.training.checkpoint_folder import (
    current,
    delete_retired,
    epoch_of,
    is_whole,
    retire_checkpoint,
    saved_checkpoint,
)
from core.training.events import Evaluated, Finished, NotRecorded, StepDone
from core.training.train import train
from tests.core.training.chosen_events import evaluations, losses
from tests.killed import killed_at


def events_until(config, folder, stop_at, ended_by):
    """The events that are recorded; at the first one of `stop_at` (class, step) `ended_by` is called instead."""
    recorded = []
    with closing(train(config, folder)) as running:
        for progress in running:
            if (type(progress), progress.step) == stop_at:
                ended_by(running)
                break
            recorded.append(progress)
    return recorded


def record_fails(running):
    with suppress(StopIteration):
        running.throw(NotRecorded())


AT = [(Evaluated, 0), (StepDone, 1), (StepDone, 3), (Evaluated, 3), (StepDone, 5), (Evaluated, 6)]


def test_at_every_event_the_disk_holds_no_more_than_the_record_and_can_bring_it_back(config, tmp_path):
    step, evaluated = 0, None
    for progress in train(replace(config, epochs=3), tmp_path):
        saved = saved_checkpoint(tmp_path)
        state = read_state(saved) if saved else {"step": 0, "evaluated": None}
        assert state["step"] <= step and (state["evaluated"] or 0) <= (evaluated or 0)
        if isinstance(progress, Evaluated) and progress.epoch:  # what is recorded now is saved
            assert state["step"] == progress.step and epoch_of(saved) == progress.epoch
        if isinstance(progress, StepDone):
            step = progress.step
        if isinstance(progress, Evaluated):
            evaluated = progress.epoch
            best = tmp_path / "best"
            assert not is_whole(best) or read_state(best)["step"] < progress.step


@pytest.mark.few(2)
@pytest.mark.parametrize("stop_at", AT)
def test_an_event_that_could_not_be_recorded_is_made_again_by_the_resumed_training(config, whole, tmp_path, stop_at):
    before = events_until(config, tmp_path, stop_at, record_fails)
    saved = saved_checkpoint(tmp_path)
    step = max((p.step for p in before if isinstance(p, StepDone)), default=0)
    assert (read_state(saved)["step"] if saved else 0) <= step
    after = list(train(config, tmp_path, resume=bool(saved)))
    first = next(p.step for p in after if isinstance(p, (StepDone, Evaluated)))
    assert first <= stop_at[1]
    assert losses([*before, *after]) == losses(whole[0])
    figures = {p.epoch: p.figures for p in evaluations([*before, *after])}
    assert figures == {p.epoch: p.figures for p in evaluations(whole[0])}
    assert same_weights(tmp_path / "last", whole[1] / "last")


def same_weights(one, other):
    states = [torch.load(folder / "trainer.pt", weights_only=True)["optimizer"]["state"] for folder in (one, other)]
    return (
        all(
            torch.equal(value, states[1][parameter][name])
            for parameter, values in states[0].items()
            for name, value in values.items()
        )
        and (one / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()
    )


@pytest.mark.few(2)
@pytest.mark.parametrize("stop_at", AT)
def test_a_stop_at_an_event_saves_it(config, tmp_path, stop_at):
    events_until(config, tmp_path, stop_at, lambda running: running.close())
    state = read_state(latest_checkpoint(tmp_path))
    assert state["step"] == stop_at[1]
    assert stop_at[0] is StepDone or state["evaluated"] == stop_at[1] // 3
    if stop_at[0] is Evaluated and stop_at[1]:
        assert state["best_ap"] >= 0 and is_whole(tmp_path / "best")


def test_ctrl_c_in_the_midst_of_an_update_saves_no_half_of_it(config, whole, tmp_path, monkeypatch):
    step = torch.optim.AdamW.step
    calls = iter(range(1, 100))

    def interrupted(self, *arguments, **options):
        if next(calls) == 5:
            self.param_groups[0]["params"][0].data.add_(1.0)
            raise KeyboardInterrupt
        return step(self, *arguments, **options)

    monkeypatch.setattr(torch.optim.AdamW, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(train(config, tmp_path))
    assert read_state(latest_checkpoint(tmp_path))["step"] == 3  # of the last whole epoch
    monkeypatch.undo()
    after = list(train(config, tmp_path, resume=True))
    assert losses(after) == {s: metrics for s, metrics in losses(whole[0]).items() if s > 3}


@pytest.mark.parametrize("keep", ["best", "last"])
def test_the_end_is_told_before_a_checkpoint_is_deleted(config, tmp_path, keep):
    running = train(replace(config, epochs=1, keep=keep), tmp_path)
    next(p for p in running if isinstance(p, Finished))
    assert all(is_whole(current(tmp_path / name)) for name in ("best", "last"))
    assert list(running) == [] and [path.name for path in tmp_path.iterdir()] == [keep]


@pytest.mark.few(5)
@pytest.mark.parametrize("keep", ["best", "last", "best and last"])
@pytest.mark.parametrize("killed", range(1, 12))
def test_a_kill_at_the_end_loses_no_checkpoint_and_leaves_none_too_many(whole, tmp_path, keep, killed):
    for name in ("best", "last"):
        shutil.copytree(whole[1] / name, tmp_path / name)
    (tmp_path / "last.old").mkdir()  # half deleted by a kill before
    expected = sorted(keep.split(" and "))
    killed_at(killed, lambda: (retire_checkpoint(tmp_path, keep), delete_retired(tmp_path)))
    assert all(is_whole(current(tmp_path / name)) for name in expected)
    assert saved_checkpoint(tmp_path)
    retire_checkpoint(tmp_path, keep)  # the training goes on, and is at its end at once
    delete_retired(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == expected


def test_a_training_whose_last_checkpoint_is_gone_goes_on_from_the_best(config, whole, tmp_path):
    events_until(config, tmp_path, (StepDone, 5), lambda running: running.close())
    (tmp_path / "last").rename(tmp_path / "gone")
    after = list(train(config, tmp_path, resume=True))
    assert [p.step for p in after if isinstance(p, StepDone)] == [4, 5, 6]
    assert losses(after) == {s: metrics for s, metrics in losses(whole[0]).items() if s > 3}
    assert same_weights(tmp_path / "last", whole[1] / "last")


def test_the_best_checkpoint_is_the_last_ones_files_and_survives_it(config, tmp_path):
    list(train(replace(config, epochs=1), tmp_path))
    weights = [(tmp_path / name / "model.safetensors").stat() for name in ("best", "last")]
    assert weights[0].st_ino == weights[1].st_ino
    list(train(replace(config, epochs=2), tmp_path, resume=True))
    assert read_state(tmp_path / "last")["step"] == 6
