import json
import shutil

import pytest

from core.evaluation.ordering import SortOrder
from core.evaluation.table import ErrorType, read_table
from core.evaluation.threshold import count_errors
from core.runs.evaluated.imports import import_results
from core.runs.schema import Status
from tests.core.coco_cases import gt_of, result
from tests.pages.errors_page import button, checked, come_by, open_page, shown
from ui.gallery import paging


def test_without_an_evaluated_run_the_page_says_what_to_do(store, run_maker):
    run_maker(evaluated=False)
    app = open_page()
    assert "open Train and click **Train**" in app.info[0].value
    assert not app.get("bidi_component")


def test_the_first_page_shows_24_images_of_the_best_model(finished, store):
    app = open_page()
    data = shown(app)
    assert data["run"] == finished.id
    assert (len(data["images"]), data["pages"], data["total"]) == (paging.PER_PAGE, 2, 30) == (24, 2, 30)
    assert app.selectbox(key="model").value == "best"
    assert app.selectbox(key="model").options[0].startswith("Best and last · epoch 2")


def test_the_counts_are_the_tables(finished, store):
    app = open_page()
    counts = count_errors(read_table(store.table_path(finished.id, 2)), 0.5)
    for kind in ErrorType:
        assert button(app, kind).label == f"{kind.label} · {counts[kind.value]}"
    assert counts["missed"] > 0


def test_the_counts_follow_the_score(finished, store):
    app = open_page()
    checked(app.slider(key="score").set_value(0.8).run())
    counts = count_errors(read_table(store.table_path(finished.id, 2)), 0.8)
    assert button(app, ErrorType.MISSED).label.endswith(f" {counts['missed']}")
    assert shown(app)["score"] == 0.8


def test_an_error_type_filters_and_a_second_click_takes_it_back(finished, store):
    app = open_page()
    checked(button(app, ErrorType.MISSED).click().run())
    data = shown(app)
    assert data["filter"]["error"] == data["missed"] and 0 < data["total"] < 30
    checked(button(app, ErrorType.MISSED).click().run())
    assert shown(app)["total"] == 30


def test_a_filter_that_nothing_passes_says_so(finished, store):
    app = open_page()
    checked(button(app, ErrorType.DUPLICATE).click().run())
    assert "No image" in app.info[0].value


def test_turning_the_page_and_filtering_goes_back_to_the_first(finished, store):
    app = open_page()
    app.session_state["page"] = 2
    checked(app.run())
    assert len(shown(app)["images"]) == 6
    checked(app.slider(key="score").set_value(0.6).run())
    assert shown(app)["page"] == 1


def test_images_come_by_file_name_when_asked(finished, store):
    app = open_page()
    checked(app.selectbox(key="error order").set_value(SortOrder.NAME).run())
    names = [image["name"] for image in shown(app)["images"]]
    assert names == sorted(names)


def test_a_link_opens_the_run_that_it_names(finished, store, run_maker):
    newer = run_maker()
    assert shown(open_page())["run"] == newer.id
    assert shown(open_page(run=finished.id))["run"] == finished.id
    assert shown(open_page(run="../../etc"))["run"] == newer.id


def test_choosing_a_run_changes_the_link(finished, store, run_maker):
    run_maker()
    app = open_page()
    checked(app.selectbox(key="errors run").set_value(finished.id).run())
    assert shown(app)["run"] == finished.id
    assert app.query_params["run"] == finished.id


def test_the_chosen_run_is_still_shown_after_a_visit_to_train(finished, store, run_maker):
    newer = run_maker()
    app = open_page()
    checked(app.selectbox(key="errors run").set_value(finished.id).run())
    assert shown(come_by(app))["run"] == finished.id
    assert shown(come_by(app, run=newer.id))["run"] == newer.id  # a link goes before it


def test_the_untouched_model_can_be_looked_at(finished, store):
    app = open_page()
    checked(app.selectbox(key="model").set_value("untouched").run())
    counts = count_errors(read_table(store.table_path(finished.id, 0)), 0.5)
    assert button(app, ErrorType.LOCALIZATION).label.endswith(f" {counts['localization']}")
    assert counts != count_errors(read_table(store.table_path(finished.id, 2)), 0.5)


