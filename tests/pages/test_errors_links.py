"""Errors: a link opens exactly what it says, and every change goes into the address."""

import pytest

from core.evaluation.ordering import SortOrder, sorted_images
from core.evaluation.selection import Selection, selected_rows
from core.evaluation.table import ErrorType
from core.evaluation.threshold import count_errors
from tests.pages.errors_page import WHOLE, button, checked, come_by, ids, listed, names_of, open_page, shown


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
