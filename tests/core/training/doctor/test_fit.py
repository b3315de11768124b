"""Which preset fits a model, and that the one which fits is never one that asks first."""

import json
import shutil
from dataclasses import replace

import pytest

from core import PROJECT, ModelError
from core.config import MULTI_SCALE_STARTER, RANDOM_MODEL, RANDOM_MULTI_SCALE, STARTER, TrainConfig
from core.detr.pretrained import OFFERED, preset_config
from core.presets import PRESETS
from core.training.doctor.fit import fitting_preset, suits
from core.training.doctor.plan import Plan
from core.training.doctor.settings import judge


@pytest.mark.parametrize(
    ("model", "preset"),
    [
        (STARTER, "Built-in demo"), (MULTI_SCALE_STARTER, "Built-in demo"), (RANDOM_MODEL, "From nothing"),
        (RANDOM_MULTI_SCALE, "From nothing"), ("facebook/detr-resnet-50", "Experiment"),
        ("microsoft/conditional-detr-resnet-50", "Full recipe"), ("PekingU/rtdetr_r18vd", "RT-DETR"),
        ("Roboflow/rf-detr-nano", "RF-DETR"), ("someone/else", None), ("/nowhere", None), ("", None),
    ],
)  # fmt: skip
def test_each_kind_of_model_has_its_preset(model, preset):
    assert fitting_preset(model, PROJECT) == preset


@pytest.mark.parametrize("model", [STARTER, MULTI_SCALE_STARTER, *OFFERED])
def test_the_preset_that_fits_asks_nothing(model):
    preset = fitting_preset(model, PROJECT)
    config = replace(preset_config(preset, model, PROJECT), model=model)
    assert judge(Plan.of(config, 0, (), True, PROJECT)).asks == ()


def test_a_checkpoint_has_the_preset_of_its_run_unless_that_spoiled_it(tmp_path):
    started = {"data": "x", "model": "facebook/detr-resnet-50"}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "detr", "id2label": {"0": "car"}}))
    quick, recipe = (PRESETS[name].apply(TrainConfig(**started)) for name in ("Quick look", "Full recipe"))
    assert fitting_preset(str(tmp_path)) == "Experiment"
    assert fitting_preset(str(tmp_path), trained_with=replace(recipe, epochs=3)) == "Full recipe"
    assert fitting_preset(str(tmp_path), trained_with=quick) == "Quick look"
    small = shutil.copytree(PROJECT / STARTER, tmp_path / "small")
    for preset in ("Experiment", "Small objects", "Built-in demo"):
        assert fitting_preset(str(small), trained_with=PRESETS[preset].apply()) == "Built-in demo"


def test_a_small_model_of_larger_pictures_has_none(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "detr", "id2label": {}, "d_model": 128}))
    (tmp_path / "preprocessor_config.json").write_text('{"size": {"shortest_edge": 480, "longest_edge": 640}}')
    assert fitting_preset(str(tmp_path)) is None


def test_whether_a_preset_suits_is_a_matter_of_the_model():
    assert suits("Small objects", STARTER, PROJECT) and not suits("Experiment", STARTER, PROJECT)
    assert suits("Quick look", "facebook/detr-resnet-50") and not suits("Built-in demo", "facebook/detr-resnet-50")
    for model in (RANDOM_MODEL, RANDOM_MULTI_SCALE):
        assert not suits("Small objects", model) and suits("From nothing", model)
    assert not suits("From nothing", STARTER, PROJECT)
    with pytest.raises(ModelError):
        suits("Experiment", "/nowhere")
