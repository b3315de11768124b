"""Errors: filters, orders, pages, the view of single objects, and marks."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from core.evaluation.findings.label_errors import LabelErrorKind
from core.evaluation.ordering import SortOrder, sorted_images, sorted_objects
from core.evaluation.selection import Selection, selected_rows
from core.evaluation.table import read_table
from core.evaluation.threshold import count_errors
from core.runs.evaluated.imports import import_results
from core.runs.marks import Mark, Marks
from tests.core.coco_cases import gt_of, result
from tests.pages.errors_page import WHOLE, checked, come_by, ids, listed, names_of, open_page, sent, shown


def test_a_class_and_a_size_narrow_counts_and_images(finished, store):
    app = open_page()
    before = sum(count_errors(read_table(store.table_path(finished.id, 2)), 0.5).values())
    checked(app.multiselect(key="error classes").set_value(["car"]).run())
    total = int(app.button(key="type all").label.split(" · ")[1])
    assert total < before
    assert shown(app)["filter"]["classes"] == [shown(app)["classes"].index("car")]


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
    assert [(int(i["id"]), tuple(i["crop"]), (i["lit"][0], int(i["lit"][1]))) for i in shown(app)["images"]] == objects[
        :24
    ]


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


# Marks


def test_marked_images_are_shown_as_such_in_every_session_and_can_be_had_alone(finished, store, table):
    chosen = [int(image["id"]) for image in shown(open_page())["images"]][3:5]
    assert sent(open_page())["marked"] == []
    for image_id in chosen:
        Marks(store).add(finished.id, Mark(LabelErrorKind.IMAGE, image_id))
    Marks(store).add(finished.id, Mark(LabelErrorKind.MISSING, 1, "car", (0.0, 0.0, 5.0, 5.0)))  # a box: not the image
    assert sent(open_page())["marked"] == [str(image_id) for image_id in sorted(chosen)]
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
