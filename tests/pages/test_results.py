import json

import numpy as np
import pytest

from core.charts.sections import SECTIONS
from core.datasets.split import read_split
from core.evaluation.findings.curves import coco_figures
from core.evaluation.selection import Selection
from core.evaluation.table import read_table, write_table
from core.evaluation.tide import detection_table
from core.runs.evaluated.imports import import_results
from core.runs.marks import Marks
from tests.pages.results_page import charts, checked, figures_table, open_page


def test_without_an_evaluated_run_the_page_says_what_to_do(store, run_maker):
    run_maker(evaluated=False)
    app = open_page()
    assert "open Train and click **Train**" in app.info[0].value
    assert not app.get("bidi_component")


@pytest.mark.parametrize("name", SECTIONS)
def test_a_link_opens_each_section_with_its_charts(finished, store, name):
    app = open_page(view=name)
    shown = charts(app)
    assert shown
    assert all(set(chart) >= {"title", "caption", "rows"} for chart in shown.values())
    assert app.query_params["view"] == name
    assert app.query_params["run"] == finished.id


def test_the_figures_are_the_tables_beside_the_untouched_models(finished, store):
    shown = figures_table(open_page()).set_index("Metric")
    for column, epoch in (("This model", 2), ("Baseline", 0)):
        figures = coco_figures(read_table(store.table_path(finished.id, epoch))).to_dict()
        recorded = store.evaluations(finished.id)[epoch].figures
        for name in shown.index:
            assert figures[name] == recorded[name]
            assert (figures[name] is None and np.isnan(shown[column][name])) or (
                shown[column][name] == pytest.approx(100 * figures[name])
            )
    shown = shown.dropna()
    assert np.allclose(shown["Change"], shown["This model"] - shown["Baseline"])
    assert (shown["Low"] <= shown["Change"] + 1e-9).all() and (shown["Change"] <= shown["High"] + 1e-9).all()


def test_the_untouched_model_itself_has_no_change_to_show(finished, store):
    shown = figures_table(open_page(model="untouched"))
    assert list(shown) == ["Metric", "This model", "Low", "High"]


def test_one_class_can_be_looked_at(finished, store):
    app = open_page(**{"class": "car"})
    assert app.selectbox(key="results class").value == "car"
    table = read_table(store.table_path(finished.id, 2))
    shown = figures_table(app).set_index("Metric")["This model"]
    assert shown["AP"] == pytest.approx(100 * coco_figures(table, ["car"]).AP)
    assert [row[0] for row in charts(app)["ap-by-class"]["rows"]] == ["car"]


def test_a_link_that_makes_no_sense_opens_the_first_section(finished, store):
    app = open_page(**{"class": "<script>", "view": "nothing", "score": "nan", "run": "../..", "model": "x"})
    assert (app.selectbox(key="results class").value, app.slider(key="score").value) == ("All classes", 0.5)
    assert app.query_params["view"] == "figures"


def test_the_best_threshold_is_adopted_for_the_gallery_too(finished, store):
    app = open_page(view="curves")
    best = float(app.button(key="adopt").label.split()[2])
    checked(app.button(key="adopt").click().run())
    assert app.slider(key="score").value == pytest.approx(best)
    app.query_params.clear()
    app.switch_page("../pages/errors.py")
    assert checked(app.run()).slider(key="score").value == pytest.approx(best)


def test_a_click_on_a_chart_opens_its_boxes_on_errors(finished, store):
    app = open_page(view="costs")
    target = next(t for trace in charts(app)["impact"]["traces"] for t in trace["customdata"] if t)
    app.session_state["opened boxes"] = target
    app.run()  # AppTest does not follow to the page, but keeps where to
    wanted = Selection.from_query({n: [v] if isinstance(v, str) else v for n, v in target.items()}, ())
    assert wanted.error
    assert app.query_params["error"] == wanted.error
    assert app.query_params["run"] == finished.id


def test_images_are_listed_hardest_or_easiest_first(finished, store):
    app = open_page(view="images")
    shares = next(frame.value for frame in app.dataframe if "F1" in frame.value)["F1"].dropna().tolist()
    assert shares == sorted(shares)
    app.session_state["which images"] = "Easiest images"
    shares = next(frame.value for frame in checked(app.run()).dataframe if "F1" in frame.value)["F1"].dropna().tolist()
    assert shares == sorted(shares, reverse=True)


def test_a_likely_label_error_is_marked_kept_and_given_out(store, drawn, tmp_path):
    run = confident_strangers(store, drawn, tmp_path)
    app = open_page(view="labels")
    boxes = app.checkbox
    assert len(boxes) == 3 and not any(box.value for box in boxes)
    checked(boxes[0].check().run())
    assert len(Marks(store).all(run.id)) == 1
    assert "1 mark " in app.get("download_button")[0].label
    again = open_page(view="labels")
    assert [box.value for box in again.checkbox] == [True, False, False]
    checked(again.checkbox[0].uncheck().run())
    assert Marks(store).all(run.id) == []


def confident_strangers(store, drawn, tmp_path):
    """An imported run of three confident predictions of tiny cats in the corners of three pictures."""
    gt = drawn / "annotations/instances_val.json"
    ids = [image["id"] for image in json.loads(gt.read_text())["images"]][:3]
    rows = [{"image_id": i, "category_id": 17, "bbox": [0, 0, 3, 3], "score": 0.9} for i in ids]
    path = tmp_path / "results.json"
    path.write_text(json.dumps(rows))
    return import_results(store, gt, path, drawn / "val", "strangers")


@pytest.mark.parametrize("name", [*SECTIONS, "labels"])
def test_an_imported_run_without_a_single_hit_shows_every_section(store, drawn, tmp_path, name):
    confident_strangers(store, drawn, tmp_path)
    app = open_page(view=name)
    assert app.query_params["view"] == name


def test_a_missing_table_gives_one_sentence(finished, store):
    store.table_path(finished.id, 2).unlink()
    app = open_page()
    assert "There is no detection table" in app.error[0].value
    assert not app.get("bidi_component")


def test_an_untouched_model_that_met_other_labels_is_not_compared(finished, store):
    split = read_split(finished.config["data"], "val")
    fewer = split.to_dict() | {"annotations": split.annotations[1:]}
    write_table(detection_table(fewer, [], split.label_map()), store.table_path(finished.id, 0))
    app = open_page()
    assert "against other annotations" in app.warning[0].value
    assert list(figures_table(app)) == ["Metric", "This model", "Low", "High"]
