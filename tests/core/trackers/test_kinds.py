"""Every tracker can be named without its package, and is refused in one sentence where that is missing."""

from dataclasses import fields
from importlib import import_module

import pytest

from core import ConfigError
from core.config import TrainConfig
from core.runs.tracking.tracker import Tracker
from core.trackers import kinds
from core.trackers.kinds import BY_KEY, KEYS, NOTICES, TRACKERS, check_trackers
from core.training.typed_settings import check_typed


@pytest.mark.parametrize("kind", [*TRACKERS, *NOTICES], ids=lambda kind: kind.key)
def test_a_kind_is_whole(kind):
    module, _, name = kind.sender.partition(":")
    assert issubclass(getattr(import_module(module), name), Tracker)  # which imports its package when it opens
    assert kind.label and kind.sentence.endswith(".") and kind.key.isidentifier()
    assert bool(kind.package) == bool(kind.install) != bool(kind.variable)


def test_the_settings_offer_the_trackers_and_no_notice():
    (field,) = [field for field in fields(TrainConfig) if field.name == "trackers"]
    assert field.metadata["choices"] == KEYS and not field.default
    assert TrainConfig(trackers="wandb, mlflow").trackers == ("wandb", "mlflow")
    with pytest.raises(ConfigError, match="must be one of: wandb"):
        TrainConfig(trackers=("webhook",))


def test_a_missing_package_is_told_before_the_training(monkeypatch, street):
    monkeypatch.setattr(kinds, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"^W&B needs a package that is not installed: run pip install wandb\.$"):
        check_typed(TrainConfig(data=str(street), model="random", trackers=("wandb",)))


def test_an_unknown_name_and_a_notice_that_nobody_set_are_refused(monkeypatch):
    monkeypatch.delenv("DETR_LAB_WEBHOOK", raising=False)
    with pytest.raises(ConfigError, match="There is no tracker 'nix'"):
        check_trackers(["nix"])
    with pytest.raises(ConfigError, match="DETR_LAB_WEBHOOK is not set"):
        check_trackers(["webhook"])
    monkeypatch.setenv("DETR_LAB_WEBHOOK", "http://127.0.0.1:1/")
    check_trackers(["webhook"])
    assert list(BY_KEY)[: len(KEYS)] == list(KEYS)
