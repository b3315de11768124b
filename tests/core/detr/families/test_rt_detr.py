"""RT-DETR and RT-DETRv2: their losses are transformers', their gradients the original's, and batch norms go on."""

import pytest
import torch
from transformers.loss.loss_rt_detr import RTDetrForObjectDetectionLoss

from core import ConfigError
from core.config import TrainConfig
from core.detr.families.base import inverse_sigmoid
from core.detr.input.batch import Collator
from core.detr.losses import LossNormalizers, set_losses, total
from core.detr.model import FAMILIES, load_model, save_model
from core.labels import LabelMap
from core.training.distributed import ProcessGroup
from core.training.length.schedules import ema_decay
from core.training.step import Stepper
from tests.core.detr.released import TEN, released, small_config

CPU = torch.device("cpu")
KINDS = ("rt_detr_v2", "rt_detr")


def batch_of(counts, seed=0):
    """A batch with so many objects in each of its images, all of one size."""
    random = torch.Generator().manual_seed(seed)
    return Collator()(
        [
            {
                "pixel_values": torch.randint(256, (3, 96, 96), generator=random, dtype=torch.uint8),
                "labels": {
                    "class_labels": torch.randint(10, (count,), generator=random),
                    "boxes": torch.rand(count, 4, generator=random) * 0.4 + 0.3,
                },
                "image_id": image,
                "size": (96, 96),
            }
            for image, count in enumerate(counts)
        ]
    )


@pytest.fixture(scope="module", params=KINDS)
def folder(request, tmp_path_factory):
    """As after a training: boxes are refined, not left where the encoder chose them."""
    torch.manual_seed(1)
    model = FAMILIES[request.param].model_class(small_config(request.param))
    for name, parameter in model.named_parameters():
        if "bbox_embed" in name or "enc_bbox_head" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    path = tmp_path_factory.mktemp("released")
    model.save_pretrained(path)
    return path


def answers(model, batch, seed=3):
    torch.manual_seed(seed)
    return model(batch["pixel_values"], None, batch["labels"])


@pytest.mark.parametrize("counts", [(3, 1), (0, 4), (0, 0), (14, 2)])
def test_losses_equal_transformers_also_over_the_denoising_queries(folder, counts):
    batch = batch_of(counts)
    model, _ = load_model(str(folder), TEN)
    model.train()
    layers = answers(model, batch)
    config = model.loss_config
    ours = set_losses(layers, batch["labels"], LossNormalizers.of(batch["labels"], 12, config), config)
    torch.manual_seed(3)
    decoded = model.inner.model(model.normalize(batch["pixel_values"]), labels=batch["labels"])
    theirs, parts, _ = RTDetrForObjectDetectionLoss(
        decoded.intermediate_logits[:, -1], batch["labels"], CPU, decoded.intermediate_reference_points[:, -1],
        model.inner.config, decoded.intermediate_logits, decoded.intermediate_reference_points,
        decoded.enc_topk_logits, decoded.enc_topk_bboxes, decoded.denoising_meta_values,
    )  # fmt: skip
    torch.testing.assert_close(total(ours, config), theirs)
    for name, weight, _ in config.terms:
        expected = [parts[f"{name}_aux_0"], parts[f"{name}_aux_1"], parts[name]]
        torch.testing.assert_close(ours[name][1:], torch.stack(expected) / weight)
    assert (layers.denoising is None) == (max(counts) == 0)


def test_a_box_teaches_the_layer_before_its_own_too(folder):
    """Source: rtdetrv2_decoder.py: dec_out_bboxes in training; transformers cuts the gradient there."""
    model, _ = load_model(str(folder), TEN)
    layers = model(batch_of((2,))["pixel_values"])
    biases = [head.layers[-1].bias for head in model.inner.model.decoder.bbox_embed]
    for layer in range(3):
        gradients = torch.autograd.grad(layers.boxes[layer].sum(), biases, retain_graph=True)
        assert [bool(one.any()) for one in gradients] == [layer - 1 <= n <= layer for n in range(3)]


