import json

import numpy as np
import pyarrow.compute as pc
import pytest

from core.charts.localization import CROWDED, LONGEST, NARROWEST, iou_histogram, scale_chart, shift_chart
from core.charts.to_json import to_json
from core.evaluation.findings.localization import CLEAR, localization, scale_ratio
from core.evaluation.selection import Selection, selected_rows
from core.evaluation.tide import detection_table
from tests.core.coco_cases import gt_of, result

CLASSES = ("car", "dog", "traffic light")
CHARTS = (iou_histogram, shift_chart, scale_chart)
CAR = (1, 1, (2, 2, 10, 20))


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


def names(chart) -> list[str]:
    return [row[0] for row in chart.rows]


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
    assert "1 localization error points to a crowd and is left out." in note


def test_no_bar_of_a_chart_on_few_boxes_has_a_colour():
    found = iou_histogram(localization(detection_table(gt_of(CAR), [result(1, 1, CAR[2])])))
    assert {trace["marker"]["color"] for trace in found.traces} == {"@grey"}


# Shift and scale


@pytest.mark.parametrize("draw", [shift_chart, scale_chart])
def test_all_boxes_have_the_first_row_then_come_classes_sizes_and_the_border(table, draw):
    chart = draw(localization(table))
    assert [row[1] for row in chart.rows] == ["all", "class", "class", "size", "size", "border", "border"]
    assert names(chart) == ["all", "car", "dog", "small", "medium", "inside the picture", "cut off by the border"]
    assert chart.layout["yaxis"]["ticktext"][:3] == ["all (34)", "car (30)", "dog (4)"]
    assert (chart.n, chart.unit) == (34, "found objects")
    assert [len(chart.columns)] * 7 == [len(row) for row in chart.rows]


@pytest.mark.parametrize("draw", [shift_chart, scale_chart])
def test_the_two_marks_of_a_row_stand_around_its_name_the_first_row_on_top(table, draw):
    chart = draw(localization(table))
    ticks = np.array(chart.layout["yaxis"]["tickvals"])
    upper, lower = (np.array(trace["y"]) for trace in chart.traces)
    assert np.allclose((upper + lower) / 2, ticks)
    assert (upper < lower).all() and (lower[:-1] < upper[1:]).all()  # neither meets the next row's
    bottom, top = chart.layout["yaxis"]["range"]
    assert bottom > lower.max() and top < upper.min()


@pytest.mark.parametrize("draw", [shift_chart, scale_chart])
def test_lines_part_the_kinds_of_rows(table, draw):
    assert [shape["y0"] for shape in draw(localization(table)).layout["shapes"]] == [0.5, 2.5, 4.5]


@pytest.mark.parametrize("draw", [shift_chart, scale_chart])
def test_a_mark_opens_its_groups_boxes_and_one_of_the_border_nothing(table, draw):
    chart = draw(localization(table))
    for trace in chart.traces:
        *links, inside, cut_off = trace["customdata"]
        assert [opened(table, link) for link in links[:3]] == [90, 80, 10]  # 44 objects, a crowd, 45 predictions
        assert [link.get("size") for link in links[3:]] == [["small"], ["medium"]]
        assert inside is cut_off is None


def test_marks_lie_at_the_mean_shift_with_two_standard_errors(table):
    found = localization(table)
    cars, chart = found.by_class[0].found, shift_chart(found)
    i = names(chart).index("car")
    for trace, estimate in zip(chart.traces, (cars.dx, cars.dy), strict=True):
        assert trace["x"][i] == 100 * estimate.mean
        assert trace["error_x"]["array"][i] == trace["error_x"]["arrayminus"][i] == 100 * CLEAR * estimate.error
    assert chart.rows[i][2:7] == (30, cars.dx.mean, cars.dx.error, cars.dy.mean, cars.dy.error)


def test_marks_lie_at_the_mean_scale(table):
    found = localization(table)
    cars, chart = found.by_class[0].found, scale_chart(found)
    i = names(chart).index("car")
    for trace, scale in zip(chart.traces, (cars.width, cars.height), strict=True):
        x, bars = trace["x"][i], trace["error_x"]
        assert x == pytest.approx(100 * (scale_ratio(scale) - 1))
        assert x + bars["array"][i] == pytest.approx(100 * (scale_ratio(scale, CLEAR) - 1))
        assert x - bars["arrayminus"][i] == pytest.approx(100 * (scale_ratio(scale, -CLEAR) - 1))
    assert chart.rows[i][3] == scale_ratio(cars.width) and chart.rows[i][-2:] == (cars.too_small, cars.too_large)


