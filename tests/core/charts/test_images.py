import json

import pytest

from core.charts.images import ALL, MOST_BARS, MOST_OPENED, duplicates, hardness, per_image
from core.datasets.split import FEW
from core.evaluation.findings.images import Duplicates, PerImageFigures, per_image_figures
from core.evaluation.selection import Selection, select_images, selected_rows
from core.evaluation.tide import detection_table
from tests.core.coco_cases import gt_of, result

CAR, DOG = (1, 1, (0, 0, 10, 10)), (1, 2, (50, 0, 10, 10))
NOWHERE = (0, 80, 9, 9)
GT = gt_of(CAR, DOG, (2, 1, CAR[2]), (3, 1, CAR[2]), images=4)
RESULTS = [
    result(1, 1, CAR[2]), result(1, 1, CAR[2], 0.8), result(1, 2, DOG[2]), result(3, 1, CAR[2]), result(3, 1, NOWHERE)
]  # fmt: skip
TABLE = detection_table(GT, RESULTS)
CHARTS = [per_image, hardness, duplicates]


def opened(query: dict) -> Selection:
    as_lists = {name: value if isinstance(value, list) else [value] for name, value in query.items()}
    return Selection.from_query(as_lists, ("car", "dog"))


def of_counts(*parts: Duplicates) -> PerImageFigures:
    counts = [part.counts for part in parts]
    together = tuple(sum(c[i] for c in counts if i < len(c)) for i in range(max(map(len, counts))))
    return PerImageFigures(0.5, [], (), (), Duplicates(None, together), parts)


def test_images_are_counted_by_their_predictions_and_objects():
    chart = per_image(per_image_figures(TABLE))
    predictions, objects = chart.traces
    assert predictions["x"] == ["0", "1", "2", "3"]
    assert predictions["y"] == [2, 0, 1, 1] and objects["y"] == [1, 2, 1, 0]
    assert chart.rows[2] == ("predictions", 2, 2, 1) and chart.rows[5] == ("objects", 1, 1, 2)
    assert (predictions["name"], objects["name"]) == ("predictions, 1.2 per image", "objects, 1.0 per image")
    assert (chart.n, chart.unit) == (4, "images")


def test_each_bar_of_images_opens_exactly_these_images_and_an_empty_one_nothing():
    for chart in (per_image(per_image_figures(TABLE)), hardness(per_image_figures(TABLE))):
        for trace in chart.traces:
            for n, query in zip(trace["y"], trace["customdata"], strict=True):
                assert (query is None) == (n == 0)
                if query:
                    assert sorted(opened(query).images) == sorted(select_images(TABLE, opened(query)))
                    assert len(opened(query).images) == n
    assert opened(per_image(per_image_figures(TABLE)).traces[1]["customdata"][1]).images == (2, 3)


@pytest.mark.parametrize("most, step", [(MOST_BARS - 1, 1), (MOST_BARS, 2), (2 * MOST_BARS + 3, 3)])
def test_full_images_share_bars_so_that_all_have_room(most, step):
    gt = gt_of(*((1, 1, (i, 0, 1, 1)) for i in range(most)), images=2)
    chart = per_image(per_image_figures(detection_table(gt, [])))
    assert len(chart.traces[1]["y"]) <= MOST_BARS and sum(chart.traces[1]["y"]) == 2
    last = chart.rows[-1]
    assert last[2] - last[1] + 1 == step and last[1] <= most <= last[2] and last[3] == 1


def test_a_bar_of_many_images_opens_the_hardest_of_them_and_says_so():
    n = MOST_OPENED + 3
    objects = [(i, 1, (20 * k, 0, 9, 9)) for i in range(1, n + 1) for k in range(2 if i == n else 1)]
    trace = hardness(per_image_figures(detection_table(gt_of(*objects, images=n), []))).traces[0]
    assert trace["y"][0] == n
    assert opened(trace["customdata"][0]).images == (n, *range(1, MOST_OPENED))
    assert trace["hovertext"][0].endswith(f"A click opens the {MOST_OPENED} hardest")


