import json
import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.evaluation.findings.label_errors import LabelErrorKind
from core.evaluation.ordering import SortOrder, sorted_images, sorted_objects
from core.evaluation.selection import Selection, count_errors, selected_rows
from core.evaluation.table import ErrorType, read_table
from core.runs.imports import import_results
from core.runs.marks import Mark, Marks
from core.runs.schema import Status
from tests.core.coco_cases import gt_of, result
from ui.gallery import paging

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


def sent(app) -> dict:
    """What the gallery gets."""
    return json.loads(app.get("bidi_component")[0].proto.json)


def shown(app) -> dict:
    """The page of images in it, with the run that they are of."""
    page = json.loads(sent(app)["page"])
    return page | {"run": page["images"][0]["source"].split("/")[3]}


def ids(app) -> list[int]:
    return [image["id"] for image in shown(app)["images"]]


def names_of(table, store) -> dict[int, str]:
    coco = json.loads((store.data_dir / "street/annotations/instances_val.json").read_text())
    return {image["id"]: image["file_name"] for image in coco["images"]}


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


@pytest.fixture
def table(finished, store):
    return read_table(store.table_path(finished.id, 2))


def listed(query_params: dict) -> dict[str, list]:
    return {name: value if isinstance(value, list) else [value] for name, value in query_params.items()}


WHOLE = {
    "model": "untouched", "score": "0.31", "class": ["car", "person"], "size": ["small", "medium"],
    "error": "localization", "true": "car", "predicted": "", "image": ["1", "2"], "score_to": "0.8", "iou_from": "0.1",
    "iou_to": "0.9", "truncated": "1", "crowd": "1", "marked": "1", "order": "iou", "reverse": "1", "view": "objects",
    "per": "48",
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
    assert (app.slider(key="score up to").value, app.slider(key="IoU from and to").value) == (0.8, (0.1, 0.9))
    assert [app.checkbox(key=key).value for key in ("truncated", "crowd", "marked images")] == [True] * 3
    assert (app.selectbox(key="error order").value, app.toggle[0].value) == ("iou", True)
    assert (app.session_state["errors view"], app.session_state["per page"]) == ("objects", 48)
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
        (lambda app: app.slider(key="score up to").set_value(0.85), "score_to", ["0.85"]),
        (lambda app: app.slider(key="IoU from and to").set_value((0.0, 0.99)), "iou_to", ["0.99"]),
        (lambda app: app.checkbox(key="truncated").check(), "truncated", ["1"]),
        (lambda app: app.checkbox(key="crowd").check(), "crowd", ["1"]),
        (lambda app: app.checkbox(key="marked images").check(), "marked", ["1"]),
        (lambda app: app.selectbox(key="error order").set_value(SortOrder.SIZE), "order", ["box"]),
        (lambda app: app.toggle(key="order reversed").set_value(True), "reverse", ["1"]),
        (lambda app: app.selectbox(key="per page").set_value(96), "per", ["96"]),
        (lambda app: app.button_group(key="errors view").set_value("objects"), "view", ["objects"]),
        (lambda app: app.button_group(key="errors view").set_value("watch"), "view", ["watch"]),
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
        view="wall", per="7", page="-1", order="odd", reverse="yes", score_to="2", iou_from="x", marked="", crowd="on",
        **{"class": "<b>"},
    )  # fmt: skip
    assert shown(app)["total"] == 30
    assert listed(app.query_params) == {"run": [finished.id], "model": ["best"], "score": ["0.5"]}


def test_a_link_to_a_run_that_is_not_there_says_so_until_one_is_chosen(finished, run_maker):
    newer = run_maker()
    app = open_page(run="20200101-000000-dead")
    assert shown(app)["run"] == newer.id
    for _ in range(2):
        assert "20200101-000000-dead" in app.warning[0].value.replace("\\", "")
        checked(app.run())
    checked(app.selectbox(key="errors run").set_value(finished.id).run())
    assert shown(app)["run"] == finished.id and not app.warning


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
    images = sorted_images(table, cell, SortOrder.WORST, False, names_of(table, store))
    if images:
        assert ids(app) == images[:24]
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
    assert ids(app) == [image_id]
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


# More filters


