"""The map shows every box once, in its verdict's colour, and what a click or an area on it opens is these boxes."""

import json

import numpy as np
import pytest

from core.charts.alike import likeness_map
from core.charts.alike.likeness_map import layout_of, map_chart, opened_by
from core.charts.to_json import to_json
from core.datasets.split import read_split
from core.evaluation.alike.box_name import MOST_NAMED, BoxName, split_names
from core.evaluation.alike.likeness import Likeness
from core.evaluation.alike.states import keep_states
from core.evaluation.table import ErrorType
from core.evaluation.threshold import count_errors
from core.evaluation.tide import detection_table
from tests.invented import invented, invented_states


@pytest.fixture(scope="module")
def likeness(street):
    split = read_split(street, "val")
    detections = invented(split, 0.5)
    table = detection_table(split.to_dict(), detections, split.label_map())
    return Likeness(table, keep_states(invented_states(detections), table))


def names_of(chart):
    return [point["like"] for trace in chart.traces for point in trace["customdata"]]


def test_each_box_with_a_state_is_a_point_of_its_verdict(likeness):
    layout = layout_of(likeness, 0.5)
    chart = map_chart(likeness, layout, 0.5, None)
    counts = {trace["name"].split(" · ")[1]: len(trace["x"]) for trace in chart.traces}
    errors = count_errors(likeness.table, 0.5)
    for kind in ErrorType:
        if kind is not ErrorType.MISSED:
            assert counts.get(kind.label, 0) == errors[kind.value]
    assert 0 < counts[ErrorType.MISSED.label] <= errors["missed"]
    assert errors["missed"] - counts[ErrorType.MISSED.label] == layout.stateless
    names = names_of(chart)
    assert len(names) == len(set(names)) == chart.n == len(chart.rows) == layout.of
    assert all(BoxName.from_text(name) for name in names)
    for trace in chart.traces:
        assert len(trace["x"]) == len(trace["y"]) == len(trace["text"])
    assert "no prediction\nMissed" in next(t for t in chart.traces if "Missed" in t["name"])["text"][0]
    assert json.loads(to_json(chart))["layout"]["dragmode"] == "lasso"


def test_of_some_classes_their_boxes_stay_where_they_are(likeness):
    layout = layout_of(likeness, 0.3)
    whole = map_chart(likeness, layout, 0.3, None)
    name = whole.rows[0][2]
    part = map_chart(likeness, layout, 0.3, [name])
    assert part.rows == [row for row in whole.rows if row[2] == name]
    assert map_chart(likeness, layout, 0.3, []).traces == []


def test_a_crowd_is_no_point_and_who_fits_only_one_is_neither_right_nor_wrong(likeness):
    chart = map_chart(likeness, layout_of(likeness, 0.05), 0.05, None)
    crowds = [row for row in likeness.table.to_pylist() if row["crowd_only"]]
    traces = [trace for trace in chart.traces if trace["name"].endswith(likeness_map.CROWD)]
    assert sum(len(trace["x"]) for trace in traces) == len(crowds)


def test_of_many_boxes_some_are_drawn_and_that_is_said(likeness, monkeypatch):
    monkeypatch.setattr(likeness_map, "spread_out", lambda groups: np.arange(0, len(groups), 3))
    layout = layout_of(likeness, 0.05)
    assert len(layout.rows) < layout.of
    assert f"Of {layout.of:,} boxes {len(layout.rows):,} are drawn" in map_chart(likeness, layout, 0.05, None).note


def test_without_a_box_there_is_nothing(likeness):
    assert len(layout_of(Likeness(likeness.table.slice(0, 0), likeness.states), 0.5).rows) == 0


# What a click opens


def test_a_click_opens_what_is_like_the_box_and_an_area_its_boxes():
    assert opened_by({"like": "query.5.7"}) == {"like": "query.5.7"}
    area = [{"like": "query.5.7"}, {"like": "truth.5.7"}, {"like": "query.5.7"}, {"what": 1}, None, {"like": None}]
    assert opened_by({"area": area}) == {"among": "query.5.7_truth.5.7_query.5.7"}
    assert opened_by({"area": []}) == opened_by({}) == opened_by({"like": "<b>"}) == {}


def test_of_a_large_area_some_of_all_of_it_are_opened():
    area = [{"like": f"query.{i}.1"} for i in range(5000)]
    names = split_names(opened_by({"area": area})["among"])
    assert len(names) == MOST_NAMED and names[0].image_id == 0 and names[-1].image_id == 4999