def test_the_two_directions_are_told_apart_by_symbol_and_colour(table):
    across, down = (trace["marker"] for trace in shift_chart(localization(table)).traces)
    assert {symbol.removesuffix("-open") for symbol in across["symbol"]} == {"circle"}
    assert {symbol.removesuffix("-open") for symbol in down["symbol"]} == {"diamond"}
    assert (across["color"][0], down["color"][0]) == ("@1", "@2")


def test_a_mark_that_may_be_noise_is_hollow_and_one_on_few_boxes_grey(table):
    chart = shift_chart(localization(table))
    across, down = (trace["marker"] for trace in chart.traces)
    car, dog = names(chart).index("car"), names(chart).index("dog")
    assert (across["symbol"][car], down["symbol"][car]) == ("circle", "diamond-open")  # they lie too far right only
    assert (across["symbol"][dog], down["symbol"][dog]) == ("circle-open", "diamond-open")
    assert across["color"][car] != "@grey" == across["color"][dog] == down["color"][dog]


def test_zero_stands_in_the_middle_and_every_mark_in_sight(table):
    for draw in (shift_chart, scale_chart):
        chart = draw(localization(table))
        left, right = chart.layout["xaxis"]["range"]
        assert left == -right and right >= NARROWEST
        assert all(left < x < right for trace in chart.traces for x in trace["x"])
        assert chart.layout["xaxis"]["zeroline"]


def test_marks_are_in_sight_if_all_rest_on_few_boxes():
    chart = shift_chart(localization(detection_table(gt_of(CAR), [result(1, 1, np.add(CAR[2], [1, 0, 0, 0]))])))
    (x,) = set(chart.traces[0]["x"])
    assert x == pytest.approx(10) and chart.layout["xaxis"]["range"][1] > x
    assert chart.traces[0]["error_x"]["array"] == [0] * len(chart.rows)  # of a single box nothing is known


def test_a_hover_says_it_in_words(table):
    chart = shift_chart(localization(table))
    across, down = (trace["hovertext"] for trace in chart.traces)
    car, dog = names(chart).index("car"), names(chart).index("dog")
    assert across[car].startswith("car (30)\n") and across[car].endswith("of the object's width too far right")
    assert down[dog].startswith("dog (4)\n") and down[dog].endswith("(may be noise)")


def test_a_single_class_has_no_row_for_all_and_its_links_stay_in_it(table):
    found = localization(table.filter(pc.field("class_name") == "car"))
    chart = shift_chart(found)
    assert [row[1] for row in chart.rows] == ["class", "size", "border"]
    assert [link["class"] for link in chart.traces[0]["customdata"] if link] == [["car"], ["car"]]
    poor = [link for link in iou_histogram(found).traces[1]["customdata"] if link]
    assert poor and all(link["class"] == ["car"] for link in poor)


def many(count: int, name: str = "class"):
    """One box of each of so many classes, each found."""
    spots = [(1, 1 + k, (2 + 12 * (k % 16), 2 + 12 * (k // 16), 10, 10)) for k in range(count)]
    table = detection_table(
        gt_of(*spots, categories=[f"{name} {k}" for k in range(count)]), [result(*spot) for spot in spots]
    )
    return shift_chart(localization(table))


def test_a_chart_grows_with_its_rows_and_crowded_ones_are_lower():
    few, some, more = (many(count).height for count in (2, 12, CROWDED + 10))
    assert few < some < more
    assert (more - 110) / (CROWDED + 10) < (some - 110) / 12


def test_a_very_long_name_is_cut_beside_its_row_but_not_in_the_csv():
    chart = many(1, "x" * 100)
    assert len(chart.layout["yaxis"]["ticktext"][0]) == LONGEST + len(" (1)")
    assert chart.rows[0][0] == "x" * 100 + " 0"


@pytest.mark.parametrize("name", ["all", "small"])
def test_a_class_named_like_another_row_has_its_own(name):
    gt = gt_of(CAR, (1, 2, (40, 2, 10, 10)), categories=(name, "dog"))
    chart = shift_chart(localization(detection_table(gt, [result(1, 1, CAR[2]), result(1, 2, (40, 2, 10, 10))])))
    assert names(chart).count(name) == 2
    assert len(set(chart.layout["yaxis"]["tickvals"])) == len(chart.rows)
