"""Train: the form is what is trained; its widgets, presets and sentences."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file
from streamlit.testing.v1 import AppTest

from core.config import TrainConfig
from core.detr.pretrained import OFFERED
from core.presets import PRESETS
from tests.pages.train_page import SHELL, checked, click_train, open_page, setting
from ui.choose.model_picker import released_names
from ui.train import form


def test_the_form_has_a_widget_with_a_line_of_help_for_every_setting(store):
    app = open_page()
    for name, default in TrainConfig().to_dict().items():
        assert setting(app, name).help, name
        assert default is not None


def test_what_the_form_says_is_what_is_trained(store):
    app = open_page()
    setting(app, "epochs").set_value(3)
    setting(app, "lr").set_value(2e-4)
    setting(app, "schedule").set_value("cosine")
    setting(app, "augment").set_value(["colour", "flip"])
    setting(app, "classes").set_value(["car", "dog"])
    checked(app.run())
    click_train(app)
    config = TrainConfig.from_dict(store.get("last").config)
    assert (config.epochs, config.lr, config.schedule, config.augment) == (3, 2e-4, "cosine", ("flip", "colour"))
    assert config.classes == ("car", "dog")


def test_a_preset_fills_the_form_and_keeps_data_and_model(store):
    app = open_page()
    setting(app, "model").set_value("random")
    setting(app, "epochs").set_value(77)
    app.get_by_key("preset").set_value("Experiment")
    checked(app.run())
    click_train(app)
    config = TrainConfig.from_dict(store.get("last").config)
    assert config == PRESETS["Experiment"].apply(TrainConfig(data=config.data, model="random"))


def test_a_story_chooses_its_data_and_its_model_too(store):
    app = open_page()
    setting(app, "model").set_value("random")
    setting(app, "data").set_value("")
    checked(app.get_by_key("preset").set_value("Small objects").run())
    click_train(app)
    config = TrainConfig.from_dict(store.get("last").config)
    assert config == PRESETS["Small objects"].apply(
        TrainConfig(data=config.data, model="checkpoints/starter-multi-scale")
    )
    assert config.data == str(store.data_dir / "street")
    checked(app.get_by_key("preset").set_value("Built-in demo").run())
    assert setting(app, "model").value == "checkpoints/starter-multi-scale"  # no story: its model is left


def test_the_recipe_of_the_models_family_is_offered_first(store):
    app = open_page()
    assert app.get_by_key("preset").options[0] == "Experiment" and app.get_by_key("preset").value == "Built-in demo"
    for model, first in {
        "facebook/detr-resnet-50": "Full recipe",
        "SenseTime/deformable-detr": "Deformable DETR",
    }.items():
        checked(setting(app, "model").set_value(model).run())
        assert app.get_by_key("preset").options[0] == first
    checked(app.get_by_key("preset").set_value("Deformable DETR").run())
    assert (setting(app, "lr").value, setting(app, "shortest_edge").value) == (2e-4, 800)
    assert not any("destroys what a released model" in text for text in captions(app))


def test_a_changed_setting_names_the_presets_value_and_can_go_back(store):
    app = open_page()
    assert setting(app, "epochs").label == "Epochs"
    checked(setting(app, "epochs").set_value(3).run())
    own = PRESETS["Built-in demo"].changes["epochs"]
    assert f"preset {own}" in setting(app, "epochs").label
    checked(app.button(key="back to preset").click().run())
    assert (setting(app, "epochs").label, setting(app, "epochs").value) == ("Epochs", own)


def test_a_number_beyond_its_limits_gives_one_sentence_and_no_training(store):
    app = open_page()
    checked(setting(app, "epochs").set_value(0).run())
    assert [e.value for e in app.error] == ["epochs is 0, but must lie between 1 and 1000."]
    assert app.button(key="train").disabled


def test_settings_that_do_not_go_together_give_one_sentence_and_no_training(store):
    app = open_page()
    checked(setting(app, "shortest_edge").set_value(500).run())
    assert len(app.error) == 1
    assert "shortest_edge 500 is larger than longest_edge 256" in app.error[0].value.replace("\\", "")
    assert app.button(key="train").disabled


@pytest.mark.parametrize("folder", ["/nowhere/at/all", "tests"])
def test_a_folder_without_a_data_set_gives_one_sentence(store, folder):
    app = AppTest.from_file(SHELL, default_timeout=30)
    app.session_state[form.FIELD + "data"] = folder  # typed
    checked(app.run())
    assert len(app.error) == 1
    assert app.button(key="train").disabled


def captions(app) -> list[str]:
    return [caption.value for caption in app.caption]


def open_with(**settings):
    """The page with settings that its pickers do not offer, as if they were typed."""
    app = AppTest.from_file(SHELL, default_timeout=30)
    for name, value in settings.items():
        app.session_state[form.FIELD + name] = value
    return checked(app.run())


def test_the_form_says_which_classes_the_model_brings_along_and_which_start_fresh(store, tmp_path):
    (tmp_path / "model").mkdir()
    config = {"model_type": "detr", "id2label": {"0": "N/A", "1": "person", "2": "car"}, "d_model": 128}
    (tmp_path / "model/config.json").write_text(json.dumps(config))
    save_file({"a": np.zeros(1, np.float32)}, tmp_path / "model/model.safetensors")
    assert "Copied from the model: all 10 classes." in captions(open_page())
    app = open_with(model=str(tmp_path / "model"), classes=["car", "dog", "cat"])
    assert "Copied from the model: car; fresh: dog, cat." in captions(app)
    assert any("what is new (dog, cat)" in text and "preset “New class”" in text for text in captions(app))
    checked(setting(app, "classes").set_value(["dog"]).run())
    assert "Fresh: dog." in captions(app)
    checked(setting(app, "model").set_value("random").run())
    assert "Fresh: dog." in captions(app)


def test_a_published_model_is_offered_and_its_download_announced(store, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    app = open_page()
    assert set(released_names().values()) <= set(setting(app, "model").options)
    checked(setting(app, "model").set_value("facebook/detr-resnet-101").run())
    facts = "DETR · 60.5 M parameters · AP 43.5 on COCO · pictures 800 to 1333 · Apache-2.0. "
    later = f"when the training begins, to {tmp_path}/cache; one that breaks off is continued. "
    told = next(text.replace("\\", "") for text in captions(app) if "60.5 M" in text)
    assert told == f"{facts}It is downloaded (242 MB) {later}Copied from the model: all 10 classes."
    app = open_with(model="someone/else")
    told = next(text.replace("\\", "") for text in captions(app) if "It is downloaded" in text)
    assert told == f"It is downloaded {later}The classes that it knows by name are copied from it."
    assert not app.button(key="train").disabled


def test_a_model_that_is_here_is_marked_and_nothing_is_announced(store, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    name = "facebook/detr-resnet-50"
    copy = tmp_path / "cache/models--facebook--detr-resnet-50"
    (copy / "refs").mkdir(parents=True)
    (copy / "refs/main").write_text("0123abcd")
    (copy / "snapshots/0123abcd").mkdir(parents=True)
    config = {"model_type": "detr", "id2label": {"0": "N/A", "1": "person", "2": "car"}}
    (copy / "snapshots/0123abcd/config.json").write_text(json.dumps(config))
    (copy / "snapshots/0123abcd/model.safetensors").write_bytes(b"")
    app = open_with(model=name)
    assert [label for label in setting(app, "model").options if "✓" in label] == ["✓ AP 42.0 · detr-resnet-50"]
    assert not any("downloaded" in text for text in captions(app)) and any("41.5 M" in text for text in captions(app))


def test_the_table_of_released_models_says_what_one_chooses_by(store, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    app = open_page()
    checked(app.button(key="all models").click().run())
    table = app.dataframe[0].value
    assert list(table["model"]) == list(OFFERED) and not table["here"].any()
    row = table[table["model"] == "facebook/detr-resnet-50"].iloc[0].to_dict()
    assert row == {
        "family": "DETR", "model": "facebook/detr-resnet-50", "M parameters": 41.5, "AP": 42.0, "of": "COCO",
        "pictures": "800 to 1333", "licence": "Apache-2.0", "MB": 166, "here": False,
    }  # fmt: skip


def test_a_folder_without_a_model_gives_one_sentence_and_no_training(store):
    app = open_with(model="/nowhere/at/all")
    assert len(app.error) == 1 and "no model in the folder /nowhere/at/all" in app.error[0].value
    assert app.button(key="train").disabled


def test_a_model_that_cannot_be_trained_gives_one_sentence_and_no_training(store, tmp_path):
    for config in ({"model_type": "vit"}, {"model_type": "detr", "backbone_config": {"model_type": "swin"}}):
        (tmp_path / "config.json").write_text(json.dumps(config))
        app = open_with(model=str(tmp_path))
        assert len(app.error) == 1 and app.button(key="train").disabled
        assert "can be used" in app.error[0].value or "cannot be used" in app.error[0].value


def test_a_pickle_is_refused_with_the_line_to_copy(store, tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "detr", "id2label": {"0": "car"}}')
    (tmp_path / "pytorch_model.bin").write_bytes(b"PK")
    app = open_with(model=str(tmp_path))
    assert len(app.error) == 1 and app.error[0].value.endswith("run this line:")
    assert app.code[0].value.startswith("python -c ") and app.code[0].value.endswith(str(tmp_path))
    assert app.button(key="train").disabled


@pytest.mark.parametrize("weights", [None, b"", b"version https://git-lfs.github.com/spec/v1", bytes(100)])
def test_a_folder_whose_weights_are_missing_or_none_gives_one_sentence_and_no_training(store, tmp_path, weights):
    (tmp_path / "config.json").write_text('{"model_type": "detr", "id2label": {"0": "car"}}')
    if weights is not None:
        (tmp_path / "model.safetensors").write_bytes(weights)
    app = open_with(model=str(tmp_path))
    (error,) = app.error
    assert "model.safetensors" in error.value.replace("\\", "") and app.button(key="train").disabled


def test_a_class_name_is_shown_word_for_word(store):
    annotations = store.data_dir / "street/annotations/instances_train.json"
    annotations.write_text(annotations.read_text().replace('"car"', '"*car* :red[x] <b>"'))
    app = open_page()
    assert any("fresh: \\*car\\* \\:red\\[x\\] \\<b\\>." in text for text in captions(app)), captions(app)


def test_how_many_images_a_step_sees_is_said_where_it_is_not_the_batch(store):
    app = open_page()
    assert not any("images a step" in text for text in captions(app))
    setting(app, "batch_size").set_value(4)
    setting(app, "accumulate").set_value(4)
    checked(app.run())
    assert "16 images a step (4 × 4 × 1)" in captions(app)
    checked(setting(app, "processes").set_value(2).run())
    assert "32 images a step (4 × 4 × 2)" in captions(app)


def test_which_of_epochs_and_minutes_holds_is_seen(store):
    app = open_page()
    assert not setting(app, "epochs").disabled and not any("By minutes" in text for text in captions(app))
    checked(setting(app, "minutes").set_value(20.0).run())
    assert setting(app, "epochs").disabled
    assert any(text.startswith("By minutes: about 20 from start to end;") for text in captions(app))
    checked(setting(app, "minutes").set_value(0.0).run())
    assert not setting(app, "epochs").disabled


def test_settings_of_an_older_version_fill_the_form(store, run_maker):
    run = run_maker(evaluated=False)
    old = {name: value for name, value in run.config.items() if name not in ("augment", "ema")}
    store.update(run.id, config={**old, "flip": False, "epochs": 7})
    app = open_page()
    setting(app, "ema").set_value(0.9)
    checked(app.button(key="use").click().run())
    assert (setting(app, "epochs").value, setting(app, "augment").value) == (7, [])
    assert setting(app, "ema").value == 0.0


def test_what_does_not_go_together_is_said_below_the_preset_and_forbids_nothing(store):
    app = open_page()
    assert not any("warning" in text for text in captions(app))
    checked(app.get_by_key("preset").set_value("Experiment").run())
    (slow,) = [text for text in captions(app) if "hardly moves" in text]
    (size,) = [text for text in captions(app) if ":material/error:" in text]
    assert "objects have a size that it does not know" in size
    assert ":material/warning:" in slow and "1e" in slow
    assert not app.button(key="train").disabled
