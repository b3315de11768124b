import csv
import io
import json
from collections import Counter

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given, settings

from core.charts.chart import Chart
from core.charts.datasets.statistics import dataset_charts, objects_by_class, objects_per_image
from core.charts.to_json import to_json
from core.datasets.split import FEW, SIZES
from core.datasets.statistics import MOST_PER_IMAGE, DatasetStatistics, dataset_statistics
from tests.core.datasets.test_statistics import boxes_of, datasets, size_of, split_of

BOX, LARGE = (0, 0, 9, 9), (0, 0, 99, 99)
KEYS = [
    "objects-by-class", "objects-per-image", "box-sizes", "size-by-class", "aspect-ratios", "places", "shared-images",
]  # fmt: skip
SMALL_CASES = {
    "no image": {"train": split_of(images=0)},
    "no annotation": {"train": split_of(images=3), "val": split_of(images=2)},
    "crowds only": {"train": split_of((0, 0, BOX, True), (1, 1, BOX, True), images=2)},
    "one class": {"train": split_of((0, 0, BOX), classes=("car",))},
    "one split": {"val": split_of((0, 0, BOX), (1, 1, LARGE), images=3)},
    "a split of another name": {"test": split_of((0, 0, BOX))},
    "boxes beyond the image": {"train": split_of((0, 0, (-50, -50, 999, 999)), (0, 1, (500, 500, 9, 9)))},
    "names from a file": {"train": split_of((0, 0, BOX), (0, 1, BOX), classes=("<script>", "long " * 20, "1"))},
}


def many() -> dict:
    """Many cars, a few dogs, no bus; validation with a few cars and many dogs."""
    cars, dogs = [(i, 0, BOX) for i in range(FEW)], [(i, 1, LARGE) for i in range(FEW)]
    return {
        "train": split_of(*cars, *dogs[:3], (0, 0, BOX, True), images=FEW + 5),
        "val": split_of(*cars[:2], *dogs, images=FEW),
    }


def figure_of(chart: Chart) -> go.Figure:
    """The chart as Plotly takes it, with a colour for each name of one; raises ValueError for what Plotly lacks."""
    colors = {"@scale": [[0, "white"], [1, "blue"]]}

    def filled(value):
        if isinstance(value, str) and value.startswith("@"):
            return colors.get(value, "#123456")
        if isinstance(value, list):
            return [filled(entry) for entry in value]
        return {name: filled(entry) for name, entry in value.items()} if isinstance(value, dict) else value

    sent = json.loads(to_json(chart))
    return go.Figure(data=filled(sent["traces"]), layout=filled(sent["layout"]))


def opened(chart: Chart) -> list[dict]:
    """What its points open."""
    found = []
    for trace in chart.traces:
        points = trace.get("customdata") or []
        found += [point for row in points for point in (row if isinstance(row, list) else [row]) if point]
    return found


def column(chart: Chart, name: str) -> list:
    return [row[chart.columns.index(name)] for row in chart.rows]


# All charts


@pytest.mark.parametrize("case", SMALL_CASES)
def test_every_chart_of_little_or_nothing_is_one_that_plotly_draws(case):
    found = dataset_statistics(SMALL_CASES[case])
    charts = dataset_charts(found)
    assert [chart.key for chart in charts] == KEYS
    for chart in charts:
        figure_of(chart)
        assert chart.note and chart.height <= 500
        assert chart.n == {"images": found.total.images, "objects": found.total.n}[chart.unit] or chart.key == KEYS[-1]


def test_without_objects_a_sentence_says_so_in_every_chart_about_them():
    for chart in dataset_charts(dataset_statistics(SMALL_CASES["no annotation"])):
        said = "There is no object of a chosen class."
        assert (said in chart.note) == (chart.key != "objects-per-image")
    assert "2 crowds are not counted" in objects_by_class(dataset_statistics(SMALL_CASES["crowds only"])).note


