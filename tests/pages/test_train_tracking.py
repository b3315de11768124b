"""Trackers on Train: chosen in the form, kept apart from presets and links, and what became of a run's way there."""

from core.runs.tracking.cursor import Cursor
from core.trackers import kinds
from tests.pages.train_page import checked, click_train, open_page, setting


def test_a_tracker_is_chosen_stays_with_another_preset_and_comes_by_no_link(store, monkeypatch):
    monkeypatch.setattr(kinds, "find_spec", lambda name: True)
    app = open_page(trackers="wandb", epochs="3")
    assert setting(app, "epochs").value == 3 and setting(app, "trackers").value == []
    assert setting(app, "trackers").options == ["W&B", "MLflow", "Trackio", "ClearML"]
    setting(app, "trackers").set_value(["mlflow"])
    checked(app.run())
    checked(app.selectbox(key="preset").set_value("Own pictures").run())
    assert setting(app, "trackers").value == ["mlflow"]
    click_train(app)
    assert store.get("last").config["trackers"] == ["mlflow"]


def test_a_tracker_without_its_package_is_refused_and_leaves_no_run(store, monkeypatch):
    monkeypatch.setattr(kinds, "find_spec", lambda name: None)
    app = open_page()
    setting(app, "trackers").set_value(["trackio"])
    checked(app.run())
    click_train(app)
    assert "run pip install --no-deps trackio gradio-client" in app.error[0].value.replace("\\", "")
    assert not store.runs()


def test_what_went_wrong_on_the_way_is_said(store, finished):
    path = store.tracking_folder(finished.id) / "wandb.json"
    assert not [one for one in open_page().caption if "W&B" in one.value.replace("\\", "")]
    Cursor(problem="W&B did not answer for 600 seconds: **<b>**.").write(path)
    (line,) = [one.value for one in open_page().caption if "W" in one.value and "600 seconds" in one.value]
    assert f"python -m core track {finished.id} --to wandb sends" in line.replace("\\", "") and "**" not in line
