"""Fixtures of the command line's tests."""

import shutil
from pathlib import Path

import pytest

from core.runs.store import RunStore
from tests.core.runs.fake_training import train
from tests.core.runs.waiting import end_all


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DETR_LAB_ROOT", str(tmp_path))
    return tmp_path


@pytest.fixture
def home(root, street) -> Path:
    """The root folder with a copy of the drawn street."""
    shutil.copytree(street, root / "data/street")
    return root


@pytest.fixture
def fake_store(root, monkeypatch):
    """The store of the root folder, whose trainings are the tests' stand-in: no torch."""
    monkeypatch.setattr("core.training.train.train", train)
    store = RunStore(root)
    yield store
    end_all(store)
    store.close()
