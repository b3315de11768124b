"""The chart of what each input gains and takes, from none to many, with figures that are not defined."""

from core.charts.compare.inputs import Tried, inputs_chart


def tried(words, ap, small, milliseconds):
    return Tried(words, {"AP": ap, "APs": small}, milliseconds)


def test_without_any_and_without_a_time_there_is_no_point():
    assert inputs_chart([], 0).traces == []
    assert inputs_chart([tried("640 px", 0.5, 0.2, None)], 9).traces == []


def test_points_lie_by_time_and_the_best_for_small_objects_is_said_with_its_price():
    chart = inputs_chart([tried("2 × 2 tiles", 0.5, 0.4, 500.0), tried("as it was trained", 0.5, 0.3, 100.0)], 9)
    assert chart.traces[0]["x"] == [100.0, 500.0] and chart.traces[1]["y"] == [30.0, 40.0]
    assert chart.layout["xaxis"]["type"] == "log" and chart.n == 9
    assert (
        "best with 2 × 2 tiles: APs 40.0, +10.0 points beside as it was trained, for 5.0 times the time" in chart.note
    )
    assert [row[0] for row in chart.rows] == ["as it was trained", "2 × 2 tiles"]


def test_where_the_quickest_is_best_or_small_objects_are_lacking_it_is_said_so():
    chart = inputs_chart([tried("480 px", 0.5, 0.4, 50.0), tried("800 px", 0.6, 0.3, 100.0)], 9)
    assert chart.note.startswith("Small objects are found best with the quickest input, 480 px")
    assert "type" not in chart.layout["xaxis"]
    chart = inputs_chart([tried("480 px", 0.5, None, 50.0), tried("800 px", 0.6, None, 100.0)], 9)
    assert len(chart.traces) == 1 and chart.note.startswith("One point for each input")
