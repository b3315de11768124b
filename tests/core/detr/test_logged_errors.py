"""What DETR's log has beside its losses: class_error and cardinality_error, against their definition image by image."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.detr.detect import LossSums
from core.detr.losses import COUNTS, LossNormalizers, logged_errors, set_losses
from core.detr.matching import Layers, Targets, match
from tests.core.detr.test_losses import KINDS, QUERIES, config_of, example, loss_config_of


def measured(layers, labels, loss_config):
    """Return both errors of one batch."""
    normalizers = LossNormalizers.of(labels, QUERIES, loss_config)
    losses = set_losses(layers, labels, normalizers, loss_config)
    return logged_errors(*(float(losses[name][-1]) for name in COUNTS), normalizers)


def by_definition(layers, labels, loss_config):
    """Return both errors of the last layer by going through queries and images one by one."""
    matches = match(layers, Targets.of(labels, layers.boxes.device), loss_config)
    places = [(image, object_) for image, target in enumerate(labels) for object_ in range(len(target["boxes"]))]
    right = matched = 0
    for layer, target, query in zip(*(part.tolist() for part in matches), strict=True):
        if layer == len(layers.logits) - 1:
            image, object_ = places[target]
            best = int(layers.logits[-1, image, query].argmax())
            right, matched = right + (best == int(labels[image]["class_labels"][object_])), matched + 1
    last = layers.logits.shape[-1] - 1
    counts = [sum(int(q.argmax()) != last for q in image) for image in layers.logits[-1]]
    off = [abs(count - len(target["boxes"])) for count, target in zip(counts, labels, strict=True)]
    return {
        "class_error": 100 - (100 * right / matched if matched else 0),
        "cardinality_error": sum(off) / len(off),
    }


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@given(counts=st.lists(st.integers(0, 9), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_errors_are_those_of_their_definition(kind, counts, seed):
    loss_config = loss_config_of(config_of(kind, layers=2))
    layers, labels = example(kind, counts, seed=seed)
    assert measured(layers, labels, loss_config) == pytest.approx(by_definition(layers, labels, loss_config))


@pytest.mark.parametrize("kind", KINDS)
def test_the_errors_of_batches_are_those_of_all_their_images(kind):
    loss_config = loss_config_of(config_of(kind, layers=2))
    layers, labels = example(kind, (3, 0, 2, 1))
    sums = LossSums(loss_config)
    for part in (slice(0, 1), slice(1, 4)):
        sums.add(Layers(layers.logits[:, part].detach(), layers.boxes[:, part].detach()), labels[part])
    assert sums.errors() == pytest.approx(measured(layers, labels, loss_config))


@pytest.mark.parametrize("kind", KINDS)
def test_without_objects_the_class_error_is_100_as_in_detrs_log(kind):
    loss_config = loss_config_of(config_of(kind, layers=2))
    layers, labels = example(kind, (0, 0))
    assert measured(layers, labels, loss_config)["class_error"] == 100


def test_a_perfect_answer_has_no_errors():
    loss_config = loss_config_of(config_of("detr", layers=1))
    layers, labels = example("detr", (2, 0), layers=1)
    with torch.no_grad():
        layers.logits.zero_()[..., -1] = 9.0
        for query in (0, 1):
            layers.boxes[0, 0, query] = labels[0]["boxes"][query]
            layers.logits[0, 0, query, labels[0]["class_labels"][query]] = 20.0
    assert measured(layers, labels, loss_config) == {"class_error": 0, "cardinality_error": 0}


def test_nothing_is_learned_from_what_is_only_logged():
    loss_config = loss_config_of(config_of("detr", layers=2))
    layers, labels = example("detr", (2, 1))
    losses = set_losses(layers, labels, LossNormalizers.of(labels, QUERIES, loss_config), loss_config)
    assert not any(losses[name].requires_grad for name in COUNTS)
    assert all(losses[name].requires_grad for name in loss_config.names)
