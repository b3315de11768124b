"""DETR itself: head surgery, parameter groups, detections, and what cannot be loaded."""

import json

import pytest
import torch
from torch import nn
from transformers import DetrForObjectDetection

from core import ModelError
from core.config import TrainConfig
from core.datasets.split import read_split
from core.detr.input.dataset import DetectionDataset
from core.detr.input.loader import loader
from core.detr.model import (
    FAMILIES,
    load_model,
    parameter_groups,
    save_model,
)
from core.detr.model_folder import read_label_map
from core.detr.small import small_detr
from core.labels import COCO_TEN, LabelMap
from tests.core.detr.released import HYBRID, SQUARE, TEN, released


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return released("detr", tmp_path_factory.mktemp("model") / "released")


@pytest.fixture(scope="module", params=FAMILIES)
def any_saved(request, tmp_path_factory):
    return released(request.param, tmp_path_factory.mktemp("model") / request.param)


@pytest.fixture
def batch(street):
    split = read_split(street, "val")
    return next(iter(loader(DetectionDataset(split, TEN, 72, 96), 4)))


def test_known_classes_are_copied_by_name_and_unknown_ones_begin_fresh(saved):
    labels = LabelMap(("dog", "scooter", "person"), (18, 200, 1))
    released = DetrForObjectDetection.from_pretrained(saved)
    model, head = load_model(str(saved), labels)
    assert (head.copied, head.fresh) == (("dog", "person"), ("scooter",))
    old, new = released.class_labels_classifier, model.inner.class_labels_classifier
    assert new.weight.shape == (4, 32)
    for row, source in ((0, 18), (2, 1), (3, 91)):  # the last: "no object"
        assert torch.equal(new.weight[row], old.weight[source]) and new.bias[row] == old.bias[source]
    assert model.inner.config.num_labels == 3 and model.inner.config.id2label[1] == "scooter"


def test_copied_classes_keep_their_logits_for_every_query(any_saved, batch):
    model, head = load_model(str(any_saved), TEN)
    assert head.copied == TEN.names
    if model.model_type in HYBRID:
        return  # its encoder chooses other queries by fewer classes: see test_rt_detr.py
    released = model.model_class.from_pretrained(any_saved).eval()
    with torch.no_grad():
        # without the padding, which the released model's backbone sees
        pixels = batch["pixel_values"][:, :, :64, : 64 if model.model_type in SQUARE else None]
        before, after = released(model.normalize(pixels)).logits, model.eval()(pixels).logits[-1]
    columns = [COCO_TEN[name] for name in TEN.names] + [91] * model.has_no_object
    torch.testing.assert_close(after, before[..., columns])
    assert torch.equal(after[..., :10].argsort(-1), before[..., columns[:10]].argsort(-1))


def test_a_fresh_class_of_a_sigmoid_head_begins_improbable(tmp_path):
    folder = released("conditional_detr", tmp_path / "model")
    model, head = load_model(str(folder), LabelMap(("dog", "scooter"), (18, 200)))
    assert head.fresh == ("scooter",)
    assert model.inner.class_labels_classifier.bias[1].sigmoid().item() == pytest.approx(0.01)


def test_a_model_that_is_saved_and_loaded_again_says_the_same(any_saved, batch, tmp_path):
    model, _ = load_model(str(any_saved), TEN)
    save_model(model, TEN, tmp_path)
    again, head = load_model(str(tmp_path), TEN)
    assert head.fresh == ()
    inputs = batch["pixel_values"], batch["pixel_mask"]
    with torch.no_grad():
        first, second = model.eval()(*inputs), again.eval()(*inputs)
    torch.testing.assert_close(first.logits, second.logits)
    torch.testing.assert_close(first.boxes, second.boxes)


def test_dropout_is_the_settings_not_the_models(saved):
    model, _ = load_model(str(saved), TEN, dropout=0.25)
    assert model.inner.config.dropout == 0.25
    assert {m.dropout for m in model.modules() if hasattr(m, "dropout") and isinstance(m.dropout, float)} >= {0.25}


NORMS = (nn.LayerNorm, nn.GroupNorm, nn.BatchNorm2d)
UNDECAYED = {  # beside what has one dimension, as norms and biases, as their publications say
    "rf_detr": ["backbone.embeddings."], "lw_detr": ["position_embeddings"], "yolos": ["position_embeddings", "_token"],
}  # fmt: skip


