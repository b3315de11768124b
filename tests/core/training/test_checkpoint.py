"""Checkpoints are whole or not there, and a damaged one is a sentence."""

import os
import resource
import shutil
import signal
from contextlib import contextmanager

import pytest
import torch

from core import ModelError, RunError
from core.config import TrainConfig
from core.detr.model import load_model
from core.detr.model_folder import read_label_map
from core.detr.processor import read_picture_settings
from core.detr.small import small_detr
from core.labels import LabelMap
from core.training import checkpoint as module
from core.training.checkpoint import keep_best, latest_checkpoint, read_state, save_checkpoint

TWO = LabelMap(("car", "dog"), (3, 18))


@pytest.fixture(scope="module")
def model():
    return small_detr(TWO)


@pytest.fixture
def saved(model, tmp_path):
    save_checkpoint(tmp_path, "last", model, TWO, {"step": 1})
    return tmp_path


def test_a_checkpoint_holds_model_label_map_and_state(saved, model):
    assert sorted(path.name for path in saved.iterdir()) == ["last"]
    assert read_state(saved / "last") == {"step": 1} and read_label_map(saved / "last") == TWO
    again, _ = load_model(str(saved / "last"), TWO)
    assert all(torch.equal(v, model.state_dict()[n]) for n, v in again.state_dict().items())


def test_last_and_best_say_how_their_pictures_are_made(saved, model):
    config = TrainConfig(shortest_edge=96, longest_edge=128)
    save_checkpoint(saved, "last", model, TWO, {"step": 1, "config": config.to_dict()})
    keep_best(saved)
    for name in ("last", "best"):
        assert read_picture_settings(saved / name) == {"shortest_edge": 96, "longest_edge": 128}


def test_a_new_one_takes_the_old_ones_place(saved, model):
    save_checkpoint(saved, "last", model, TWO, {"step": 2})
    assert read_state(latest_checkpoint(saved)) == {"step": 2}
    assert sorted(path.name for path in saved.iterdir()) == ["last"]


@pytest.mark.parametrize("failing", ["save_model", "torch.save", "rename"])
def test_a_full_disk_is_a_sentence_and_keeps_the_checkpoint_before(saved, model, monkeypatch, failing):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    if failing == "rename":
        monkeypatch.setattr(os, "replace", full)
    elif failing == "torch.save":
        monkeypatch.setattr(module.torch, "save", full)
    else:
        monkeypatch.setattr(module, "save_model", full)
    with pytest.raises(RunError, match=r"last cannot be written \(.*No space left.*resume"):
        save_checkpoint(saved, "last", model, TWO, {"step": 2})
    monkeypatch.undo()
    assert read_state(latest_checkpoint(saved)) == {"step": 1}
    assert [path.name for path in saved.iterdir()] == ["last"]


@contextmanager
def file_size_limit(size):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def test_a_disk_that_fills_up_while_the_first_one_is_written_leaves_nothing(model, tmp_path):
    with file_size_limit(1_000_000), pytest.raises(RunError, match="cannot be written"):  # the model has seven
        save_checkpoint(tmp_path, "last", model, TWO, {})
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_that_was_being_replaced_is_found_under_its_old_name(saved):
    (saved / "last").rename(saved / "last.old")
    assert latest_checkpoint(saved) == saved / "last.old"


def test_without_a_checkpoint_there_is_nothing_to_resume(tmp_path):
    with pytest.raises(ModelError, match="nothing to resume"):
        latest_checkpoint(tmp_path)


@pytest.mark.parametrize("left", [0, 0.3, 0.9])
@pytest.mark.parametrize("name", ["trainer.pt", "model.safetensors"])
def test_a_checkpoint_cut_off_is_named(saved, name, left):
    path = saved / "last" / name
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * left)])
    read = read_state if name == "trainer.pt" else lambda folder: load_model(str(folder), TWO)
    with pytest.raises(ModelError, match="cannot be read"):
        read(saved / "last")


def test_a_state_that_is_missing_is_named(saved):
    shutil.move(saved / "last" / "trainer.pt", saved / "gone.pt")
    with pytest.raises(ModelError, match="train again"):
        read_state(saved / "last")


@pytest.mark.parametrize("limit", [100_000, 8_000_000])  # the model's file, or the state's
def test_why_a_disk_takes_no_checkpoint_is_told_as_the_system_says_it(saved, model, limit):
    state = {"step": 2, "large": torch.zeros(4_000_000)}
    with file_size_limit(limit), pytest.raises(RunError, match=r"cannot be written \(File too large\): make room"):
        save_checkpoint(saved, "last", model, TWO, state)
    assert [path.name for path in saved.iterdir()] == ["last"] and read_state(saved / "last")["step"] == 1
