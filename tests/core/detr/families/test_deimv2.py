"""DEIMv2: its losses as published, its smallest kind without attention in the encoder, and that with DINOv3."""

import json
import shutil

import pytest
import torch
from transformers import Deimv2Config, DINOv3ViTConfig
from transformers.loss.loss_deimv2 import Deimv2Loss

from core import ModelError
from core.config import TrainConfig
from core.detr.explain import explain
from core.detr.matching import Targets, match, unite
from core.detr.model import FAMILIES, load_model, parameter_groups, save_model
from core.detr.pretrained import COCO_CLASSES
from core.detr.processor import AS_THEY_ARE, Normalization
from tests.core.detr.families.test_d_fine import by_image, distributed, losses_of, stepper_of
from tests.core.detr.families.test_rt_detr import answers, batch_of
from tests.core.detr.released import TEN, as_trained, released, small_hgnet

CPU = torch.device("cpu")
SMALL = {
    "encoder_hidden_dim": 32, "d_model": 32, "decoder_ffn_dim": 64, "encoder_ffn_dim": 64, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "decoder_layers": 3, "num_queries": 12, "num_denoising": 10, "depth_mult": 0.34,
    "hidden_expansion": 0.5, "num_labels": 80, "id2label": dict(enumerate(COCO_CLASSES)),
}  # fmt: skip


def saved(config, folder):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        as_trained(FAMILIES["deimv2"].model_class(config)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def lite(tmp_path_factory):
    """One map of stride 16 and one below it, as Pico and its like."""
    backbone = small_hgnet()
    backbone.out_indices = [3]
    config = Deimv2Config(
        backbone_config=backbone, encoder_type="lite", encoder_layers=0, encoder_in_channels=[32],
        decoder_in_channels=[32, 32], feat_strides=[16, 32], num_feature_levels=2, decoder_n_points=[4, 2],
        use_gateway=False, share_bbox_head=True, **SMALL,
    )  # fmt: skip
    return saved(config, tmp_path_factory.mktemp("lite"))


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    backbone = DINOv3ViTConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=4, num_attention_heads=2, out_indices=[2, 3, 4]
    )
    config = Deimv2Config(
        backbone_config=backbone, encoder_in_channels=[32] * 3, decoder_in_channels=[32] * 3,
        encoder_has_trailing_conv=False, **SMALL,
    )  # fmt: skip
    return saved(config, tmp_path_factory.mktemp("vit"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return distributed("deimv2", tmp_path_factory.mktemp("released"))


@pytest.mark.parametrize("counts", [(3, 1), (0, 4), (14, 2)])
def test_losses_are_transformers_parts_put_together_as_published(folder, counts):
    """Source: Intellindust-AI-Lab/DEIMv2, deim_criterion.py, DEIMCriterion.forward; the parts are transformers' own."""
    model, batch = load_model(str(folder), TEN)[0].train(), batch_of(counts)
    layers = answers(model, batch)
    ours = losses_of(model, layers, batch)
    criterion, boxes = Deimv2Loss(model.inner.config), max(sum(counts), 1)
    criterion.num_classes, criterion.gamma = 10, 1.5
    targets, every = Targets.of(batch["labels"], CPU), layers.every
    matches = match(every, targets, model.loss_config)
    united = by_image(unite(matches, counts, 5), 0, counts)
    expected, pairs = [], sum(len(queries) for queries, _ in united)
    for answer in range(2, 5):  # before them the encoder's, and the first box head's
        outputs = {"logits": every.logits[answer], "pred_boxes": every.boxes[answer]}
        parts = criterion.loss_labels_mal(outputs, batch["labels"], by_image(matches, answer, counts), boxes)
        parts |= criterion.loss_boxes(outputs, batch["labels"], united, pairs)
        outputs |= {"pred_corners": layers.corners[answer - 2], "ref_points": layers.references,
                    "teacher_corners": layers.corners[-1], "teacher_logits": layers.logits[-1]}  # fmt: skip
        expected.append(parts | criterion.loss_local(outputs, batch["labels"], united, pairs))
    assert model.loss_config.names == ("loss_mal", "loss_bbox", "loss_giou", "loss_fgl", "loss_ddf")
    for name in model.loss_config.names:
        torch.testing.assert_close(ours[name][1:], torch.stack([one[name] for one in expected]))


def test_the_smallest_learn_neither_edges_nor_from_united_matches(lite):
    stepper, batch = stepper_of(lite), batch_of((2, 1))
    config = stepper.model.loss_config
    assert config.names == ("loss_mal", "loss_bbox", "loss_giou") and not config.united
    losses = [stepper.step(step, [batch]) for step in range(60)]
    assert losses[-1]["train/loss"] < 0.8 * losses[0]["train/loss"]


def test_an_encoder_without_attention_has_no_map(lite, tmp_path):
    model = load_model(str(lite), TEN)[0].eval()
    batch = batch_of((1,))
    why = explain(model, batch, 3)
    assert why.encoder is None and why.decoder.shape == (3, 6, 6) and why.boxes.shape == (3, 4)
    assert model.feature_stride() == 16
    save_model(model, TEN, tmp_path / "again")
    again = load_model(str(tmp_path / "again"), TEN)[0].eval()
    with torch.no_grad():
        torch.testing.assert_close(again(batch["pixel_values"]).boxes, model(batch["pixel_values"]).boxes)


@pytest.mark.parametrize("changes", [{}, {"model_type": "detr", "encoder_type": "lite"}])
def test_no_other_encoder_is_without_layers(changes, folder, tmp_path):
    config = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "encoder_layers": 0, **changes}))
    shutil.copy(folder / "model.safetensors", tmp_path)
    with pytest.raises(ModelError, match="encoder_layers is 0"):
        load_model(str(tmp_path), TEN)


