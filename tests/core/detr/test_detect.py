"""From a DETR's answers to detections: as transformers' own post-processing, whatever is in the batch."""

import math

import numpy as np
import pytest
import torch
from transformers import ConditionalDetrImageProcessorPil, DetrImageProcessorPil
from transformers.models.detr.modeling_detr import DetrObjectDetectionOutput

from core import ConfigError, RunError
from core.boxes import Detections
from core.datasets.split import read_split
from core.detr import detect as module
from core.detr.detect import LossSums, detect, forward, to_detections
from core.detr.input.batch import Collator
from core.detr.input.dataset import DetectionDataset
from core.detr.input.loader import loader
from core.detr.losses import LossNormalizers, set_losses
from core.detr.model import FAMILIES, load_model
from core.detr.small import small_detr
from tests.core.detr.plain_pictures import broken_image
from tests.core.detr.released import LAST_ONLY, SOFTMAX, TEN, released

CPU = torch.device("cpu")


@pytest.fixture
def data(street):
    return DetectionDataset(read_split(street, "val"), TEN, 72, 96)


@pytest.fixture
def batch(data):
    return next(iter(loader(data, 4)))


def run(model, batches):
    losses = LossSums(model.loss_config)
    return Detections.concat(detect(model, batches, CPU, losses)), losses


@pytest.mark.parametrize("processor", [DetrImageProcessorPil, ConditionalDetrImageProcessorPil])
def test_detections_are_those_of_transformers_own_post_processing(batch, processor):
    softmax = processor is DetrImageProcessorPil
    random = torch.Generator().manual_seed(1)
    logits, boxes = torch.randn(4, 30, 10 + softmax, generator=random), torch.rand(4, 30, 4, generator=random)
    detections = to_detections(logits, boxes, batch, softmax)
    sizes = [(height, width) for width, height in batch["size"]]
    output = DetrObjectDetectionOutput(logits=logits, pred_boxes=boxes)
    theirs = processor().post_process_object_detection(output, threshold=-1.0, target_sizes=sizes)
    for image_id, expected in zip(batch["image_id"], theirs, strict=True):
        ours = detections[detections.image_id == image_id]
        np.testing.assert_allclose(ours.score, expected["scores"], atol=1e-6)
        np.testing.assert_array_equal(ours.label, expected["labels"])
        np.testing.assert_allclose(ours.boxes, expected["boxes"], atol=1e-3)
        assert ours.query.max() < 30


@pytest.mark.parametrize("kind", FAMILIES)
def test_every_layer_of_every_family_is_handed_out_and_the_last_is_the_models_answer(batch, kind, tmp_path):
    model, _ = load_model(str(released(kind, tmp_path)), TEN)
    model.eval()
    if kind == "yolos":  # which is shown no padding
        batch |= {"pixel_values": batch["pixel_values"][:, :, :64], "pixel_mask": batch["pixel_mask"][:, :64]}
    with torch.no_grad():
        layers = forward(model, batch, CPU)
        with model.padding.hide(batch["pixel_mask"]):
            values = model.normalize(batch["pixel_values"], batch["pixel_mask"])
            answer = model.inner(pixel_values=values, pixel_mask=batch["pixel_mask"])
    answers = 1 if kind in LAST_ONLY else 3
    assert layers.boxes.shape == (answers, 4, 12, 4)
    assert layers.logits.shape == (answers, 4, 12, 10 + (kind in SOFTMAX))
    torch.testing.assert_close(layers.logits[-1], answer.logits)
    torch.testing.assert_close(layers.boxes[-1], answer.pred_boxes)


def test_answers_are_float32_in_half_precision_too_and_boxes_keep_their_pixels(batch):
    model = small_detr(TEN).eval()
    with torch.no_grad():
        whole, half = forward(model, batch, CPU), forward(model, batch, CPU, "bf16")
    assert half.logits.dtype == half.boxes.dtype == torch.float32
    rounded = half.boxes.to(torch.bfloat16).float()
    assert not torch.equal(rounded, half.boxes)  # else the head had been in bfloat16
    torch.testing.assert_close(half.boxes, whole.boxes, atol=0.05, rtol=0)


@pytest.mark.parametrize("kind", FAMILIES)
def test_an_epochs_validation_losses_do_not_depend_on_the_batches(data, kind, tmp_path):
    model, _ = load_model(str(released(kind, tmp_path)), TEN)
    values = [run(model, loader(data, size))[1].values() for size in (1, 4, 6)]
    near = model.loss_config.united  # boxes are then divided by what was matched in each batch: see the guide
    for other in values[1:]:
        assert other == pytest.approx(values[0], rel=0.1 if near else 1e-4)
        assert other[model.loss_config.names[0]] == pytest.approx(values[0][model.loss_config.names[0]], rel=1e-4)
    assert set(values[0]) == {"loss", *model.loss_config.names}


def test_the_validation_losses_of_one_batch_are_its_training_losses(batch):
    model = small_detr(TEN).eval()
    loss_config = model.loss_config
    _, losses = run(model, [batch])
    with torch.no_grad():
        expected = set_losses(
            forward(model, batch, CPU),
            batch["labels"],
            LossNormalizers.of(batch["labels"], 30, loss_config),
            loss_config,
        )
    for name in loss_config.names:
        assert losses.values()[name] == pytest.approx(float(expected[name][-1]))
        assert losses.by_answer()[name].tolist() == pytest.approx(expected[name].tolist())


def test_a_batch_without_any_object_has_finite_losses(batch):
    for labels in batch["labels"]:
        labels["class_labels"], labels["boxes"] = labels["class_labels"][:0], labels["boxes"][:0]
    _, losses = run(small_detr(TEN), [batch])
    assert all(math.isfinite(value) for value in losses.values().values())
    assert losses.values()["loss_bbox"] == 0


def test_no_batches_give_no_detections():
    assert len(run(small_detr(TEN), [])[0]) == 0


def test_detecting_leaves_the_model_in_training(batch):
    model = small_detr(TEN).train()
    run(model, [batch])
    assert model.training


@pytest.mark.parametrize("classes", [1, 80])
def test_one_class_and_eighty_work(street, classes):
    split = read_split(street, "val")
    names = [f"class {i}" for i in range(classes - 1)]
    label_map = type(TEN)(("person", *names), (1, *range(100, 99 + classes)))
    detections, losses = run(small_detr(label_map), [Collator()([DetectionDataset(split, label_map, 72, 96)[0]])])
    assert detections.label.max() < classes and math.isfinite(losses.values()["loss"])


def test_a_broken_answer_names_its_image(batch):
    model = small_detr(TEN)
    with broken_image(model, 2), pytest.raises(RunError, match=rf"on the images \[{batch['image_id'][2]}\]"):
        run(model, [batch])


def test_a_batch_that_does_not_fit_into_memory_is_cut_in_halves(batch, monkeypatch):
    whole, _ = run(model := small_detr(TEN), [batch])
    real = module.forward

    def small_memory(model, batch, *rest):
        if len(batch["image_id"]) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(model, batch, *rest)

    monkeypatch.setattr(module, "forward", small_memory)
    detections, _ = run(model, [batch])
    np.testing.assert_array_equal(detections.image_id, whole.image_id)
    np.testing.assert_allclose(detections.score, whole.score, atol=1e-5)
    monkeypatch.setattr(module, "forward", lambda *_: exec("raise torch.OutOfMemoryError()", {"torch": torch}))
    with pytest.raises(ConfigError, match="Not even one image"):
        run(model, [batch])