@settings(max_examples=60, deadline=None)
@given(datasets())
def test_what_a_click_opens_is_there_and_every_cell_of_the_csv_has_its_column(data):
    found = dataset_statistics(data)
    boxes = [(name, *box) for name, split in data.items() for box in boxes_of(split) if not box[3]]
    for chart in dataset_charts(found):
        assert {len(row) for row in chart.rows} <= {len(chart.columns)}
        for query in opened(chart):
            assert set(query) <= {"split", "class", "with", "size"}
            fitting = [
                (split, image)
                for split, image, name, _, _, area in boxes
                if query.get("split", split) == split
                and query.get("class", name) == name
                and query.get("size", size_of(area)) == size_of(area)
            ]
            if "with" in query:
                fitting = set(fitting) & {(split, image) for split, image, name, *_ in boxes if name == query["with"]}
            assert fitting


@settings(max_examples=60, deadline=None)
@given(datasets())
def test_the_totals_of_all_charts_agree(data):
    found = dataset_statistics(data)
    by_class, per_image, sizes, class_sizes, ratios, _, shared = dataset_charts(found)
    of_split = {name: part.n for name, part in found.splits.items()}
    for chart in (by_class, sizes, ratios):
        counts = Counter()
        for name, n in zip(column(chart, "split"), column(chart, "objects"), strict=True):
            counts[name] += n
        assert dict(counts) == of_split
    assert sum(column(class_sizes, "objects")) == sum(of_split.values()) == by_class.n
    for size in SIZES:
        told = [n for at, n in zip(column(sizes, "size"), column(sizes, "objects"), strict=True) if at == size]
        classes = zip(column(class_sizes, "size"), column(class_sizes, "objects"), strict=True)
        assert sum(column(by_class, size)) == sum(told) == sum(n for at, n in classes if at == size)
    assert sum(column(per_image, "images")) == found.total.images == per_image.n
    own = {row[0]: row[2] for row in shared.rows if row[0] == row[1]}
    images = Counter()
    for name, n in zip(column(by_class, "class"), column(by_class, "images"), strict=True):
        images[name] += n
    assert own == {name: n for name, n in images.items() if n}


@given(datasets())
@settings(max_examples=30, deadline=None)
def test_shares_of_a_split_and_of_a_class_add_up_to_all(data):
    found = dataset_statistics(data)
    _, per_image, sizes, class_sizes, ratios, *_ = dataset_charts(found)
    for chart, by in ((per_image, "split"), (sizes, "split"), (ratios, "split"), (class_sizes, "class")):
        sums = Counter()
        for name, share in zip(column(chart, by), column(chart, "share"), strict=True):
            sums[name] += share
        full = [name for name, part in found.splits.items() if (part.images if chart is per_image else part.n)]
        assert all(sums[name] == pytest.approx(1) for name in (full if by == "split" else sums))


def test_the_rows_of_a_table_are_the_points_so_that_each_can_be_opened():
    for chart in dataset_charts(dataset_statistics(many())):
        points = [trace["customdata"] for trace in chart.traces if "customdata" in trace]
        flat = [point for trace in points for row in trace for point in (row if isinstance(row, list) else [row])]
        assert len(flat) in (0, len(chart.rows))
        for query, row in zip(flat, chart.rows, strict=False):
            told = dict(zip(chart.columns, row, strict=True))
            assert query is None or all(told[name] == value for name, value in query.items())
            assert (query is None) == (not told.get("objects", told.get("images")))


def test_the_csv_has_full_precision():
    found = dataset_statistics({"train": split_of((0, 0, BOX), (0, 1, BOX), (0, 1, LARGE))})
    chart = dataset_charts(found)[2]
    out = io.StringIO()
    csv.writer(out).writerows(json.loads(to_json(chart))["rows"])
    shares = [float(row[-1]) for row in csv.reader(io.StringIO(out.getvalue()))]
    assert sorted(shares)[-2:] == [1 / 3, 2 / 3]


# Objects of each class


def test_classes_are_sorted_by_count_and_marked_for_each_split():
    chart = objects_by_class(dataset_statistics(many()))
    train, val = (trace for trace in chart.traces if "customdata" in trace)
    assert chart.layout["yaxis"]["ticktext"] == [f"dog (3 + {FEW})", f"car ({FEW} + 2)", "bus (0 + 0)"]
    assert (train["name"], val["name"]) == ("training", "validation")
    assert train["x"][:2] == [3, FEW] and val["x"][:2] == [FEW, 2]
    assert chart.rows[1] == ("car", "train", FEW, FEW, 1, FEW, 0, 0)
    assert train["customdata"] == [{"split": "train", "class": "dog"}, {"split": "train", "class": "car"}, None]
    assert train["hovertext"][1] == "car, training\n20 objects in 20 images, and 1 crowd"


