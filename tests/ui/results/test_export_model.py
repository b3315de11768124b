"""The popover that exports the model on Results, on a small page of its own."""

import json
import zipfile

import pytest
from streamlit.testing.v1 import AppTest

from core.config import TrainConfig
from core.detr.model import save_model
from core.detr.small import small_detr
from core.labels import LabelMap
from core.training.checkpoint_folder import EPOCH_FILE
from ui.results import export_model
from ui.server.background import background_tasks


@pytest.fixture
def trained(finished, store):
    """A run whose best checkpoint, of epoch 2, is a real one."""
    labels, folder = LabelMap.from_dict(finished.label_map), store.checkpoint(finished.id, "best")
    folder.mkdir(parents=True)
    save_model(small_detr(labels), labels, folder, TrainConfig.from_dict(finished.config))
    (folder / EPOCH_FILE).write_text(json.dumps({"epoch": 2}))
    store.update(finished.id, best_epoch=2)
    return store.get(finished.id)


@pytest.fixture(autouse=True)
def ended():
    yield
    background_tasks().stop_all(10)


def page():
    import streamlit as st

    from ui.choose.run_picker import EvaluatedModel
    from ui.results.export_model import show_export_model
    from ui.server import services

    run = services.store().get(st.session_state.run)
    evaluations = {one.epoch: one for one in services.store().evaluations(run.id)}
    viewed = EvaluatedModel(run, "best", evaluations[st.session_state.epoch], evaluations[0])
    show_export_model(viewed, 0.5)


def shown(run, epoch=2):
    app = AppTest.from_function(page, default_timeout=30)
    app.session_state.run, app.session_state.epoch = run.id, epoch
    return checked(app.run())


def checked(app):
    assert not app.exception, app.exception
    return app


def export(app, run):
    checked(app.button(key="export model huggingface").click().run())
    background_tasks().find(f"export model {run.id}").join(60)
    return checked(app.run())


def test_a_model_is_offered_as_a_zip_with_its_card(trained, store):
    app = shown(trained)
    app.number_input(key=export_model.PICTURES).set_value(1)
    app = export(app.run(), trained)
    path = store.folder(trained.id) / "export-model" / f"{trained.id}-huggingface.zip"
    with zipfile.ZipFile(path) as archive:
        names = {name.partition("/")[2] for name in archive.namelist()}
    assert names == {"README.md", "config.json", "label_map.json", "model.safetensors", "pictures/1.jpg",
                     "preprocessor_config.json"}  # fmt: skip
    assert any("6 files, 7" in caption.value for caption in app.caption) and len(app.get("download_button")) == 1
    checked(app.button(key="dismiss model export").click().run())
    assert not path.parent.exists() and not app.get("download_button")


def test_a_model_of_which_no_checkpoint_is_kept_is_one_sentence(trained):
    app = export(shown(trained, epoch=1), trained)
    assert "The model of epoch 1" in app.error[0].value and "is not kept" in app.error[0].value


def test_the_untouched_model_is_not_offered(trained):
    assert not shown(trained, epoch=0).button


def test_while_it_is_made_it_can_be_stopped(trained):
    def slow():
        while True:
            yield "Copying *the* model"

    task = background_tasks().start(f"export model {trained.id}", slow, "It failed")
    next(task.progress())
    app = shown(trained)
    assert "Copying \\*the\\* model …" in [caption.value for caption in app.caption]
    app.button(key="stop model export").click()
    app.run()
    task.join(10)
    assert checked(app.run()).info[0].value == "The export was stopped."
