"""A model that cannot be trained: one sentence, before anything starts and anything large is fetched."""

import json

import pytest

from core import ModelError
from core.config import TrainConfig
from core.detr.model_folder import FAMILY_NAMES, read_config
from core.detr.pretrained import find_model, known_classes, model_folder
from core.training.typed_settings import check_typed
from tests.core.detr.sources.hub_server import local_hub
from tests.own_folders import labels, write

NAME = "someone/model"
OTHERS = {
    "vit": {"model_type": "vit", "architectures": ["ViTForImageClassification"], "id2label": {"0": "cat"}},
    "owlvit": {"model_type": "owlvit", "architectures": ["OwlViTForObjectDetection"], "text_config": {}},
    "mask2former": {"model_type": "mask2former", "architectures": ["Mask2FormerForUniversalSegmentation"]},
    "grounding-dino": {"model_type": "grounding-dino", "architectures": ["GroundingDinoForObjectDetection"]},
    "yolo": {"model_type": "yolo", "task": "detect"},
    "no kind": {"DEIMTransformer": {"num_layers": 3}, "HGNetv2": {"name": "B0"}},
    "segmentation": {"model_type": "detr", "architectures": ["DetrForSegmentation"]},
    "a backbone of Swin": {"model_type": "deformable_detr", "backbone_config": {"model_type": "swin"}},
    "a backbone of the hub": {"model_type": "deformable_detr", "use_timm_backbone": True, "backbone": "hf-hub:a/b"},
    "another's ResNet": {"model_type": "deformable_detr", "use_timm_backbone": False, "backbone": "someone/resnet"},
}


@pytest.fixture(params=OTHERS)
def folder(request, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(OTHERS[request.param]))
    (folder / "model.safetensors").write_bytes(bytes(100))
    return folder


def sentence(error):
    text = str(error.value)
    assert "\n" not in text and text.count(". ") == 0 and text.endswith(".") and len(text) <= 600
    return text


def test_it_is_one_sentence_that_names_what_it_is_and_what_can_be_used(folder, tmp_path):
    with pytest.raises(ModelError) as error:
        read_config(folder)
    kind = json.loads((folder / "config.json").read_text()).get("model_type")
    text = sentence(error)
    if kind is None:
        assert "names no model_type" in text
    elif kind not in FAMILY_NAMES:
        assert f"is a {kind} model, but only these kinds can be used: {', '.join(FAMILY_NAMES)}." in text
    else:
        assert "only models for object detection" in text or "because its backbone" in text
    part = labels(1, 2, ("car", "dog"))
    write(tmp_path / "data", {"train": part, "val": part})
    settings = TrainConfig(str(tmp_path / "data"), str(folder))
    for ask in (lambda: known_classes(str(folder)), lambda: check_typed(settings)):  # as the form and the command do
        with pytest.raises(ModelError):
            ask()


def test_on_the_hub_its_weights_are_not_fetched(folder, tmp_path, monkeypatch):
    with local_hub(NAME, folder, tmp_path / "cache", monkeypatch) as hub:
        with pytest.raises(ModelError) as error:
            model_folder(find_model(NAME, tmp_path))
        sentence(error)
        assert not {"model.safetensors", "pytorch_model.bin"} & {file for _, file, _ in hub.asked}
