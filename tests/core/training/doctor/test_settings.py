"""Which settings do not go together is said before the training; the presets, as they are meant, get no remark."""

import json
from dataclasses import replace

import pytest

from core import PROJECT, ModelError
from core.config import RANDOM_MODEL, TrainConfig
from core.datasets.demo import BUILT_IN
from core.detr.pretrained import COCO_CLASSES
from core.presets import PRESETS
from core.training.doctor.plan import Plan
from core.training.doctor.settings import RULES, Judgement, judge, judge_settings

RELEASED, STARTER = "facebook/detr-resnet-50", TrainConfig().model
CAR = ("car",)
CROPS = "flip, scale and crop"


def keys(model, preset, images=600, classes=CAR, drawn=False, **changes) -> list[str]:
    """The rules that hold for a preset with a model, on a machine with a GPU."""
    config = replace(PRESETS[preset].apply(TrainConfig(model=model)), **changes)
    plan = Plan.of(config, images, classes, drawn, PROJECT)
    plan = replace(plan, has_gpu=True, fresh=() if plan.fresh is None else plan.fresh)
    holding = [rule.key for rule in RULES if rule.holds(plan)]
    judgement = judge(plan)
    asking = {rule.key for rule in RULES if rule.asks}
    assert len(judgement.asks) == len(asking & set(holding))
    assert len(judgement.warns) == len(set(holding) - asking)
    return holding


@pytest.mark.parametrize("preset", ["Experiment", "Quick look", "Full recipe"])
def test_a_released_model_on_photographs_goes_with_the_presets_for_it(preset):
    assert keys(RELEASED, preset) == []


def test_the_starter_on_the_built_in_scenes_goes_with_the_demo():
    assert keys(STARTER, "Built-in demo", drawn=True, classes=COCO_CLASSES[:1]) == []