def test_a_run_with_only_the_untouched_model_can_be_looked_at(store, run_maker):
    run = run_maker(evaluated=False, status=Status.RUNNING)
    done = run_maker()
    source, path = store.table_path(done.id, 0), store.table_path(run.id, 0)
    path.parent.mkdir(parents=True)
    path.write_bytes(source.read_bytes())
    store.add_evaluation(run.id, 0, 0, {"AP": 0.1}, has_table=True)
    assert shown(open_page(run=run.id))["run"] == run.id


@pytest.mark.parametrize("gone", ["data", "table"])
def test_missing_files_give_one_sentence(store, run_maker, drawn, gone):
    shutil.copytree(drawn, store.data_dir / "other")
    run = run_maker(data="other")
    if gone == "data":
        shutil.rmtree(store.data_dir / "other")
    else:
        store.table_path(run.id, 2).unlink()
    app = open_page()
    assert [box.value.count(".") for box in app.error]
    assert str(store.root) in app.error[0].value.replace("\\", "")
    assert not app.get("bidi_component")


def test_images_that_left_the_data_set_leave_the_page(finished, store):
    open_page()
    path = store.data_dir / "street/annotations/instances_val.json"
    coco = json.loads(path.read_text())
    kept = {image["id"] for image in coco["images"][:4]}
    coco["images"] = coco["images"][:4]
    coco["annotations"] = [a for a in coco["annotations"] if a["image_id"] in kept]
    path.write_text(json.dumps(coco))
    app = open_page()
    assert {int(image["id"]) for image in shown(app)["images"]} <= kept


def test_another_tools_results_can_be_looked_at(store, tmp_path):
    gt, dt = tmp_path / "gt.json", tmp_path / "dt.json"
    gt.write_text(json.dumps(gt_of((1, 1, (0, 0, 40, 40)), images=2)))
    dt.write_text(json.dumps([result(1, 1, (0, 0, 40, 30)), result(2, 2, (5, 5, 9, 9))]))
    run = import_results(store, gt, dt, name="YOLO")
    app = open_page(run=run.id)
    assert (shown(app)["run"], shown(app)["total"]) == (run.id, 2)
    assert app.selectbox(key="model").options[0].startswith("Imported · AP")


# Watching


def test_the_run_can_be_watched_with_the_same_filters(finished, store):
    app = open_page(view="watch", error="missed")
    data = shown(app)
    assert data["layout"] == "frames" and data["run"] == finished.id
    assert data["filter"]["error"] == data["missed"]
    assert "page" not in app.query_params


def test_a_classs_name_is_only_text(store, tmp_path):
    name = "<img src=x onerror=alert(1)>"
    gt, dt = tmp_path / "gt.json", tmp_path / "dt.json"
    gt.write_text(json.dumps(gt_of((1, 1, (0, 0, 40, 40)), categories=(name,))))
    dt.write_text(json.dumps([]))
    run = import_results(store, gt, dt)
    app = open_page(run=run.id, true=name, predicted="", **{"class": name})
    assert app.multiselect(key="error classes").value == [name]
    assert app.button(key="drop pair").label == r"\<img src=x onerror=alert(1)\> not found"
    assert shown(app)["classes"] == [name]
    assert not [m for m in app.markdown if m.allow_html]


def test_what_other_tools_found_is_not_asked_why(store, finished, tmp_path):
    assert shown(open_page())["models"][0]["why"] == f"/api/why/{finished.id}/best"
    gt, dt = tmp_path / "gt.json", tmp_path / "dt.json"
    gt.write_text(json.dumps(gt_of((1, 1, (0, 0, 40, 40)))))
    dt.write_text(json.dumps([]))
    run = import_results(store, gt, dt)
    model = shown(open_page(run=run.id))["models"][0]
    assert (model["label"], model["why"], model["boxes"]) == ("Imported", None, f"/api/boxes/{run.id}")
