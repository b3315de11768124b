import json
from itertools import chain

import pytest

from core.charts.compare.changes import alarm_bars, ap_heat, change_bars
from core.charts.to_json import to_json
from core.datasets.split import SIZES
from core.evaluation.findings.bootstrap import Interval
from core.evaluation.findings.changes import AP_OF, OBJECT_CHANGES, Change, changed_objects, changes
from core.evaluation.findings.curves import class_figures
from core.evaluation.tide import detection_table
from tests.core.coco_cases import gt_of, result

NAMES = ("car", "dog", "<b>cat</b>")
SPOTS = [(1 + i, 1 + i % 2, (10, 10, *[20 + (i if i % 2 else 2 * i)] * 2)) for i in range(60)]  # no large dog
GT = gt_of(*SPOTS, images=60, categories=NAMES)
STRAY = [result(i, 1 + i % 3, (150, 60, 12, 12), 0.9) for i in range(1, 61)]
BEFORE = detection_table(GT, [result(*s) for s in SPOTS[::3]] + STRAY[:40])
AFTER = detection_table(GT, [result(*s) for s in SPOTS[::2]] + STRAY[10:])
NOISE, CLEAR = Interval(0.1, -0.1, 0.2), Interval(0.1, 0.05, 0.2)


@pytest.fixture(scope="module")
def found():
    return changes(BEFORE, AFTER)


def heat(judged=None):
    return ap_heat(class_figures(BEFORE), class_figures(AFTER), judged or {})


def points(chart) -> list[tuple]:
    """(customdata, CSV row) of every bar or cell."""
    targets = [target for trace in chart.traces for target in trace["customdata"]]
    targets = list(chain.from_iterable(targets)) if isinstance(targets[0], list) else targets
    return list(zip(targets, chart.rows, strict=True))


@pytest.mark.parametrize("by", ["class", "size"])
def test_a_click_on_a_bar_shows_as_many_as_the_row_says(found, by):
    chart = change_bars(found, by)
    assert {row[0] for row in chart.rows} == {change.value for change in OBJECT_CHANGES}
    for target, (change, word, n) in points(chart):
        if not target:
            assert n == 0
            continue
        assert target == {"change": change, by: word}
        classes, sizes = ([target[key]] if key in target else [] for key in ("class", "size"))
        assert len(changed_objects(found, (Change(change),), classes, sizes)) == n > 0
    assert sum(row[2] for row in chart.rows) == chart.n == len(SPOTS)


def test_bars_of_one_class_stand_beside_each_other_right_before_wrong(found):
    chart = change_bars(found)
    assert [trace["name"] for trace in chart.traces] == ["Still right", "Fixed", "Broken", "Still wrong"]
    assert chart.layout["barmode"] == "stack"
    for trace in chart.traces:
        assert [label.rsplit(" (", 1)[0] for label in trace["y"]] == list(dict.fromkeys(row[1] for row in chart.rows))


def test_the_class_that_lost_the_most_is_on_top(found):
    first = change_bars(found).rows[0][1]
    lost = {name: found.number(Change.BROKEN, [name]) - found.number(Change.FIXED, [name]) for name in NAMES[:2]}
    assert lost[first] == max(lost.values())


def test_false_alarms_go_to_both_sides(found):
    chart = alarm_bars(found)
    for trace, change, sign in zip(chart.traces, (Change.GONE, Change.NEW), (-1, 1), strict=True):
        assert sum(trace["x"]) == sign * found.number(change) != 0
    for target, (change, name, n) in points(chart):
        assert target == {"change": change, "class": name}
        assert len(changed_objects(found, (Change(change),), [name])) == n
    assert f"{found.stayed} are in both models" in chart.note


def test_cells_are_the_difference_of_ap_and_undefined_ones_stay_empty():
    chart, before, after = heat(), *({f.name: f for f in class_figures(t)} for t in (BEFORE, AFTER))
    assert [row[:2] for row in chart.rows] == [(name, size) for name in chart.traces[0]["y"] for size in AP_OF]
    for (target, (name, size, objects, value, *_)), text in zip(
        points(chart), chain.from_iterable(chart.traces[0]["text"]), strict=True
    ):
        pair = [f[name].AP if size == "all" else f[name].sizes[size].AP for f in (before, after)]
        if None in pair:
            assert (objects, value, target, text) == (0, None, None, "")
            continue
        assert value == pair[1] - pair[0]
        assert text == f"{100 * value:+.1f}"
        assert target["change"] == ("broken" if value < 0 else "fixed")
        assert target["class"] == name and target.get("size", "all") == size
    assert any(row[3] is None for row in chart.rows)
    assert "<b>cat</b>" not in chart.traces[0]["y"]  # it has no objects


def test_only_what_is_clear_beyond_noise_and_rests_on_enough_objects_is_marked():
    judged = {"car": dict.fromkeys(AP_OF, CLEAR), "dog": dict.fromkeys(AP_OF, NOISE)}
    chart = heat(judged)
    marked = {
        (name, size)
        for name, line in zip(chart.traces[0]["y"], chart.traces[0]["text"], strict=True)
        for size, text in zip(AP_OF, line, strict=True)
        if text.endswith(("▲", "▼"))
    }
    cars = {row[1]: row[2] for row in chart.rows if row[0] == "car"}
    assert marked == {("car", size) for size, objects in cars.items() if objects >= 20}
    assert 0 < min(cars.values()) < 20 < max(cars.values())
    assert {row[4:] for row in chart.rows} == {(0.05, 0.2), (-0.1, 0.2)}


def test_until_all_is_judged_the_same_chart_says_so():
    """Under another key the page would take it away and draw it anew, with what the user has chosen on it lost."""
    some = {"car": dict.fromkeys(AP_OF, CLEAR)}
    whole = heat(some | {"dog": dict.fromkeys(AP_OF, NOISE)})
    assert "still being judged" in heat(some).note and "still being judged" not in whole.note
    assert heat(some).key == whole.key == "ap-changes"


def test_cells_with_few_objects_have_no_colour():
    chart = heat()
    few = [row[2] < 20 for row in chart.rows]
    assert any(few) and not all(few)
    for is_few, z in zip(few, chain.from_iterable(chart.traces[0]["z"]), strict=True):
        assert not is_few or not z


@pytest.mark.parametrize("gt", [gt_of(), gt_of(images=0), gt_of((1, 1, (0, 0, 9, 9), {"iscrowd": 1}))])
def test_without_objects_all_charts_are_empty(gt):
    table = detection_table(gt, [])
    found = changes(table, table)
    for chart in (
        ap_heat(*[class_figures(table)] * 2, {}),
        change_bars(found),
        change_bars(found, "size"),
        alarm_bars(found),
    ):
        assert (chart.n, chart.rows) == (0, [])
        json.loads(to_json(chart))


def test_sizes_keep_their_order(found):
    assert list(dict.fromkeys(row[1] for row in change_bars(found, "size").rows)) == [
        s for s in SIZES if any(found.number(change, (), [s]) for change in OBJECT_CHANGES)
    ]