@pytest.mark.parametrize(
    ("model", "preset", "how", "expected"),
    [
        (RELEASED, "Built-in demo", {}, ["fast for a released model", "another image size"]),
        (STARTER, "Built-in demo", {}, ["starter on photographs"]),
        (STARTER, "Experiment", {"drawn": True}, ["slow for a small model", "another image size"]),
        (RANDOM_MODEL, "Experiment", {"drawn": True}, ["slow for a small model", "few steps from nothing"]),
        (RANDOM_MODEL, "Built-in demo", {"epochs": 100}, ["slow for a small model"]),
        (RANDOM_MODEL, "From nothing", {"freeze": "backbone", "epochs": 100}, ["frozen without weights"]),
        (RANDOM_MODEL, "From nothing", {"lr_backbone": 0.0, "epochs": 100}, ["frozen without weights"]),
        (RELEASED, "Experiment", {"lr": 0.0, "lr_head": 0.0, "freeze": "backbone"}, ["nothing learns"]),
        (RELEASED, "Experiment", {"shortest_edge": 320}, ["another image size"]),
        (RELEASED, "Full recipe", {"device": "cpu"}, ["released model without a GPU"]),
        (STARTER, "Own pictures", {"drawn": True, "classes": ("van",), "images": 9, "minutes": 0.0},
         ["few steps for fresh classes"]),
        (STARTER, "Built-in demo", {"drawn": True, "classes": ("van",)}, ["slow for fresh classes"]),
        (STARTER, "Built-in demo", {"drawn": True, "classes": ("van",), "lr_fresh": 2e-3}, []),
        (STARTER, "Built-in demo", {"drawn": True, "images": 16}, []),
        (STARTER, "Built-in demo", {"drawn": True, "lr_backbone": 2e-5}, ["slow for a small model"]),
        (STARTER, "Built-in demo", {"drawn": True, "freeze": "backbone"}, ["slow for a small model"]),
        (STARTER, "Own pictures", {}, []),
        (STARTER, "Built-in demo", {"drawn": True, "augment": CROPS}, ["crops in few epochs"]),
        (STARTER, "Built-in demo", {"drawn": True, "augment": CROPS, "epochs": 300}, ["crops on a small model"]),
        (RANDOM_MODEL, "From nothing", {"drawn": True, "augment": CROPS, "epochs": 100}, ["crops on a small model"]),
        (RELEASED, "Experiment", {"augment": CROPS}, []),
        (RELEASED, "Experiment", {"lr_backbone": 4e-4}, ["fast for a released model"]),
        (RELEASED, "Experiment", {"lr_backbone": 4e-4, "freeze": "backbone"}, []),
        (RELEASED, "Experiment", {"square": True}, ["another image shape"]),
        ("PekingU/rtdetr_r18vd", "Experiment", {}, ["another image shape"]),
        ("Roboflow/rf-detr-nano", "Experiment", {"longest_edge": 800},
         ["another image size", "another image shape"]),
        ("Roboflow/rf-detr-nano", "Experiment", {"shortest_edge": 32, "longest_edge": 384, "square": True}, []),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_said(model, preset, how, expected):
    assert keys(model, preset, **how) == expected


@pytest.mark.parametrize(
    ("preset", "classes", "changes", "is_said"),
    [
        ("Built-in demo", ("car", "scooter"), {}, True),
        ("Built-in demo", ("car", "scooter"), {"repeat_fresh": 2.0}, True),
        ("Built-in demo", ("car", "scooter"), {"repeat_fresh": 2.0, "lr_fresh": 2e-3}, False),
        ("New class", ("car", "scooter"), {}, False),
        ("Own pictures", ("scooter",), {}, False),  # there is nothing to be spared
        ("Built-in demo", CAR, {}, False),
    ],
)
def test_new_classes_beside_known_ones_have_a_preset_of_their_own(preset, classes, changes, is_said):
    config = replace(PRESETS[preset].apply(TrainConfig(model=STARTER)), **changes)
    sentences = list(judge(Plan.of(config, 600, classes, True, PROJECT)).warns)
    assert [text for text in sentences if "preset “New class”" in text] == sentences
    assert bool(sentences) == is_said and all("what is new (scooter)" in text for text in sentences)


def test_fresh_classes_do_not_learn_where_the_heads_do_not():
    config = replace(PRESETS["New class"].apply(TrainConfig(model=STARTER)), lr_head=0.0)
    (sentence,) = judge(Plan.of(config, 600, ("car", "scooter"), True, PROJECT)).warns
    assert "neither do fresh classes" in sentence


def test_a_machine_without_a_gpu_is_only_a_matter_of_large_models():
    config = PRESETS["Full recipe"].apply(TrainConfig(model=RELEASED))
    plan = replace(Plan.of(config, 600, CAR, False, PROJECT), has_gpu=False, fresh=())
    judgement = judge(plan)
    assert not judgement.asks and len(judgement.warns) == 1 and "30,000 images" in judgement.warns[0]
    assert judge(replace(plan, has_gpu=None)) == Judgement()  # not known: nothing is said


def test_a_folders_own_width_and_edge_count(tmp_path):
    config = {"model_type": "detr", "id2label": {"0": "car"}, "d_model": 128}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "preprocessor_config.json").write_text(
        json.dumps({"size": {"shortest_edge": 480, "longest_edge": 640}})
    )
    assert keys(str(tmp_path), "Quick look", images=5000) == []
    assert keys(str(tmp_path), "Experiment", images=5000, shortest_edge=1000) == [
        "slow for a small model",
        "another image size",
    ]
    (tmp_path / "config.json").write_text(json.dumps(config | {"d_model": 256}))
    assert keys(str(tmp_path), "Quick look", images=5000, lr=1e-3) == ["fast for a released model"]


def test_of_a_model_that_is_not_on_this_machine_nothing_is_guessed():
    assert keys("someone/else", "Built-in demo") == []


def test_a_folder_without_a_model_raises():
    with pytest.raises(ModelError):
        Plan.of(TrainConfig(model="/nowhere/at/all"), 0, (), False)


def test_every_rule_says_a_sentence_of_its_own():
    plan = Plan(TrainConfig(), 10, False, True, 800, CAR, square=True)
    sentences = [rule.sentence(plan) for rule in RULES]
    assert len(set(sentences)) == len(RULES) == len({rule.key for rule in RULES})
    assert all(text.endswith(".") and len(text) < 200 for text in sentences) and BUILT_IN


def test_settings_are_judged_by_their_data_and_model(street):
    config = TrainConfig(data=str(street), model=str(PROJECT / STARTER))
    judgement = judge_settings(config)
    (asked,), (slow, *_) = judgement.asks, judgement.warns
    assert "800: objects have a size that it does not know" in asked and "1e-05" in slow
    assert judge_settings(PRESETS["Built-in demo"].apply(config)).asks == ()
    assert judge_settings(replace(config, data="street"), street.parent).asks == judgement.asks


def test_of_data_or_a_model_that_is_not_there_nothing_is_said(street, tmp_path):
    assert judge_settings(TrainConfig(data=str(tmp_path))) == Judgement()
    assert judge_settings(TrainConfig(data=str(street), model=str(tmp_path))) == Judgement()
