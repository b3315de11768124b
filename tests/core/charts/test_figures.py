import json

import pytest
from hypothesis import given, settings

from core.charts.figures import class_bars, size_bars, size_heat
from core.charts.to_json import to_json
from core.datasets.split import FEW
from core.evaluation.findings.curves import class_figures, coco_figures
from core.evaluation.selection import Selection, selected_rows
from core.evaluation.table import flags, is_ground_truth
from core.evaluation.tide import detection_table
from tests.core.coco_cases import cases, gt_of, result

CLASSES = ("car", "dog", "bird")
CHARTS = [class_bars, size_heat, size_bars]


@pytest.fixture(scope="module")
def table():
    """Many cars, all small and half of them found; a few dogs, small and large, all found; birds only predicted."""
    cars = [(1 + i, 1, (0, 0, 20, 20)) for i in range(FEW)]
    dogs = [(1, 2, (50, 0, 10, 10)), (2, 2, (50, 0, 98, 98)), (3, 2, (50, 0, 98, 98))]
    found = [result(*car, 0.5 + i / 64) for i, car in enumerate(cars[::2])] + [result(*dog, 0.25) for dog in dogs]
    found += [result(1, 3, (90, 60, 9, 9)), result(1, 1, (90, 60, 9, 9), 0.9375)]
    return detection_table(gt_of(*cars, *dogs, images=FEW, categories=CLASSES), found)


@pytest.fixture(scope="module")
def figures(table):
    return class_figures(table, 0.25)


def opened(query: dict) -> Selection:
    lists = {name: value if isinstance(value, list) else [value] for name, value in query.items()}
    return Selection.from_query(lists, CLASSES)


def named(chart) -> dict[str, dict]:
    """The traces with points, by name; the others are the legend's."""
    return {trace["name"]: trace for trace in chart.traces if trace.get("showlegend") is False}


@pytest.mark.parametrize("draw", CHARTS)
@pytest.mark.parametrize("gt", [gt_of(), gt_of(images=0), gt_of((1, 1, (0, 0, 9, 9), {"iscrowd": 1}))])
def test_without_objects_there_is_an_empty_chart(draw, gt):
    chart = draw(class_figures(detection_table(gt, [])))
    assert (chart.n, chart.rows) == (0, [])
    json.loads(to_json(chart))


@pytest.mark.parametrize("draw", CHARTS)
def test_a_chart_says_on_how_many_objects_it_rests(figures, draw):
    chart = draw(figures)
    assert (chart.n, chart.unit) == (FEW + 3, "objects")
    json.loads(to_json(chart))


@pytest.mark.parametrize("draw", CHARTS)
def test_without_predictions_ap_is_zero(draw):
    chart = draw(class_figures(detection_table(gt_of((1, 1, (0, 0, 9, 9))), [])))
    assert {row[chart.columns.index("AP")] for row in chart.rows} - {None} == {0}
    json.loads(to_json(chart))


@settings(max_examples=40, deadline=None)
@given(case=cases())
def test_any_figures_can_be_drawn(case):
    for draw in CHARTS:
        chart = draw(class_figures(detection_table(*case)))
        assert {len(row) for row in chart.rows} <= {len(chart.columns)}
        json.loads(to_json(chart))


@pytest.mark.parametrize("draw", [class_bars, size_heat])
def test_a_chart_is_higher_the_more_classes_there_are(draw, figures):
    heights = [draw(figures[:1] * count).height for count in (3, 10, 80)]
    assert heights == sorted(set(heights))


# By class


def test_recall_is_from_the_score_and_ap_from_all(table):
    (high,), (low,) = ([row for row in class_bars(class_figures(table, score), score).rows if row[0] == "car"]
                       for score in (0.75, 0.25))  # fmt: skip
    assert high[-1] < low[-1] and high[3:6] == low[3:6]


def test_a_classes_bar_opens_as_many_boxes_as_its_row_says(table, figures):
    truths = is_ground_truth(table)
    chart = class_bars(figures, 0.25)
    for (_, objects, predictions, *_), query in zip(chart.rows, named(chart)["AP"]["customdata"], strict=True):
        rows = selected_rows(table, opened(query))
        assert ((rows & truths).sum(), (rows & ~truths).sum()) == (objects, predictions)


