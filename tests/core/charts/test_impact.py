import json
from itertools import chain

import numpy as np
import pytest

from core.charts.impact import UNDEFINED, impact_bars, impact_cells, impact_heat
from core.datasets.split import FEW
from core.evaluation.findings.impact import impact
from core.evaluation.selection import Selection, selected_rows
from core.evaluation.table import ERROR_TYPES, ErrorType
from core.evaluation.tide import detection_table
from tests.core.coco_cases import gt_of, result

CLASSES = ("car", "dog", "traffic light")


@pytest.fixture(scope="module")
def table():
    """Many errors, on enough cars and too few dogs; traffic lights are only predicted."""
    rng = np.random.default_rng(0)
    spots = [
        (1 + i % 9, 1 if i < 40 else 2, (*rng.uniform(0, 90, 2).tolist(), *rng.uniform(8, 60, 2).tolist()))
        for i in range(50)
    ]
    results = [result(i, rng.choice([1, 1, c]), box, rng.uniform(0.1, 1)) for i, c, box in spots[::2]]
    results += [result(i, c, np.add(box, [0, 0, 0, 0.6 * box[3]]), rng.uniform(0.1, 1)) for i, c, box in spots[::3]]
    results += [result(i, c, np.multiply(box, [1, 1, 0.3, 1]), rng.uniform(0.1, 1)) for i, c, box in spots[::2]]
    results += [result(i, 3 - c, np.multiply(box, [1, 1, 1, 0.9]), rng.uniform(0.1, 1)) for i, c, box in spots[1::4]]
    results += [result(i, 3, (150, 50, 9, 9), rng.uniform(0.1, 1)) for i in range(1, 9)]
    return detection_table(gt_of(*spots, images=9, categories=CLASSES), results)


def points(chart) -> list[tuple]:
    """(customdata, CSV row) of every bar or cell."""
    (trace,) = chart.traces
    targets = trace["customdata"] if trace["type"] == "bar" else list(chain.from_iterable(trace["customdata"]))
    return list(zip(targets, chart.rows, strict=True))


def opened(table, query: dict) -> int:
    """How many boxes a link opens."""
    lists = {name: value if isinstance(value, list) else [value] for name, value in query.items()}
    return int(selected_rows(table, Selection.from_query(lists, CLASSES)).sum())


@pytest.mark.parametrize("classes", [None, ("car",), ("dog", "car")])
@pytest.mark.parametrize("draw", [impact_bars, impact_heat, lambda i: impact_heat(i, "size"), impact_cells])
def test_a_click_opens_as_many_boxes_as_the_row_says(table, draw, classes):
    chart = draw(impact(table, classes))
    assert chart.rows
    for query, row in points(chart):
        assert (opened(table, query) if query else 0) == row[-1]
    json.dumps(chart.traces)


def test_bars_are_the_six_types_by_what_they_cost(table):
    found = impact(table)
    chart = impact_bars(found)
    assert {row[0]: row[1] for row in chart.rows} == found.total
    assert {row[0]: row[2] for row in chart.rows} == found.boxes
    costs = [row[1] for row in chart.rows]
    assert costs == sorted(costs, reverse=True) and costs[2] > 0
    (bars,) = chart.traces
    assert bars["x"] == [100 * cost for cost in costs]
    assert [name.replace("\n", " ") for name in bars["y"]] == [ErrorType(row[0]).label for row in chart.rows]
    assert (chart.n, chart.unit) == (50, "objects")


def test_a_bar_says_what_ap50_would_be():
    found = impact(detection_table(gt_of((1, 1, (0, 0, 9, 9)), (1, 1, (50, 0, 9, 9))), [result(1, 1, (0, 0, 9, 9))]))
    (bars,) = impact_bars(found).traces
    assert bars["text"][0] == "49.5 · 1 box"
    assert bars["hovertext"][0] == "1 box. If right, AP50 would rise by 49.5 points, from 50.5 to 100.0."


def test_the_costliest_groups_come_first_and_no_more_than_asked_for(table):
    found = impact(table)
    chart = impact_cells(found, most=4)
    costliest = sorted(found.cells, key=lambda key: -found.cells[key].delta)[:4]
    assert [row[:3] for row in chart.rows] == [tuple(map(str, key)) for key in costliest]
    assert [row[3:] for row in chart.rows] == [(found.cells[key].delta, found.cells[key].boxes) for key in costliest]
    kind, name, size = costliest[0]
    assert chart.traces[0]["y"][0] == f"{kind.label}\n{name} · {size}"


def test_what_rests_on_few_objects_is_grey_or_without_colour(table):
    found = impact(table)
    assert found.objects["car"] >= FEW > found.objects["dog"]
    cells, heat = impact_cells(found, most=99), impact_heat(found)
    colours = dict(zip([row[1] for row in cells.rows], cells.traces[0]["marker"]["color"], strict=True))
    assert colours == {"car": "@1", "dog": "@grey"} | {name: "@grey" for name in colours if name == "traffic light"}
    assert "Grey" in cells.note
    by_name = dict(zip(heat.traces[0]["y"], heat.traces[0]["z"], strict=True))
    assert any(by_name["car (40)"]) and not any(by_name["dog (10)"])
    assert any(row[2] > 0 for row in heat.rows if row[1] == "dog")


def test_the_heat_map_has_a_cell_for_every_type_in_every_class_that_occurs(table):
    found = impact(table)
    chart = impact_heat(found)
    assert len(chart.rows) == len(CLASSES) * len(ERROR_TYPES)
    for kind, name, delta, boxes in chart.rows:
        entry = found.by_class.get((ErrorType(kind), name))
        assert (delta, boxes) == ((entry.delta, entry.boxes) if entry else (0, 0))
    few = impact_heat(impact(detection_table(gt_of((1, 2, (0, 0, 9, 9)), categories=CLASSES), [])))
    assert few.traces[0]["y"] == ["dog (1)"]


def test_links_name_the_classes_only_if_not_all_are_chosen(table):
    assert "class" not in points(impact_bars(impact(table)))[0][0]
    assert points(impact_bars(impact(table, ["dog"])))[0][0]["class"] == ["dog"]


def test_without_objects_the_charts_are_empty_and_say_why():
    found = impact(detection_table(gt_of(), [result(1, 1, (0, 0, 9, 9))]))
    for chart in (impact_bars(found), impact_heat(found), impact_heat(found, "size"), impact_cells(found)):
        assert (chart.rows, chart.n, chart.note) == ([], 0, UNDEFINED)


def test_without_errors_nothing_costs_anything():
    found = impact(detection_table(gt_of((1, 1, (0, 0, 9, 9))), [result(1, 1, (0, 0, 9, 9))]))
    assert impact_cells(found).rows == []
    assert impact_cells(found).note.startswith("No error")
    assert all(query is None for query, _ in points(impact_bars(found)))
