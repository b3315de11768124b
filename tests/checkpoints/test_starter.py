"""The starter models as they are committed: small, whole, and they find something."""

import json

import pytest
import torch

from core import PROJECT
from core.boxes import Detections
from core.config import MULTI_SCALE_STARTER, STARTER, TrainConfig
from core.datasets.demo import DEMO_CLASSES, draw_dataset
from core.datasets.split import read_split
from core.detr.detect import detect
from core.detr.input.dataset import DetectionDataset
from core.detr.input.loader import loader
from core.detr.model import load_model
from core.detr.model_folder import read_label_map
from core.evaluation.coco_eval import evaluate
from core.presets import PRESETS

FIGURES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR100")
TYPES = {STARTER: "detr", MULTI_SCALE_STARTER: "rt_detr_v2"}


@pytest.mark.parametrize("starter", TYPES)
def test_it_is_small_and_has_its_card(starter):
    folder = PROJECT / starter
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 12_000_000
    assert {p.name for p in folder.iterdir()} >= {"README.md", "config.json", "model.safetensors", "figures.json"}


@pytest.mark.parametrize("starter", TYPES)
def test_it_knows_the_ten_classes_by_name(starter):
    model, head = load_model(str(PROJECT / starter), read_label_map(PROJECT / starter))
    assert head.fresh == () and set(head.copied) == set(DEMO_CLASSES)
    assert model.inner.config.model_type == TYPES[starter]


@pytest.mark.parametrize("starter", TYPES)
def test_its_card_has_the_figures_that_its_making_measured(starter):
    card = (PROJECT / starter / "README.md").read_text().replace("*", "")
    for figures in json.loads((PROJECT / starter / "figures.json").read_text())["figures"].values():
        assert " | ".join(f"{100 * figures[name]:.1f}" for name in FIGURES) in card


@pytest.mark.parametrize("starter", TYPES)
@pytest.mark.parametrize("look", ["day", "dusk"])
def test_it_finds_objects_in_scenes_it_has_never_seen(look, starter, tmp_path):
    for _ in draw_dataset(tmp_path / "d", look, train=1, val=40, seed=987):
        pass
    split = read_split(tmp_path / "d", "val")
    label_map = split.label_map()
    preset = PRESETS["Built-in demo"].apply(TrainConfig())
    data = DetectionDataset(split, label_map, preset.shortest_edge, preset.longest_edge)
    model, _ = load_model(str(PROJECT / starter), label_map)
    found = Detections.concat(detect(model, loader(data, 8), torch.device("cpu")))
    ap = evaluate(split.to_dict(), found, label_map).AP
    promised = json.loads((PROJECT / starter / "figures.json").read_text())["figures"][look]["AP"]
    assert ap > 0.7 * promised  # 40 images are a small sample
