"""Class weights in the class loss of every family: a matched object counts by its class, and nothing else changes."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from core.detr.class_loss import CrossEntropy, FocalLoss, IouAwareLoss, Matched, MatchingAwareLoss, VarifocalLoss
from core.detr.losses import LossNormalizers, set_losses
from tests.core.detr.test_losses import config_of, example, loss_config_of, ours

KINDS = (CrossEntropy(0.1), FocalLoss(0.25), VarifocalLoss(0.75, 2.0), IouAwareLoss(0.25), MatchingAwareLoss(None, 1.5))
CLASSES, WEIGHTS = 4, torch.tensor([0.5, 1.0, 2.0, 4.0])


def matches(loss):
    """Answers of two layers, with queries matched to objects of each class."""
    random = torch.Generator().manual_seed(1)
    logits = torch.randn(2, 3, 7, CLASSES + loss.has_no_object, generator=random).requires_grad_()
    layer, image = torch.arange(2).repeat_interleave(6), torch.arange(3).repeat(4)
    query = torch.randperm(7, generator=random)[:2].repeat_interleave(3).repeat(2)
    label = torch.tensor([0, 1, 2, 3, 3, 0] * 2)
    return logits, (layer, image, query), label, torch.rand(12, generator=random)


@pytest.mark.parametrize("loss", KINDS, ids=lambda loss: type(loss).__name__)
def test_weights_of_one_change_nothing_and_others_act_on_the_matched_queries_alone(loss):
    logits, places, label, overlap = matches(loss)
    plain = loss.sums(logits, Matched(places, label, overlap))
    assert torch.equal(plain, loss.sums(logits, Matched(places, label, overlap, torch.ones(12))))
    twice = loss.sums(logits, Matched(places, label, overlap, torch.full((12,), 2.0)))
    none = loss.sums(logits, Matched(places, label, overlap, torch.zeros(12)))
    torch.testing.assert_close(twice - plain, plain - none)  # linear, and what is not matched stays
    (gradient,) = torch.autograd.grad((twice - plain).sum(), logits)
    matched = torch.zeros(logits.shape[:3], dtype=torch.bool)
    matched[places] = True
    assert gradient[~matched].abs().max() < 1e-6 < gradient[matched].abs().max()


def test_cross_entropy_is_torchs_with_these_weights():
    loss = CrossEntropy(0.1)
    logits, places, label, overlap = matches(loss)
    expected = torch.full(logits.shape[:3], CLASSES)
    expected[places] = label
    weights = torch.cat([WEIGHTS, torch.tensor([0.1])])
    torchs = F.cross_entropy(logits.flatten(0, 2), expected.flatten(), weights, reduction="none").view(2, -1).sum(1)
    torch.testing.assert_close(loss.sums(logits, Matched(places, label, overlap, WEIGHTS[label])), torchs)


@pytest.mark.parametrize("kind", ["detr", "conditional_detr"])
def test_a_models_losses_are_weighed_by_class_and_boxes_and_divisors_are_not(kind):
    layers, labels = example(kind, (3, 0, 2))
    config = loss_config_of(config_of(kind, 2))
    plain, weighed = (
        ours(layers, labels, one) for one in (config, replace(config, class_weights=tuple(WEIGHTS.tolist())))
    )
    assert torch.equal(plain["loss_bbox"], weighed["loss_bbox"])
    assert torch.equal(plain["loss_giou"], weighed["loss_giou"])
    only = replace(config, class_weights=tuple((torch.arange(CLASSES) == 2).float().tolist()))
    assert not torch.equal(plain["loss_ce"], weighed["loss_ce"])
    parts = [ours(layers, labels, replace(config, class_weights=tuple(row.tolist()))) for row in torch.eye(CLASSES)]
    nothing = ours(layers, labels, replace(config, class_weights=(0.0,) * CLASSES))["loss_ce"]
    summed = sum(w * (part["loss_ce"] - nothing) for w, part in zip(WEIGHTS, parts, strict=True)) + nothing
    torch.testing.assert_close(weighed["loss_ce"], summed)
    torch.testing.assert_close(ours(layers, labels, only)["loss_ce"], parts[2]["loss_ce"])


def test_where_an_encoder_proposes_objects_of_no_class_they_all_count_the_same():
    layers, labels = example("deformable_detr", (3, 1))
    proposals, _ = example("deformable_detr", (3, 1), layers=1, seed=4)
    config = loss_config_of(config_of("deformable_detr", 2))
    both = replace(layers, proposals=proposals)
    normalizers = LossNormalizers.of(labels, layers.logits.shape[2], config)
    weighed = replace(config, class_weights=(5.0, 1.0, 1.0, 1.0))
    of_proposals = [set_losses(both, labels, normalizers, one)["loss_ce"][0] for one in (config, weighed)]
    assert torch.equal(*of_proposals)
