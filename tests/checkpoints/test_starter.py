"""The starter model as it is committed: small, whole, and it finds something."""

import json

import pytest
import torch

from core import PROJECT
from core.boxes import Detections
from core.config import TrainConfig
from core.datasets.demo import DEMO_CLASSES, draw_dataset
from core.datasets.split import read_split
from core.detr.detect import detect
from core.detr.input.dataset import DetectionDataset
from core.detr.input.loader import loader
from core.detr.model import load_model
from core.detr.model_folder import read_label_map
from core.evaluation.coco_eval import evaluate
from core.presets import PRESETS

STARTER = PROJECT / "checkpoints/starter"


def test_it_is_small_and_has_its_card():
    assert sum(path.stat().st_size for path in STARTER.iterdir()) <= 12_000_000
    assert {p.name for p in STARTER.iterdir()} >= {"README.md", "config.json", "model.safetensors", "figures.json"}


def test_it_knows_the_ten_classes_by_name():
    model, head = load_model(str(STARTER), read_label_map(STARTER))
    assert head.fresh == () and set(head.copied) == set(DEMO_CLASSES)
    assert model.inner.config.model_type == "detr"


@pytest.mark.parametrize("look", ["day", "dusk"])
def test_it_finds_objects_in_scenes_it_has_never_seen(look, tmp_path):
    for _ in draw_dataset(tmp_path / "d", look, train=1, val=40, seed=987):
        pass
    split = read_split(tmp_path / "d", "val")
    label_map = split.label_map()
    preset = PRESETS["Built-in demo"].apply(TrainConfig())
    data = DetectionDataset(split, label_map, preset.shortest_edge, preset.longest_edge)
    model, _ = load_model(str(STARTER), label_map)
    found = Detections.concat(detect(model, loader(data, 8), torch.device("cpu")))
    ap = evaluate(split.to_dict(), found, label_map).AP
    promised = json.loads((STARTER / "figures.json").read_text())["figures"][look]["AP"]
    assert ap > 0.7 * promised  # 40 images are a small sample
