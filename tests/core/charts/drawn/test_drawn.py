"""core/charts/drawn: a picture of losses shows its lines where they belong, whatever the values and the names are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.charts.drawn.line_chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Line, axis, fitted, line_chart
from core.charts.drawn.losses import BLUE, MOST_POINTS, ORANGE, PALE, loss_pictures
from core.evaluation.lettering import lettering

finite = st.floats(-1e12, 1e12)


def places(picture, color) -> tuple[np.ndarray, np.ndarray]:
    """Where pixels of about a colour lie inside the plot, from 0 to 1 across and up."""
    pixels = np.asarray(picture).astype(int)
    y, x = np.nonzero(np.abs(pixels - color).max(axis=2) < 24)
    inside = (x >= LEFT) & (x <= WIDTH - RIGHT) & (y >= TOP) & (y <= HEIGHT - BOTTOM)
    x, y = x[inside], y[inside]
    return (x - LEFT) / (WIDTH - LEFT - RIGHT), (HEIGHT - BOTTOM - y) / (HEIGHT - TOP - BOTTOM)


@given(finite, finite, st.integers(2, 12), st.booleans())
@settings(deadline=None, max_examples=60)
def test_an_axis_holds_its_values_between_round_ticks_that_are_told_apart(one, other, ticks, whole):
    low, high = min(one, other), max(one, other)
    scale = axis(low, high, ticks, whole)
    slack = 1e-6 * scale.step
    assert scale.low <= low + slack and high <= scale.high + slack and 2 <= len(scale.ticks) <= ticks + 2
    texts = [scale.text(tick) for tick in scale.ticks]
    assert len(set(texts)) == len(texts) or scale.step < 1e-5 * max(abs(scale.low), abs(scale.high))
    if whole and abs(low) < 1e6 and abs(high) < 1e6:
        assert all(tick == round(tick) for tick in scale.ticks)


def test_lines_lie_where_their_values_are():
    x = np.arange(0.0, 101.0)
    picture = line_chart("title", [Line(x, x / 25, BLUE, width=3)], "step", "loss")  # from 0 to 4
    across, up = places(picture, BLUE)
    assert len(across) > 500 and np.abs(across - up).max() < 0.02
    assert across.min() < 0.01 and across.max() > 0.99


def test_training_is_blue_and_validation_is_orange_and_a_spike_flattens_neither():
    steps = np.arange(1, 2001)
    train = 1 + 1 / steps
    train[999] = 1e6
    curves = {"train/loss_ce": (steps, train), "val/loss_ce": (np.array([0, 2000]), np.array([3.0, 1.5]))}
    (name, picture), *rest = loss_pictures(curves, "a run").items()
    assert (name, rest) == ("loss_ce", []) and picture.size == (WIDTH, HEIGHT)
    assert np.asarray(picture)[2, 2].tolist() == [255, 255, 255]
    across, up = places(picture, ORANGE)
    assert up[across < 0.01].max() > 0.8 and up.min() > 0.2
    assert len(places(picture, BLUE)[0]) > 300 and len(places(picture, PALE)[0]) > 100


@pytest.mark.parametrize("n", [1, 2, 61, MOST_POINTS, MOST_POINTS + 1, 5 * MOST_POINTS + 3])
@pytest.mark.parametrize("value", [0.0, 1.25])
def test_any_number_of_steps_can_be_drawn_also_of_a_constant_loss(n, value):
    curves = {"train/loss_bbox": (np.arange(1, n + 1), np.full(n, value))}
    picture = loss_pictures(curves, "x")["loss_bbox"]
    assert len(places(picture, BLUE)[0])


def test_what_is_not_finite_is_left_out_and_of_nothing_there_is_no_picture():
    nothing = (np.arange(3), np.array([np.nan, np.inf, -np.inf]))
    assert loss_pictures({"train/loss_ce": nothing}, "x") == {} and loss_pictures({}, "x") == {}
    curves = {"train/loss_ce": nothing, "val/loss_ce": (np.array([0, 5]), np.array([np.nan, 2.0]))}
    assert set(loss_pictures(curves, "x")) == {"loss_ce"}


def test_the_class_loss_is_the_one_that_the_model_has():
    curves = {"train/loss_vfl": (np.arange(9), np.ones(9)), "train/loss_bbox": (np.arange(9), np.ones(9))}
    assert list(loss_pictures(curves, "x")) == ["loss_ce", "loss_bbox"]


@pytest.mark.parametrize("name", ["", "a" * 5000, "猫\u202e\x00\n\x1b[31m<b>", "\ud800", "لوحة"])
def test_any_name_is_a_title_in_one_line_that_fits(name):
    text = fitted(name, lettering(38), 1600)
    assert text.isprintable() and lettering(38).width(text) <= 1600 + lettering(38).width("…")
    loss_pictures({"val/loss_ce": (np.zeros(1), np.ones(1))}, name)