@pytest.mark.parametrize(
    "change, selection",
    [
        (lambda app: app.slider(key="score up to").set_value(0.7), Selection(0.5, score_to=0.7)),
        (lambda app: app.slider(key="IoU from and to").set_value((0.9, 1.0)), Selection(0.5, iou=(0.9, 1.0))),
        (lambda app: app.checkbox(key="truncated").check(), Selection(0.5, truncated=True)),
        (lambda app: app.multiselect(key="error classes").set_value(["car"]), Selection(0.5, ("car",))),
        (lambda app: app.button_group(key="error sizes").set_value(["medium"]), Selection(0.5, sizes=("medium",))),
    ],
)
def test_each_filter_narrows_counts_images_and_objects(finished, store, table, change, selection):
    names = names_of(table, store)
    app = open_page()
    checked(change(app).run())
    counts = count_errors(table, 0.5, selected_rows(table, selection))
    assert app.button(key="type all").label == f"All errors · {sum(counts.values())}"
    expected = sorted_images(table, selection, SortOrder.WORST, False, names)
    assert 0 < len(expected) < 30 and ids(app) == expected[:24]
    assert f"{len(expected)} of 30 validation images" in [caption.value for caption in app.caption]
    checked(app.button_group(key="errors view").set_value("objects").run())
    objects = sorted_objects(table, selection, SortOrder.WORST, False, names)
    assert [(i["id"], tuple(i["crop"]), tuple(i["lit"])) for i in shown(app)["images"]] == objects[:24]


def test_the_filter_on_crowds_shows_images_with_crowds(finished, store, table):
    crowded = set(table.filter(table["iscrowd"])["image_id"].to_pylist())
    app = open_page(crowd="1")
    if crowded:
        assert set(ids(app)) == crowded
    else:
        assert "No image" in app.info[0].value


def test_all_filters_are_cleared_at_once_and_score_order_and_view_stay(finished, store):
    app = open_page(run=finished.id, **WHOLE)
    checked(app.button(key="clear").click().run())
    expected = {"run": finished.id, "model": "untouched", "score": "0.31", "order": "iou", "reverse": "1",
                "view": "objects", "per": "48"}  # fmt: skip
    assert listed(app.query_params) == listed(expected)
    assert not [button for button in app.button if button.key == "clear"]
    assert [e.label for e in app.expander] == ["More filters"]


def test_a_used_filter_shows_on_the_closed_expander(finished, store):
    assert open_page(truncated="1", iou_to="0.5").expander[0].label == "More filters · 2 set"


def test_the_upper_score_moves_with_the_score_from_which_predictions_count(finished, store):
    app = open_page(score_to="0.6")
    checked(app.slider(key="score").set_value(0.7).run())
    assert app.slider(key="score up to").value == 0.7


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("order", SortOrder)
def test_every_order_goes_both_ways(finished, store, table, order, reverse):
    app = open_page(order=order.value, **({"reverse": "1"} if reverse else {}))
    assert ids(app) == sorted_images(table, Selection(0.5), order, reverse, names_of(table, store))[:24]


# Pages


def test_a_reload_stays_on_the_page(finished, store):
    app = open_page()
    app.session_state["page"] = 2
    checked(app.run())
    assert listed(app.query_params)["page"] == ["2"]
    again = open_page(**app.query_params)
    assert ids(again) == ids(app) and shown(again)["page"] == 2
    checked(again.button(key="type missed").click().run())
    assert shown(again)["page"] == 1 and "page" not in again.query_params


@pytest.mark.parametrize("page, shows", [("99", 2), ("0", 1), ("²", 1), ("1" * 30, 1)])
def test_a_page_that_is_not_there_becomes_one_that_is(finished, store, page, shows):
    app = open_page(page=page)
    assert shown(app)["page"] == shows
    assert listed(app.query_params).get("page") == ([str(shows)] if shows > 1 else None)


def test_another_page_size_keeps_the_place(finished, store):
    app = open_page(page="2")
    first = ids(app)[0]
    checked(app.selectbox(key="per page").set_value(48).run())
    assert len(ids(app)) == 30 and first in ids(app) and shown(app)["pages"] == 1
    checked(app.selectbox(key="per page").set_value(24).run())
    assert shown(app)["page"] == 1


def test_the_page_of_a_visit_without_a_link_is_the_last_one(finished, store):
    app = open_page(page="2")
    assert shown(come_by(app))["page"] == 2


# Objects


