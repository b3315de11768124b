"""Matching-aware class targets: with perfect boxes nearly the loss that was, with poor ones a lower score."""

import pytest
import torch

from core.config import TrainConfig
from core.detr.class_loss import CrossEntropy, FocalLoss, IouAwareLoss, Matched, MatchingAwareLoss, VarifocalLoss
from core.detr.matching import LossConfig
from core.detr.model import load_model
from core.detr.queries.class_targets import GAMMA, OverlapCrossEntropy, matching_aware
from core.training.distributed import ProcessGroup
from core.training.step import Stepper
from tests.core.detr.released import TEN, released

PLACES = torch.tensor([0, 1, 1]), torch.tensor([1, 0, 1]), torch.tensor([2, 0, 4])
LABEL = torch.tensor([2, 0, 1])


def logits_of(seed=0):
    return torch.randn(2, 2, 5, 4, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def sums_by_hand(logits, overlap, weight):
    """Return what is asked for, query by query."""
    expected = [0.0, 0.0]
    logs = logits.detach().log_softmax(-1)
    matches = {tuple(place): n for n, place in enumerate(torch.stack(PLACES, 1).tolist())}
    for answer in range(2):
        for image in range(2):
            for query in range(5):
                of_query, match = logs[answer, image, query], matches.get((answer, image, query))
                share = 0.0 if match is None else float(overlap[match])
                if match is not None:
                    expected[answer] -= share * float(of_query[LABEL[match]])
                expected[answer] -= (1 - share) * weight * float(of_query[-1])
    return torch.tensor(expected)


@pytest.mark.parametrize("overlap", [(1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (0.3, 0.9, 0.5)])
def test_a_matched_query_is_its_class_by_its_overlap_else_no_object(overlap):
    logits, overlap = logits_of(), torch.tensor(overlap)
    sums = OverlapCrossEntropy(0.1).sums(logits, Matched(PLACES, LABEL, overlap))
    torch.testing.assert_close(sums, sums_by_hand(logits, overlap, 0.1), check_dtype=False)


def test_with_perfect_boxes_the_softmax_loss_and_its_gradient_are_detrs():
    values = []
    for loss in (CrossEntropy(0.1), OverlapCrossEntropy(0.1)):
        logits = logits_of()
        sums = loss.sums(logits, Matched(PLACES, LABEL, torch.ones(3)))
        sums.sum().backward()
        values.append((sums, logits.grad, loss.weights(20, 3), loss.divisor, loss.name))
    for own, aware in zip(*values, strict=True):
        torch.testing.assert_close(aware, own) if isinstance(own, torch.Tensor) else None
        assert isinstance(own, torch.Tensor) or own == aware


@pytest.mark.parametrize("loss", [OverlapCrossEntropy(0.1), MatchingAwareLoss(None, GAMMA)])
def test_the_best_score_of_a_match_rises_with_its_overlap(loss):
    places, scores = tuple(torch.zeros(1, dtype=torch.int64) for _ in range(3)), []
    for overlap in (0.2, 0.5, 0.8, 1.0):
        logits = torch.zeros(1, 1, 1, 1 + loss.has_no_object, requires_grad=True)
        optimizer = torch.optim.Adam([logits], lr=0.2)
        for _ in range(120):
            optimizer.zero_grad()
            matched = Matched(places, torch.zeros(1, dtype=torch.int64), torch.tensor([overlap]))
            loss.sums(logits, matched).sum().backward()
            optimizer.step()
        scores.append(float((logits.softmax(-1) if loss.has_no_object else logits.sigmoid()).detach()[0, 0, 0, 0]))
    assert scores == sorted(scores) and scores[0] < 0.75 and scores[-1] > 0.95


def test_losses_whose_targets_follow_the_overlap_stay_and_the_rest_of_the_numbers_too():
    for loss in (IouAwareLoss(0.25), MatchingAwareLoss(0.7, 2.0)):
        config = LossConfig(1, 5, 2, 1, 5, 2, loss)
        assert matching_aware(config) == config
    for loss in (FocalLoss(0.25), VarifocalLoss(0.75, 2.0)):
        aware = matching_aware(LossConfig(3, 5, 2, 2, 5, 2, loss))
        assert aware == LossConfig(3, 5, 2, 2, 5, 2, MatchingAwareLoss(None, GAMMA)) and aware.names[0] == "loss_mal"


@pytest.mark.few(1)
@pytest.mark.parametrize(("kind", "name"), [("detr", "loss_ce"), ("dab-detr", "loss_mal"), ("rt_detr_v2", "loss_mal")])
def test_a_training_with_the_setting_has_that_loss(kind, name, tmp_path):
    model, _ = load_model(str(released(kind, tmp_path)), TEN)
    for targets, expected in (("own", type(model.loss_config.class_loss)), ("matching-aware", None)):
        config = TrainConfig(class_targets=targets, device="cpu")
        loss_config = Stepper(model, config, 10, torch.device("cpu"), ProcessGroup()).loss_config
        assert type(loss_config.class_loss) is expected or (expected is None and loss_config.names[0] == name)
