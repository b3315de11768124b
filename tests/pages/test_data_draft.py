"""Data: what is chosen stands in its address, so that a reload and a link bring it back; nothing odd does."""

import pytest
from streamlit.testing.v1 import AppTest

from core.datasets.demo import BUILT_IN
from tests.core.datasets.convert.folders import yolo
from tests.own_folders import mine
from tests.pages import data_page
from tests.pages.data_page import PAGE, SHELL, checked, open_page, settled
from ui.choose import data_source
from ui.data import choices

a_desk_of_its_own = data_page.a_desk_of_its_own


def open_link(query):
    app = AppTest.from_file(SHELL, default_timeout=60)
    app.switch_page(PAGE)
    for name, value in query.items():
        app.query_params[name] = value
    return checked(app.run())


def reloaded(app):
    return open_link(dict(app.query_params))


def test_a_fresh_page_has_a_plain_address(store):
    assert dict(open_page().query_params) == {}


def test_a_reload_keeps_the_folder_the_classes_and_the_numbers(store, tmp_path):
    folder = mine(tmp_path / "mine", "roboflow", classes=("car", "bus", "dog"), train=20, val=10)
    app = open_page(folder)
    app.multiselect(key=choices.CLASSES).set_value(["car", "dog"])
    app.number_input(key=choices.TRAIN).set_value(7)
    again = reloaded(checked(app.run()))
    assert again.radio(key=data_source.SOURCE).value == data_source.OWN
    assert again.text_input(key=data_source.TYPED).value == str(folder)
    assert again.multiselect(key=choices.CLASSES).value == ["car", "dog"]
    assert again.number_input(key=choices.TRAIN).value == 7


def test_a_folder_that_was_converted_before_is_kept_and_another_one_is_not(store, tmp_path):
    folder = yolo(tmp_path / "mine")
    link = {"source": "folder", "folder": str(folder)}
    assert open_link(link).radio(key=data_source.SOURCE).value == data_source.BUILT_IN
    settled(open_page(folder))
    assert open_link(link).text_input(key=data_source.TYPED).value == str(folder)


@pytest.mark.parametrize(
    ("name", "text"),
    [("source", "<b>"), ("source", "folder"), ("folder", "/etc"), ("folder", "a\x00b"), ("scenes", "?"),
     ("subset", "../x"), ("train", "-1"), ("train", "9" * 400), ("empty", "91"), ("seed", "1.5"),
     ("class", "no such class")],
)  # fmt: skip
def test_what_makes_no_sense_in_an_address_is_left_out(store, name, text):
    app = open_link({name: text})
    assert app.radio(key=data_source.SOURCE).value == data_source.BUILT_IN
    assert app.radio(key=data_source.WHICH).value == BUILT_IN[0] and app.multiselect(key=choices.CLASSES).value == []
    assert not app.error and dict(app.query_params) == {}