def test_images_are_counted_by_f1_nothing_right_and_all_right_apart():
    chart = hardness(per_image_figures(TABLE))
    n = dict(zip(chart.traces[0]["x"], chart.traces[0]["y"], strict=True))
    assert {label: count for label, count in n.items() if count} == {"0": 1, "0.6–0.7": 1, "0.8–0.9": 1}
    assert chart.rows[0] == (0.0, 0.0, 1) and chart.rows[7] == (0.6, 0.7, 1)
    assert chart.n == 3 and "1 image with neither objects nor predictions left out" in chart.note
    assert "mean over images is 0.49" in chart.note


@pytest.mark.parametrize("right", range(11))
def test_an_f1_on_a_border_lies_in_the_upper_bar(right):
    boxes = [(1, 1, (15 * i, 0, 10, 10)) for i in range(10)]
    shown = [result(1, 1, box if i < right else (15 * i, 60, 5, 5)) for i, (_, _, box) in enumerate(boxes)]
    n = hardness(per_image_figures(detection_table(gt_of(*boxes), shown))).traces[0]["y"]
    assert n.index(1) == (0 if right == 0 else right + 1)


def test_bars_are_grey_where_all_rests_on_few_images():
    few = hardness(per_image_figures(TABLE)).traces[0]["marker"]["color"]
    many = gt_of(*((i, 1, CAR[2]) for i in range(1, FEW + 1)), images=FEW)
    enough = hardness(per_image_figures(detection_table(many, []))).traces[0]["marker"]["color"]
    assert set(few) == {"@grey"} and (enough[0], enough[1], enough[-1]) == ("@bad", "@1", "@good")


def test_duplicates_are_shares_of_the_found_objects_most_first():
    chart = duplicates(of_counts(Duplicates("car", (60, 20, 10, 6, 4)), Duplicates("dog", (5, 5)), Duplicates("x", ())))
    assert chart.traces[0]["y"] == [f"{ALL} (110)", "dog (10)", "car (100)"]
    assert [trace["x"][2] for trace in chart.traces] == [20, 10, 10]
    assert chart.rows == [("", 110, 79, 25, 10, 10), ("dog", 10, 5, 5, 0, 0), ("car", 100, 74, 20, 10, 10)]
    assert [trace["marker"]["color"][1:] for trace in chart.traces] == [["@grey", c] for c in ("@1", "@2", "@3")]
    assert (chart.n, chart.unit) == (110, "objects")


def test_a_class_opens_exactly_its_duplicates_and_one_without_nothing():
    found = per_image_figures(TABLE)
    chart = duplicates(found)
    for trace in chart.traces:
        for row, query in zip(chart.rows, trace["customdata"], strict=True):
            assert (query is None) == (row[2] == 0)
            if query:
                assert selected_rows(TABLE, opened(query)).sum() == row[2]
    assert opened(chart.traces[0]["customdata"][1]) == Selection(0.5, ("car",), "duplicate")


def test_of_one_found_class_there_is_one_bar():
    part = TABLE.filter([row["class_name"] == "car" for row in TABLE.to_pylist()])
    chart = duplicates(per_image_figures(part))
    assert chart.traces[0]["y"] == ["car (2)"]
    assert opened(chart.traces[0]["customdata"][0]).classes == ("car",)


def test_the_note_says_how_many_duplicates_there_are_or_that_there_is_none():
    assert "1 duplicate in all, from score 0.5." in duplicates(per_image_figures(TABLE)).note
    assert (
        duplicates(per_image_figures(TABLE, 0.85)).note
        == "No found object is predicted again; predictions from score 0.85."
    )


@pytest.mark.parametrize("gt", [gt_of(), gt_of(images=0)])
def test_without_boxes_there_is_no_bar_and_a_sentence(gt):
    found = per_image_figures(detection_table(gt, []))
    assert duplicates(found).rows == [] and duplicates(found).note.startswith("No object is found")
    assert not any(hardness(found).traces[0]["y"])
    assert hardness(found).note.startswith("No image has objects, or predictions from score 0.5.")
    assert per_image(found).n == len(gt["images"])


@pytest.mark.parametrize("chart", CHARTS)
def test_a_chart_is_plain_data_with_a_cell_for_each_column(chart):
    made = chart(per_image_figures(TABLE))
    json.dumps([made.traces, made.layout, made.rows], allow_nan=False)
    assert {len(row) for row in made.rows} == {len(made.columns)}
