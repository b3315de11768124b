"""core/runs/experiments/values.py: what somebody types becomes the values that it says, or one sentence."""

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import ConfigError
from core.augmentation.kinds import PRESET_BY_NAME
from core.config_diff import value_text
from core.runs.experiments.values import MOST_VALUES, parse_values


@pytest.mark.parametrize(
    "text, name, values",
    [
        ("lr=1e-4,2e-4", "lr", (1e-4, 2e-4)),
        ("lr = 1e-4 , 1e-4", "lr", (1e-4,)),
        ("lr-head=1e-4", "lr_head", (1e-4,)),
        ("lr=1e-5..1e-3:3", "lr", (1e-5, 1e-4, 1e-3)),
        ("weight_decay=1e-4..1e-2:3", "weight_decay", (1e-4, 1e-3, 1e-2)),
        ("ema=0.99..0.9999:3", "ema", (0.99, 0.999, 0.9999)),
        ("dropout=0..0.3:4", "dropout", (0, 0.1, 0.2, 0.3)),
        ("epochs=2..5:3", "epochs", (2, 4, 5)),
        ("epochs=1..3:9", "epochs", (1, 2, 3)),
        ('augment=none,"flip, scale and crop"', "augment", (("none",), ("flip", "scale and crop"))),
        (
            "augment=colour+flip,seen from above",
            "augment",
            (("flip", "colour"), PRESET_BY_NAME["seen from above"].keys),
        ),
        ("square=yes,no", "square", (True, False)),
        ("classes=car+person,dog", "classes", (("car", "person"), ("dog",))),
        ("data=data/a..b,data/c", "data", ("data/a..b", "data/c")),
    ],
)
def test_values_are_what_was_typed(text, name, values):
    assert parse_values(text) == (name, values)


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("lr", "gives no values"),
        ("=1", "gives no values"),
        ("lr=", "gives no values"),
        ("learning=1", "There is no setting 'learning'"),
        ("lr=1,,2", "empty value"),
        ("lr=fast", "lr is 'fast', but must be a number"),
        ("epochs=1.5", "must be a whole number"),
        ("square=maybe", "must be yes or no"),
        ("lr=1e-5..1e-3", "does not say how many"),
        ("lr=1e-5..1e-3:many", "does not say how many"),
        ("lr=1e-5..1e-3:1", "2 to 100 values"),
        (f"lr=1e-5..1e-3:{MOST_VALUES + 1}", "2 to 100 values"),
        ("lr=1e-5..1e-3:9999999999999999999", "does not say how many"),
        ("lr=0..1e-3:3", "cannot begin or end at 0"),
        ("lr=nan..1:3", "no finite number"),
        ("ema=0.9..1:3", "must end below 1"),
        ('augment="none', "no list"),
        ("seed=1,2", "number of seeds"),
        (f"epochs={','.join(map(str, range(1, 300)))}", "299 values"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(text, sentence):
    with pytest.raises(ConfigError, match=sentence) as error:
        parse_values(text)
    assert "\n" not in str(error.value)


@given(st.text(max_size=40))
@settings(max_examples=60)
def test_nothing_that_is_typed_breaks(text):
    for one in (text, f"lr={text}", f"epochs={text}", f"augment={text}", f"classes={text}"):
        try:
            name, values = parse_values(one)
        except ConfigError:
            continue
        assert name and 1 <= len(values) <= MOST_VALUES


rates = st.floats(1e-7, 1e-1)


@given(rates, rates, st.integers(2, 12))
@settings(max_examples=100)
def test_a_range_of_rates_goes_by_equal_factors_from_end_to_end(low, high, n):
    _, values = parse_values(f"lr={low!r}..{high!r}:{n}")
    assert values[0] == low and values[-1] == (high if len(values) > 1 else low)
    if len(values) == n and max(low, high) / min(low, high) > 2:
        factors = [b / a for a, b in pairwise(values)]
        expected = math.exp(math.log(high / low) / (n - 1))
        assert factors == pytest.approx([expected] * (n - 1), rel=3e-3)


@given(st.integers(1, 1000), st.integers(1, 1000), st.integers(2, 12))
@settings(max_examples=100)
def test_a_range_of_whole_numbers_has_whole_numbers_within_its_ends(low, high, n):
    _, values = parse_values(f"epochs={low}..{high}:{n}")
    assert all(type(value) is int and min(low, high) <= value <= max(low, high) for value in values)
    assert values[0] == low and len(set(values)) == len(values) <= n


@given(st.lists(st.floats(0, 1, allow_subnormal=False), min_size=1, max_size=8, unique=True))
@settings(max_examples=50)
def test_a_list_that_is_written_is_read_back(values):
    assert parse_values("dropout=" + ",".join(map(repr, values)))[1] == tuple(values)
    assert all(value_text(value) for value in values)
