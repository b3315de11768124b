"""Errors, Results and Compare say at their top what changed of the data since a model was evaluated."""

import json
import shutil

import pytest
from streamlit.testing.v1 import AppTest

from core.datasets.split import read_split
from core.evaluation.coco_eval import to_results
from core.runs.evaluated.imports import import_results
from tests.core.datasets.fingerprint.small_data import draw
from tests.made_runs import half_right
from tests.pages.compare_page import SHELL

PAGES = ("errors", "results", "compare")


@pytest.fixture
def annotations(store, tmp_path):
    """The annotations of a data set that no page draws anew."""
    return shutil.copytree(store.data_dir / "street", tmp_path / "mine") / "annotations/instances_val.json"


@pytest.fixture
def imported(store, annotations, tmp_path):
    """Two runs of the same results, imported from the data set of 30 validation images."""
    split = read_split(tmp_path / "mine", "val")
    results = tmp_path / "results.json"
    detections = half_right(split, split.label_map(), shift=2)
    results.write_text(json.dumps(to_results(detections, split.label_map())))
    return [import_results(store, annotations, results, name=name) for name in ("one", "two")]


def warnings(page):
    app = AppTest.from_file(SHELL, default_timeout=60).run()
    app.switch_page(f"../pages/{page}.py")
    app.run()
    assert not app.exception, app.exception
    return [one.value for one in app.warning]


def first_picture(annotations):
    name = json.loads(annotations.read_text())["images"][0]["file_name"]
    (path,) = annotations.parents[1].glob(f"*/{name}")
    return path


def redraw_a_picture(annotations):
    path = first_picture(annotations)
    draw(path, (1, 2, 3))
    return f"1 validation image has another picture, '{path.name}'"


def move_a_box(annotations):
    data = json.loads(annotations.read_text())
    data["annotations"][0]["bbox"][0] += 0.5
    annotations.write_text(json.dumps(data))
    return "1 validation image has other boxes"


def rename_a_class(annotations):
    data = json.loads(annotations.read_text())
    data["categories"][0]["name"] = "renamed"
    annotations.write_text(json.dumps(data))
    return "is now 'renamed'"


def take_the_pictures_away(annotations):
    shutil.rmtree(first_picture(annotations).parent)
    return "all 30 validation images have lost their pictures"


@pytest.mark.parametrize("change", [redraw_a_picture, move_a_box, rename_a_class, take_the_pictures_away])
def test_each_page_tells_it(store, imported, annotations, change):
    assert [warnings(page) for page in PAGES] == [[], [], []]
    words = change(annotations)
    for page in PAGES:
        (warning,) = warnings(page)
        assert "The data changed since this model was evaluated: " in warning and words in warning.replace("\\", "")


def test_a_file_that_is_gone_is_told_too(store, imported, annotations):
    annotations.unlink()
    (warning,) = warnings("results")
    assert "cannot be compared with what this model was evaluated on" in warning


def test_pictures_that_changed_between_two_evaluations_are_told_on_compare(store, imported, annotations, tmp_path):
    words = redraw_a_picture(annotations)
    import_results(store, annotations, tmp_path / "results.json", name="three")
    changed, between = warnings("compare")
    assert changed.startswith("two · imported: The data changed since this model was evaluated: ")
    assert between.startswith("The data changed between the two")
    assert words in between.replace("\\", "")