def test_classes_with_few_objects_in_a_split_are_grey_the_legend_is_not_and_the_note_counts_them():
    chart = objects_by_class(dataset_statistics(many()))
    train, train_legend, val, val_legend = chart.traces
    assert train["marker"]["color"] == ["@grey", "@1", "@grey"] and val["marker"]["color"] == ["@2", "@grey", "@grey"]
    assert (train_legend["marker"]["color"], val_legend["marker"]["color"]) == ("@1", "@2")
    assert train["marker"]["symbol"] != val["marker"]["symbol"]
    assert "2 of 3 classes in training, 2 of 3 classes in validation" in chart.note
    assert chart.note.endswith("1 crowd is not counted.")


def test_no_object_has_its_place_on_the_logarithmic_axis_only_where_it_occurs():
    with_zero = objects_by_class(dataset_statistics(many())).layout["xaxis"]
    without = objects_by_class(dataset_statistics({"train": split_of((0, 0, BOX), classes=("car",))})).layout["xaxis"]
    assert with_zero["ticktext"][:2] == ["0", "1"] and without["ticktext"][0] == "1"
    trace = objects_by_class(dataset_statistics(many())).traces[0]
    low, high = (10**value for value in with_zero["range"])
    assert all(low < x < high for x in trace["x"]) and with_zero["tickvals"][0] == trace["x"][2]


@pytest.mark.parametrize("classes", [3, 10, 26, 80])
def test_every_class_has_room(classes):
    names = tuple(f"class {i}" for i in range(classes))
    found = dataset_statistics({"train": split_of(*((0, k, BOX) for k in range(classes)), classes=names)})
    for chart in (dataset_charts(found)[i] for i in (0, 3)):
        assert chart.height >= 17 * classes and chart.wide == (classes > 25)
        assert len(chart.layout["yaxis"]["ticktext"]) == classes


def test_long_names_that_begin_alike_have_a_row_each_with_their_numbers():
    names = ("a very long name of a class 1", "a very long name of a class 2")
    chart = objects_by_class(dataset_statistics({"train": split_of((0, 0, BOX), (0, 1, BOX), classes=names)}))
    assert chart.traces[0]["y"] == [0, 1]
    assert all(text.endswith("… (1)") for text in chart.layout["yaxis"]["ticktext"])


# Objects per image


def test_images_are_shares_of_their_split_by_how_many_objects_they_hold():
    chart = objects_per_image(dataset_statistics({"train": split_of((0, 0, BOX), (0, 1, BOX), (1, 0, BOX), images=4)}))
    assert chart.traces[0]["x"] == [0, 1, 2] and chart.traces[0]["y"] == [50, 25, 25]
    assert chart.rows == [("train", 0, 2, 0.5), ("train", 1, 1, 0.25), ("train", 2, 1, 0.25)]
    assert chart.note == "Training: 0.8 per image, 50 % of 4 images without any."
    assert chart.traces[0]["hovertext"][1] == "training, 1 image of 4 with 1 object"


def test_the_last_bar_says_that_it_holds_fuller_images_too():
    chart = objects_per_image(dataset_statistics({"train": split_of(*[(0, 0, BOX)] * (MOST_PER_IMAGE + 9))}))
    assert chart.traces[0]["hovertext"][-1].endswith(f"{MOST_PER_IMAGE} objects or more")
    assert chart.layout["xaxis"]["ticktext"][-1] == f"{MOST_PER_IMAGE} or more"


def test_an_image_that_holds_only_a_crowd_is_told_apart():
    note = objects_per_image(dataset_statistics({"train": split_of((0, 0, BOX, True), images=2)})).note
    assert "100 % of 2 images without any" in note and "1 image of those without any holds a crowd" in note


def test_a_split_of_few_images_is_grey():
    found: DatasetStatistics = dataset_statistics({"train": split_of(images=FEW), "val": split_of(images=FEW - 1)})
    assert [trace["marker"]["color"] for trace in objects_per_image(found).traces] == ["@1", "@grey"]
    assert np.isfinite(objects_per_image(found).traces[1]["y"]).all()
