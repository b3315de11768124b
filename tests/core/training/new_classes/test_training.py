"""A training with classes of which its model knows some: their rate, how often they come, and a resume."""

import json
from contextlib import closing
from dataclasses import replace
from itertools import takewhile

import numpy as np
import pytest
import torch

from core import ModelError
from core.training.data.detection import balance
from core.training.events import StepDone
from core.training.train import train
from core.training.training import Training
from tests.core.detr.released import released
from tests.core.training.chosen_events import losses


@pytest.fixture(scope="module")
def settings(config, tmp_path_factory):
    """Of a model that knows all classes of the data but cars."""
    folder = released("detr", tmp_path_factory.mktemp("released"))
    values = json.loads((folder / "config.json").read_text())
    values["id2label"] = {row: "van" if name == "car" else name for row, name in values["id2label"].items()}
    values["label2id"] = {name: int(row) for row, name in values["id2label"].items()}
    (folder / "config.json").write_text(json.dumps(values))
    return replace(config, model=str(folder), lr=1e-4, lr_head=1e-4, lr_fresh=2e-3, repeat_fresh=3.0, dropout=0.0)


def begun(settings, folder, monkeypatch, resume=False):
    """The training that begins, before its first step."""
    trainings, real = [], Training.__init__
    monkeypatch.setattr(Training, "__init__", lambda self, *a, **k: trainings.append(self) or real(self, *a, **k))
    with closing(train(settings, folder, resume)) as running:
        next(p for p in running if trainings and hasattr(trainings[0], "profiler"))
    return trainings[0]


def test_the_class_that_the_model_does_not_know_is_fresh_and_its_images_come_more_often(
    settings, tmp_path, monkeypatch
):
    training = begun(settings, tmp_path, monkeypatch)
    car = training.label_map.names.index("car")
    assert training.stepper.fresh.rows == (car,) and training.stepper.fresh.ratio == pytest.approx(20)
    split = training.train_data.split
    shown = {a["image_id"] for a in split.annotations if a["category_id"] == training.label_map.category_ids[car]}
    assert training.factors.tolist() == [3.0 if image["id"] in shown else 1.0 for image in split.images]
    assert set(training.factors) == {1.0, 3.0}
    rare, _ = balance(replace(settings, balance="repeat rare classes", repeat_fresh=1.0), training.train_data, (car,))
    both, _ = balance(replace(settings, balance="repeat rare classes"), training.train_data, (car,))
    np.testing.assert_allclose(both, rare * training.factors)
    factors, weights = balance(replace(settings, balance="weigh rare classes"), training.train_data, (car,))
    assert factors.tolist() == training.factors.tolist() and len(weights) == 10


@pytest.mark.parametrize("changes", [{"repeat_fresh": 1.0}, {"classes": ("person",)}])
def test_images_come_alike_without_a_fresh_class_or_where_none_is_to_come_more_often(
    settings, changes, tmp_path, monkeypatch
):
    assert begun(replace(settings, **changes), tmp_path, monkeypatch).factors is None


def test_a_training_with_fresh_classes_goes_on_as_if_it_had_not_stopped(settings, tmp_path):
    whole = list(train(settings, tmp_path / "whole"))
    with closing(train(settings, tmp_path / "cut")) as running:
        before = list(takewhile(lambda p: not (isinstance(p, StepDone) and p.step == 5), running))
    after = list(train(settings, tmp_path / "cut", resume=True))
    expected = {step: values for step, values in losses(whole).items() if step != 5}
    assert losses([*before, *after]) == expected
    for name, off in (("rate", {"lr_fresh": 0.0}), ("order", {"repeat_fresh": 1.0})):
        assert losses(whole)[6] != losses(train(replace(settings, **off), tmp_path / name))[6], name
    weights = [torch.load(tmp_path / name / "last" / "trainer.pt", weights_only=True) for name in ("whole", "cut")]
    assert weights[0]["fresh"] == weights[1]["fresh"] and len(weights[0]["fresh"]) == 1


def test_what_started_fresh_is_what_the_checkpoint_says_and_one_that_names_no_class_is_refused(settings, tmp_path):
    with closing(train(settings, tmp_path)) as running:
        next(p for p in running if isinstance(p, StepDone) and p.step == 2)
    path = tmp_path / "last" / "trainer.pt"
    state = torch.load(path, weights_only=True)
    torch.save({**state, "fresh": (10,)}, path)
    with pytest.raises(ModelError, match="was saved by a training with other settings"):
        list(train(settings, tmp_path, resume=True))
    del state["fresh"]  # as earlier versions, which knew no such settings
    torch.save(state, path)
    assert list(train(settings, tmp_path, resume=True))[-1].epoch == settings.epochs
