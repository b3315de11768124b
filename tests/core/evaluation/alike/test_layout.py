"""A map keeps neighbours, whatever it is made of; rare verdicts are not lost among many boxes."""

import numpy as np
import pytest

from core.evaluation.alike.layout import lay_out, spread_out


def clusters(count=300, groups=6):
    rng = np.random.default_rng(0)
    group = np.arange(count) % groups
    values = 3 * rng.normal(size=(groups, 64))[group] + rng.normal(size=(count, 64))
    return group, (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float16)


def test_what_is_alike_lies_together_and_the_same_states_give_the_same_map():
    group, values = clusters()
    places = lay_out(values)
    assert places.shape == (300, 2) and np.abs(places).max() == pytest.approx(1)
    far = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(far, np.inf)
    nearest = np.argsort(far, axis=1)[:, :5]
    assert (group[nearest] == group[:, None]).mean() > 0.95


@pytest.mark.parametrize("count", [0, 1, 2, 7, 8, 20])
def test_few_boxes_have_places_too(count):
    places = lay_out(clusters(count or 1)[1][:count])
    assert places.shape == (count, 2) and np.isfinite(places).all() and places.dtype == np.float32


@pytest.mark.parametrize("numbers", [1, 2, 64])
def test_boxes_that_are_the_same_are_no_error(numbers):
    same = np.full((30, numbers), 0.5, np.float16)
    assert np.isfinite(lay_out(same)).all()
    assert np.isfinite(lay_out(np.zeros_like(same))).all()


def test_states_of_one_number_have_places():
    assert np.isfinite(lay_out(np.linspace(-1, 1, 30).astype(np.float16)[:, None])).all()


def test_of_few_boxes_all_are_drawn():
    assert spread_out(np.array([3, -1, 3, 0]), most=4).tolist() == [0, 1, 2, 3]
    assert spread_out(np.array([], dtype=int), most=4).tolist() == []


def test_of_many_each_verdict_has_as_many_as_far_as_it_has_them():
    groups = np.random.default_rng(0).permutation(np.repeat([-1, 0, 5, 2], [5000, 900, 3, 40]))
    rows = spread_out(groups, most=500)
    assert len(rows) == len(set(rows.tolist())) == 500 and (np.diff(rows) > 0).all()
    counts = dict(zip(*np.unique(groups[rows], return_counts=True), strict=True))
    assert counts == {-1: 229, 0: 228, 5: 3, 2: 40}
