"""A page that is run again gives no widget a value: what a user chooses while it runs would be undone by it."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.errors_page import SHELL, checked

PAGES = ("data", "train", "runs", "results", "errors", "compare", "predict")


def values_sent(app) -> list[str]:
    """The widgets that the last run told what they are to show."""
    return [
        f"{node.type} {node.proto.label}"
        for tree in (app.main, app.sidebar)
        for node in tree
        if getattr(getattr(node, "proto", None), "set_value", False)
    ]


@pytest.mark.parametrize("page", PAGES)
def test_a_second_run_gives_no_widget_a_value(page, two):
    app = AppTest.from_file(SHELL, default_timeout=30).run()
    app.switch_page(f"../pages/{page}.py")
    for _ in range(2):  # the first sets what the widgets begin with, the second what depends on them
        checked(app.run())
    checked(app.run())
    assert values_sent(app) == []


def test_a_value_that_is_assigned_anew_is_seen_by_this_test():
    def script():
        import streamlit as st

        st.session_state["name"] = st.session_state.get("name", "a")
        st.text_input("Name", key="name")

    app = AppTest.from_function(script).run()
    assert values_sent(app.run()) == ["text_input Name"]


def test_a_value_is_set_where_it_differs_alone():
    def script():
        import streamlit as st

        from ui.choose.widget_value import set_widget_value

        set_widget_value("number", min(st.session_state.get("number", 7), 5))
        st.number_input("Number", 0, 9, step=1, key="number")

    app = AppTest.from_function(script).run()
    assert app.number_input[0].value == 5
    assert values_sent(app.run()) == []
    app.number_input[0].set_value(3).run()
    assert app.number_input[0].value == 3 and values_sent(app) == []
    app.number_input[0].set_value(8).run()
    assert app.number_input[0].value == 5 and values_sent(app) == ["number_input Number"]
