import json
from itertools import chain

import numpy as np
import pyarrow.compute as pc
import pytest

from core.charts.recall_by_size import recall_bars, recall_heat
from core.charts.to_json import to_json
from core.datasets.split import FEW
from core.evaluation.findings.recall_by_size import recall_by_size
from core.evaluation.model_input import ModelInput
from core.evaluation.selection import Selection, selected_rows
from core.evaluation.tide import detection_table
from tests.core.coco_cases import gt_of, result

CLASSES = ("car", "dog", "traffic light")
UNITS = ("pixels", "input", "cells")
SEEN = ModelInput(200, 1000, 32)  # of an image of 200 x 100 pixels: twice as large


@pytest.fixture(scope="module")
def table():
    """Cars of all sizes, the small ones mostly missed or badly boxed; few dogs; traffic lights are only predicted."""
    rng = np.random.default_rng(0)
    cars = [(1 + i, 1, (0, 0, side, side)) for i, side in enumerate(rng.uniform(6, 99, 150).tolist())]
    dogs = [(1 + i, 2, (0, 0, 20 * i + 10, 40)) for i in range(6)]
    shown = [result(i, 1, box, rng.uniform(0.2, 1)) for i, _, box in cars if box[2] > rng.uniform(10, 60)]
    shown += [result(i, 1, np.multiply(box, [1, 1, 1, 0.3]), 0.8) for i, _, box in cars[::5]]
    shown += [result(i, 2, box) for i, _, box in dogs[2:]] + [result(1, 3, (100, 50, 9, 9))]
    return detection_table(gt_of(*cars, *dogs, images=150, categories=CLASSES), shown, model_input=SEEN)


def opened(table, query: dict) -> int:
    """How many boxes a link opens."""
    lists = {name: value if isinstance(value, list) else [value] for name, value in query.items()}
    return int(selected_rows(table, Selection.from_query(lists, CLASSES)).sum())


@pytest.mark.parametrize("draw", [*(lambda s, u=u: recall_bars(s, u) for u in UNITS), recall_heat])
@pytest.mark.parametrize("gt", [gt_of(), gt_of(images=0), gt_of((1, 1, (0, 0, 9, 9), {"iscrowd": 1}))])
@pytest.mark.parametrize("seen", [None, SEEN])
def test_without_objects_there_is_an_empty_chart(draw, gt, seen):
    chart = draw(recall_by_size(detection_table(gt, [], model_input=seen)))
    assert (chart.n, chart.rows) == (0, [])
    json.loads(to_json(chart))


# By size


@pytest.mark.parametrize("which", UNITS)
def test_bars_are_the_findings_numbers(table, which):
    found = recall_by_size(table)
    curve, chart = getattr(found, which), recall_bars(found, which)
    bars, at_any = chart.traces
    assert bars["y"] == [part.recall.recall for part in curve.bins]
    assert at_any["y"] == [part.recall.recall_at_any for part in curve.bins]
    assert (chart.n, chart.unit) == (156, "objects")
    for row, part in zip(chart.rows, curve.bins, strict=True):
        recall = part.recall
        assert row[:5] == (part.lower, part.upper, recall.n, recall.found, recall.missed)
        assert row[5:] == (recall.recall, *recall.interval, recall.recall_at_any)


def test_error_bars_are_wilsons_interval(table):
    found = recall_by_size(table)
    (bars, _), parts = recall_bars(found).traces, found.pixels.bins
    for i, part in enumerate(parts):
        reach = part.recall.recall - bars["error_y"]["arrayminus"][i], part.recall.recall + bars["error_y"]["array"][i]
        assert reach == pytest.approx(part.recall.interval)


def test_bars_of_few_objects_are_grey_and_each_says_on_how_many_it_rests(table):
    found = recall_by_size(table)
    bars, _ = recall_bars(found).traces
    numbers = [part.recall.n for part in found.pixels.bins]
    assert [color == "@grey" for color in bars["marker"]["color"]] == [n < FEW for n in numbers]
    assert [label.split("\n")[1] for label in bars["x"]] == [f"({n})" for n in numbers]
    assert len(set(bars["x"])) == len(numbers) and min(numbers) < FEW <= max(numbers)


def test_a_click_opens_the_missed_objects_of_that_size(table):
    found = recall_by_size(table)
    bars, _ = recall_bars(found).traces
    links = bars["customdata"]
    assert [link is None for link in links] == [part.recall.missed == 0 for part in found.pixels.bins]
    for link, part in zip(links, found.pixels.bins, strict=True):
        if link:
            (size,) = link["size"]
            assert opened(table, link) == found.by_size[size].missed
            assert (part.lower < 32) == (size == "small") and (part.lower >= 96) == (size == "large")


