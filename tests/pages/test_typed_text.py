"""What is typed as a folder, a model or a name is refused in one sentence, whatever it holds; never a traceback."""

import shutil
from urllib.parse import quote

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages import data_page
from tests.pages.train_page import SHELL, checked, click_train
from ui.choose.pickers import OTHER, typed_model
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


@pytest.mark.parametrize("text", ['"{}"', " {} ", "file://{}", "'{}'\n", "\u202a{}"])
def test_a_pasted_path_is_what_is_trained_on(store, tmp_path, text):
    folder = shutil.copytree(store.data_dir / "street", tmp_path / "my, data")
    app = AppTest.from_file(SHELL, default_timeout=30)
    path = quote(str(folder)) if "file:" in text else str(folder)
    app.session_state[form.FIELD + "data"] = OTHER
    app.session_state[form.FIELD + "data typed"] = text.format(path)
    app.session_state[form.FIELD + "model"] = OTHER
    app.session_state[form.FIELD + "model typed"] = " https://huggingface.co/facebook/detr-resnet-50/tree/main "
    checked(app.run())
    assert not app.error, app.error
    click_train(app)
    run = store.get("last")
    assert (run.config["data"], run.config["model"]) == (str(folder), "facebook/detr-resnet-50")


def test_while_nothing_is_typed_nothing_can_be_trained(store):
    app = AppTest.from_file(SHELL, default_timeout=30)
    for name in ("data", "model"):
        app.session_state[form.FIELD + name] = OTHER
    checked(app.run())
    assert app.button(key="train").disabled and not app.error


def test_a_file_of_a_checkpoint_stands_for_its_folder():
    assert typed_model("checkpoints/starter/model.safetensors") == "checkpoints/starter"
    assert typed_model("nowhere/config.json") == "nowhere/config.json"
