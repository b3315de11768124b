import json

import pytest

from core.charts.compare.differences import differences
from core.charts.to_json import to_json
from core.evaluation.coco_eval import FIGURES
from core.evaluation.findings.bootstrap import Interval, Intervals, bootstrap
from core.evaluation.tide import detection_table
from tests.core.coco_cases import gt_of, result

SPOTS = [(1 + i, 1 + i % 2, (10, 10, 20, 20)) for i in range(30)]
GT = gt_of(*SPOTS, images=30)
GOOD = detection_table(GT, [result(*spot) for spot in SPOTS])
HALF = detection_table(GT, [result(*spot) for spot in SPOTS[::2]])
NOTHING = Interval(None, None, None)


def made(**values) -> Intervals:
    """Intervals of 40 images whose differences are those named; no other figure is defined."""
    found = {name: Interval(*values[name]) if name in values else NOTHING for name in FIGURES}
    return Intervals(40, 1000, 0.95, found, {}, found, {})


@pytest.fixture(scope="module")
def better():
    return bootstrap(GOOD, HALF, resamples=50)


@pytest.mark.parametrize("gt", [gt_of(), gt_of(images=0), gt_of((1, 1, (0, 0, 9, 9), {"iscrowd": 1}))])
@pytest.mark.parametrize("has_baseline", [True, False])
def test_without_objects_there_is_an_empty_chart(gt, has_baseline):
    table = detection_table(gt, [])
    chart = differences(bootstrap(table, table if has_baseline else None, resamples=5))
    assert (chart.rows, chart.traces[0]["x"], chart.n) == ([], [], len(gt["images"]))
    json.loads(to_json(chart))


def test_rows_are_the_differences_and_their_intervals(better):
    chart = differences(better)
    assert chart.columns == ("metric", "difference", "low", "high")
    defined = [name for name in FIGURES if better.differences[name].value is not None]
    assert [row[0] for row in chart.rows] == defined and "APl" not in defined
    for name, *values in chart.rows:
        found = better.differences[name]
        assert values == [found.value, found.low, found.high]


def test_points_are_the_rows_with_bars_to_both_ends(better):
    chart = differences(better)
    (points,) = chart.traces
    assert points["y"] == [row[0] for row in chart.rows]
    for i, (_, value, low, high) in enumerate(chart.rows):
        assert points["x"][i] == 100 * value
        assert points["x"][i] + points["error_x"]["array"][i] == pytest.approx(100 * high)
        assert points["x"][i] - points["error_x"]["arrayminus"][i] == pytest.approx(100 * low)


def test_it_rests_on_the_images_that_were_drawn(better):
    chart = differences(better)
    assert (chart.n, chart.unit) == (30, "images")
    assert "95" in chart.note and "50 resamples" in chart.note


def test_without_a_baseline_the_figures_themselves_are_shown():
    found = bootstrap(GOOD, resamples=20)
    chart = differences(found)
    assert (chart.key, chart.columns[1]) == ("intervals", "value")
    assert [row[1] for row in chart.rows] == [i.value for i in found.figures.values() if i.value is not None]
    assert set(chart.traces[0]["marker"]["color"]) == {"@1"}
    assert "Grey" not in chart.note
    assert chart.layout["xaxis"]["title"]["text"] == "percent"


def test_what_may_be_noise_is_grey_and_the_rest_good_or_bad():
    chart = differences(made(AP=(0.1, 0.05, 0.2), AP50=(-0.1, -0.2, -0.05), AP75=(0.1, -0.05, 0.2)))
    assert chart.traces[0]["marker"]["color"] == ["@good", "@bad", "@grey"]
    assert chart.note.endswith("Grey ones reach across 0: that may be noise.")


def test_an_interval_that_ends_at_zero_may_be_noise():
    chart = differences(made(AP=(0.1, 0.0, 0.2), AP50=(-0.1, -0.2, 0.0)))
    assert chart.traces[0]["marker"]["color"] == ["@grey", "@grey"]


def test_the_same_model_twice_has_changed_nothing():
    chart = differences(bootstrap(GOOD, GOOD, resamples=20))
    assert {row[1:] for row in chart.rows} == {(0, 0, 0)}
    assert set(chart.traces[0]["marker"]["color"]) == {"@grey"}


def test_a_figure_without_an_interval_is_left_out():
    chart = differences(made(AP=(0.1, 0.0, 0.2), AP50=(0.1, None, None)))
    assert [row[0] for row in chart.rows] == ["AP"]


def test_a_hover_says_the_change_with_its_sign_and_both_ends():
    (points,) = differences(made(AP=(0.1, -0.05, 0.25))).traces
    assert points["customdata"] == ["-5.0 to 25.0"]
    assert "%{x:+.1f}" in points["hovertemplate"]


def test_one_class_is_enough():
    chart = differences(bootstrap(GOOD, HALF, ["car"], resamples=20))
    assert chart.rows and {row[1] for row in chart.rows} == {0}  # each car was found before
