import json

import numpy as np
import pytest
from hypothesis import given, settings

from core.charts.curves import COLORS, DASHES, LOWEST_SCORE, MOST_NAMED, precision_recall_chart, threshold_chart
from core.charts.to_json import to_json
from core.datasets.split import FEW
from core.evaluation.findings.curves import bit, precision_recall
from core.evaluation.findings.threshold_curve import threshold_curve
from core.evaluation.selection import Selection, selected_rows
from core.evaluation.table import integers, table_metadata
from core.evaluation.tide import detection_table
from tests.core.coco_cases import cases, gt_of, judge, result

CLASSES = ("car", "dog", "bird")


@pytest.fixture(scope="module")
def table():
    """Many cars, most of them found, at least badly; one dog, found without confidence; birds are only predicted."""
    rng = np.random.default_rng(0)
    cars = [(1 + i, 1, (0, 0, 20, 20)) for i in range(2 * FEW)]
    found = [
        result(i, 1, (*rng.integers(0, 4, 2).tolist(), 20, 20), s)
        for (i, _, _), s in zip(cars[:30], rng.random(30), strict=True)
    ]
    found += [result(i, 1, (90, 60, 9, 9), s) for (i, _, _), s in zip(cars, rng.random(20), strict=False)]
    found += [result(1, 2, (50, 0, 9, 9), 0.01), result(1, 3, (90, 60, 9, 9))]
    return detection_table(gt_of(*cars, (1, 2, (50, 0, 9, 9)), images=2 * FEW, categories=CLASSES), found)


def opened(query: dict) -> Selection:
    lists = {name: value if isinstance(value, list) else [value] for name, value in query.items()}
    return Selection.from_query(lists, CLASSES)


def chart_of(table, iou: float = 0.5):
    return precision_recall_chart([precision_recall(table, name, iou) for name in CLASSES], iou)


# Precision against recall


@pytest.mark.parametrize("gt", [gt_of(), gt_of(images=0), gt_of((1, 1, (0, 0, 9, 9), {"iscrowd": 1}))])
def test_without_objects_there_is_an_empty_chart(gt):
    empty = detection_table(gt, [])
    chart = precision_recall_chart([precision_recall(empty, name) for name in ("car", "dog")], 0.5)
    assert (chart.n, chart.rows, chart.traces) == (0, [], [])
    json.loads(to_json(threshold_chart(threshold_curve(empty), "all classes", 0.5)))


@pytest.mark.parametrize("iou", [0.5, 0.75])
def test_each_classes_line_is_its_curve_the_best_first(table, iou):
    chart = chart_of(table, iou)
    shown = sorted((precision_recall(table, name, iou) for name in ("car", "dog")), key=lambda curve: -curve.AP)
    assert [trace["name"] for trace in chart.traces[:-1]] == [f"{c.name} {100 * c.AP:.1f}" for c in shown]
    for trace, curve in zip(chart.traces, shown, strict=False):
        assert (trace["x"], trace["y"]) == (curve.recall.tolist(), curve.precision.tolist())
    expected = [(c.name, iou, c.n, *p) for c in shown for p in zip(c.recall, c.precision, c.score, strict=True)]
    assert chart.rows == expected
    assert (chart.n, chart.unit) == (2 * FEW + 1, "objects")
    json.loads(to_json(chart))


def test_the_mean_curve_has_the_mean_of_the_classes_ap(table):
    chart = chart_of(table)
    ap = [precision_recall(table, name).AP for name in ("car", "dog")]
    assert np.mean(chart.traces[-1]["y"]) == pytest.approx(np.mean(ap))
    assert chart.traces[-1]["name"] == f"mean {100 * np.mean(ap):.1f}"


def test_a_class_alone_has_no_mean(table):
    assert len(precision_recall_chart([precision_recall(table, "car")], 0.5).traces) == 1


def test_a_class_with_few_objects_is_grey_and_takes_no_colour_from_another(table):
    colors = {trace["name"].split()[0]: trace["line"]["color"] for trace in chart_of(table).traces}
    assert colors == {"dog": "@grey", "car": "@1", "mean": "@text"}


def test_a_point_opens_its_class_from_the_score_that_reaches_it_in_whole_hundredths(table):
    curve = precision_recall(table, "car")
    (trace,) = precision_recall_chart([curve], 0.5).traces
    for score, query in zip(curve.score, trace["customdata"], strict=True):
        assert (query is None) == (score is None)
        if query:
            selection = opened(query)
            assert selection.classes == ("car",)
            assert 0 <= score - selection.score < 0.01 or selection.score == LOWEST_SCORE > score
    assert trace["customdata"][-1] is None and trace["text"][-1] == "never reached"


@pytest.mark.parametrize("iou, hit", [(0.5, 0), (0.75, 5)])
def test_a_point_opens_predictions_that_reach_its_recall(table, iou, hit):
    (trace,) = precision_recall_chart([precision_recall(table, "car", iou)], iou).traces
    hits = bit(integers(table, "hits_all", 0), hit)
    links = [(recall, opened(query)) for recall, query in zip(trace["x"], trace["customdata"], strict=True) if query]
    reached = [
        (recall, selection) for recall, selection in links if selection.score > LOWEST_SCORE
    ]  # lower ones begin there
    assert reached
    for recall, selection in reached:
        assert (selected_rows(table, selection) & hits).sum() / (2 * FEW) >= recall - 1e-9


