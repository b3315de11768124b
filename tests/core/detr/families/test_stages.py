"""Rates that decay from stage to stage, in the backbone of every family."""

import re
from dataclasses import replace

import pytest
import torch
from torch import nn

from core.config import TrainConfig
from core.detr.families.stages import stages_above
from core.detr.model import FAMILIES, load_model, parameter_groups
from core.training.trainer_state import with_saved_decay
from tests.core.detr.released import TEN, released

CONFIG = TrainConfig(lr=1e-3, lr_backbone=1e-2, lr_head=1e-3, freeze="none")
VITS = ("rf_detr", "lw_detr", "yolos")


def rates(model, config):
    """Parameter name to learning rate."""
    names = {parameter: name for name, parameter in model.inner.named_parameters()}
    return {names[p]: group["lr"] for group in parameter_groups(model, config) for p in group["params"]}


@pytest.mark.few(3)
@pytest.mark.parametrize("kind", [kind for kind in FAMILIES if kind not in VITS])
def test_each_stage_of_a_backbone_learns_slower_than_the_one_above_it(kind, tmp_path):
    model, _ = load_model(str(released(kind, tmp_path)), TEN)
    of_backbone = {
        name: rate
        for name, rate in rates(model, replace(CONFIG, layer_decay=0.5)).items()
        if model.part_of(name) == "backbone"
    }
    by_stage = {}
    for name, rate in of_backbone.items():
        stage = re.search(r"stages\.(\d+)\.", name)
        by_stage.setdefault(int(stage[1]) if stage else -1, set()).add(rate)
    stages = sorted(by_stage, reverse=True)
    assert len(stages) >= 4 and stages[-1] == -1  # and the stem
    assert [len(by_stage[stage]) for stage in stages] == [1] * len(stages)
    expected = [1e-2 * 0.5**n for n in range(len(stages))]
    assert [min(by_stage[stage]) for stage in stages] == pytest.approx(expected)
    others = rates(model, CONFIG)
    changed = {name for name, rate in rates(model, replace(CONFIG, layer_decay=0.5)).items() if rate != others[name]}
    assert changed < set(of_backbone)


@pytest.mark.few(2)
@pytest.mark.parametrize("kind", FAMILIES)
def test_without_decay_groups_and_their_order_are_those_of_the_parts(kind, tmp_path):
    model, _ = load_model(str(released(kind, tmp_path)), TEN)
    groups = parameter_groups(model, CONFIG)
    places = [(group["name"], group["weight_decay"]) for group in groups]
    assert len(set(places)) == len(places)
    expected = [(part, decay) for part in ("backbone", "transformer", "offsets", "head") for decay in (1e-4, 0.0)]
    assert places == [one for one in expected if one in places]


class TimmResNet(nn.Module):
    """The names of timm's, with a norm behind its stages."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3)
        for n in (1, 2, 3, 4):
            setattr(self, f"layer{n}", nn.Sequential(nn.Conv2d(4, 4, 1)))
        self.norm = nn.LayerNorm(4)


def test_timms_names_are_stages_too_and_what_has_none_stays():
    above = stages_above(TimmResNet(), "backbone")
    levels = {name.split(".")[1]: level for name, level in above.items()}
    assert levels == {"conv1": 4, "layer1": 3, "layer2": 2, "layer3": 1, "layer4": 0, "norm": 0}
    assert set(stages_above(nn.Sequential(nn.Conv2d(3, 4, 1)), "b").values()) == {0}


def test_a_checkpoint_of_before_stages_decayed_goes_on_as_it_was(tmp_path):
    model, _ = load_model(str(released("detr", tmp_path)), TEN)
    config = replace(CONFIG, layer_decay=0.8)
    of_before = torch.optim.AdamW(parameter_groups(model, replace(config, layer_decay=1.0))).state_dict()
    of_today = torch.optim.AdamW(parameter_groups(model, config)).state_dict()
    assert with_saved_decay(config, of_before).layer_decay == 1.0
    assert with_saved_decay(config, of_today) == config
