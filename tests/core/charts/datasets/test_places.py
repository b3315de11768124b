import pytest

from core.charts.datasets.places import MOST_CLASSES, places, shared_images
from core.datasets.split import FEW
from core.datasets.statistics import GRID, dataset_statistics
from tests.core.datasets.test_statistics import split_of

BOX = (0, 0, 9, 9)


def test_a_cell_is_the_share_of_boxes_that_reach_into_it_the_top_row_first():
    top, whole = (0, 0, 200, 50), (0, 0, 200, 100)
    chart = places(dataset_statistics({"train": split_of((0, 0, top), (0, 1, whole))}))
    z = chart.traces[0]["z"]
    assert z[0][0] == z[GRID // 2 - 1][GRID - 1] == 100 and z[GRID // 2][0] == z[-1][-1] == 50
    assert chart.layout["yaxis"]["range"] == [100, 0]
    assert chart.rows[0] == (0.0, 0.0, 1 / GRID, 1 / GRID, 2, 1.0)
    assert chart.rows[-1] == (1 - 1 / GRID, 1 - 1 / GRID, 1.0, 1.0, 1, 0.5)
    assert "100 %; lowest 50 %" in chart.note


@pytest.mark.parametrize("size", [(200, 100), (100, 200), (64, 64)])
def test_the_map_has_the_shape_of_the_pictures(size):
    axis = places(dataset_statistics({"train": split_of((0, 0, BOX), size=size)})).layout["yaxis"]
    assert axis["scaleanchor"] == "x" and axis["scaleratio"] == pytest.approx(size[1] / size[0])


def test_a_cells_hover_tells_the_splits_apart():
    splits = {"train": split_of((0, 0, BOX), (0, 0, (150, 50, 9, 9))), "val": split_of((0, 0, BOX))}
    said = places(dataset_statistics(splits)).traces[0]["hovertext"][0][0]
    assert said == "training: 1 object (50 %)\nvalidation: 1 object (100 %)"


def test_a_cell_is_the_share_of_the_rows_images_with_the_columns_class():
    boxes = [(i, 0, BOX) for i in range(FEW)] + [(0, 1, BOX), (0, 1, BOX), (FEW, 1, BOX)]
    chart = shared_images(dataset_statistics({"train": split_of(*boxes, images=FEW + 2)}))
    trace = chart.traces[0]
    assert (trace["x"], trace["y"]) == (["car", "dog"], [f"car ({FEW})", "dog (2)"])
    assert trace["text"] == [["", "5"], ["50", ""]]
    assert trace["z"] == [[0, (1 / FEW) ** 0.5], [0, 0]]  # dogs are few: without colour
    assert trace["customdata"] == [
        [{"class": "car"}, {"class": "car", "with": "dog"}],
        [{"class": "dog", "with": "car"}, {"class": "dog"}],
    ]
    assert chart.rows == [
        ("car", "car", 20, 1.0),
        ("car", "dog", 1, 0.05),
        ("dog", "car", 1, 0.5),
        ("dog", "dog", 2, 1),
    ]
    assert trace["hovertext"] == [
        ["car: 20 images", "dog is in 1 of 20 images with car (5.0 %)"],
        ["car is in 1 of 2 images with dog (50 %)", "dog: 2 images"],
    ]
    assert chart.note.endswith("Most often together: car and dog, in 1 image.")
    assert (chart.n, chart.unit) == (FEW + 1, "images")


def test_classes_that_never_meet_open_nothing_and_are_not_said_to_meet():
    chart = shared_images(dataset_statistics({"train": split_of((0, 0, BOX), (1, 1, BOX), images=2)}))
    assert chart.traces[0]["customdata"][0][1] is None and chart.traces[0]["text"][0][1] == ""
    assert "together:" not in chart.note


@pytest.mark.parametrize("classes", [1, MOST_CLASSES, MOST_CLASSES + 3])
def test_only_the_most_frequent_classes_are_shown_and_the_note_says_so(classes):
    names = tuple(f"class {k}" for k in range(classes))
    boxes = [(i, k, BOX) for k in range(classes) for i in range(k + 1)]
    chart = shared_images(dataset_statistics({"train": split_of(*boxes, images=classes, classes=names)}))
    shown = chart.traces[0]["x"]
    assert shown == list(reversed(names))[:MOST_CLASSES]
    assert ("The 30 most frequent of 33 classes." in chart.note) == (classes > MOST_CLASSES)
    assert len(chart.rows) == len(shown) ** 2
