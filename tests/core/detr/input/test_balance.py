"""Class balance: LVIS's repeat factors, drawn as often as they say, and weights that are 1 on average."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.detr.input.balance import MOST_RATIO, class_weights, drawn, repeat_factors
from core.detr.input.order import epoch_order, part_order

CLASSES = 5
labels = st.lists(st.lists(st.integers(0, CLASSES - 1), max_size=4), min_size=1, max_size=40)
factors = st.lists(st.floats(1.0, 8.0), min_size=1, max_size=30).map(np.array)


def arrays(images):
    return [np.array(image, np.int64) for image in images]


def detectron2_factors(images, t):
    """RepeatFactorTrainingSampler.repeat_factors_from_category_frequency, by its formula."""
    category_freq = Counter(label for image in images for label in set(image))
    shares = {label: count / len(images) for label, count in category_freq.items()}
    category_rep = {label: max(1.0, math.sqrt(t / share)) for label, share in shares.items()}
    return [max({category_rep[label] for label in set(image)}, default=1.0) for image in images]


@given(labels)
def test_repeat_factors_are_detectron2s_with_the_median_frequency_as_threshold(images):
    counts = Counter(label for image in images for label in set(image))
    t = float(np.median([count / len(images) for count in counts.values()])) if counts else 1.0
    assert repeat_factors(arrays(images), CLASSES).tolist() == pytest.approx(detectron2_factors(images, t))


def test_only_images_with_a_class_rarer_than_most_come_more_often():
    images = arrays([[0], [0, 1], [0, 0], [0, 2], []] * 10 + [[0, 1]] * 5)
    result = repeat_factors(images, 4)  # class 3 is nowhere: shares 45, 15 and 10 of 55, median 15
    assert result[3] == pytest.approx(math.sqrt(15 / 10)) and set(np.delete(result, slice(3, None, 5))) >= {1.0}
    assert result[0] == result[1] == result[2] == result[4] == 1.0


@given(factors, st.integers(0, 100))
def test_an_epoch_keeps_its_length_and_each_image_comes_by_its_share_rounded_up_or_down(values, seed):
    counts = np.bincount(drawn(values, np.random.default_rng(seed)), minlength=len(values))
    shares = values / values.sum() * len(values)
    assert counts.sum() == len(values) and (np.abs(counts - shares) < 1 + 1e-9).all()


@settings(max_examples=5)
@given(factors)
def test_over_many_epochs_an_image_comes_as_often_as_its_factor_says(values):
    epochs = 2000
    counts = sum(np.bincount(epoch_order(len(values), 3, e, values), minlength=len(values)) for e in range(epochs))
    shares = values / values.sum() * len(values)
    # the counts of an epoch differ by less than 1: five standard errors of at most 0.5 / √epochs
    assert np.abs(counts / epochs - shares).max() < 5 * 0.5 / math.sqrt(epochs)


def test_a_balanced_order_is_that_of_seed_and_epoch_and_alike_factors_give_each_image_once():
    values = np.array([1.0, 1.0, 4.0, 2.0])
    orders = {(seed, epoch): epoch_order(4, seed, epoch, values) for seed in (1, 2) for epoch in range(8)}
    assert orders == {(seed, epoch): epoch_order(4, seed, epoch, values) for seed, epoch in orders}
    assert len({tuple(order) for order in orders.values()}) > 8
    assert sorted(epoch_order(50, 1, 2, np.full(50, 3.0))) == list(range(50)) and epoch_order(0, 1, 2, np.ones(0)) == []


@given(st.integers(1, 20), st.lists(st.integers(0, 30), max_size=8), st.booleans())
def test_parts_one_after_the_other_are_the_orders_of_all_epochs(length, parts, is_balanced):
    values = np.linspace(1, 3, length) if is_balanced else None
    first, seen = 0, []
    for images in parts:
        seen += part_order(length, 7, first, images, values)
        first += images
    whole = [image for epoch in range(first // length + 1) for image in epoch_order(length, 7, epoch, values)]
    assert seen == whole[: sum(parts)]
    assert part_order(length, 7, 3 * length, length, values) == epoch_order(length, 7, 3, values)


@given(labels)
def test_class_weights_are_one_on_average_over_objects_and_bounded(images):
    weights = np.array(class_weights(arrays(images), CLASSES))
    objects = np.bincount([label for image in images for label in image], minlength=CLASSES)
    if objects.any():
        assert (weights * objects).sum() / objects.sum() == pytest.approx(1)
    assert weights.max() / weights.min() <= MOST_RATIO + 1e-9


def test_a_class_counts_by_the_inverse_square_root_of_its_objects():
    weights = class_weights(arrays([[0] * 16, [1] * 4, [2]]), 4)
    assert np.array(weights) / weights[0] == pytest.approx([1, 2, 4, 4])
    far = class_weights(arrays([[0] * 1000, [1]]), 2)
    assert far[1] / far[0] == pytest.approx(MOST_RATIO)