def test_the_object_view_shows_every_error_in_a_cell_of_its_own(finished, store, table):
    app = open_page(view="objects")
    errors = sum(count_errors(table, 0.5).values())
    assert (shown(app)["total"], len(ids(app))) == (errors, min(errors, 24))
    images = len(sorted_objects(table, Selection(0.5), SortOrder.WORST, False, names_of(table, store)).image_ids)
    assert f"{errors} errors on {images} of 30 validation images" in [caption.value for caption in app.caption]
    for image in shown(app)["images"]:
        x1, y1, x2, y2 = image["crop"]
        assert 0 <= x1 < x2 <= image["w"] and 0 <= y1 < y2 <= image["h"]
        assert image["lit"][0] in ("truth", "query")


def test_objects_that_no_filter_lets_through_are_said_to_be_none(finished, store):
    app = open_page(view="objects", error="duplicate")
    assert "No box" in app.info[0].value and not app.get("bidi_component")


def test_a_model_without_errors_has_no_objects_to_show(store, tmp_path):
    gt, dt = tmp_path / "gt.json", tmp_path / "dt.json"
    gt.write_text(json.dumps(gt_of((1, 1, (0, 0, 40, 40)))))
    dt.write_text(json.dumps([result(1, 1, (0, 0, 40, 40))]))
    run = import_results(store, gt, dt)
    app = open_page(run=run.id, view="objects")
    assert "no error" in app.info[0].value
    checked(app.multiselect(key="error classes").set_value(["car"]).run())
    assert shown(app)["total"] == 1


# Watching


def test_the_run_can_be_watched_with_the_same_filters(finished, store):
    app = open_page(view="watch", error="missed")
    data = shown(app)
    assert data["layout"] == "frames" and data["run"] == finished.id
    assert data["filter"]["error"] == data["missed"]
    assert "page" not in app.query_params


# Marks


def test_marked_images_are_shown_as_such_in_every_session_and_can_be_had_alone(finished, store, table):
    chosen = [image["id"] for image in shown(open_page())["images"]][3:5]
    assert sent(open_page())["marked"] == []
    for image_id in chosen:
        Marks(store).add(finished.id, Mark(LabelErrorKind.IMAGE, image_id))
    Marks(store).add(finished.id, Mark(LabelErrorKind.MISSING, 1, "car", (0.0, 0.0, 5.0, 5.0)))  # a box: not the image
    assert sent(open_page())["marked"] == sorted(chosen)
    app = open_page(marked="1")
    assert ids(app) == chosen
    counts = count_errors(table, 0.5, selected_rows(table, Selection(0.5, images=tuple(chosen))))
    assert app.button(key="type all").label == f"All errors · {sum(counts.values())}"
    assert listed(app.query_params) == {"run": [finished.id], "model": ["best"], "score": ["0.5"], "marked": ["1"]}


def test_without_a_mark_the_filter_says_how_to_make_one(finished, store):
    app = open_page(marked="1")
    assert "press **m**" in app.info[0].value
    assert app.button(key="type all").label == "All errors · 0"


def marking():
    from types import SimpleNamespace

    import streamlit as st

    from ui.errors import filters

    st.session_state.here = SimpleNamespace(mark=st.session_state.mark)
    filters.take_gallery_mark("here", st.session_state.run)


@pytest.mark.parametrize("run_is_gone", [False, True])
def test_the_gallery_marks_an_image_and_takes_it_back(finished, store, run_is_gone):
    app = AppTest.from_function(marking)
    app.session_state["run"] = "gone" if run_is_gone else finished.id
    for is_on in (True, True, False, False):
        app.session_state["mark"] = {"id": 7, "on": is_on}
        checked(app.run())
        marked = [mark.image_id for mark in Marks(store).all(finished.id)]
        assert marked == ([7] if is_on and not run_is_gone else [])


def test_a_classs_name_is_only_text(store, tmp_path):
    name = "<img src=x onerror=alert(1)>"
    gt, dt = tmp_path / "gt.json", tmp_path / "dt.json"
    gt.write_text(json.dumps(gt_of((1, 1, (0, 0, 40, 40)), categories=(name,))))
    dt.write_text(json.dumps([]))
    run = import_results(store, gt, dt)
    app = open_page(run=run.id, true=name, predicted="", **{"class": name})
    assert app.multiselect(key="error classes").value == [name]
    assert app.button(key="drop pair").label == r"\<img src\=x onerror\=alert\(1\)\> not found"
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
