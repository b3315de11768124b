"""The bench of decoder states counts neighbours as by hand."""

import numpy as np

from bench.alike import NEAREST, agreement, by_random, in_plane, neighbours, same, search_many

RNG = np.random.default_rng(0)


def test_neighbours_are_the_nearest_by_cosine_or_by_distance_without_oneself():
    values = RNG.normal(size=(40, 8))
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    cosines = values @ values.T - 9 * np.eye(40)
    expected = np.argsort(-cosines, axis=1)[:, :NEAREST]
    assert same(neighbours(values), expected) == same(in_plane(values), expected) == 1
    assert same(expected[:2], expected[:2, ::-1]) == 1 and same(expected[:1], expected[:1] + 100) == 0


def test_agreement_is_the_share_of_neighbours_with_the_same_word():
    assert agreement(np.array([[1, 2], [0, 2], [0, 1]]), np.array([5, 5, 6])) == 2 / 6


def test_random_directions_are_the_same_each_time_and_of_length_1():
    values = RNG.normal(size=(20, 32)).astype(np.float16)
    short = by_random(values, 16)
    np.testing.assert_array_equal(short, by_random(values, 16))
    np.testing.assert_allclose(np.linalg.norm(short, axis=1), 1)


def test_the_search_among_many_is_timed(capsys, monkeypatch):
    monkeypatch.setattr("bench.alike.MANY", 1000)
    search_many()
    assert capsys.readouterr().out.startswith("1,000 states are compared with one and sorted in 0.0")
