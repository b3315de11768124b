import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.datasets.attributes.attribute import ImageAttributes, Known
from core.datasets.attributes.grouping import LONGEST, MOST_VALUES, NO_VALUE, OTHER, borders, roundest, to_attribute
from core.wording import visible

numbers = st.floats(-1e9, 1e9, allow_nan=False)
values = st.one_of(st.none(), numbers, st.text(max_size=5), st.lists(st.text(max_size=3), max_size=3).map(tuple))


def slices_of(*given_values) -> dict[str, list[int]]:
    """Which places each slice has; {} where there is none."""
    attribute = to_attribute(Known("x", "test", given_values))
    if attribute is None:
        return {}
    rows = zip(attribute.values, attribute.members, strict=True)
    return {name: np.flatnonzero(members).tolist() for name, members in rows}


def test_words_are_slices_the_most_frequent_first():
    assert slices_of("sun", "rain", "rain") == {"rain": [1, 2], "sun": [0]}


@pytest.mark.parametrize(
    "given_values",
    [[], [None, None], ["a", "a"], [3.0, 3.0], ["a", "b", "c"], [(), ()], [("x",), ("x",)], ["", " "], [1.0, 2.0, 3.0]],
)
def test_where_all_are_the_same_or_each_is_another_there_is_nothing_to_compare(given_values):
    assert slices_of(*given_values) == {}


def test_images_without_a_value_are_a_slice_too():
    assert slices_of("night", None, None) == {"night": [0], NO_VALUE: [1, 2]}
    assert slices_of(1.0, float("nan"), 1.0) == {"1": [0, 2], NO_VALUE: [1]}


def test_of_many_words_the_rare_ones_are_together():
    words = [f"camera {i}" for i in range(20) for _ in range(40 - i)] + ["once"]
    slices = slices_of(*words)
    assert list(slices) == [*(f"camera {i}" for i in range(MOST_VALUES - 1)), OTHER]
    assert sum(map(len, slices.values())) == len(words)


def test_an_image_with_several_tags_is_in_several_slices():
    tags = ("rain", "night"), ("rain", "rain"), (), None, ("night", "once")
    assert slices_of(*tags) == {"rain": [0, 1], "night": [0, 4]}  # a tag of one image only is left out


def test_few_numbers_are_values_and_many_become_ranges_with_round_borders():
    assert list(slices_of(30.0, 60.0, 30.0, 2.5)) == ["2.5", "30", "60"]
    slices = slices_of(*np.linspace(0.3, 251.7, 997))
    assert list(slices) == ["below 50", "50 to 120", "120 to 200", "200 or more"]
    assert all(0.15 < len(places) / 997 < 0.35 for places in slices.values())
    assert list(slices_of(*(float(i % 13) for i in range(300)))) == ["2 or less", "3 to 5", "6 to 8", "9 or more"]


def test_where_most_numbers_are_the_same_there_are_fewer_ranges():
    assert list(slices_of(*[0.0] * 70, *map(float, range(1, 31)))) == ["0", "1 to 4", "5 or more"]
    assert list(slices_of(*[0.0] * 95, *map(float, range(1, 7)))) == ["0", "1 or more"]


def test_numbered_images_are_no_slices():
    assert slices_of(*map(float, range(100, 200))) == {}
    assert slices_of(*map(float, range(100, 200)), 700.0) != {}


@settings(max_examples=200, deadline=None)
@given(st.lists(values, max_size=30))
def test_whatever_is_known_each_image_is_in_at_most_one_slice_of_words_or_numbers(given_values):
    attribute = to_attribute(Known("x", "test", given_values))
    if attribute is None:
        return
    assert attribute.members.shape == (len(attribute.values), len(given_values))
    assert len(set(attribute.values)) == len(attribute.values)
    assert all(visible(name) == name and 0 < len(name) <= LONGEST for name in attribute.values)
    sizes = attribute.members.sum(axis=1)
    assert (sizes > 0).all() and (sizes < len(given_values)).all()
    if not any(isinstance(value, tuple) for value in given_values):
        assert (attribute.members.sum(axis=0) <= 1).all()


@settings(max_examples=200, deadline=None)
@given(st.lists(numbers, min_size=6, max_size=60))
def test_borders_rise_and_leave_no_range_empty(given_numbers):
    array = np.array(given_numbers)
    if len(np.unique(array)) == 1:
        return
    edges = borders(array)
    assert edges == sorted(set(edges))
    counts = np.bincount(np.searchsorted(edges, array, side="right"), minlength=len(edges) + 1)
    assert len(edges) < 1 or (counts[0] > 0 and counts[-1] > 0)


@settings(max_examples=300, deadline=None)
@given(numbers, numbers, st.floats(0, 1))
def test_the_roundest_number_lies_between(one, other, share):
    low, high = sorted((one, other))
    assert low <= roundest(low, high, min(max(low + share * (high - low), low), high)) <= high


# What is made of slices


def attributes_of(**of_name) -> ImageAttributes:
    known = [to_attribute(Known(name, "test", column)) for name, column in of_name.items()]
    count = len(next(iter(of_name.values())))
    return ImageAttributes(np.arange(10, 10 + count), tuple(known))


def test_several_slices_of_an_attribute_are_joined_and_of_several_each_must_hold():
    attributes = attributes_of(weather=["sun", "rain", "fog", "rain"] * 2, time=["day", "day", "night", "night"] * 2)
    assert attributes.images_of([("weather", "sun"), ("weather", "rain")]) == {10, 11, 13, 14, 15, 17}
    assert attributes.images_of([("weather", "rain"), ("time", "night")]) == {13, 17}
    assert attributes.images_of([("weather", "sun"), ("time", "night")]) == set()
    assert attributes.images_of([]) == set(range(10, 18))


def test_slices_of_other_data_are_dropped():
    attributes = attributes_of(weather=["sun", "rain", "rain"])
    asked = [("weather", "rain"), ("weather", "hail"), ("camera", "left"), ("weather", "rain")]
    assert attributes.known(asked) == (("weather", "rain"),)


def test_images_that_are_not_known_are_in_no_slice():
    ((attribute, members),) = attributes_of(weather=["sun", "rain", "rain"]).members_in([12, 99, 10])
    assert dict(zip(attribute.values, members.tolist(), strict=True)) == {
        "rain": [True, False, False],
        "sun": [False, False, True],
    }


def test_the_stamp_changes_with_what_is_known():
    one, same, other = (attributes_of(a=words) for words in (["x", "y", "y"], ["x", "y", "y"], ["y", "x", "y"]))
    assert one.stamp == same.stamp != other.stamp