def test_every_parameter_is_in_exactly_one_group(any_saved):
    model, _ = load_model(str(any_saved), TEN)
    groups = parameter_groups(model, TrainConfig(lr=0.4, lr_backbone=0.5, lr_head=0.25, freeze="none"))
    ours = [id(p) for group in groups for p in group["params"]]
    constants = {name for name, _ in model.inner.named_parameters() if name.rpartition(".")[2] in model.constants}
    assert sorted(ours) == sorted(id(p) for name, p in model.inner.named_parameters() if name not in constants)
    rate = {id(p): group["lr"] for group in groups for p in group["params"]}
    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    rates = {"backbone": 0.5, "transformer": 0.4, "offsets": pytest.approx(0.04), "head": 0.25}
    norms = {id(p) for m in model.modules() if isinstance(m, NORMS) for p in m.parameters()}
    for name, parameter in model.inner.named_parameters():
        if name in constants:
            continue
        assert rate[id(parameter)] == rates[model.part_of(name)], name
        published = any(word in name for word in UNDECAYED.get(model.model_type, ()))
        assert (decay[id(parameter)] == 0) == (parameter.ndim == 1 or published), name
        assert decay[id(parameter)] == 0 or not (name.endswith("bias") or id(parameter) in norms)
    of_head = {model.part_of(name) for name, _ in model.inner.named_parameters() if "class" in name or "bbox" in name}
    assert of_head == {"head"}


@pytest.mark.parametrize("changes", [{"lr_backbone": 0.0, "freeze": "none"}, {"freeze": "backbone"}])
def test_a_rate_of_zero_and_freezing_take_the_backbone_out(changes):
    model = small_detr(TEN)
    groups = parameter_groups(model, TrainConfig(**changes))
    assert {group["name"] for group in groups} == {"transformer", "head"}
    assert not any(p.requires_grad for n, p in model.inner.named_parameters() if "backbone" in n)


def test_freezing_the_stem_leaves_the_later_stages_learning():
    model = small_detr(TEN)
    parameter_groups(model, TrainConfig(freeze="stem"))
    learns = {name: p.requires_grad for name, p in model.inner.named_parameters() if model.part_of(name) == "backbone"}
    assert not any(on for name, on in learns.items() if "embedder" in name or "stages.0" in name)
    assert all(on for name, on in learns.items() if "stages.1" in name or "stages.2" in name)
    assert any("stages.0" in name for name in learns)


def test_the_stem_of_a_timm_backbone_is_its_first_convolution_and_layer(tmp_path):
    model, _ = load_model(str(released("detr", tmp_path / "timm", timm=True)), TEN)
    parameter_groups(model, TrainConfig(freeze="stem"))
    backbone = {
        name: p.requires_grad for name, p in model.inner.named_parameters() if model.part_of(name) == "backbone"
    }
    frozen = {name.split(".")[3] for name, on in backbone.items() if not on}
    assert frozen == {"conv1", "layer1"} | {"bn1"} & frozen
    assert {name.split(".")[3] for name, on in backbone.items() if on} == {"layer2", "layer3", "layer4"}


def test_a_saved_model_says_its_label_map(saved, tmp_path):
    model, _ = load_model(str(saved), TEN)
    save_model(model, TEN, tmp_path)
    assert read_label_map(tmp_path).to_labels([18]).tolist() == [8]
    with pytest.raises(ModelError, match=r"holds no label_map\.json"):
        read_label_map(saved.parent)


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(ModelError, match="no model in the folder"):
        load_model(str(tmp_path), TEN)


def test_a_damaged_model_is_named(saved, tmp_path):
    (tmp_path / "config.json").write_text((saved / "config.json").read_text())
    with pytest.raises(ModelError, match="cannot be read"):
        load_model(str(tmp_path), TEN)
    (tmp_path / "model.safetensors").write_bytes((saved / "model.safetensors").read_bytes()[:1000])
    with pytest.raises(ModelError, match="cannot be read"):
        load_model(str(tmp_path), TEN)


def test_another_kind_of_model_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ModelError, match="is a bert model, but only these kinds can be used: detr, conditional_detr"):
        load_model(str(tmp_path), TEN)


def test_pickled_weights_are_never_loaded(saved, tmp_path):
    (tmp_path / "config.json").write_text((saved / "config.json").read_text())
    torch.save(small_detr(TEN).state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match="cannot be read"):
        load_model(str(tmp_path), TEN)


def test_without_a_network_the_sentence_names_where_a_copy_is_looked_for(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="checkpoints/facebook/detr-resnet-50x"):
        load_model("facebook/detr-resnet-50x", TEN)


def test_a_downloaded_copy_is_found_by_the_hubs_name(saved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checkpoints" / "facebook").mkdir(parents=True)
    (tmp_path / "checkpoints" / "facebook" / "detr").symlink_to(saved)
    _, head = load_model("facebook/detr", TEN)
    assert head.fresh == ()


def test_the_stride_of_the_finest_map_is_measured(any_saved):
    kind = any_saved.name
    model, _ = load_model(str(any_saved), TEN)
    strides = {"lw_detr": 4} | dict.fromkeys(("deformable_detr", "rf_detr", *HYBRID), 8)
    assert model.feature_stride() == strides.get(kind, 16)