def test_a_score_below_the_sliders_lowest_opens_from_there(table):
    trace = next(t for t in chart_of(table).traces if t["name"].startswith("dog"))
    assert opened(trace["customdata"][0]) == Selection(LOWEST_SCORE, ("dog",))


def test_of_very_many_classes_only_the_mean_is_named():
    names = tuple(f"class {i}" for i in range(MOST_NAMED + 1))
    objects = [(1, i, (0, 0, 9, 9)) for i in range(1, len(names) + 1)]
    table = detection_table(gt_of(*objects, categories=names), [result(*o) for o in objects])
    *lines, mean = precision_recall_chart([precision_recall(table, name) for name in names], 0.5).traces
    assert len(lines) == len(names) and not any(line["showlegend"] for line in lines)
    assert mean["showlegend"]


def test_more_classes_than_colours_are_told_apart_by_dashes():
    objects = [(1 + i, 1 + k, (9 * k, 0, 8, 8)) for k in range(2 * COLORS) for i in range(FEW)]
    names = [f"class {k}" for k in range(2 * COLORS)]
    table = detection_table(gt_of(*objects, images=FEW, categories=names), [])
    *lines, _ = precision_recall_chart([precision_recall(table, name) for name in names], 0.5).traces
    looks = {(line["line"]["color"], line["line"]["dash"]) for line in lines}
    assert len(looks) == 2 * COLORS and {dash for _, dash in looks} == set(DASHES[:2])


@settings(max_examples=40, deadline=None)
@given(case=cases())
def test_the_last_curve_is_pycocotools_mean_over_the_classes(case):
    table = detection_table(*case)
    chart = precision_recall_chart([precision_recall(table, name) for name in table_metadata(table).classes], 0.5)
    judged = judge(*case).eval["precision"][0, :, :, 0, -1]  # at IoU 0.5: recalls by classes
    judged = judged[:, judged[0] >= 0]
    assert np.allclose(chart.traces[-1]["y"] if chart.traces else [], judged.mean(axis=1) if judged.size else [])


@pytest.mark.parametrize("iou, area", [(0.5, "its AP50"), (0.75, "its AP75"), (0.6, "")])
def test_the_note_names_the_ap_that_the_area_is(table, iou, area):
    note = chart_of(table, iou).note
    assert area in note and note.count("AP") == bool(area)


# Both against the score


def test_the_three_lines_and_the_rows_are_the_findings_numbers(table):
    curve = threshold_curve(table)
    chart = threshold_chart(curve, "all classes", 0.5)
    lines = {trace["name"]: trace["y"] for trace in chart.traces[:3]}
    assert lines == {"precision": list(curve.precision), "recall": list(curve.recall), "F1": list(curve.f1)}
    assert chart.rows == list(zip(curve.thresholds, curve.precision, curve.recall, curve.f1, strict=True))
    assert (chart.n, chart.title) == (2 * FEW + 1, "Precision, recall and F1 by score threshold: all classes")


def test_the_best_threshold_and_the_one_that_is_set_are_marked(table):
    curve = threshold_curve(table, ["car"])
    chart = threshold_chart(curve, "car", 0.35)
    assert (chart.traces[-1]["x"], chart.traces[-1]["y"]) == ([curve.best], [curve.best_f1])
    assert {shape["x0"] for shape in chart.layout["shapes"]} == {0.35, curve.best}


def test_where_nothing_is_found_only_the_one_that_is_set_is_marked():
    chart = threshold_chart(threshold_curve(detection_table(gt_of((1, 1, (0, 0, 9, 9))), [])), "all classes", 0.35)
    assert len(chart.traces) == 3
    assert [shape["x0"] for shape in chart.layout["shapes"]] == [0.35]


def test_a_star_stands_on_the_highest_f1_and_its_name_says_the_score(table):
    curve = threshold_curve(table)
    *_, f1, star = threshold_chart(curve, "all classes", 0.5).traces
    assert star["marker"]["symbol"] == "star" and star["name"] == f"best F1: {curve.best:.2f}"
    assert star["y"] == [max(f1["y"])] == [f1["y"][f1["x"].index(curve.best)]]


def test_the_note_tells_the_best_score_from_the_one_that_is_set(table):
    curve = threshold_curve(table)
    chart = threshold_chart(curve, "all classes", 0.3)
    assert {shape["line"]["dash"]: shape["x0"] for shape in chart.layout["shapes"]} == {"dot": 0.3, "dash": curve.best}
    assert "The dotted line is the score that is set, the star the highest F1." in chart.note


def test_f1_is_the_harmonic_mean_and_precision_ends_where_predictions_do(table):
    rows = threshold_chart(threshold_curve(table), "all classes", 0.5).rows
    for _, precision, recall, f1 in rows:
        if precision and recall:
            assert f1 == pytest.approx(2 * precision * recall / (precision + recall))
    assert rows[0][1] is not None and rows[-1][1] is None
