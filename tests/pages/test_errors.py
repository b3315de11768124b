import json
import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.records import Status
from core.table import ErrorType, count_errors, read_table
from ui import gallery

SHELL = str(Path(__file__).parents[2] / "ui/shell.py")
PAGE = "../pages/errors.py"


def open_page(**query):
    app = AppTest.from_file(SHELL, default_timeout=30).run()
    for name, value in query.items():
        app.query_params[name] = value
    app.switch_page(PAGE)
    for name, value in query.items():
        app.query_params[name] = value
    return checked(app.run())


def checked(app):
    assert not app.exception, app.exception
    return app


def shown(app) -> dict:
    return json.loads(app.get("bidi_component")[0].proto.json)


def button(app, kind: ErrorType):
    return app.button(key=f"type {kind.value}")


def test_without_an_evaluated_run_the_page_says_what_to_do(store, run_maker):
    run_maker(evaluated=False)
    app = open_page()
    assert "open Train and click **Train**" in app.info[0].value
    assert not app.get("bidi_component")


def test_the_first_page_shows_24_images_of_the_best_model(finished, store):
    app = open_page()
    data = shown(app)
    assert data["run"] == finished.id
    assert (len(data["images"]), data["pages"], data["total"]) == (24, 2, 30)
    assert app.selectbox(key="model").value == "Best and last"


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
    app.session_state["error order"] = "File name"
    checked(app.run())
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
    app.switch_page("../pages/train.py")
    checked(app.run())
    app.query_params.clear()  # as a click in the navigation does
    app.switch_page(PAGE)
    assert shown(checked(app.run()))["run"] == finished.id
    app.query_params["run"] = newer.id  # a link goes before it
    assert shown(checked(app.run()))["run"] == newer.id


def test_the_untouched_model_can_be_looked_at(finished, store):
    app = open_page()
    checked(app.selectbox(key="model").set_value("Untouched").run())
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
    assert str(store.root) in app.error[0].value
    assert not app.get("bidi_component")


def test_a_class_and_a_size_narrow_counts_and_images(finished, store):
    app = open_page()
    before = sum(count_errors(read_table(store.table_path(finished.id, 2)), 0.5).values())
    checked(app.multiselect(key="error classes").set_value(["car"]).run())
    total = int(app.button(key="type all").label.split(" · ")[1])
    assert total < before
    assert shown(app)["filter"]["classes"] == [shown(app)["classes"].index("car")]


def test_the_page_size_is_what_the_gallery_says():
    assert gallery.PER_PAGE == 24


def test_images_that_left_the_data_set_leave_the_page(finished, store):
    open_page()
    path = store.data_dir / "street/annotations/instances_val.json"
    coco = json.loads(path.read_text())
    kept = {image["id"] for image in coco["images"][:4]}
    coco["images"] = coco["images"][:4]
    coco["annotations"] = [a for a in coco["annotations"] if a["image_id"] in kept]
    path.write_text(json.dumps(coco))
    app = open_page()
    assert {image["id"] for image in shown(app)["images"]} <= kept
