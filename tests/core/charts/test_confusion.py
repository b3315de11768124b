import json

import numpy as np
import pytest

from core.charts.confusion import MOST_IN_FOCUS, MOST_WITH_TEXT, NO_OBJECT, NOT_FOUND, PALEST, confusion_charts
from core.charts.to_json import to_json
from core.datasets.split import FEW
from core.evaluation.findings.confusion import ConfusionMatrix, Focus, confusion_matrix
from core.evaluation.selection import BACKGROUND, Selection, selected_rows
from core.evaluation.tide import detection_table
from tests.core.coco_cases import gt_of, result

COUNTS = np.array([[40, 5, 2], [0, 3, 9], [80, 20, 0]])
PLAIN = ConfusionMatrix(("car", "dog"), 0.3, COUNTS)


def confusion_heat(confusion, normalized=False):
    """The chart that is shown first, in numbers or shares."""
    return confusion_charts(confusion)[normalized]


def many(k, **cells) -> ConfusionMatrix:
    """A matrix of k classes with 30 right of each; cells as a_b=count, by class number, k the background."""
    counts = np.diag([30] * k + [0])
    for cell, count in cells.items():
        i, j = (int(number) for number in cell.strip("c").split("_"))
        counts[i, j] = count
    return ConfusionMatrix(tuple(f"class {i}" for i in range(k)), 0.5, counts)


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
def test_right_and_wrong_have_two_colours_pale_in_a_row_of_few_boxes(normalized):
    z = np.array(confusion_heat(PLAIN, normalized).traces[0]["z"])
    assert z[0, 0] > 0 > z[0, 1] and z[0, 1] < z[0, 2] < 0
    assert z[1].tolist() == [0, PALEST, -PALEST] and COUNTS[1].sum() < FEW
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
    assert ("text" in confusion_charts(many(k))[-1].traces[0]) == has_text


@pytest.mark.parametrize("normalized", [False, True])
def test_without_boxes_there_is_an_empty_matrix(normalized):
    chart = confusion_heat(confusion_matrix(detection_table(gt_of(), [])), normalized)
    assert chart.n == 0 and not np.any(chart.traces[0]["z"])


# Many classes


@pytest.mark.parametrize("k", [1, 2, 10, MOST_WITH_TEXT])
def test_of_few_classes_all_are_shown_in_their_own_order(k):
    numbers, shares = confusion_charts(many(k))
    assert not numbers.on_request and not shares.on_request
    assert numbers.traces[0]["x"] == shares.traces[0]["x"] == [*(f"class {i}" for i in range(k)), NOT_FOUND]


@pytest.mark.parametrize("k", [MOST_WITH_TEXT + 1, 80, 365])
def test_of_many_classes_those_with_the_most_errors_come_first_and_all_on_request(k):
    confusion = many(k, c20_3=40, c7_7=200, **{f"c9_{k}": 9, f"{k}_24": 300})
    numbers, shares, whole, whole_shares = confusion_charts(confusion)
    (trace,) = numbers.traces
    assert len(trace["y"]) == MOST_IN_FOCUS + 2
    # class 20 and class 3 have the same errors, class 20 more objects; class 7 has no error, but most objects
    assert trace["x"][:5] == ["class 24", "class 20", "class 3", "class 9", "class 7"]
    assert trace["x"][-2:] == [f"{k - MOST_IN_FOCUS} other classes", NOT_FOUND]
    assert "100 % of all errors lie in their rows and columns" in numbers.note and f"Of {k} classes" in numbers.note
    assert len(whole.traces[0]["y"]) == k + 1 and whole.on_request and whole_shares.on_request
    assert whole.height == whole.area and len(to_json(whole)) < 2_500_000
    assert len({chart.key for chart in (numbers, shares, whole, whole_shares)}) == 4


def test_the_summed_classes_keep_every_box_and_say_what_is_right_among_them():
    confusion = many(30, **{f"c{i}_{i + 1}": 5 for i in range(29)}, c2_9=50)
    (trace,) = confusion_charts(confusion)[0].traces
    text = [[int(count or 0) for count in row] for row in trace["text"]]
    assert np.sum(text) == confusion.counts.sum()
    places = [int(name.removeprefix("class ")) for name in trace["x"][:MOST_IN_FOCUS]]
    rest = [i for i in range(30) if i not in places]
    for row, i in zip(text, places, strict=False):
        assert row[-2] == confusion.counts[i, rest].sum() and row[-1] == confusion.counts[i, 30]
    assert text[-2][-2] == confusion.counts[np.ix_(rest, rest)].sum()
    among = text[-2][-2] - 30 * len(rest)
    assert trace["hovertext"][-2][-2].endswith(f"{30 * len(rest)} found, {among} taken for another")
    assert trace["z"][-2][-2] == 0  # neither right nor wrong
    assert not any(trace["customdata"][-2]) and not any(row[-2] for row in trace["customdata"])


def test_the_share_of_errors_leaves_out_those_among_the_summed_and_the_background():
    k = 40
    cells = {f"c{i}_{i + 20}": 10 for i in range(10)}  # 100 errors between the worst, and 25 elsewhere
    confusion = many(k, **cells, c10_11=20, c35_36=4, **{f"c37_{k}": 3, f"c{k}_38": 2, f"c39_{k}": 1})
    note = confusion_charts(confusion)[0].note
    focus = Focus.of(confusion, MOST_IN_FOCUS)
    inside = sum(
        count
        for (i, j), count in np.ndenumerate(confusion.counts)
        if i != j and {confusion.names[i], confusion.names[j]} & set(focus.classes)
    )
    assert focus.share == inside / 130
    assert f"; {100 * inside / 130:.0f} % of all errors" in note


def test_without_an_error_the_classes_with_the_most_objects_are_shown():
    numbers = confusion_charts(many(80, c50_50=90))[0]
    assert numbers.traces[0]["x"][:2] == ["class 50", "class 0"] and "there are no errors" in numbers.note


def test_a_chosen_class_comes_first_then_what_is_confused_with_it():
    confusion = many(80, c1_2=500, c40_41=2, c42_40=3)
    numbers = confusion_charts(confusion, ("class 40",))[0]
    assert numbers.traces[0]["x"][:4] == ["class 40", "class 42", "class 41", "class 1"]


def test_a_class_that_is_called_as_the_summed_ones_has_a_row_of_its_own():
    confusion = many(30)
    named = ConfusionMatrix(("15 other classes", *confusion.classes[1:]), 0.5, confusion.counts)
    assert len(set(confusion_charts(named)[0].traces[0]["x"])) == MOST_IN_FOCUS + 2


def test_the_whole_matrix_lists_only_the_cells_with_boxes_each_with_what_it_opens():
    chart = confusion_charts(many(80, c3_4=7))[2]
    opened = [query for row in chart.traces[0]["customdata"] for query in row if query]
    assert [(row[0], row[1]) for row in chart.rows] == [(query["true"], query["predicted"]) for query in opened]
    assert len(chart.rows) == 81 and ("class 3", "class 4", 7, 7 / 37) in chart.rows
