import json

import pytest

from core.charts.calibration import LOWEST_SCORE, NOTHING, ece_by_class, reliability
from core.charts.to_json import to_json
from core.datasets.split import FEW
from core.evaluation.findings.calibration import calibration
from core.evaluation.selection import Selection, selected_rows
from core.evaluation.tide import detection_table
from tests.core.coco_cases import gt_of, result

CAR, DOG = (1, 1, (0, 0, 10, 10)), (1, 2, (50, 0, 10, 10))
NOWHERE = (0, 80, 9, 9)
RESULTS = [
    result(1, 1, CAR[2], 0.95), *(result(1, 2, NOWHERE, 0.65) for _ in range(FEW)), result(1, 2, DOG[2], 0.25)
]  # fmt: skip
TABLE = detection_table(gt_of(CAR, DOG), RESULTS)
CHARTS = [reliability, ece_by_class]


def opened(query: dict) -> Selection:
    as_lists = {name: value if isinstance(value, list) else [value] for name, value in query.items()}
    return Selection.from_query(as_lists, ("car", "dog"))


def test_rows_are_the_findings_bins():
    found = calibration(TABLE)
    chart = reliability(found)
    assert chart.rows == [(b.lower, b.upper, b.n, b.score, b.right) for b in found.total.bins]
    assert (chart.n, chart.unit) == (FEW + 2, "predictions")
    assert [len(chart.columns)] * 10 == [len(row) for row in chart.rows]


def test_bars_are_percent_right_and_stand_over_their_number():
    shares, _, numbers = reliability(calibration(TABLE)).traces
    assert shares["y"] == [None, None, 100, None, None, None, 0, None, None, 100]
    assert numbers["y"] == [None, None, 1, None, None, None, FEW, None, None, 1]
    assert shares["x"] == numbers["x"] == pytest.approx([i / 10 + 0.05 for i in range(10)])


def test_bars_on_few_predictions_are_grey_and_the_note_says_so():
    chart = reliability(calibration(TABLE))
    colors = chart.traces[0]["marker"]["color"]
    assert (colors[2], colors[6], colors[9]) == ("@grey", "@1", "@grey")
    assert chart.note.endswith(f"Grey: fewer than {FEW}.")


def test_a_bar_opens_the_predictions_from_its_score_on_and_an_empty_one_nothing():
    queries = reliability(calibration(TABLE)).traces[0]["customdata"]
    assert [i for i, query in enumerate(queries) if query] == [2, 6, 9]
    assert [opened(queries[i]) for i in (2, 6, 9)] == [Selection(score) for score in (0.2, 0.6, 0.9)]


def test_the_lowest_bar_opens_what_the_gallery_can_show():
    chart = reliability(calibration(detection_table(gt_of(CAR), [result(1, 1, CAR[2], 0.05)])))
    assert opened(chart.traces[0]["customdata"][0]).score == LOWEST_SCORE


@pytest.mark.parametrize(
    "table, classes",
    [(TABLE, ["dog"]), (TABLE.filter([row["class_name"] == "dog" for row in TABLE.to_pylist()]), None)],
)
def test_of_one_class_a_bar_opens_that_class(table, classes):
    queries = reliability(calibration(table, classes)).traces[0]["customdata"]
    assert opened(queries[6]) == Selection(0.6, ("dog",))


def test_the_note_tells_what_confident_predictions_are_worth():
    assert "From score 0.5 on, 5 % of 21 predictions are right, at a mean score of 0.66." in (
        reliability(calibration(TABLE)).note
    )


def test_classes_come_worst_first_with_their_error_and_number():
    found = calibration(TABLE)
    chart = ece_by_class(found)
    car, dog = found.by_class
    assert chart.rows == [("dog", dog.ece, dog.mce, FEW + 1), ("car", car.ece, car.mce, 1)]
    assert chart.traces[0]["x"] == [dog.ece, car.ece]
    assert chart.traces[0]["text"][1] == "0.050 · 1"
    assert chart.traces[0]["marker"]["color"] == ["@1", "@grey"]


def test_a_class_opens_its_predictions():
    queries = ece_by_class(calibration(TABLE)).traces[0]["customdata"]
    assert [opened(query).classes for query in queries] == [("dog",), ("car",)]
    assert selected_rows(TABLE, opened(queries[0])).sum() == FEW + 2  # with the object


@pytest.mark.parametrize("chart", CHARTS)
def test_without_predictions_there_is_no_bar_and_a_sentence(chart):
    made = chart(calibration(detection_table(gt_of(CAR), [])))
    assert (made.n, made.rows, made.note) == (0, [], NOTHING)
    assert not any(trace["y"] for trace in made.traces if trace["type"] == "bar")


@pytest.mark.parametrize("chart", CHARTS)
def test_scores_that_are_no_probabilities_give_the_findings_sentence(chart):
    found = calibration(detection_table(gt_of(CAR), [result(1, 1, CAR[2], 3.0)]))
    assert chart(found).note == found.note
    assert (chart(found).n, chart(found).rows) == (1, [])


@pytest.mark.parametrize("chart", CHARTS)
def test_a_chart_is_plain_data(chart):
    made = chart(calibration(TABLE))
    json.dumps([made.traces, made.layout, made.rows], allow_nan=False)
    assert to_json(made)
