import json

import numpy as np
import pytest

from core.charts.confusion import MOST_WITH_TEXT, NO_OBJECT, NOT_FOUND, confusion_heat
from core.datasets.split import FEW
from core.evaluation.findings.confusion import ConfusionMatrix, confusion_matrix
from core.evaluation.selection import BACKGROUND, Selection, selected_rows
from core.evaluation.tide import detection_table
from tests.core.coco_cases import gt_of, result

COUNTS = np.array([[40, 5, 2], [0, 3, 9], [80, 20, 0]])
PLAIN = ConfusionMatrix(("car", "dog"), 0.3, COUNTS)


@pytest.mark.parametrize("normalized", [False, True])
def test_each_cell_opens_its_boxes_and_an_empty_one_nothing(normalized):
    objects = [(1, 1 + i % 2, (20 * i, 0, 10, 10)) for i in range(8)]
    results = [result(1, c, box, 0.6) for (_, _, box), c in zip(objects[2:], [1, 1, 2, 1, 2, 2], strict=True)]
    table = detection_table(
        gt_of(*objects), [*results, result(1, 2, (0, 80, 9, 9), 0.7), result(1, 1, (0, 0, 9, 9), 0.1)]
    )
    found = confusion_matrix(table, 0.5)
    (trace,) = confusion_heat(found, normalized).traces
    for i, row in enumerate(trace["customdata"]):
        for j, query in enumerate(row):
            assert (query is None) == (found.counts[i, j] == 0)
            if query:
                chosen = Selection.from_query({name: [value] for name, value in query.items()}, found.classes)
                assert chosen.pair == (found.names[i], found.names[j])
                assert selected_rows(table, chosen).sum() == found.counts[i, j]
    json.dumps(trace)


def test_rows_are_the_findings_numbers_in_the_cells_order():
    for normalized in (False, True):
        chart = confusion_heat(PLAIN, normalized)
        assert [row[2] for row in chart.rows] == COUNTS.ravel().tolist()
        assert [row[3] for row in chart.rows] == PLAIN.normalized.ravel().tolist()
        assert chart.rows[2][:2] == ("car", BACKGROUND) and chart.rows[6][:2] == (BACKGROUND, "car")
        assert (chart.n, chart.unit) == (59, "objects")


def test_cells_show_counts_or_percent_and_empty_ones_nothing():
    assert confusion_heat(PLAIN).traces[0]["text"] == [["40", "5", "2"], ["", "3", "9"], ["80", "20", ""]]
    assert confusion_heat(PLAIN, True).traces[0]["text"] == [["85", "11", "4"], ["", "25", "75"], ["80", "20", ""]]


@pytest.mark.parametrize("normalized", [False, True])
def test_right_and_wrong_have_two_colours_and_a_row_of_few_boxes_none(normalized):
    z = np.array(confusion_heat(PLAIN, normalized).traces[0]["z"])
    assert z[0, 0] > 0 > z[0, 1] and z[0, 1] < z[0, 2] < 0
    assert (z[1] == 0).all() and COUNTS[1].sum() < FEW
    assert (z[2, :2] < 0).all() and z[2, 2] == 0
    assert (abs(z) <= 1).all()


def test_a_confusion_is_seen_beside_any_amount_of_background():
    z = np.array(confusion_heat(ConfusionMatrix(("car", "dog"), 0.1, COUNTS * [[1], [1], [10_000]])).traces[0]["z"])
    assert z[0, 1] < -0.2


def test_labels_say_how_many_each_row_has():
    (trace,) = confusion_heat(PLAIN).traces
    assert trace["x"] == ["car", "dog", NOT_FOUND]
    assert trace["y"] == ["car (47)", "dog (12)", f"{NO_OBJECT} (100)"]


def test_a_cell_says_in_words_what_it_counts():
    said = confusion_heat(PLAIN).traces[0]["hovertext"]
    assert said[0] == [
        "car: 40 (85.1 %) of the objects found",
        "car: 5 (10.6 %) of the objects taken for dog",
        "car: 2 (4.3 %) of the objects not found",
    ]
    assert said[2] == [
        "80 (80.0 %) of the predictions where no object is: car",
        "20 (20.0 %) of the predictions where no object is: dog",
        "",
    ]


@pytest.mark.parametrize("k, has_text", [(1, True), (MOST_WITH_TEXT, True), (MOST_WITH_TEXT + 1, False)])
def test_numbers_stand_in_the_cells_while_they_have_room(k, has_text):
    found = ConfusionMatrix(tuple(f"class {i}" for i in range(k)), 0.5, np.eye(k + 1, dtype=int))
    assert ("text" in confusion_heat(found).traces[0]) == has_text


@pytest.mark.parametrize("normalized", [False, True])
def test_without_boxes_there_is_an_empty_matrix(normalized):
    chart = confusion_heat(confusion_matrix(detection_table(gt_of(), [])), normalized)
    assert chart.n == 0 and not np.any(chart.traces[0]["z"])
