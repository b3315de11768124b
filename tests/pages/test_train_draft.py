"""Train: what the form says stands in its address, so that a reload and a link bring it back; nothing odd does."""

import shutil

import pytest
from streamlit.testing.v1 import AppTest

from core.config import TrainConfig
from core.presets import PRESETS
from tests.pages.train_page import SHELL, checked, click_train, open_page, setting
from ui.train import draft, form


def open_link(**query):
    """The page as a browser opens this address."""
    app = AppTest.from_file(SHELL, default_timeout=30)
    for name, value in query.items():
        app.query_params[name.rstrip("_")] = value
    return checked(app.run())


def reloaded(app):
    """The page in a new session, as after F5: only the address is still there."""
    return open_link(**{f"{name}_": values for name, values in app.query_params.items()})


def test_a_fresh_form_has_a_plain_address(store):
    assert dict(open_page().query_params) == {}


def test_a_reload_keeps_what_was_chosen_and_typed(store, tmp_path):
    app = open_page()
    app.get_by_key("preset").set_value("Full recipe")
    checked(app.run())
    setting(app, "epochs").set_value(3)
    setting(app, "lr").set_value(2e-4)
    setting(app, "profile").set_value(True)
    setting(app, "schedule").set_value("cosine")
    setting(app, "classes").set_value(["car", "dog"])
    setting(app, "model").set_value("random")
    checked(app.run())
    again = reloaded(app)
    for page in (app, again):
        click_train(page)
    first, second = (TrainConfig.from_dict(run.config) for run in store.runs()[:2])
    assert first == second and (first.epochs, first.model, first.profile) == (3, "random", True)
    assert again.get_by_key("preset").value == "Full recipe"


def test_an_address_with_a_story_says_what_differs_from_the_story(store):
    app = open_link(preset="Small objects")
    assert setting(app, "model").value == "checkpoints/starter-multi-scale"
    assert setting(app, "data").value == str(store.data_dir / "street")
    assert dict(app.query_params) == {"preset": "Small objects"}
    checked(setting(app, "model").set_value("checkpoints/starter").run())
    again = reloaded(app)
    assert setting(again, "model").value == "checkpoints/starter"
    assert (again.get_by_key("preset").value, setting(again, "epochs").value) == ("Small objects", 5)


def test_a_typed_folder_and_model_are_kept(store, tmp_path):
    app = AppTest.from_file(SHELL, default_timeout=30)
    folder = shutil.copytree(store.data_dir / "street", tmp_path / "mine")
    app.session_state[form.FIELD + "data"] = str(folder)
    app.session_state[form.FIELD + "model"] = "someone/else"
    again = reloaded(checked(app.run()))
    assert app.get_by_key(form.FIELD + "data typed").value == str(folder)
    assert again.get_by_key(form.FIELD + "data typed").value == str(folder)
    assert again.get_by_key(form.FIELD + "model typed").value == "someone/else"


def test_train_again_with_a_runs_settings_puts_them_into_the_address(store, run_maker):
    run = run_maker(evaluated=False)
    store.update(run.id, config={**run.config, "epochs": 7})
    app = open_page()
    checked(app.button(key="use").click().run())
    assert dict(app.query_params)["epochs"] in ("7", ["7"])


@pytest.mark.parametrize(
    ("name", "text"),
    [("epochs", "0"), ("epochs", "1e9"), ("epochs", "nan"), ("epochs", ""), ("lr", "nan"), ("lr", "inf"), ("lr", "-1"),
     ("profile", "yes"), ("schedule", "zigzag"), ("seed", "9" * 5000), ("preset", "<b>"), ("class_", "no such class"),
     ("model", "a\x00b"), ("model", "x" * 5000), ("data", "a\x1b[31m")],
)  # fmt: skip
def test_what_makes_no_sense_in_an_address_is_left_out(store, name, text):
    app = open_link(**{name: text})
    assert not app.error, app.error
    click_train(app)
    preset = PRESETS[form.FIRST_PRESET]
    config = TrainConfig.from_dict(store.get("last").config)
    assert config == preset.apply(TrainConfig(data=config.data))
    assert dict(app.query_params) == {}


@pytest.mark.parametrize("folder", ["/nowhere/at/all", "/etc"])
def test_a_folder_that_cannot_be_opened_any_more_is_told_and_no_other_one_trained_on(store, folder):
    """As after a reload, when the folder that was typed is not there any more."""
    app = open_link(data=folder)
    assert app.error and folder in app.error[0].value and app.button(key="train").disabled
    assert app.text_input(key=form.FIELD + "data typed").value == folder


def test_a_link_has_no_folder_converted(store, tmp_path):
    (tmp_path / "labels/train").mkdir(parents=True)
    (tmp_path / "images/train").mkdir(parents=True)
    (tmp_path / "data.yaml").write_text("names: [car]\ntrain: images/train\nval: images/train\n")
    before = sorted(store.data_dir.iterdir())
    app = open_link(data=str(tmp_path))
    assert sorted(store.data_dir.iterdir()) == before
    assert app.selectbox(key=form.FIELD + "data").value == str(store.data_dir / "street")


def test_every_setting_can_stand_in_an_address():
    assert set(draft.SETTINGS) == {*TrainConfig().to_dict()} - set(form.WITH_OWN_WIDGET)
