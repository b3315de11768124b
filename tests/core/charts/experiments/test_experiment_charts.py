"""The charts of experiments: every training is a point, means are means, and what ended early is told apart."""

import json

import pytest

from core.charts.experiments.images import folds_chart, learning_curve_chart
from core.charts.experiments.settings import Trained, setting_charts
from core.charts.to_json import to_json
from core.evaluation.experiments.learning_curve import fit_learning_curve
from core.evaluation.experiments.noise import mean_interval

LABELS = {"lr": "Learning rate", "augment": "Augmentation"}


def trained(lr, seed, ap, augment=None, ended=None):
    return Trained({"lr": lr} | ({"augment": augment} if augment else {}), seed, ap, ended)


def whole(chart):
    json.loads(to_json(chart))
    return chart


def test_one_setting_has_a_point_for_each_training_and_the_mean_of_seeds():
    runs = [trained(lr, seed, 100 * lr + 0.01 * seed) for lr in (1e-3, 1e-5) for seed in (0, 1)]
    (chart,) = setting_charts({"lr": "Learning rate"}, runs, 800)
    dots, means = whole(chart).traces
    assert dots["x"] == [1e-3, 1e-3, 1e-5, 1e-5] and dots["y"] == pytest.approx([10, 11, 0.1, 1.1])
    assert dict(zip(means["x"], means["y"], strict=True)) == pytest.approx({1e-5: 0.6, 1e-3: 10.5})
    expected = mean_interval([0.1, 0.11])
    assert means["error_y"]["array"][1] == pytest.approx(100 * (expected.high - expected.value))
    assert chart.layout["xaxis"]["type"] == "log" and chart.n == 800
    assert chart.rows[0] == ("0.001", 0, pytest.approx(0.1), None)


def test_what_ended_early_is_grey_and_in_no_mean():
    runs = [trained(1e-4, 0, 0.5), trained(2e-4, 0, 0.1, ended=3)]
    (chart,) = setting_charts({"lr": "Learning rate"}, runs, 800)
    dots, early, means = whole(chart).traces
    assert early["marker"]["color"] == "@grey" and early["x"] == [2e-4] and "epoch 3" in early["text"][0]
    assert dots["x"] == means["x"] == [1e-4]
    assert "trained for less" in chart.note


def test_two_settings_are_a_heat_map_and_a_panel_each_without_intervals_of_other_things():
    runs = [
        trained(lr, seed, lr * 1000, augment) for lr in (1e-4, 2e-4) for augment in ("none", "flip") for seed in (0, 1)
    ]
    heat, *panels = setting_charts(LABELS, runs[:-2], 800)
    assert whole(heat).traces[0]["z"] == [[pytest.approx(10), pytest.approx(20)], [pytest.approx(10), None]]
    assert [chart.key for chart in panels] == ["sweep-lr", "sweep-augment"]
    assert all(not chart.traces[-1]["error_y"]["visible"] for chart in map(whole, panels))
    assert panels[1].layout["xaxis"]["type"] == "category"


def test_the_learning_curve_goes_on_to_twice_the_images():
    numbers, seeds, aps = [10, 20, 40, 80], [0] * 4, [0.2, 0.3, 0.38, 0.44]
    chart = whole(learning_curve_chart(numbers, seeds, aps, fit_learning_curve(numbers, aps), 800))
    assert chart.traces[-1]["x"] == numbers and chart.traces[3]["x"] == [160]
    assert chart.layout["xaxis"]["tickvals"] == [10, 20, 40, 80, 160]
    bare = whole(learning_curve_chart(numbers[:1], seeds[:1], aps[:1], None, 800))
    assert len(bare.traces) == 1


def test_folds_have_their_mean_beside_them():
    aps = [0.4, 0.5]
    chart = whole(folds_chart([1, 2], aps, mean_interval(aps, share=1), 800))
    assert chart.traces[0]["x"] == ["fold 1", "fold 2"] and chart.traces[1]["y"] == [pytest.approx(45)]
    one = whole(folds_chart([1], [0.4], mean_interval([0.4]), 800))
    assert one.traces[1]["error_y"]["array"] == [0]
