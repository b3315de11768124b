"""What is typed as a folder, a model or a name is refused in one sentence, whatever it holds; never a traceback."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages import data_page
from tests.pages.train_page import SHELL, checked
from ui.train import form

a_desk_of_its_own = data_page.a_desk_of_its_own
TYPED = ["x" * 5000, "a\x00b", "~nobody/x", "a\x1b[31m\u202e", "../" * 2000, "con\nfig", "![x](http://127.0.0.1:1/hit)"]


@pytest.mark.parametrize("text", TYPED)
def test_a_folder_of_ones_own(store, text):
    app = data_page.open_page(text)
    assert len(app.error) <= 1 and all(len(box.value) < 1300 and box.value.isprintable() for box in app.error)


@pytest.mark.parametrize("text", TYPED)
def test_data_and_model_of_a_training(store, text):
    for name in ("data", "model"):
        app = AppTest.from_file(SHELL, default_timeout=30)
        app.session_state[form.FIELD + name] = text
        checked(app.run())
        assert all(len(box.value) < 1300 for box in app.error)
        assert app.button(key="train").disabled or not app.error
