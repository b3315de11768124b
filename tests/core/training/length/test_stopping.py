"""Early stopping: when it holds, what it says, and which checkpoints it leaves."""

import math
from dataclasses import replace

import pytest

from core import RunError
from core.config import TrainConfig
from core.evaluation.coco_eval import evaluate
from core.training.checkpoint import read_state
from core.training.checkpoint_folder import epoch_of, is_whole
from core.training.length.stopping import EarlyStopping
from core.training.step import Stepper
from core.training.train import train


def test_it_holds_when_ap_has_not_risen_for_so_many_evaluations():
    stopping = EarlyStopping(TrainConfig(early_stopping=2))
    assert [(stopping.add(ap), stopping.has_stalled) for ap in (0.3, 0.2, 0.3, 0.4)] == [
        (True, False), (False, False), (False, True), (True, False),
    ]  # fmt: skip
    never = EarlyStopping(TrainConfig())
    assert not any((never.add(0.0), never.has_stalled)[1] for _ in range(50))


@pytest.mark.parametrize("keep", ["best and last", "best", "last"])
def test_after_it_the_best_is_kept_whatever_was_to_be_kept(keep):
    stopping = EarlyStopping(TrainConfig(early_stopping=1, keep=keep))
    stopping.add(0.5)
    assert stopping.kept == keep and not stopping.remarks(3, 9, 10)
    stopping.add(0.4)
    assert stopping.kept == ("best and last" if keep == "last" else keep)
    assert stopping.remarks(3, 9, 10) and not stopping.remarks(9, 9, 10)  # it was the last epoch anyway


@pytest.mark.few(1)
@pytest.mark.parametrize("keep, left", [("last", {"best", "last"}), ("best", {"best"})])
def test_a_training_that_stops_early_ends_with_its_best_model(config, tmp_path, monkeypatch, keep, left):
    aps, real = iter([0.1, 0.5, 0.4, 0.3, 0.2]), evaluate
    monkeypatch.setattr("core.training.validation.evaluate", lambda *a: replace(real(*a), AP=next(aps)))
    settings = replace(config, epochs=9, early_stopping=2, keep=keep)
    assert list(train(settings, tmp_path))[-1].epoch == 3
    assert {path.name for path in tmp_path.iterdir()} == left and epoch_of(tmp_path / "best") == 1


def test_a_training_that_diverges_keeps_its_best_and_last_models(config, tmp_path, monkeypatch):
    real, calls = Stepper._fetch, iter(range(100))

    def broken(self, parts, norm):
        by_part, gradient = real(self, parts, norm)
        return (by_part * math.nan if next(calls) == 5 else by_part), gradient  # the pre-flight's is the first

    monkeypatch.setattr(Stepper, "_fetch", broken)
    with pytest.raises(RunError, match="not a finite number at step 5"):
        list(train(replace(config, epochs=4, keep="last"), tmp_path))
    assert all(is_whole(tmp_path / name) for name in ("best", "last")) and epoch_of(tmp_path / "best") == 1
    assert read_state(tmp_path / "last")["step"] == 4
