import json

import numpy as np
import pyarrow.compute as pc
import pytest

from core.charts import FEW
from core.charts.draw import to_json
from core.charts.localization import MOST_WITH_TEXT, iou_histogram, scale_chart, shift_chart
from core.errors import detection_table
from core.findings.localization import CLEAR, factor, localization
from core.selection import Selection, selected_rows
from tests.core.coco_cases import gt_of, result

CLASSES = ("car", "dog", "traffic light")
CHARTS = (iou_histogram, shift_chart, scale_chart)


@pytest.fixture(scope="module")
def table():
    """Cars too far right and enough of them, dogs at the border and few, a poor box at a crowd; no traffic lights."""
    cars = [(1, 1, (2 + 12 * (i % 16), 2 + 22 * (i // 16), 10, 20)) for i in range(40)]
    dogs = [(2, 2, (40 * i, 0, 30, 40)) for i in range(4)]
    rng = np.random.default_rng(0)
    shown = [result(1, 1, np.add(box, [rng.normal(1, 0.3), 0, rng.normal(0, 0.3), 0])) for _, _, box in cars[:30]]
    shown += [result(1, 1, np.multiply(box, [1, 1, 0.4, 1])) for _, _, box in cars[30:]]
    shown += [result(2, 2, np.add(box, [0, 2, 0, -2])) for _, _, box in dogs]
    crowd = (3, 2, (0, 0, 30, 30), {"iscrowd": 1})
    shown += [result(3, 2, (20, 0, 30, 30))]
    return detection_table(gt_of(*cars, *dogs, crowd, images=3, categories=CLASSES), shown)


def opened(table, query: dict) -> int:
    """How many boxes a link opens."""
    lists = {name: value if isinstance(value, list) else [value] for name, value in query.items()}
    return int(selected_rows(table, Selection.from_query(lists, CLASSES)).sum())


def trace(chart, name: str) -> dict:
    (found,) = (trace for trace in chart.traces if trace["name"] == name)
    return found


@pytest.mark.parametrize("draw", CHARTS)
@pytest.mark.parametrize("gt", [gt_of(), gt_of(images=0), gt_of((1, 1, (0, 0, 9, 9)))])
def test_without_found_objects_there_is_an_empty_chart(draw, gt):
    chart = draw(localization(detection_table(gt, [])))
    assert chart.n == 0
    json.loads(to_json(chart))


# IoU


def test_bars_are_the_boxes_of_each_iou(table):
    found = localization(table)
    chart = iou_histogram(found)
    assert [tuple(bar["y"]) for bar in chart.traces] == [found.total.found.ious, found.total.poor.ious]
    assert [row[2:] for row in chart.rows] == list(zip(found.total.found.ious, found.total.poor.ious, strict=True))
    assert [row[:2] for row in chart.rows[:2]] == [(0.1, 0.15), (0.15, 0.2)]
    assert (chart.n, chart.unit) == (44, "boxes")


def test_a_click_on_a_poor_box_opens_all_of_them(table):
    found, poor = iou_histogram(localization(table)).traces
    links = [link for link in poor["customdata"] if link]
    assert len(links) == np.count_nonzero(poor["y"]) and not any(found["customdata"])
    assert {opened(table, link) for link in links} == {10 + 1}  # and the one at a crowd, as the note says


def test_the_note_says_how_well_found_boxes_fit_and_what_is_left_out(table):
    found = localization(table)
    note = iou_histogram(found).note
    assert f"mean {found.total.found.mean_iou:.2f}, median {found.total.found.median_iou:.2f}" in note
    assert "1 poor box points to a crowd and is left out." in note


# Shift and scale


@pytest.mark.parametrize("draw", [shift_chart, scale_chart])
def test_each_row_is_a_point_and_each_class_opens_its_boxes(table, draw):
    chart = draw(localization(table))
    assert [row[1] for row in chart.rows] == ["class", "class", "all", "size", "size", "border", "border"]
    assert sum(len(trace["x"]) for trace in chart.traces) == len(chart.rows)
    classes = trace(chart, "classes")["customdata"]
    assert [opened(table, link) for link in classes] == [80, 10]
    assert not any(trace(chart, "at the border")["customdata"])
    assert (chart.n, chart.unit) == (34, "found objects")


def test_points_lie_at_the_mean_shift_with_two_standard_errors(table):
    found = localization(table)
    cars = found.by_class[0].found
    drawn = trace(shift_chart(found), "classes")
    assert (drawn["x"][0], drawn["y"][0]) == (100 * cars.dx.mean, 100 * cars.dy.mean)
    assert drawn["error_x"]["array"][0] == drawn["error_x"]["arrayminus"][0] == 100 * CLEAR * cars.dx.error
    (row,) = (row for row in shift_chart(found).rows if row[0] == "car")
    assert row[2:7] == (30, cars.dx.mean, cars.dx.error, cars.dy.mean, cars.dy.error)


def test_down_is_down_as_in_the_picture(table):
    first, last = shift_chart(localization(table)).layout["yaxis"]["range"]
    assert first > 0 > last


def test_points_lie_at_the_mean_scale(table):
    found = localization(table)
    cars = found.by_class[0].found
    chart = scale_chart(found)
    drawn = trace(chart, "classes")
    assert drawn["x"][0] == pytest.approx(100 * (factor(cars.width) - 1))
    assert drawn["x"][0] + drawn["error_x"]["array"][0] == pytest.approx(100 * (factor(cars.width, CLEAR) - 1))
    assert drawn["x"][0] - drawn["error_x"]["arrayminus"][0] == pytest.approx(100 * (factor(cars.width, -CLEAR) - 1))
    (row,) = (row for row in chart.rows if row[0] == "car")
    assert row[3] == factor(cars.width) and row[-2:] == (cars.too_small, cars.too_large)


def test_what_may_be_noise_is_hollow_and_what_rests_on_few_is_grey(table):
    marker = trace(shift_chart(localization(table)), "classes")["marker"]
    assert marker["symbol"] == ["circle", "circle-open"]
    assert marker["color"][0] != "@grey" == marker["color"][1]


def test_a_hover_says_it_in_words(table):
    said = trace(shift_chart(localization(table)), "classes")["hovertext"]
    assert said[0].startswith("car · 30 found\n") and "of the object's width too far right" in said[0]
    assert said[1].count("(may be noise)") == 2


def test_sizes_and_borders_are_shown_when_asked_for(table):
    chart = shift_chart(localization(table))
    assert [trace["visible"] for trace in chart.traces] == [True, True, "legendonly", "legendonly"]


def test_a_single_class_has_no_point_for_all_and_its_links_stay_in_it(table):
    found = localization(table.filter(pc.field("class_name") == "car"))
    chart = shift_chart(found)
    assert [trace["name"] for trace in chart.traces] == ["classes", "sizes", "at the border"]
    assert all(link["class"] == ["car"] for link in trace(chart, "sizes")["customdata"])
    poor = [link for link in iou_histogram(found).traces[1]["customdata"] if link]
    assert poor and all(link["class"] == ["car"] for link in poor)


def test_of_many_classes_those_that_deviate_most_are_named():
    names = tuple(f"class {i}" for i in range(MOST_WITH_TEXT + 5))
    spots = [
        (1 + k, 1 + k, (2 + 18 * (i % 10), 2 + 22 * (i // 10), 10, 20)) for k in range(len(names)) for i in range(FEW)
    ]
    shown = [result(i, c, np.add(box, [c / 10, 0, 0, 0])) for i, c, box in spots]
    table = detection_table(gt_of(*spots, images=len(names), categories=names), shown)
    drawn = trace(shift_chart(localization(table)), "classes")
    assert drawn["text"] == ["" if i < 5 else name for i, name in enumerate(names)]
    assert [bar is None for bar in drawn["error_x"]["array"]] == [i < 5 for i in range(len(names))]
