"""Train: model and preset go together, and settings that will likely spoil the model ask first."""

import json
import shutil

import pytest

from core import PROJECT
from core.config import STARTER, TrainConfig
from core.presets import PRESETS
from tests.pages.test_train_draft import open_link, reloaded
from tests.pages.train_page import checked, click_train, open_page, setting
from ui.train import form

ASKED = "fit instead"  # the key of the dialog's button
TAKEN = "Taken because it fits this model."


def preset(app) -> str:
    return app.get_by_key("preset").value


def keys(app) -> set[str]:
    return {button.key for button in app.button}


def choose(app, model):
    return checked(setting(app, "model").set_value(model).run())


@pytest.mark.parametrize(
    ("model", "fits"),
    [("facebook/detr-resnet-50", "Experiment"), ("PekingU/rtdetr_r18vd", "RT-DETR"),
     ("random multi-scale", "From nothing"), ("random", "From nothing"),
     ("checkpoints/starter-multi-scale", "Built-in demo")],
)  # fmt: skip
def test_a_chosen_model_takes_its_preset_and_the_way_back_too(store, model, fits):
    app = choose(open_page(), model)
    assert preset(app) == fits and "take fitting" not in keys(app)
    config = form.preset_config(fits, model, PROJECT)
    assert all(
        setting(app, name).value == getattr(config, name) for name in ("epochs", "lr", "shortest_edge", "square")
    )
    assert any(TAKEN in one.value for one in app.caption) == (fits != "Built-in demo")
    app = choose(app, STARTER)
    assert preset(app) == "Built-in demo"
    assert setting(app, "lr").value == PRESETS["Built-in demo"].changes["lr"]


def test_a_preset_that_goes_with_the_model_stays(store):
    app = choose(open_page(), "facebook/detr-resnet-50")
    checked(app.get_by_key("preset").set_value("Quick look").run())
    assert preset(choose(app, "facebook/detr-resnet-101")) == "Quick look"


def test_another_model_of_the_family_has_its_own_size_of_pictures(store):
    app = choose(open_page(), "Roboflow/rf-detr-nano")
    assert setting(app, "longest_edge").value == 384
    app = choose(app, "Roboflow/rf-detr-small")
    assert (preset(app), setting(app, "longest_edge").value) == ("RF-DETR", 512)


def test_settings_changed_by_hand_are_never_overwritten_but_the_preset_is_one_click_away(store):
    app = open_page()
    checked(setting(app, "epochs").set_value(3).run())
    app = choose(app, "facebook/detr-resnet-50")
    assert (preset(app), setting(app, "epochs").value) == ("Built-in demo", 3)
    assert app.button(key="take fitting").label == "Take the preset that fits: Experiment"
    checked(app.button(key="take fitting").click().run())
    assert (preset(app), setting(app, "epochs").value, setting(app, "lr").value) == ("Experiment", 10, 1e-5)
    assert setting(app, "model").value == "facebook/detr-resnet-50" and "take fitting" not in keys(app)


def test_of_a_model_of_which_too_little_is_known_nothing_is_taken(store):
    app = open_page()
    setting(app, "model").set_value("")
    checked(app.run())
    checked(app.get_by_key(form.FIELD + "model typed").set_value("someone/else").run())
    assert preset(app) == "Built-in demo" and "take fitting" not in keys(app)


def test_a_runs_checkpoint_has_the_preset_of_its_run(store, run_maker, tmp_path):
    run = run_maker(evaluated=False)
    quick = PRESETS["Quick look"].apply(TrainConfig(data=run.config["data"], model="facebook/detr-resnet-50"))
    store.update(run.id, config=quick.to_dict())
    folder = store.checkpoint(run.id, "best")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(PROJECT / STARTER, folder)
    app = choose(open_page(), str(folder))
    assert preset(app) == "Built-in demo"  # it is a small one, whatever its run says
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"d_model": 256}))
    (folder / "preprocessor_config.json").unlink()
    app = choose(open_page(), str(folder))
    assert preset(app) == "Quick look"


def test_a_runs_settings_are_filled_in_as_they_were(store, run_maker):
    run = run_maker(evaluated=False)
    config = PRESETS["Built-in demo"].apply(TrainConfig(data=run.config["data"], model="facebook/detr-resnet-50"))
    store.update(run.id, config=config.to_dict())
    app = checked(open_page().button(key="use").click().run())
    assert setting(app, "model").value == config.model and setting(app, "lr").value == config.lr
    assert preset(app) == "Built-in demo" and "take fitting" in keys(app)  # offered, as they will spoil it


def test_an_address_with_a_model_alone_has_the_preset_that_fits(store):
    app = open_link(model="facebook/detr-resnet-50")
    assert preset(app) == "Experiment" and list(app.query_params) == ["model"]
    checked(app.get_by_key("preset").set_value("Built-in demo").run())
    assert preset(reloaded(app)) == "Built-in demo"


def test_settings_that_spoil_the_model_ask_before_they_are_trained_with(store):
    app = open_page()
    checked(app.get_by_key("preset").set_value("Experiment").run())
    assert ASKED not in keys(app)
    click_train(app)
    assert store.runs() == [] and {ASKED, "train anyway"} <= keys(app)
    assert any("objects have a size that it does not know" in text.value for text in app.markdown)
    checked(app.button(key="train anyway").click().run())
    (run,) = store.runs()
    assert (run.config["shortest_edge"], run.config["lr"]) == (800, 1e-5)


def test_the_preset_that_fits_can_be_taken_instead(store):
    app = open_page()
    checked(app.get_by_key("preset").set_value("Experiment").run())
    click_train(app)
    checked(app.button(key=ASKED).click().run())
    assert preset(app) == "Built-in demo" and store.runs() == []
    click_train(app)
    (run,) = store.runs()
    assert (run.config["shortest_edge"], run.config["lr"]) == (192, 2e-5)


def test_what_crops_cost_a_small_model_is_said_where_they_are_chosen(store):
    app = open_page()
    checked(setting(app, "augment").set_value(["flip", "scale and crop"]).run())
    assert any("cost a small model 20 AP in ten epochs" in one.value for one in app.caption)
    click_train(app)
    assert store.runs() == [] and ASKED in keys(app)
