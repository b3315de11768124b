import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.charts.training import MOST_POINTS, decimate, smooth, training_charts

values = st.lists(st.none() | st.floats(-5, 5), max_size=300)


def recorded(steps=40):
    x = list(range(1, steps + 1))
    return {
        **{f"train/{name}": (x, [4 / i for i in x]) for name in ("loss", "loss_ce", "loss_bbox", "loss_giou")},
        "val/AP": ([0, steps], [0.125, 0.25]),
        "val/loss": ([steps], [0.7]),
    }


def test_nothing_recorded_makes_no_chart():
    assert training_charts({}) == []
    assert training_charts({"train/loss": ([], []), "val/AP": ([], [])}) == []


def test_ap_and_the_four_losses_are_charts_on_the_number_of_steps():
    charts = training_charts(recorded())
    keys = ["training-ap", "training-loss", "training-loss_ce", "training-loss_bbox", "training-loss_giou"]
    assert [chart.key for chart in charts] == keys
    assert {(chart.n, chart.unit) for chart in charts} == {(40, "training steps")}


def test_the_errors_of_detrs_log_are_charts_where_they_were_recorded():
    curves = recorded() | {"val/class_error": ([0, 40], [90.0, 20.0]), "train/cardinality_error": ([1], [3.5])}
    charts = {chart.key: chart for chart in training_charts(curves)}
    assert list(charts)[-2:] == ["training-class_error", "training-cardinality_error"]
    assert "matched queries" in charts["training-class_error"].note


def test_ap_is_drawn_in_percent_and_kept_as_it_is():
    ap = training_charts(recorded())[0]
    assert ap.traces[0]["y"].tolist() == [12.5, 25]
    assert ap.rows == [(0, 0.125), (40, 0.25)]


def test_the_untouched_model_alone_is_a_chart():
    (ap,) = training_charts({"val/AP": ([0], [0.125])})
    assert ap.rows == [(0, 0.125)] and ap.n == 0


def test_a_loss_has_its_steps_and_its_validation():
    loss = training_charts(recorded())[1]
    assert loss.rows[0] == ("training", 1, 4.0) and loss.rows[-1] == ("validation", 40, 0.7)
    assert len(loss.rows) == 41 and len(loss.traces) == 3
    assert "drawn" not in loss.note


def test_a_loss_that_went_off_the_scale_leaves_a_gap():
    loss = training_charts({"train/loss": ([1, 2, 3], [1.0, None, 3.0])})[0]
    assert loss.rows == [("training", 1, 1.0), ("training", 2, None), ("training", 3, 3.0)]


def test_a_long_training_is_thinned_and_says_so():
    loss = training_charts(recorded(100_000))[1]
    assert all(len(trace["x"]) <= MOST_POINTS for trace in loss.traces)
    assert "1,000 of 100,000 steps" in loss.note and len(loss.rows) <= MOST_POINTS + 1


@given(values, st.sampled_from([2, 4, 10, 100]))
def test_thinning_keeps_order_the_lowest_and_the_highest(y, most):
    steps = list(range(10, 10 + len(y)))
    kept_x, kept_y = decimate(steps, y, most)
    assert len(kept_x) <= max(most, 1) and np.all(np.diff(kept_x) > 0)
    for x, value in zip(kept_x, kept_y, strict=True):
        original = y[x - 10]
        assert value == original or (original is None and math.isnan(value))
    finite = [value for value in y if value is not None]
    if finite:
        assert np.nanmin(kept_y) == min(finite) and np.nanmax(kept_y) == max(finite)


@given(values)
def test_smoothing_is_the_weighted_mean_of_what_came_before(y):
    keep = 1 - 1 / max(8, len(y) / 40)
    for i, value in enumerate(smooth(y)):
        if y[i] is None:
            assert value is None
            continue
        past = [v for v in y[: i + 1] if v is not None][::-1]
        weights = [keep**age for age in range(len(past))]
        assert value == pytest.approx(np.average(past, weights=weights), abs=1e-9)
