import json
import math

import pytest

from core.charts.compare.runs import RunCurves, curves_together, settings_against_ap
from core.charts.to_json import to_json
from core.charts.training import MOST_POINTS


def curves(steps: int, **more) -> dict:
    train = list(range(1, steps + 1)), [4 - i / steps for i in range(steps)]
    return {"train/loss": train, "train/loss_ce": train, "val/AP": ([0, steps], [0.1, 0.4]), **more}


LONG = RunCurves("Before", curves(20), 10, "@2")
SHORT = RunCurves("After", curves(10, **{"val/loss": ([0, 10], [3.0, None])}), 5, "@1")


def chart_of(charts, key):
    return next(chart for chart in charts if chart.key == f"runs-{key}")


def test_both_runs_are_in_each_chart_and_a_loss_that_none_has_has_none():
    charts = curves_together([LONG, SHORT])
    assert [chart.key for chart in charts] == ["runs-AP", "runs-loss", "runs-loss_ce"]
    names = [trace["name"] for trace in chart_of(charts, "loss").traces]
    assert names == ["Before, training", "After, training", "After, validation"]
    assert [trace["name"] for trace in chart_of(charts, "AP").traces] == ["Before", "After"]
    assert {trace["line"]["color"] for trace in chart_of(charts, "AP").traces} == {"@1", "@2"}


def test_by_epoch_runs_of_different_length_stand_over_each_other():
    for unit, ends in (("epoch", [2, 2]), ("step", [20, 10])):
        chart = chart_of(curves_together([LONG, SHORT], unit), "AP")
        assert [trace["x"][-1] for trace in chart.traces] == ends
        assert chart.layout["xaxis"]["title"] == unit
        assert chart.traces[0]["y"] == [10, 40]
        assert chart.rows[:2] == [("Before", "validation", 0, 0.1), ("Before", "validation", ends[0], 0.4)]


def test_an_unknown_length_of_epochs_falls_back_on_steps():
    unknown = RunCurves("Before", curves(20), None)
    assert chart_of(curves_together([unknown]), "AP").traces[0]["x"] == [0, 20]


def test_what_is_not_finite_is_a_gap():
    trace = chart_of(curves_together([SHORT]), "loss").traces[1]
    assert trace["y"] == [3.0, None]


def test_a_long_curve_has_as_many_points_as_can_be_told_apart():
    chart = chart_of(curves_together([RunCurves("Before", curves(20 * MOST_POINTS), 100)]), "loss")
    assert len(chart.traces[0]["x"]) <= MOST_POINTS
    assert chart.n == 20 * MOST_POINTS
    json.loads(to_json(chart))


@pytest.mark.parametrize("runs", [[], [RunCurves("Imported", {}, None)]])
def test_without_curves_there_is_no_chart(runs):
    assert curves_together(runs) == []


# Settings against AP


def axes_of(chart) -> dict:
    return {axis["label"]: axis for axis in chart.traces[0]["dimensions"]}


def test_one_line_a_run_through_all_settings_to_ap():
    axes = [("Epochs", (4, 10, 7)), ("Schedule", ("step", "cosine", "step")), ("Learning rate", (1e-5, 1e-3, 0.1))]
    chart = settings_against_ap(["one", "two", "three"], axes, [0.4, 0.5, None], 300)
    found = axes_of(chart)
    assert list(found) == ["Epochs", "Schedule", "Learning rate", "AP"]
    assert found["Epochs"]["values"] == [4, 10]  # the third has no AP
    assert [found["Schedule"]["ticktext"][v] for v in found["Schedule"]["values"]] == ["step", "cosine"]
    assert found["Learning rate"]["values"] == pytest.approx([-5, -3])  # they span much: by their logarithm
    assert found["Learning rate"]["ticktext"] == ["1e-05", "0.001"]
    assert found["AP"]["values"] == chart.traces[0]["line"]["color"] == [40, 50]
    assert chart.rows == [("one", 4, "step", 1e-5, 0.4), ("two", 10, "cosine", 1e-3, 0.5)]
    json.loads(to_json(chart))


def test_every_value_lies_on_its_axis():
    axes = [("a", (0, 0.5)), ("b", (1e-6, 1.0)), ("c", ("x", "x")), ("d", (3, 3)), ("e", (True, False))]
    chart = settings_against_ap(["one", "two"], axes, [0.3, 0.3], 10)
    for axis in chart.traces[0]["dimensions"]:
        low, high = axis["range"]
        assert low < high
        assert all(low <= value <= high and math.isfinite(value) for value in axis["values"])


def test_marks_on_an_axis_do_not_overlap():
    chart = settings_against_ap(["r"] * 4, [("a", (1, 1.01, 1.02, 2))], [0.1, 0.2, 0.3, 0.4], 10)
    axis = axes_of(chart)["a"]
    assert axis["ticktext"] == ["1", "2"] and len(axis["values"]) == 4


def test_a_long_path_keeps_its_end():
    chart = settings_against_ap(["r", "s"], [("Data", ("/a/very/long/path/to/data/street", "x"))], [0.1, 0.2], 10)
    text = next(t for t in axes_of(chart)["Data"]["ticktext"] if t != "x")
    assert text.startswith("…") and text.endswith("data/street") and len(text) <= 24


def test_without_a_run_there_is_nothing_to_draw():
    chart = settings_against_ap([], [], [], 0)
    assert (chart.traces, chart.rows) == ([], [])
    json.loads(to_json(chart))