@pytest.mark.parametrize("which", ["input", "cells"])
def test_other_units_cross_coco_sizes_and_open_nothing(table, which):
    assert not any(recall_bars(recall_by_size(table), which).traces[0]["customdata"])


def place(chart, text: str) -> float:
    (x,) = (mark["x"] for mark in chart.layout["annotations"] if mark["text"] == text)
    assert x in [shape["x0"] for shape in chart.layout["shapes"]]
    return x


def test_borders_lie_between_their_bins(table):
    found = recall_by_size(table)
    lowers = [part.lower for part in found.pixels.bins]
    assert place(recall_bars(found), "32 px") == lowers.index(32) - 0.5
    assert place(recall_bars(found), "96 px") == lowers.index(96) - 0.5
    for which, cell in (("input", 32), ("cells", 1)):
        lowers = [part.lower for part in getattr(found, which).bins]
        assert place(recall_bars(found, which), "one cell") == lowers.index(cell) - 0.5


@pytest.mark.parametrize("which", UNITS)
def test_the_size_from_which_half_are_found_is_marked_and_said(table, which):
    found = recall_by_size(table)
    curve, chart = getattr(found, which), recall_bars(found, which)
    at = place(chart, "half found")
    part = curve.bins[round(at)]
    assert part.lower <= curve.half <= part.upper
    assert "Half are found from" in chart.note


def test_borders_beyond_the_bins_are_not_drawn():
    table = detection_table(gt_of((1, 1, (0, 0, 60, 60))), [])
    assert recall_bars(recall_by_size(table)).layout["shapes"] == []


def test_what_the_model_saw_of_another_tool_is_not_known():
    table = detection_table(gt_of((1, 1, (0, 0, 40, 40))), [])
    chart = recall_bars(recall_by_size(table), "cells")
    assert (chart.n, chart.rows) == (0, [])
    assert chart.note == "How large the model saw the objects is not known."


def test_objects_on_images_of_unknown_size_are_said_to_be_left_out():
    gt = gt_of((1, 1, (0, 0, 40, 40)), (2, 1, (0, 0, 40, 40)), images=2)
    del gt["images"][0]["width"]
    chart = recall_bars(recall_by_size(detection_table(gt, [], model_input=SEEN)), "input")
    assert "1 object on images of unknown size is left out." in chart.note


# By class and size


def cells(chart) -> list[tuple]:
    """(link, CSV row, colour's value) of every cell."""
    (trace,) = chart.traces
    return list(zip(chain.from_iterable(trace["customdata"]), chart.rows, chain.from_iterable(trace["z"]), strict=True))


def test_each_cell_opens_its_missed_objects(table):
    chart = recall_heat(recall_by_size(table))
    for link, (name, size, _, _, missed, *_), _ in cells(chart):
        assert (opened(table, link) if link else 0) == missed
        assert not link or (link["class"], link["size"]) == ([name], [size])


def test_cells_are_the_findings_numbers_and_colourless_on_few(table):
    found = recall_by_size(table)
    for _, (name, size, n, n_found, _, recall, *_), z in cells(recall_heat(found)):
        own = found.by_class[name, size]
        assert (n, n_found, recall) == (own.n, own.found, own.recall)
        assert z == (own.recall if n >= FEW else 0.5)


def test_the_class_of_lowest_recall_is_on_top_and_one_without_objects_is_not_there(table):
    (trace,) = recall_heat(recall_by_size(table)).traces
    recalls = {"car": recall_by_size(table).total, "dog": 4 / 6}
    assert trace["y"] == ["car (150)", "dog (6)"] and recalls["car"].recall < recalls["dog"]


def test_a_hover_tells_found_missed_and_badly_seen_objects(table):
    found = recall_by_size(table).by_class["car", "small"]
    said = recall_heat(recall_by_size(table)).traces[0]["hovertext"][0][0]
    assert said.startswith(f"car · small\n{found.found} of {found.n} found")
    assert (
        f"{found.missed} missed, {found.n - found.found - found.missed} seen with a localization or classification"
        in said
    )
    assert found.n - found.found - found.missed > 0


def test_of_one_class_links_stay_in_it(table):
    found = recall_by_size(table.filter(pc.field("class_name") == "car"))
    links = recall_bars(found).traces[0]["customdata"]
    assert any(links) and all(link["class"] == ["car"] for link in links if link)
    assert [row[0] for row in recall_heat(found).rows] == ["car"] * 3
