"""Folders as transformers 4 wrote them: whatever they hold loads without a network, and answers as it did."""

import json
import socket

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import DetrConfig, ResNetConfig, TimmBackboneConfig

from core import ModelError
from core.detr.model import FAMILIES, load_model
from core.detr.pretrained import known_classes
from core.inference.model_cache import load_published
from tests.core.detr.released import CONFIGS, small_config

# beside the settings of today, as facebook/detr-resnet-50 and its like have them
WRITTEN = {
    "_name_or_path": "facebook/detr-resnet-50", "classifier_dropout": 0.0, "is_encoder_decoder": True,
    "max_position_embeddings": 1024, "num_hidden_layers": 2, "scale_embedding": False, "torch_dtype": "float32",
    "transformers_version": "4.49.0", "use_pretrained_backbone": True, "use_timm_backbone": True,
}  # fmt: skip
PROCESSOR = {"feature_extractor_type": "DetrFeatureExtractor", "size": 192, "max_size": 256}
COLUMNS = {"scooter": 0, "car": 1}


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Whoever opens a socket, or asks for an address, fails the test."""
    refuse = lambda *_, **__: pytest.fail("network")  # noqa: E731
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def written(kind, folder, backbone, described):
    """A folder of a model with this backbone, `described` as transformers 4 did; return the model too."""
    config = small_config(kind)
    config.backbone_config = backbone
    config.num_feature_levels, config.d_model = len(maps(kind)), 64  # a norm of 32 groups needs more than one number
    config.id2label, config.label2id = {row: name for name, row in COLUMNS.items()}, COLUMNS
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = FAMILIES[kind].model_class(config).eval()
    model.save_pretrained(folder)
    settings = json.loads((folder / "config.json").read_text())
    del settings["backbone_config"]
    (folder / "config.json").write_text(json.dumps({**settings, **WRITTEN, **described}))
    (folder / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    return model


def maps(kind):
    return [2, 3, 4] if kind == "deformable_detr" else [1, 2, 3, 4]


def timm(kind, name="resnet10t", **more):
    return TimmBackboneConfig(backbone=name, use_pretrained_backbone=False, out_indices=maps(kind), **more)


def same_answer(folder, model):
    loaded = load_published(str(folder))
    assert (loaded.label_map.names, loaded.shortest_edge, loaded.longest_edge) == (("scooter", "car"), 192, 256)
    pixels = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        theirs, ours = model(pixels), loaded.model.answer(pixels, None)
    torch.testing.assert_close(ours.logits[-1][..., :2], theirs.logits[..., :2])
    torch.testing.assert_close(ours.boxes[-1], theirs.pred_boxes)


NAMED = [kind for kind in CONFIGS if kind != "yolos"]  # whose backbone may be named instead of described


@pytest.mark.few(4)
@pytest.mark.parametrize("kind", NAMED)
@pytest.mark.parametrize(
    "arguments",
    [
        lambda kind: {"backbone_kwargs": {"in_chans": 3, "out_indices": maps(kind)}, "backbone_config": None},
        lambda kind: {"backbone_kwargs": None, "dilation": False}, lambda kind: {"backbone_kwargs": {}},
        lambda kind: {},
    ],
)  # fmt: skip
def test_a_backbone_of_timm_by_its_name(kind, arguments, tmp_path):
    model = written(kind, tmp_path, timm(kind), {"backbone": "resnet10t", **arguments(kind)})
    assert known_classes(str(tmp_path)) == ("scooter", "car")
    same_answer(tmp_path, model)


@pytest.mark.few(1)
@pytest.mark.parametrize("kind", NAMED)
def test_dilation_as_in_dc5(kind, tmp_path):
    described = {"backbone": "resnet26", "dilation": True}
    model = written(kind, tmp_path, timm(kind, "resnet26", output_stride=16), described)
    model.config.dilation = True
    same_answer(tmp_path, model)
    described = {"backbone_kwargs": {"in_chans": 3, "out_indices": maps(kind), "output_stride": 16}}
    settings = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**settings, **described, "dilation": None}))
    same_answer(tmp_path, model)


@pytest.mark.parametrize("name", ["convnext_atto", "efficientnet_b0", "regnety_002"])
def test_other_backbones_of_timm(name, tmp_path):
    backbone = TimmBackboneConfig(backbone=name, use_pretrained_backbone=False, out_indices=[0, 1, 2, 3])
    described = {"backbone": name, "backbone_kwargs": {"in_chans": 3, "out_indices": [0, 1, 2, 3]}}
    same_answer(tmp_path, written("detr", tmp_path, backbone, described))


def test_other_channels_than_three_are_those_of_the_weights(tmp_path):
    described = {"backbone": "resnet10t", "num_channels": 4, "backbone_kwargs": None}
    written("detr", tmp_path, timm("detr", num_channels=4), described)
    with pytest.raises(ModelError, match="cannot be read"):  # pictures have three
        load_model(str(tmp_path), _load_names())


def _load_names():
    from core.labels import LabelMap

    return LabelMap(("scooter", "car"), (0, 1))


@pytest.mark.few(1)
@pytest.mark.parametrize("kind", NAMED)
def test_a_resnet_of_transformers_that_is_only_named(kind, tmp_path):
    stages = [f"stage{n}" for n in maps(kind)]
    eighteen = {"depths": [2, 2, 2, 2], "hidden_sizes": [64, 128, 256, 512], "layer_type": "basic"}
    described = {"use_timm_backbone": False, "dilation": None, "backbone_config": None,
                 "backbone": "microsoft/resnet-18", "backbone_kwargs": {"out_features": stages}}  # fmt: skip
    same_answer(tmp_path, written(kind, tmp_path, ResNetConfig(**eighteen, out_features=stages), described))


@pytest.mark.parametrize(
    ("described", "reason"),
    [
        ({"use_timm_backbone": False, "backbone": "microsoft/swin-tiny-patch4-window7-224"}, "swin-tiny"),
        ({"backbone": "hf-hub:someone/resnet"}, "someone/resnet"),
        ({"use_timm_backbone": False, "backbone": None, "backbone_config": {"model_type": "swin"}}, "is a swin"),
        ({"backbone_config": {"model_type": "timm_backbone", "backbone": "local-dir:."}}, "local-dir"),
    ],
)
def test_a_backbone_that_is_not_described_is_one_true_sentence(described, reason, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "detr", **WRITTEN, **described}))
    for read in (known_classes, lambda spec: load_model(spec, _load_names())):
        known = "only the backbones that its family was published with, and models of timm"
        with pytest.raises(ModelError, match=f"its backbone .*{reason}.*{known}"):
            read(str(tmp_path))


@pytest.mark.parametrize("kind", ["owlvit", "mask2former", "yolov8"])
def test_a_model_of_another_kind_is_one_sentence(kind, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({**WRITTEN, "model_type": kind, "backbone": "resnet18"}))
    with pytest.raises(ModelError, match=f"is a {kind} model, but only these kinds can be used: detr"):
        load_model(str(tmp_path), _load_names())


def test_weights_of_a_backbone_that_was_wrapped_once_more(tmp_path):
    """As DETR was saved with a `TimmBackboneConfig`."""
    model = written("detr", tmp_path, timm("detr"), {"backbone": "resnet10t"})
    path = tmp_path / "model.safetensors"
    tensors = {
        name.replace("conv_encoder.model.", "conv_encoder.model._backbone."): value
        for name, value in load_file(path).items()
    }
    assert any("._backbone." in name for name in tensors)
    batches = "num_batches_tracked"
    counted = {name.replace("weight", batches): torch.tensor(7) for name in tensors if ".bn1.w" in name}
    save_file({**tensors, **counted}, path)
    same_answer(tmp_path, model)


def test_the_default_backbone_is_a_resnet_50_of_timm(tmp_path):
    config = DetrConfig(encoder_layers=1, decoder_layers=1, d_model=32, encoder_attention_heads=2, num_labels=2,
                        decoder_attention_heads=2, num_queries=5, encoder_ffn_dim=32, decoder_ffn_dim=32)  # fmt: skip
    assert config.backbone_config.backbone == "resnet50"
    FAMILIES["detr"].model_class(config).save_pretrained(tmp_path)
    settings = json.loads((tmp_path / "config.json").read_text())
    del settings["backbone_config"]
    (tmp_path / "config.json").write_text(json.dumps({**settings, **WRITTEN}))
    model, _ = load_model(str(tmp_path), _load_names())
    assert model.feature_stride() == 32
