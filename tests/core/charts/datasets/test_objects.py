import pytest

from core.charts.datasets.objects import aspect_ratios, box_sizes, size_by_class
from core.datasets.split import FEW
from core.datasets.statistics import dataset_statistics
from tests.core.datasets.test_statistics import split_of

BOX, MIDDLE, LARGE = (0, 0, 9, 9), (0, 0, 50, 50), (0, 0, 99, 99)


def squares(*sides, classes=("car",)) -> dict:
    return {"train": split_of(*((0, 0, (0, 0, side, side)) for side in sides), classes=classes)}


def bins_of(chart) -> list[tuple]:
    """(from, to, size) of the bins with objects."""
    return [row[1:4] for row in chart.rows if row[4]]


# Sizes


@pytest.mark.parametrize("side", [0.5, 1.3, 31.9, 32, 95.9, 96, 500, 7000, 20000])
def test_an_object_lies_between_its_bins_edges_and_on_the_right_side_of_the_borders(side):
    chart = box_sizes(dataset_statistics(squares(side)))
    ((low, high, size),) = bins_of(chart)
    assert low <= side and (high is None or side < high)
    assert size == ("small" if side < 32 else "medium" if side < 96 else "large")
    (place,) = (x for x, y in zip(chart.traces[0]["x"], chart.traces[0]["y"], strict=True) if y)
    small, large = (shape["x0"] for shape in chart.layout["shapes"])
    assert (place < small, place < large) == (side < 32, side < 96)
    left, right = chart.layout["xaxis"]["range"]
    assert left <= place <= right


def test_the_borders_lie_on_the_axis_where_their_pixels_are_labelled():
    layout = box_sizes(dataset_statistics(squares(9))).layout
    labels = dict(zip(layout["xaxis"]["ticktext"], layout["xaxis"]["tickvals"], strict=True))
    assert [labels["32"], labels["96"]] == pytest.approx([shape["x0"] for shape in layout["shapes"]])
    assert [round(shape["x0"], 9) % 1 for shape in layout["shapes"]] == [0, 0]


def test_each_size_says_its_share_and_opens_its_images():
    chart = box_sizes(dataset_statistics(squares(9, 9, 50, 99)))
    assert [mark["text"] for mark in chart.layout["annotations"]] == ["small 50 %", "medium 25 %", "large 25 %"]
    assert "Training: small 50 %, medium 25 %, large 25 %." in chart.note
    opened = [query for query in chart.traces[0]["customdata"] if query]
    assert opened == [{"split": "train", "size": size} for size in ("small", "medium", "large")]


def test_a_small_split_is_compared_by_shares():
    splits = {"train": split_of(*[(0, 0, BOX)] * 8, *[(0, 0, LARGE)] * 8), "val": split_of((0, 0, BOX), (0, 0, LARGE))}
    train, val = box_sizes(dataset_statistics(splits)).traces
    assert train["y"] == val["y"] and sorted(val["y"])[-2:] == [50, 50]


# Sizes of each class


def test_classes_are_sorted_by_their_share_of_small_objects_those_with_few_last():
    boxes = [(0, 0, BOX)] * FEW + [(0, 1, BOX), (0, 1, LARGE)] * FEW + [(0, 2, BOX)] * (FEW - 1) + [(0, 3, LARGE)] * FEW
    split = split_of(*boxes, classes=("car", "dog", "bus", "cat", "owl"))
    chart = size_by_class(dataset_statistics({"train": split}))
    assert chart.layout["yaxis"]["ticktext"] == ["car (20)", "dog (40)", "cat (20)", "bus (19)"]
    assert [trace["x"] for trace in chart.traces] == [[100, 50, 0, 100], [0, 0, 0, 0], [0, 50, 100, 0]]
    assert all(trace["marker"]["color"] == ["@3", "@3", "@3", "@grey"] for trace in chart.traces)
    assert "Most often small: car, 20 objects (100 %)." in chart.note and "(1 of 4 classes)" in chart.note
    assert chart.traces[2]["customdata"] == [None, *({"class": name, "size": "large"} for name in ("dog", "cat")), None]


def test_sizes_of_a_class_are_of_all_splits_together():
    splits = {"train": split_of((0, 0, BOX)), "val": split_of((0, 0, MIDDLE))}
    chart = size_by_class(dataset_statistics(splits))
    assert chart.rows == [("car", "small", 1, 0.5), ("car", "medium", 1, 0.5), ("car", "large", 0, 0.0)]


# Shapes


def test_shapes_are_as_far_to_the_left_of_square_as_to_the_right():
    for box in ((0, 0, 9, 9), (0, 0, 90, 9), (0, 0, 1, 999)):
        chart = aspect_ratios(dataset_statistics({"train": split_of((0, 0, box))}))
        places = chart.traces[0]["x"]
        assert places == [-x for x in reversed(places)]
        assert 100 in chart.traces[0]["y"]
        ratios = [row[1] for row in chart.rows]
        assert [a * b for a, b in zip(ratios, reversed(ratios), strict=True)] == pytest.approx([1] * len(ratios))


def test_ratios_are_labelled_as_one_says_them():
    axis = aspect_ratios(dataset_statistics({"train": split_of((0, 0, BOX))})).layout["xaxis"]
    assert dict(zip(axis["tickvals"], axis["ticktext"], strict=True)) == {
        -6: "1:4", -3: "1:2", 0: "1:1", 3: "2:1", 6: "4:1"
    }  # fmt: skip


def test_the_note_says_how_many_are_tall_square_and_wide_in_each_split():
    tall, wide = (0, 0, 10, 30), (0, 0, 30, 10)
    splits = {"train": split_of((0, 0, tall), (0, 0, tall), (0, 0, wide), (0, 0, BOX)), "val": split_of((0, 0, BOX))}
    assert aspect_ratios(dataset_statistics(splits)).note == (
        "Training: 50 % taller than wide, 25 % about square, 25 % wider than tall; "
        "validation: 0 % taller than wide, 100 % about square, 0 % wider than tall."
    )
