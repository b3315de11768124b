"""Matching and losses: equal to transformers' own for a whole batch, and additive over its parts."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.image_transforms import center_to_corners_format
from transformers.loss.loss_for_object_detection import generalized_box_iou
from transformers.loss.loss_utils import LOSS_MAPPING

from core.detr.losses import LossNormalizers, set_losses, total
from core.detr.matching import Layers, Targets, giou, match
from core.detr.model import FAMILIES
from tests.core.detr.released import CONFIGS, SOFTMAX

CLASSES, QUERIES = 4, 7
KINDS = tuple(CONFIGS)


def config_of(kind: str, layers: int):
    config = CONFIGS[kind](num_labels=CLASSES, auxiliary_loss=True)
    config.decoder_layers = layers
    return config


def loss_config_of(config):
    return FAMILIES[config.model_type].loss_config_of(config)


def example(kind: str, counts, layers=2, seed=0, queries=QUERIES) -> tuple[Layers, list[dict]]:
    """Random answers for images with so many objects each."""
    random = torch.Generator().manual_seed(seed)
    shape = (layers, len(counts), queries)
    logits = torch.randn(*shape, CLASSES + (kind in SOFTMAX), generator=random)
    boxes = torch.rand(*shape, 4, generator=random) * 0.5 + 0.2
    labels = [
        {
            "class_labels": torch.randint(CLASSES, (n,), generator=random),
            "boxes": torch.rand(n, 4, generator=random) * 0.5 + 0.2,
        }
        for n in counts
    ]
    return Layers(logits.requires_grad_(), boxes.requires_grad_()), labels


def ours(layers, labels, loss_config, normalizers=None):
    queries = layers.logits.shape[2]
    return set_losses(layers, labels, normalizers or LossNormalizers.of(labels, queries, loss_config), loss_config)


MANY = (60, 1, 0, 45)  # objects: more costs than are worked on at a time


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("counts", "queries"),
    [((3, 0, 2), QUERIES), ((0, 0), QUERIES), ((1,), QUERIES), ((7, 6), QUERIES), ((9, 2), QUERIES), (MANY, 300)],
)
def test_losses_and_gradients_equal_transformers(kind, counts, queries):
    config = config_of(kind, layers=3)
    layers, labels = example(kind, counts, layers=3, queries=queries)
    losses = ours(layers, labels, loss_config_of(config))
    total(losses, loss_config_of(config)).backward()
    mine = [part.grad.clone() for part in (layers.logits, layers.boxes)]
    theirs, _ = example(kind, counts, layers=3, queries=queries)
    their_loss = LOSS_MAPPING.get(FAMILIES[kind].model_class.__name__, LOSS_MAPPING["ForObjectDetection"])
    loss, parts, _ = their_loss(
        theirs.logits[-1], labels, torch.device("cpu"), theirs.boxes[-1], config, theirs.logits, theirs.boxes
    )
    weight = loss_config_of(config).class_weight  # transformers takes 1, whatever the config says
    loss = loss + (weight - 1) * sum(value for name, value in parts.items() if name.startswith("loss_ce"))
    loss.backward()
    for name in loss_config_of(config).names:
        expected = [torch.tensor(0.0), parts[f"{name}_0"], parts[f"{name}_1"], parts[name]]
        torch.testing.assert_close(losses[name], torch.stack(expected))
    torch.testing.assert_close(total(losses, loss_config_of(config)), loss)
    for ours_grad, theirs_grad in zip(mine, (theirs.logits.grad, theirs.boxes.grad), strict=True):
        torch.testing.assert_close(ours_grad, theirs_grad)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@given(counts=st.lists(st.integers(0, 8), min_size=2, max_size=5), cut=st.integers(1, 4), seed=st.integers(0, 99))
def test_the_parts_of_a_step_add_up_to_the_whole(kind, counts, cut, seed):
    loss_config = loss_config_of(config_of(kind, layers=2))
    layers, labels = example(kind, counts, seed=seed)
    cut = min(cut, len(counts) - 1)
    normalizers = LossNormalizers.of(labels[:cut], QUERIES, loss_config) + LossNormalizers.of(
        labels[cut:], QUERIES, loss_config
    )
    whole = LossNormalizers.of(labels, QUERIES, loss_config)
    assert (normalizers.boxes, normalizers.weights) == pytest.approx((whole.boxes, whole.weights))
    parts = [
        ours(Layers(layers.logits[:, part], layers.boxes[:, part]), labels[part], loss_config, normalizers)
        for part in (slice(0, cut), slice(cut, None))
    ]
    for name, value in ours(layers, labels, loss_config).items():
        torch.testing.assert_close(parts[0][name] + parts[1][name], value)


def test_an_image_without_objects_teaches_that_nothing_is_there():
    loss_config = loss_config_of(config_of("detr", layers=2))
    layers, labels = example("detr", (0,))
    losses = ours(layers, labels, loss_config)
    assert losses["loss_bbox"].tolist() == losses["loss_giou"].tolist() == [0.0, 0.0, 0.0]
    total(losses, loss_config).backward()
    assert (layers.logits.grad[..., -1] < 0).all()  # "no object" is to become likelier
    assert layers.boxes.grad is not None  # the box head still takes part, as processes that train together want


def test_of_more_objects_than_queries_the_cheapest_are_matched():
    layers, labels = example("detr", (QUERIES + 3,))
    layer, target, query = match(layers, Targets.of(labels, layers.boxes.device), loss_config_of(config_of("detr", 2)))
    assert len(layer) == 2 * QUERIES
    for i in range(2):
        assert sorted(query[layer == i].tolist()) == list(range(QUERIES))
        assert len(set(target[layer == i].tolist())) == QUERIES


def test_a_query_that_says_an_object_exactly_is_its_match():
    layers, labels = example("detr", (2, 1))
    with torch.no_grad():
        for image, object_, query in ((0, 0, 5), (0, 1, 2), (1, 0, 6)):
            layers.boxes[:, image, query] = labels[image]["boxes"][object_]
            layers.logits[:, image, query, labels[image]["class_labels"][object_]] = 20.0
    layer, _, query = match(layers, Targets.of(labels, layers.boxes.device), loss_config_of(config_of("detr", 2)))
    assert query[layer == 0].tolist() == query[layer == 1].tolist() == [5, 2, 6]


def test_answers_that_are_no_numbers_are_matched_last():
    layers, labels = example("detr", (2,))
    with torch.no_grad():
        layers.boxes[:, :, 2:] = float("nan")
    layer, _, query = match(layers, Targets.of(labels, layers.boxes.device), loss_config_of(config_of("detr", 2)))
    assert set(query.tolist()) == {0, 1} and len(layer) == 4


def test_giou_of_boxes_apart_is_negative_and_of_points_is_a_number():
    boxes = torch.tensor([[0.1, 0.1, 0.1, 0.1], [0.9, 0.9, 0.1, 0.1], [0.5, 0.5, 0.0, 0.0]])
    assert giou(boxes[0], boxes[1]) < -0.9
    assert torch.isfinite(giou(boxes[2], boxes[2]))
    assert giou(boxes[0], boxes[0]) == pytest.approx(1.0)


box = st.tuples(*[st.floats(0.05, 0.95)] * 2, *[st.floats(0.01, 0.9)] * 2)


@given(st.lists(st.tuples(box, box), min_size=1, max_size=6))
def test_giou_is_that_of_transformers(pairs):
    first, second = torch.tensor(pairs).transpose(0, 1)
    expected = generalized_box_iou(center_to_corners_format(first), center_to_corners_format(second)).diag()
    torch.testing.assert_close(giou(first, second), expected, atol=1e-5, rtol=1e-4)
