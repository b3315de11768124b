"""Slices on the pages: Results names the worst, and every page with a filter of classes filters by slices too."""

import json
import shutil

import numpy as np
import pytest

from core.charts.sections import SECTIONS
from core.datasets.split import read_split
from core.evaluation.findings.curves import coco_figures
from core.evaluation.selection import table_of_images
from core.evaluation.table import read_table, write_table
from core.evaluation.tide import detection_table
from tests.made_runs import half_right
from tests.pages import compare_page, data_page, errors_page, test_results
from tests.pages.errors_page import listed
from ui.server.background import background_tasks

ODD = 'a:b%3A <b>"1"'  # what an attribute may be called


@pytest.fixture
def rain(finished, store) -> set[int]:
    """The twelve images on which it rains, where the last model finds nothing; a CSV says so, and more."""
    split = read_split(finished.config["data"], "val")
    ids = [image["id"] for image in split.images]
    wet = {image_id for image_id in ids if image_id % 5 in (0, 1)}
    rows = "".join(
        f"{image['file_name']},{'rain' if image['id'] in wet else 'sun'},{'xy'[image['id'] % 2]}\n"
        for image in split.images
    )
    odd = ODD.replace('"', '""')
    (store.data_dir / "street/weather.csv").write_text(f'file_name,weather,"{odd}"\n{rows}nobody.jpg,rain,x\n')
    label_map = split.label_map()
    detections = half_right(split, label_map, shift=0)
    detections = detections[~np.isin(detections.image_id, list(wet))]
    write_table(detection_table(split.to_dict(), detections, label_map), store.table_path(finished.id, 2))
    return wet


def measured(app, open_page, **query):
    """The page once the pictures are measured."""
    for name, task in background_tasks()._all.items():
        if name.startswith("measure "):
            task.join(20)
    return open_page(**query)


def ap_of(store, run, ids) -> float:
    return 100 * coco_figures(table_of_images(read_table(store.table_path(run.id, 2)), ids)).AP


# Results


def test_results_name_the_worst_slice_and_open_its_images(finished, store, rain):
    app = test_results.open_page()
    sentence = next(one.value for one in app.markdown if "worst slice" in one.value)
    assert "weather: rain" in sentence and f"on its {len(rain)} images AP is 0.0" in sentence
    app.button(key="worst slice").click()
    errors_page.checked(app.run())
    assert listed(app.query_params)["slice"] == ["weather:rain"] and app.query_params["run"] == finished.id
    assert set(errors_page.ids(app)) == rain


def test_the_tab_has_every_slice_as_chart_and_as_table(finished, store, rain):
    app = test_results.open_page(view="slices")
    app = measured(app, test_results.open_page, view="slices")
    charts = test_results.charts(app)
    assert set(charts) == {"slices", "slices-errors"}
    bars = charts["slices"]["traces"][0]
    assert bars["y"][0] == f"weather: rain ({len(rain)})" and bars["marker"]["color"][0] == "@bad"
    assert bars["customdata"][0] == {"score": "0.5", "slice": ["weather:rain"]}
    table = next(frame.value for frame in app.dataframe if "Attribute" in frame.value)
    assert {"weather", ODD, "brightness", "sharpness", "objects"} <= set(table["Attribute"])
    row = table[table["Slice"] == "rain"].iloc[0]
    assert (row["Images"], row["AP"]) == (len(rain), 0) and row["High"] < 0
    assert row["AP elsewhere"] == pytest.approx(ap_of(store, finished, set(range(10**6)) - rain), abs=1e-4)
    assert any("nobody.jpg" in one.value for one in app.caption)


def test_a_slice_restricts_all_of_results(finished, store, rain):
    app = test_results.open_page(slice="weather:sun")
    ids = set(read_split(finished.config["data"], "val").image_by_id) - rain
    shown = test_results.figures_table(app).set_index("Metric")
    assert shown["This model"]["AP"] == pytest.approx(ap_of(store, finished, ids))
    before = read_table(store.table_path(finished.id, 0))
    assert shown["Baseline"]["AP"] == pytest.approx(100 * coco_figures(table_of_images(before, ids)).AP)
    assert listed(app.query_params)["slice"] == ["weather:sun"]
    app.multiselect(key="results slices").set_value([])
    test_results.checked(app.run())
    assert "slice" not in app.query_params