def test_bars_and_marks_are_the_figures_of_each_class_the_best_on_top(figures):
    car, dog, _ = figures
    chart = class_bars(figures, 0.25)
    traces = named(chart)
    for name, part in (("AP", "AP"), ("AP50", "AP50"), ("recall from 0.25", "recall")):
        assert traces[name]["x"] == [100 * getattr(f, part) for f in (dog, car)]
        assert traces[name]["y"] == ["dog (3)", f"car ({FEW})"]
    assert chart.rows == [
        ("dog", 3, 3, dog.AP, dog.AP50, dog.AP75, 1.0),
        ("car", FEW, FEW // 2 + 1, car.AP, car.AP50, car.AP75, 0.5),
    ]


def test_a_class_without_objects_has_no_bar(figures):
    assert "bird" not in [row[0] for row in class_bars(figures).rows]


def test_a_class_with_few_objects_is_grey_and_the_legend_is_not(figures):
    chart = class_bars(figures, 0.25)
    for name, color in (("AP", "@1"), ("AP50", "@2"), ("recall from 0.25", "@3")):
        assert named(chart)[name]["marker"]["color"] == ["@grey", color]
        legend = [trace for trace in chart.traces if trace["name"] == name and trace.get("showlegend") is not False]
        assert [trace["marker"]["color"] for trace in legend] == [color]
        assert [trace["legendgroup"] for trace in legend] == [named(chart)[name]["legendgroup"]]


def test_a_classes_bar_opens_its_boxes_from_the_score(figures):
    for trace in named(class_bars(figures, 0.25)).values():
        assert [opened(query) for query in trace["customdata"]] == [
            Selection(0.25, ("dog",)),
            Selection(0.25, ("car",)),
        ]


# By size


def test_size_bars_are_means_over_the_classes_and_shares_of_all_objects(table, figures):
    chart, coco = size_bars(figures, 0.25), coco_figures(table)
    assert chart.rows == [
        ("small", FEW + 1, pytest.approx(coco.APs), pytest.approx((FEW // 2 + 1) / (FEW + 1))),
        ("large", 2, pytest.approx(coco.APl), 1.0),
    ]
    traces = named(chart)
    assert traces["AP"]["y"] == [100 * row[2] for row in chart.rows]
    assert traces["recall from 0.25"]["y"] == [100 * row[3] for row in chart.rows]
    assert traces["AP"]["x"] == [f"small ({FEW + 1})", "large (2)"]
    assert traces["AP"]["marker"]["color"] == ["@1", "@grey"]


def test_a_sizes_bar_opens_its_boxes_of_one_class_if_only_that_is_shown(figures):
    assert opened(named(size_bars(figures))["AP"]["customdata"][0]) == Selection(0.5, sizes=("small",))
    assert opened(named(size_bars(figures[:1]))["AP"]["customdata"][0]) == Selection(0.5, ("car",), sizes=("small",))


def test_a_recall_is_pooled_where_ap_is_a_mean_over_classes():
    gt = gt_of(*((1, 1, (12 * i, 0, 10, 10)) for i in range(9)), (1, 2, (0, 50, 10, 10)))
    (row,) = size_bars(class_figures(detection_table(gt, [result(1, 2, (0, 50, 10, 10))]))).rows
    assert row == ("small", 10, pytest.approx(0.5), 0.1)


@pytest.mark.parametrize("classes", [slice(None), slice(1)])
def test_a_sizes_bar_opens_all_its_objects(table, figures, classes):
    chart = size_bars(figures[classes], 0.25)
    objects = is_ground_truth(table) & ~flags(table, "iscrowd")
    for row, query in zip(chart.rows, named(chart)["AP"]["customdata"], strict=True):
        assert (selected_rows(table, opened(query)) & objects).sum() == row[1]


# By class and size


@pytest.mark.parametrize("objects, colour", [(FEW - 1, 0), (FEW, 100)])
def test_a_cell_has_its_colour_from_enough_objects_on(objects, colour):
    cars = [(1 + i, 1, (0, 0, 20, 20)) for i in range(objects)]
    found = class_figures(detection_table(gt_of(*cars, images=objects), [result(*car) for car in cars]))
    assert size_heat(found).traces[0]["z"][0][0] == pytest.approx(colour)


def test_a_hover_says_how_many_were_found(figures):
    hover = size_heat(figures).traces[0]["hovertext"]
    assert hover[0][0] == "dog · small\nAP 100.0, 1 of 1 found" and hover[1][1] == "car · medium\nno objects"


def test_heat_cells_are_ap_and_without_colour_on_few_objects(figures):
    car, dog, _ = figures
    chart = size_heat(figures)
    cells = chart.traces[0]
    assert (cells["y"], cells["x"]) == (["dog", "car"], ["small", "medium", "large"])
    assert cells["z"] == [[0, None, 0], [100 * car.sizes["small"].AP, None, None]]
    assert cells["text"][0] == ["100.0  (1)", "", "100.0  (2)"]
    assert chart.rows[0] == ("dog", "small", 1, 1, dog.sizes["small"].AP)
    assert chart.rows[3] == ("car", "small", FEW, FEW // 2, car.sizes["small"].AP)
    assert chart.rows[4] == ("car", "medium", 0, 0, None)


def test_a_cell_opens_all_its_boxes_and_an_empty_one_nothing(table, figures):
    chart = size_heat(figures, 0.25)
    queries = [query for row in chart.traces[0]["customdata"] for query in row]
    assert len(queries) == len(chart.rows)  # as many, so that a row of the table has its cell's link
    for (name, size, objects, *_), query in zip(chart.rows, queries, strict=True):
        assert (query is None) == (objects == 0)
        if query:
            assert opened(query) == Selection(0.25, (name,), sizes=(size,))
            assert selected_rows(table, opened(query)).sum() >= objects