def test_the_box_of_each_layer_is_counted_from_the_one_before(folder):
    model, _ = load_model(str(folder), TEN)
    with torch.no_grad():
        layers = model(batch_of((2,))["pixel_values"])
        before = [layers.before.boxes[0], *layers.boxes[:-1]]
        decoded = model.inner.model(model.normalize(batch_of((2,))["pixel_values"]))
        for n, (reference, box) in enumerate(zip(before, layers.boxes, strict=True)):
            offsets = model.inner.model.decoder.bbox_embed[n](decoded.intermediate_hidden_states[:, n])
            torch.testing.assert_close((offsets + inverse_sigmoid(reference)).sigmoid(), box)


def test_class_rows_of_encoder_and_denoising_are_copied_by_name(folder):
    label_map = LabelMap(("dog", "scooter", "person"), (18, 200, 1))
    model, head = load_model(str(folder), label_map)
    original = FAMILIES[model.model_type].model_class.from_pretrained(folder)
    rows = {name: row for row, name in original.config.id2label.items()}
    assert head.copied == ("dog", "person") and head.fresh == ("scooter",)
    for ours, theirs in (
        (model.inner.model.enc_score_head, original.model.enc_score_head),
        *zip(model.inner.model.decoder.class_embed, original.model.decoder.class_embed, strict=True),
    ):
        assert torch.equal(ours.weight[[0, 2]], theirs.weight[[rows["dog"], rows["person"]]])
        assert ours.out_features == 3
    ours, theirs = model.inner.model.denoising_class_embed, original.model.denoising_class_embed
    assert torch.equal(ours.weight[[0, 2, 3]], theirs.weight[[rows["dog"], rows["person"], 80]])
    assert ours.padding_idx == 3 and model.inner.config.num_labels == 3


def test_it_learns_without_denoising_and_from_its_own_save(folder, tmp_path):
    model, _ = load_model(str(folder), TEN)
    save_model(model, TEN, tmp_path)
    again, head = load_model(str(tmp_path), TEN)
    assert head.fresh == ()
    with torch.no_grad():
        pixels = batch_of((2,))["pixel_values"]
        assert torch.equal(again(pixels).boxes, model(pixels).boxes)


def stepper_of(folder, **settings):
    config = TrainConfig(lr=1e-3, lr_backbone=1e-3, lr_head=1e-3, freeze="none", dropout=0.0, batch_size=2, **settings)
    return Stepper(load_model(str(folder), TEN)[0].train(), config, 10, CPU, ProcessGroup())


def statistics(model):
    return {name: value.clone() for name, value in model.inner.named_buffers() if "running" in name}


def test_what_batch_norms_have_seen_is_averaged_with_the_weights(folder):
    stepper = stepper_of(folder, ema=0.5)
    batch = batch_of((2, 1))
    seen = []
    for step in range(3):
        stepper.step(step, [batch])
        seen.append(statistics(stepper.model))
    average = statistics(stepper.average)
    for name, value in average.items():
        expected = seen[0][name]
        for updates, new in enumerate(seen[1:] if "backbone" not in name else [], start=1):
            decay = ema_decay(0.5, updates)
            expected = decay * expected + (1 - decay) * new[name]
        torch.testing.assert_close(value, expected)
    assert any((seen[0][name] != seen[1][name]).any() for name in seen[0])


def test_a_pass_without_an_update_leaves_no_trace_in_batch_norms(folder):
    stepper = stepper_of(folder, not_finite="skip")
    before = statistics(stepper.model)
    stepper.try_out([batch_of((2, 1))])
    assert all(torch.equal(value, before[name]) for name, value in statistics(stepper.model).items())
    broken = batch_of((2, 1))
    broken["labels"][0]["boxes"][0, 0] = float("nan")
    assert stepper.step(0, [broken]) == {"train/skipped": 1.0}
    assert all(torch.equal(value, before[name]) for name, value in statistics(stepper.model).items())


def test_a_frozen_backbone_sees_a_training_as_an_evaluation(folder):
    stepper = stepper_of(folder)
    for parameter in stepper.model.backbone.parameters():
        parameter.requires_grad_(False)
    stepper.model.train()
    assert not any(module.training for module in stepper.model.backbone.modules())
    assert stepper.model.inner.model.encoder.training


def test_too_small_a_picture_is_told(tmp_path):
    model, _ = load_model(str(released("rt_detr_v2", tmp_path)), TEN)
    assert model.smallest_side == 32
    model.inner.config.num_queries = 30
    with pytest.raises(ConfigError, match="fewer places than the 30 boxes"):
        model(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))