@pytest.mark.parametrize("name", [*SECTIONS, "labels"])
def test_every_tab_shows_a_slice(finished, store, rain, name):
    app = test_results.open_page(view=name, slice="weather:rain")
    assert app.query_params["view"] == name and not app.error


def test_slices_without_a_common_image_are_said(finished, store, rain):
    app = test_results.open_page(
        slice=["weather:rain", "objects:nobody", f"{ODD.replace('%', '%25').replace(':', '%3A')}:x"]
    )
    assert listed(app.query_params)["slice"] == ["weather:rain", f"{ODD.replace('%', '%25').replace(':', '%3A')}:x"]
    path = store.data_dir / "street/weather.csv"
    path.write_text(path.read_text().replace("rain,x", "rain,y"))
    app = test_results.open_page(slice=["weather:rain", f"{ODD.replace('%', '%25').replace(':', '%3A')}:x"])
    assert "No image lies in all of these slices" in app.info[0].value


def test_where_nothing_is_known_the_tab_says_what_to_do(finished, store):
    path = store.data_dir / "street/annotations/instances_val.json"
    data = json.loads(path.read_text())
    app = test_results.open_page(view="slices")
    path.unlink()
    app = test_results.open_page(view="slices")
    assert "slices" in test_results.charts(app) and "file_name" in app.info[-1].value
    assert data["images"]


# Errors


def test_errors_are_filtered_by_a_slice_and_a_chip_takes_it_back(finished, store, rain):
    app = errors_page.open_page(slice=["weather:rain", "weather:hail", "nonsense"])
    assert set(errors_page.ids(app)) == rain and listed(app.query_params)["slice"] == ["weather:rain"]
    assert app.multiselect(key="error slices").value == [("weather", "rain")]
    errors_page.checked(app.button(key="drop slice weather: rain").click().run())
    assert "slice" not in app.query_params and errors_page.shown(app)["total"] == 30


def test_a_chosen_slice_goes_into_the_address_and_is_cleared_with_all(finished, store, rain):
    app = errors_page.open_page()
    errors_page.checked(app.multiselect(key="error slices").set_value([(ODD, "x")]).run())
    (text,) = listed(app.query_params)["slice"]
    again = errors_page.open_page(slice=text)
    assert set(errors_page.ids(again)) == set(errors_page.ids(app)) and listed(again.query_params)["slice"] == [text]
    errors_page.checked(app.button(key="clear").click().run())
    assert "slice" not in app.query_params and app.multiselect(key="error slices").value == []


def test_slices_go_together_with_marks_and_classes(finished, store, rain):
    app = errors_page.open_page(slice="weather:rain", error="missed", **{"class": "car"})
    assert set(errors_page.ids(app)) <= rain
    app = errors_page.open_page(slice="weather:rain", marked="1")
    assert "No image is marked yet" in app.info[0].value


# Compare and Data


def test_compare_shows_what_changed_on_a_slice(finished, store, rain):
    app = compare_page.open_page(slice="weather:rain")
    assert listed(app.query_params)["slice"] == ["weather:rain"]
    whole = compare_page.open_page()
    ours, all_of_it = (compare_page.charts(one)["changes-by-class"] for one in (app, whole))
    assert sum(row[2] for row in ours["rows"]) < sum(row[2] for row in all_of_it["rows"])
    assert all(int(image["id"]) in rain for image in compare_page.shown(app)["images"])


def test_data_shows_the_images_of_a_slice_of_a_split(finished, store, rain, tmp_path):
    folder = shutil.copytree(store.data_dir / "street", tmp_path / "mine")
    app = data_page.open_page(folder, data_view="Images", samples_split="val", samples_slices=[("weather", "rain")])
    with_objects = {a["image_id"] for a in read_split(folder, "val").annotations if not a["iscrowd"]}
    assert {image_id for _, image_id in data_page.shown_ids(app)} == rain & with_objects
    app.session_state["samples split"] = None  # the ranges of numbers are a split's own: there is no slice to choose
    assert len(data_page.shown_ids(data_page.checked(app.run()))) > len(rain)
