import json
import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.imports import import_results
from core.records import Status
from core.selection import Selection, count_errors, select_images, selected_rows
from core.table import ErrorType, read_table
from tests.core.coco_cases import gt_of, result
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


def come_by(app, **query):
    """From another page by a link, or without a `query` by a click in the navigation."""
    app.switch_page("../pages/train.py")
    checked(app.run())
    app.query_params.clear()
    app.query_params.update(query)
    app.switch_page(PAGE)
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
    assert (len(data["images"]), data["pages"], data["total"]) == (gallery.PER_PAGE, 2, 30) == (24, 2, 30)
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


@pytest.fixture
def table(finished, store):
    return read_table(store.table_path(finished.id, 2))


def listed(query_params: dict) -> dict[str, list]:
    return {name: value if isinstance(value, list) else [value] for name, value in query_params.items()}


WHOLE = {
    "model": "untouched", "score": "0.31", "class": ["car", "person"], "size": ["small", "medium"],
    "error": "localization", "true": "car", "predicted": "", "image": ["1", "2"],
}  # fmt: skip


def test_a_link_opens_all_that_it_says_and_stays(finished, store):
    app = open_page(run=finished.id, **WHOLE)
    assert app.selectbox(key="model").value == "untouched"
    assert app.slider(key="score").value == 0.31
    assert app.multiselect(key="error classes").value == ["car", "person"]
    assert app.session_state["error sizes"] == ["small", "medium"]
    assert button(app, ErrorType.LOCALIZATION).proto.type == "primary"
    assert app.button(key="drop pair").label == "car not found"
    assert app.button(key="drop images").label == "2 chosen images"
    assert listed(app.query_params) == listed({"run": finished.id, **WHOLE})


def test_a_link_wins_over_what_was_chosen_before_also_where_it_says_nothing(finished, store):
    app = open_page(run=finished.id, **WHOLE)
    come_by(app, score="0.5")
    assert listed(app.query_params) == {"run": [finished.id], "model": ["best"], "score": ["0.5"]}
    assert shown(app)["total"] == 30 and not app.multiselect(key="error classes").value


def test_a_visit_without_a_link_finds_all_as_it_was(finished, store):
    app = open_page(run=finished.id, **WHOLE)
    assert listed(come_by(app).query_params) == listed({"run": finished.id, **WHOLE})


@pytest.mark.parametrize(
    "change, name, value",
    [
        (lambda app: app.slider(key="score").set_value(0.8), "score", ["0.8"]),
        (lambda app: app.multiselect(key="error classes").set_value(["car"]), "class", ["car"]),
        (lambda app: app.button(key="type missed").click(), "error", ["missed"]),
        (lambda app: app.selectbox(key="model").set_value("untouched"), "model", ["untouched"]),
    ],
)
def test_a_change_goes_into_the_address(finished, store, change, name, value):
    app = open_page()
    checked(change(app).run())
    plain = {"run": [finished.id], "model": ["best"], "score": ["0.5"]}
    assert listed(app.query_params) == plain | {name: value}


def test_an_address_that_lags_behind_does_not_undo_a_change(finished, store):
    """Two changes in quick succession: with the second the browser still sends the address from before the first."""
    app = open_page()
    before = dict(app.query_params)
    checked(app.button(key="type missed").click().run())
    app.query_params.clear()
    app.query_params.update(before)
    checked(app.slider(key="score").set_value(0.8).run())
    assert listed(app.query_params)["error"] == ["missed"]


def test_nonsense_in_a_link_changes_nothing_and_is_dropped(finished, store):
    app = open_page(
        run="../../etc", model="../best", score="nan", size="huge", error="odd", image="../7", true="car", other="1",
        **{"class": "<b>"},
    )  # fmt: skip
    assert shown(app)["total"] == 30
    assert listed(app.query_params) == {"run": [finished.id], "model": ["best"], "score": ["0.5"]}


@pytest.mark.parametrize("score, clamped", [("0.01", 0.05), ("1", 0.95)])
def test_a_linked_score_stays_within_the_slider(finished, store, score, clamped):
    app = open_page(score=score)
    assert app.slider(key="score").value == clamped


def test_a_linked_score_between_the_sliders_steps_counts_exactly(finished, store, table):
    app = open_page(score="0.44827586")
    assert shown(app)["score"] == 0.44827586
    assert button(app, ErrorType.MISSED).label.endswith(f" {count_errors(table, 0.44827586)['missed']}")


@pytest.mark.parametrize(
    "annotated, predicted, says",
    [("car", "car", "car found"), ("car", "bus", "car taken for bus"), ("car", "", "car not found"),
     ("", "car", "car predicted, no object found")],
)  # fmt: skip
def test_a_cell_is_told_in_words_and_its_boxes_are_counted(finished, store, table, annotated, predicted, says):
    app = open_page(true=annotated, predicted=predicted)
    assert app.button(key="drop pair").label.replace("\\", "") == says
    cell = Selection(0.5, pair=(annotated, predicted))
    counts = count_errors(table, 0.5, selected_rows(table, cell))
    assert app.button(key="type all").label == f"All errors · {sum(counts.values())}"
    images = select_images(table, cell)
    if images:
        assert [image["id"] for image in shown(app)["images"]] == images[:24]
    else:
        assert "No image" in app.info[0].value


@pytest.mark.parametrize("key, names", [("pair", {"true", "predicted"}), ("images", {"image"})])
def test_what_no_widget_shows_is_taken_back_by_its_button(finished, store, key, names):
    app = open_page(true="car", predicted="car", image=["1", "2"], score="0.3")
    checked(app.button(key=f"drop {key}").click().run())
    assert not [b for b in app.button if b.key == f"drop {key}"]
    assert {"true", "predicted", "image"} - set(app.query_params) == names


def test_a_chosen_image_is_shown_alone(finished, store, table):
    image_id = table["image_id"][0].as_py()
    app = open_page(image=str(image_id))
    assert [image["id"] for image in shown(app)["images"]] == [image_id]
    assert app.button(key="drop images").label == "1 chosen image"


def test_a_cell_of_classes_that_another_run_does_not_have_is_forgotten_with_it(finished, store, run_maker):
    app = open_page(run=finished.id)
    app.session_state["pair"] = ("zebra", "car")
    checked(app.run())
    assert shown(app)["total"] == 30 and "true" not in app.query_params


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


def test_another_tools_results_can_be_looked_at(store, tmp_path):
    gt, dt = tmp_path / "gt.json", tmp_path / "dt.json"
    gt.write_text(json.dumps(gt_of((1, 1, (0, 0, 40, 40)), images=2)))
    dt.write_text(json.dumps([result(1, 1, (0, 0, 40, 30)), result(2, 2, (5, 5, 9, 9))]))
    run = import_results(store, gt, dt, name="YOLO")
    app = open_page(run=run.id)
    assert (shown(app)["run"], shown(app)["total"]) == (run.id, 2)
    assert app.selectbox(key="model").options[0].startswith("Imported · AP")
