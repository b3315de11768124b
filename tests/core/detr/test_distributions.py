"""core/detr/distributions.py and the union of matches, on answers that can be reckoned by hand."""

import itertools

import pytest
import torch

from core.detr.distributions import DistributionLoss
from core.detr.matching import Matches, unite

LOSS = DistributionLoss(0.15, 1.5, 32, 4.0, 0.5)


def matches_of(*triples):
    return Matches(*torch.tensor(triples, dtype=torch.int64).reshape(-1, 3).unbind(1))


def test_nothing_united_is_nothing():
    assert [len(one) for one in unite(matches_of(), (0, 0), 3)] == [0, 0, 0]


def test_a_query_takes_the_object_that_most_answers_give_it():
    # layer, target, query: query 4 has target 1 twice, target 0 once; query 5 both as often, and takes the first
    united = unite(matches_of((0, 0, 4), (0, 1, 5), (1, 1, 4), (1, 0, 5), (2, 1, 4), (2, 0, 7)), (2,), 3)
    pairs = list(zip(*(one.tolist() for one in united), strict=True))
    assert pairs == [(layer, *pair) for layer in range(3) for pair in ((1, 4), (0, 5), (0, 7))]


def test_queries_of_two_images_are_two():
    united = unite(matches_of((0, 0, 4), (0, 1, 4)), (1, 1), 1)
    assert list(zip(united.target.tolist(), united.query.tolist(), strict=True)) == [(0, 4), (1, 4)]


def test_a_union_of_many_is_the_vote_of_each_query():
    random = torch.Generator().manual_seed(0)
    triples = [(layer, target, query) for layer in range(6)
               for target, query in enumerate(torch.randperm(9, generator=random)[:5].tolist())]  # fmt: skip
    united = unite(matches_of(*triples), (2, 3), 6)
    votes = {}
    for _, target, query in triples:
        place = (target >= 2, query)
        votes.setdefault(place, []).append(target)
    expected = {place: max(sorted(set(of)), key=of.count) for place, of in votes.items()}
    of_first = zip(united.target.tolist(), united.query.tolist(), itertools.repeat(0), strict=False)
    half = len(united.layer) // 6
    assert {(t >= 2, q): t for t, q, _ in itertools.islice(of_first, half)} == expected and half == len(expected)


def edges_at(bins: tuple[int, ...], height: float = 50.0) -> torch.Tensor:
    """Logits (1, 1, 1, 132) of four edges that are surely in these bins."""
    logits = torch.zeros(4, 33)
    logits[range(4), bins] = height
    return logits.reshape(1, 1, 1, -1)


BOX = torch.tensor([[0.5, 0.5, 0.2, 0.2]])


def sums(corners, expected=BOX, overlap=1.0, logits=None, share=1.0):
    logits = torch.zeros(len(corners), 1, 1, 3) if logits is None else logits
    none = torch.zeros(len(corners), dtype=torch.int64)
    places = torch.arange(len(corners)), none, none
    expected, overlap = expected.repeat(len(corners), 1), torch.full((len(corners),), overlap)
    return LOSS.sums(corners, BOX[None], logits, places, expected, overlap, share)


def test_an_edge_at_the_reference_box_is_in_the_middle_bin():
    fine, distilled = sums(edges_at((16,) * 4))
    assert fine == pytest.approx(0.0, abs=0.01) and distilled.tolist() == [0.0]
    assert sums(edges_at((15,) * 4))[0] == pytest.approx(4 * 50, rel=1e-5)
    assert sums(edges_at((15,) * 4), overlap=0.25)[0] == pytest.approx(50, rel=1e-5)


def test_an_edge_beyond_the_bins_is_in_the_last():
    far = torch.tensor([[0.5, 0.5, 5.0, 5.0]])
    assert sums(edges_at((32,) * 4), far)[0] == pytest.approx(0.0, abs=0.01)


def test_the_last_layer_teaches_by_temperature():
    student, teacher = torch.zeros(1, 1, 1, 132), edges_at((16,) * 4, 5.0)
    fine, distilled = sums(torch.cat([student, teacher]), overlap=0.5)
    soft = (teacher.reshape(4, 33) / 5).softmax(-1)
    expected = 25 * 0.5 * (soft * (soft.log() + torch.tensor(33.0).log())).sum(-1).mean()
    assert distilled[0] == pytest.approx(float(expected), rel=1e-5) and distilled[1] == 0 and fine.shape == (2,)
