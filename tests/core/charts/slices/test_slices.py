"""The charts of the slices: what a click opens, colours, and what is in the numbers."""

import json

import numpy as np
import pytest

from core.charts.sections import SECTIONS, View
from core.charts.slices.slices import COLUMNS, MOST_SHOWN
from core.charts.to_json import to_json
from core.datasets.attributes.attribute import NOTHING_KNOWN, Attribute, ImageAttributes
from core.evaluation.findings.slices import slice_counts
from core.evaluation.selection import Selection, selected_rows
from core.evaluation.threshold import count_errors
from tests.core.evaluation.findings.test_slices import attributes, evaluated, street

BAD = set(range(1, 31))


def charts_of(table, known, classes=None, score=0.5):
    view = View(table, score, classes, evaluated(table, known, classes, resamples=60))
    return view, {chart.key: chart for chart in SECTIONS["slices"].charts(view)}


@pytest.fixture(scope="module")
def shown():
    few = set(range(1, 5))
    known = attributes(range(1, 121), **{"night": BAD, "a:b": set(range(1, 121, 3)), "few": few})
    return charts_of(street(120, bad=BAD), known)


def test_what_is_clearly_worse_is_on_top_and_red(shown):
    bars = shown[1]["slices"].traces[0]
    assert bars["y"][0] == "night: yes (30)" and bars["marker"]["color"][0] == "@bad"
    assert bars["y"][-1] == "few: yes (4)" and bars["marker"]["color"][-1] == "@grey"
    assert bars["error_x"]["array"][-1] == 0


def test_a_click_opens_the_slice_also_of_an_odd_name(shown):
    queries = {
        text.split(":")[0]: query
        for text, query in zip(*(shown[1]["slices"].traces[0][k] for k in ("y", "customdata")), strict=True)
    }
    for name, query in {"night": queries["night"], "a:b": queries["a"]}.items():
        lists = {key: value if isinstance(value, list) else [value] for key, value in query.items()}
        assert Selection.from_query(lists, ()) == Selection(0.5, slices=((name, "yes"),))


def test_a_cell_has_the_errors_that_its_click_opens(shown):
    view, charts = shown
    trace = charts["slices-errors"].traces[0]
    numbers = {(row[0], row[2]): row[3] for row in charts["slices-errors"].rows}
    for row, label in zip(trace["customdata"], trace["y"], strict=True):
        for query in filter(None, row):
            lists = {key: value if isinstance(value, list) else [value] for key, value in query.items()}
            selection = Selection.from_query(lists, ())
            ((name, _),) = selection.slices
            members = next(one.members for one in view.slices.slices if one.attribute == name)
            rows = selected_rows(view.table, selection.on_images((np.flatnonzero(members) + 1).tolist()))
            assert count_errors(view.table, 0.5, rows)[selection.error] == numbers[name, selection.error] > 0
            assert label.startswith(f"{name}: yes")


def test_the_numbers_are_those_of_the_finding(shown):
    view, charts = shown
    counts = slice_counts(view.table, view.slices, 0.5)
    for row, one, counted in zip(charts["slices"].rows, view.slices.slices, counts, strict=True):
        numbers = dict(zip(COLUMNS, row, strict=True))
        assert (numbers["AP"], numbers["low"], numbers["images"]) == (one.AP, one.difference.low, one.images)
        assert numbers["missed"] == counted.errors["missed"]


def test_of_very_many_slices_those_that_differ_most_are_drawn_and_all_are_numbers():
    members = {f"a{i}": set(np.random.default_rng(i).permutation(60)[:30] + 1) for i in range(MOST_SHOWN + 5)}
    _, charts = charts_of(street(60), attributes(range(1, 61), **members))
    assert len(charts["slices"].traces[0]["y"]) == MOST_SHOWN and len(charts["slices"].rows) == MOST_SHOWN + 5
    assert "5 slices that differ less" in charts["slices"].note


def test_a_chosen_class_goes_with_the_click():
    table = street(60, classes=2)
    _, charts = charts_of(table, attributes(range(1, 61), a=BAD), ("dog",))
    assert charts["slices"].traces[0]["customdata"][0]["class"] == ["dog"]


@pytest.mark.parametrize("known", [NOTHING_KNOWN, attributes(range(1, 21), a=set())])
def test_where_nothing_is_known_the_chart_says_so(known):
    _, charts = charts_of(street(20), known)
    assert charts["slices"].note.startswith("Nothing is known of these images")
    assert all(json.loads(to_json(chart))["rows"] == [] for chart in charts.values())


def test_without_evaluated_slices_there_is_no_chart_and_no_sentence():
    view = View(street(20))
    assert SECTIONS["slices"].charts(view) == [] and SECTIONS["slices"].verdict(view) == ""


def test_a_slice_without_objects_is_in_the_numbers_only():
    known = ImageAttributes(np.arange(1, 61), (Attribute("a", "test", ("x",), (np.arange(60) > 58)[None]),))
    table = street(59)
    _, charts = charts_of(table, known)
    assert charts["slices"].rows == []  # image 60 was not evaluated