def test_with_dinov3_it_is_another_backbone_and_other_pixels(vit, folder):
    model = load_model(str(vit), TEN)[0]
    assert model.normalization == Normalization() != AS_THEY_ARE == load_model(str(folder), TEN)[0].normalization
    assert type(model.backbone).__name__ == "DINOv3ViTBackbone" and model.feature_stride() == 8
    parts = {name: model.part_of(name) for name, _ in model.inner.named_parameters()}
    vit_names = {name for name, part in parts.items() if part == "backbone"}
    assert vit_names == {name for name in parts if name.startswith("model.conv_encoder.backbone.")}
    assert parts["model.conv_encoder.spatial_tuning_adapter.conv2.conv.weight"] == "transformer"
    layers = {name.split("backbone.")[1].rpartition(".")[0]: model.layers_above(name) for name in vit_names}
    assert layers["model.layer.3.norm1"] == layers["norm"] == 0 and layers["model.layer.0.norm1"] == 3
    assert layers["embeddings.patch_embeddings"] == 4 and model.layers_above("model.enc_score_head.weight") == 0
    groups = parameter_groups(model, TrainConfig(freeze="stem", layer_decay=0.5, lr_backbone=1e-4))
    rates = {group["lr"] for group in groups if group["name"] == "backbone"}
    assert rates == {1e-4 * 0.5**above for above in range(4)}  # its embeddings are frozen


def test_with_dinov3_it_learns(vit):
    stepper, batch = stepper_of(vit), batch_of((2, 1))
    losses = [stepper.step(step, [batch]) for step in range(60)]
    assert losses[-1]["train/loss"] < 0.8 * losses[0]["train/loss"]
    assert {"train/loss_mal", "train/loss_fgl", "train/loss_ddf"} <= set(losses[0])


def test_a_query_is_explained_by_both_attentions(tmp_path):
    why = explain(load_model(str(released("deimv2", tmp_path)), TEN)[0].eval(), batch_of((1,)), 3)
    assert why.encoder.shape == why.decoder.shape[1:] == (12, 12) and why.sampled
    assert why.encoder.sum() == pytest.approx(1, abs=1e-5)
