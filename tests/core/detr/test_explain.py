"""What a query looked at and how its box came about: the model's own attentions and answers, whatever the padding."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchvision.ops import box_convert, box_iou, generalized_box_iou
from transformers import PreTrainedModel

from core import DataError, RunError
from core.boxes import Detections
from core.datasets.split import read_split
from core.detr.detect import detect, forward
from core.detr.explain import NEAREST, explain, nearest
from core.detr.input.batch import Collator
from core.detr.input.dataset import DetectionDataset
from core.detr.input.loader import loader
from core.detr.model import FAMILIES, load_model
from tests.core.detr.plain_pictures import normalized
from tests.core.detr.released import DENSE, HYBRID, SOFTMAX, TEN, WINDOWED, released

CPU = torch.device("cpu")
QUERY = 5
SIZES = [(72, 96), (80, 110), (64, 64)]  # shortest and longest edge: without padding, with it on both sides, on one


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("released")
    return {kind: load_model(str(released(kind, folder / kind)), TEN)[0].eval() for kind in FAMILIES}


@pytest.fixture(scope="module")
def split(street):
    return read_split(street, "val")


def batch_of(split, edges=(80, 110), image=0, whole_cells=False):
    data = DetectionDataset(split, TEN, *edges)
    if whole_cells:
        data.stride, data.whole_cells = 16, True
    return next(iter(loader(data, 1, order=[image])))


def plain(model):
    """A copy that computes attention plainly, as transformers wants it in order to give the weights."""
    model = copy.deepcopy(model)
    inner = model.inner
    for config in (inner.config, inner.model.encoder.config, inner.model.decoder.config):
        config._attn_implementation = "eager"
    return model


def cells(batch, stride):
    """(H, W) of the padded feature map, and its rows and columns that begin on the image."""
    height, width = batch["pixel_mask"].shape[1:]
    rows, columns = (batch["pixel_mask"][0].any(axis).sum().item() for axis in (1, 0))
    return (height // stride, width // stride), (-(-rows // stride), -(-columns // stride))


@pytest.mark.parametrize("edges", SIZES)
@pytest.mark.parametrize("kind", DENSE)
def test_maps_are_the_models_own_attentions(models, split, kind, edges):
    """As transformers itself records them, without what is padding."""
    batch = batch_of(split, edges)
    why = explain(models[kind], batch, QUERY)
    with torch.no_grad():
        model = plain(models[kind])
        with model.padding.hide(batch["pixel_mask"]):
            theirs = model.inner(pixel_values=normalized(batch), pixel_mask=batch["pixel_mask"], output_attentions=True)
    shape, (rows, columns) = cells(batch, 16)
    for ours, weights in zip(why.decoder, theirs.cross_attentions, strict=True):
        expected = weights[0].mean(0)[QUERY].reshape(shape)
        np.testing.assert_allclose(ours, expected[:rows, :columns], atol=1e-6)
        assert expected.sum() - expected[:rows, :columns].sum() < 1e-6  # nothing looks at padding
    x, y = theirs.pred_boxes[0, QUERY, :2].tolist()
    image_height, image_width = (batch["pixel_mask"][0].any(axis).sum().item() for axis in (1, 0))
    cell = int(y * image_height / 16) * shape[1] + int(x * image_width / 16)
    expected = theirs.encoder_attentions[-1][0].mean(0)[cell].reshape(shape)[:rows, :columns]
    np.testing.assert_allclose(why.encoder, expected, atol=1e-6)
    assert not why.sampled


def test_of_deformable_detr_the_maps_are_what_its_sampling_points_read(models, split):
    """The gradient of what is read by the feature map, were all its cells read from the finest one."""
    model, batch = models["deformable_detr"], batch_of(split)
    read = []
    hooks = [
        layer.encoder_attn.attn.register_forward_pre_hook(lambda _, args: read.append((args[4], args[5])))
        for layer in model.inner.model.decoder.layers
    ]
    why = explain(model, batch, QUERY)
    for hook in hooks:
        hook.remove()
    shape, (rows, columns) = cells(batch, 8)
    for ours, (places, weights) in zip(why.decoder, read, strict=True):
        cell_values = torch.zeros(1, 1, *shape, requires_grad=True)
        points = 2 * places[0, QUERY].clone().reshape(1, 1, -1, 2) - 1
        values = F.grid_sample(cell_values, points, align_corners=False)
        (values.flatten() * weights[0, QUERY].clone().flatten()).sum().backward()
        expected = cell_values.grad[0, 0, :rows, :columns]
        np.testing.assert_allclose(ours, expected / expected.sum(), atol=1e-5)
    assert why.sampled and why.encoder.shape == (rows, columns)


@pytest.mark.parametrize("edges", [*SIZES, (56, 80)])
def test_of_yolos_the_maps_are_what_its_tokens_see_of_the_image_in_every_block(models, split, edges):
    model, batch = models["yolos"], batch_of(split, edges, whole_cells=True)
    why = explain(model, batch, QUERY)
    height, width = (batch["pixel_mask"][0].any(axis).sum().item() for axis in (1, 0))
    with torch.no_grad():
        inner = copy.deepcopy(model.inner)
        inner.config._attn_implementation = "eager"
        theirs = inner(pixel_values=normalized(batch)[:, :, :height, :width], output_attentions=True)
    shape = height // 16, width // 16
    assert len(why.decoder) == 3 and len(why.boxes) == 1 and why.tokens
    for ours, weights in zip(why.decoder, theirs.attentions, strict=True):
        expected = weights[0].mean(0)[-12 + QUERY][1:-12].reshape(shape)
        np.testing.assert_allclose(ours, expected / expected.sum(), atol=1e-6)
    x, y = theirs.pred_boxes[0, QUERY, :2].tolist()
    cell = int(y * shape[0]) * shape[1] + int(x * shape[1])
    expected = theirs.attentions[-1][0].mean(0)[1 + cell, 1:-12].reshape(shape)
    np.testing.assert_allclose(why.encoder, expected / expected.sum(), atol=1e-6)
    assert why.cover == pytest.approx((96, 72))


@pytest.mark.parametrize("edges", SIZES)
@pytest.mark.parametrize("kind", FAMILIES)
def test_every_map_sums_to_one_and_covers_the_image_by_less_than_a_cell_too_much(models, split, kind, edges):
    why = explain(models[kind], batch_of(split, edges, whole_cells=models[kind].whole_cells), QUERY)
    maps = [*why.decoder, why.encoder]
    assert len(maps) == 4 and min(m.min() for m in maps) >= 0
    if kind in HYBRID:  # sees the padding, so that a box may lie there, and no point of it on the image
        maps = [one for one in maps if one.any()]
        assert why.encoder.any()
    np.testing.assert_allclose([m.sum() for m in maps], 1, atol=1e-5)
    for covered, side, cell_count in zip(why.cover, (96, 72), reversed(why.encoder.shape), strict=True):
        assert -1e-6 <= covered - side < covered / cell_count


@pytest.mark.parametrize("kind", FAMILIES)
def test_layers_and_probabilities_are_the_models_answers(models, split, kind):
    batch = batch_of(split)
    with torch.no_grad():
        layers = forward(models[kind], batch, CPU)
    for query in (0, 11):
        why = explain(models[kind], batch, query)
        logits = layers.logits[:, 0, query]
        probabilities = logits.softmax(-1) if kind in SOFTMAX else logits.sigmoid()
        scores, labels = probabilities[:, :10].max(-1)
        np.testing.assert_allclose(why.probabilities, probabilities[-1], atol=1e-5)
        np.testing.assert_allclose(why.scores, scores, atol=1e-5)
        np.testing.assert_array_equal(why.labels, labels)
        boxes = box_convert(layers.boxes[:, 0, query], "cxcywh", "xyxy") * torch.tensor([96, 72, 96, 72])
        np.testing.assert_allclose(why.boxes, boxes, atol=1e-3)


@pytest.mark.parametrize("kind", DENSE)
def test_the_last_layer_is_the_evaluations_detection_whatever_else_was_in_its_batch(models, split, kind):
    """Deformable DETR's group norms see a batch's padding (core/detr/families/padding.py), so it may differ there."""
    large = DetectionDataset(split, TEN, 80, 110)
    small = DetectionDataset(split, TEN, 40, 60)
    batch = Collator()([small[0], large[1]])
    detections = Detections.concat(detect(models[kind], [batch], CPU))
    assert batch["padded"]
    of_image = detections[detections.image_id == small[0]["image_id"]]
    for query in range(12):
        why = explain(models[kind], batch_of(split, (40, 60)), query)
        rows = of_image[of_image.query == query]
        best = int(np.argmax(rows.score))
        assert rows.label[best] == why.labels[-1]
        np.testing.assert_allclose(rows.score[best], why.scores[-1], atol=1e-4)
        np.testing.assert_allclose(rows.boxes[best], why.boxes[-1], atol=1e-3 * 96)


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_model_is_afterwards_as_it_was_before(models, split, kind):
    model, batch = models[kind], batch_of(split)
    with torch.no_grad():
        before = forward(model, batch, CPU)
    configs = [m.config for m in model.inner.modules() if isinstance(m, PreTrainedModel)]
    settings = [(config._attn_implementation, config.output_attentions) for config in configs]
    hooks = sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())
    explain(model.train(), batch, QUERY)
    assert model.training
    with pytest.raises(DataError):
        explain(model.eval(), batch, 99)
    assert not model.training
    assert settings == [(config._attn_implementation, config.output_attentions) for config in configs]
    assert sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()) == hooks
    with torch.no_grad():
        assert torch.equal(before.boxes, forward(model, batch, CPU).boxes)


@pytest.mark.parametrize("kind", [kind for kind in FAMILIES if kind not in {**HYBRID, **WINDOWED}])  # may choose others
def test_half_precision_looks_at_about_the_same(models, split, kind):
    full, half = (explain(models[kind], batch_of(split), QUERY, precision) for precision in ("fp32", "bf16"))
    np.testing.assert_allclose(half.decoder.sum((1, 2)), 1, atol=1e-5)
    np.testing.assert_allclose(half.boxes, full.boxes, atol=2)
    np.testing.assert_allclose(half.decoder, full.decoder, atol=0.05)


@pytest.mark.parametrize("query", [-1, 12])
def test_a_query_that_there_is_not_is_refused(models, split, query):
    with pytest.raises(DataError, match=f"no query {query}: the model has 12"):
        explain(models["detr"], batch_of(split), query)


def test_broken_weights_are_said(models, split):
    model = copy.deepcopy(models["detr"])
    torch.nn.init.constant_(model.inner.class_labels_classifier.weight, float("nan"))
    for ask in (lambda: explain(model, batch_of(split), 0), lambda: nearest(model, batch_of(split), [0, 0, 9, 9], 0)):
        with pytest.raises(RunError, match="not finite"):
            ask()


BOXES = [[40, 30, 60, 50], [0, 0, 96, 72], [90, 68, 95, 71], [0, 0, 1, 1]]


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("kind", FAMILIES)
def test_the_nearest_queries_overlap_most_and_then_cost_least(models, split, kind, box):
    """Against torchvision's IoU and GIoU."""
    model, batch = models[kind], batch_of(split)
    with torch.no_grad():
        layers = forward(model, batch, CPU)
    size, wanted = torch.tensor([96.0, 72, 96, 72]), torch.tensor([box], dtype=torch.float32)
    boxes = box_convert(layers.boxes[-1, 0], "cxcywh", "xyxy")
    overlap = box_iou(boxes * size, wanted)[:, 0]
    target = box_convert(wanted / size, "xyxy", "cxcywh")
    cost = 5 * (layers.boxes[-1, 0] - target).abs().sum(-1) - 2 * generalized_box_iou(boxes, wanted / size)[:, 0]
    order = sorted(range(12), key=lambda q: (-overlap[q].item(), cost[q].item()))
    queries = nearest(model, batch, box, 3)
    assert [near.query for near in queries] == order[:NEAREST]
    logits = layers.logits[-1, 0]
    for near in queries:
        probabilities = (logits.softmax(-1) if kind in SOFTMAX else logits.sigmoid())[near.query]
        np.testing.assert_allclose(near.box, boxes[near.query] * size, atol=1e-3)
        assert near.iou == pytest.approx(overlap[near.query].item(), abs=1e-5)
        assert near.score == pytest.approx(probabilities[3].item(), abs=1e-5)
        assert (near.label, near.label_score) == (probabilities[:10].argmax(), pytest.approx(probabilities[:10].max()))
        assert near.no_object == (pytest.approx(probabilities[10].item()) if kind in SOFTMAX else None)


def test_an_object_exactly_where_a_query_is_has_it_first(models, split):
    batch = batch_of(split)
    why = explain(models["detr"], batch, QUERY)
    first = nearest(models["detr"], batch, why.boxes[-1], int(why.labels[-1]))[0]
    assert first.iou == pytest.approx(1, abs=1e-4)
    assert first.query == QUERY or np.allclose(first.box, why.boxes[-1], atol=1e-2)
