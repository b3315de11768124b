"""A chart as JSON and its caption; tests/ui/charts/test_component.py draws what is written here in a browser."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.charts.chart import Chart
from core.charts.to_json import PLOTLY, SCRIPT, caption, to_json
from core.datasets.split import FEW


def made(traces=(), layout=None, n=100, unit="objects", columns=(), rows=()) -> Chart:
    return Chart("key", "Title", "Note.", n, unit, list(traces), layout or {}, columns, list(rows))


def sent(**what):
    """A chart as the browser gets it, whose JSON has no NaN and no Infinity."""

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    return json.loads(to_json(made(**what)), parse_constant=refuse)


def test_a_chart_of_nothing_is_json_too():
    found = sent(n=0)
    assert found["traces"] == [] and found["rows"] == [] and found["few"] and found["caption"]


def test_what_is_not_finite_becomes_null_wherever_it_stands():
    bad = [math.nan, math.inf, -math.inf, np.float32("nan"), np.float64("inf")]
    trace = {"x": np.array(bad, float), "y": bad, "z": np.array([[1.5, np.nan]]), "error_y": {"array": (np.nan, 2.0)}}
    found = sent(
        traces=[trace], layout={"xaxis": {"range": [np.nan, 1]}}, columns=("a",), rows=[(value,) for value in bad]
    )
    assert found["traces"] == [
        {"x": [None] * 5, "y": [None] * 5, "z": [[1.5, None]], "error_y": {"array": [None, 2.0]}}
    ]
    assert found["layout"] == {"xaxis": {"range": [None, 1]}}
    assert found["rows"] == [[None]] * 5


@pytest.mark.parametrize("value", [
    np.int8(-3), np.uint64(2**63), np.int64(2**53), np.bool_(True), np.float64(0.1), np.str_("person"), np.array(7),
])  # fmt: skip
def test_a_number_or_text_of_numpy_keeps_its_value_and_its_kind(value):
    (found,) = sent(rows=[(value,)])["rows"][0]
    assert found == value.item() and type(found) is type(value.item())


def test_arrays_of_objects_and_dicts_within_them_are_walked_too():
    customdata = np.empty(2, object)
    customdata[:] = [{"class": [np.str_("a")], "iou": np.float64("nan")}, None]
    assert sent(traces=[{"customdata": customdata}])["traces"] == [
        {"customdata": [{"class": ["a"], "iou": None}, None]}
    ]


def test_names_arrive_as_they_were():
    names = ["<b>&amp;</b>", "</script>", 'a "quoted"\nname', "стул 椅子 🪑", "half\ud83d", ""]
    found = sent(traces=[{"x": names}], columns=names, rows=[names])
    assert found["traces"][0]["x"] == found["columns"] == found["rows"][0] == names


@given(st.text(st.characters(exclude_categories=())))
def test_any_name_can_be_sent_as_utf_8(name):
    assert json.loads(to_json(made(traces=[{"x": [name]}])).encode())["traces"][0]["x"] == [name]


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
))  # fmt: skip
def test_what_json_has_already_is_left_as_it_is(value):
    assert sent(layout={"value": value})["layout"]["value"] == value


def test_figures_keep_their_full_precision():
    values = [1 / 3, 1e-300, 0.1 + 0.2, 123456789.123456789]
    assert sent(rows=[values])["rows"][0] == values


@pytest.mark.parametrize(("n", "few"), [(0, True), (FEW - 1, True), (FEW, False)])
def test_what_rests_on_fewer_than_twenty_is_marked(n, few):
    found = sent(n=n)
    assert found["few"] is few and ("too few" in found["caption"] or "nothing" in found["caption"]) is few


def test_a_chart_is_not_changed_by_being_written():
    trace = {"y": np.array([1.0, np.nan]), "marker": {"color": ["@1", "@grey"]}}
    chart = made(traces=[trace])
    assert to_json(chart) == to_json(chart)
    assert np.isnan(chart.traces[0]["y"][1]) and trace["marker"]["color"] == ["@1", "@grey"]


@pytest.mark.parametrize(("n", "unit", "words"), [
    (0, "objects", "no objects: nothing to say"),
    (1, "objects", "only 1 object: too few to say much"),
    (1, "boxes", "only 1 box: too few to say much"),
    (1, "images", "only 1 image: too few to say much"),
    (2, "boxes", "only 2 boxes: too few to say much"),
    (FEW, "objects", "20 objects"),
    (1_234_567, "detections", "1,234,567 detections"),
])  # fmt: skip
def test_on_how_much_a_chart_rests_is_said_in_words(n, unit, words):
    assert caption(made(n=n, unit=unit)) == words


def test_plotly_and_the_script_that_draws_with_it_are_there():
    assert PLOTLY.name == "plotly.min.js" and PLOTLY.stat().st_size > 1_000_000
    assert "export function resolve(" in SCRIPT
    assert not any(line.startswith("import ") for line in SCRIPT.splitlines())  # the report has it inside
