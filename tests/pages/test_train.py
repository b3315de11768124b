import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import save_file

from core.config import TrainConfig
from core.presets import PRESETS
from core.runs.bin import Bin
from core.runs.evaluated.imports import import_results
from core.runs.schema import Status
from tests.pages.train_page import checked, click_train, open_page, setting, shown
from ui.choose import pickers
from ui.server import services
from ui.train import device


def test_without_a_run_the_page_says_what_to_do(store):
    app = open_page()
    assert "click **Train**" in app.info[0].value
    assert not app.get("bidi_component")


def test_one_click_trains_the_starter_model_on_the_built_in_data(store):
    app = click_train(open_page())
    (run,) = store.runs()
    config = TrainConfig.from_dict(run.config)
    assert run.status == Status.QUEUED
    assert config.data == str(store.data_dir / "street")
    assert config == PRESETS["Built-in demo"].apply(TrainConfig(data=config.data, model="checkpoints/starter"))
    live = shown(app)
    assert (live["run"], live["version"]) == (run.id, services.page_version(run))
    assert live["start"]["steps"][0] == {"name": "Process", "state": "now", "text": "Starting"}  # at once


def test_a_built_in_data_set_is_drawn_when_it_is_chosen_and_its_new_class_starts_fresh(store, few_scenes):
    app = open_page()
    scooters = str(store.data_dir / "scooters")
    assert not any("resh: " in c.value for c in app.caption)
    checked(setting(app, "data").set_value(scooters).run())
    assert not app.error and "6 train + 3 val images" in " ".join(c.value for c in app.caption)
    assert any(c.value.endswith("fresh: scooter.") for c in app.caption)
    click_train(app)
    assert store.get("last").config["data"] == scooters


def test_a_second_run_waits_and_the_page_stays_with_the_first(store, run_maker):
    first = run_maker(status=Status.RUNNING, evaluated=False)
    app = open_page()
    assert app.button(key="train").label == "Add to the queue"
    click_train(app)
    assert len(store.runs()) == 2
    assert shown(app)["run"] == first.id


def test_the_live_run_is_shown_before_a_later_one_and_else_the_latest(store, run_maker):
    older, newer = run_maker(status=Status.RUNNING, evaluated=False), run_maker(evaluated=False)
    assert shown(open_page())["run"] == older.id
    store.update(older.id, status=Status.STOPPED)
    assert shown(open_page())["run"] == newer.id


def test_a_run_that_failed_at_its_start_is_not_the_latest_unless_there_is_no_other(store, run_maker):
    failed = store.create(TrainConfig(data=str(store.data_dir / "street")).to_dict())
    store.update(failed.id, status=Status.FAILED, message="The device cuda is not available.")
    assert shown(open_page())["run"] == failed.id
    recorded = run_maker(status=Status.FAILED, evaluated=False)
    for _ in range(2):
        store.update(store.create(failed.config).id, status=Status.FAILED)
    assert shown(open_page())["run"] == recorded.id
    waiting = store.create(failed.config)
    assert shown(open_page())["run"] == waiting.id


@pytest.mark.parametrize("lost", [
    {"data": "/nowhere/at/all"}, {"data": "tests"}, {"model": "/nowhere/at/all"}, {"model": "runs"},
    {"classes": ["unicorn"]},
])  # fmt: skip
def test_to_train_again_with_what_is_not_there_any_more_gives_one_sentence_and_no_run(store, finished, lost):
    store.update(finished.id, config={**finished.config, **lost})
    app = open_page()
    checked(app.button(key="again").click().run())
    assert store.runs() == [store.get(finished.id)]
    assert app.error and next(iter(lost.values()))[0] in app.error[0].value.replace("\\", "")


def test_a_device_that_is_not_there_is_refused_before_there_is_a_run(store, finished, monkeypatch):
    answer, asked = {"refused": "The device mps is not available."}, []
    monkeypatch.setattr(device, "model_worker", lambda: SimpleNamespace(ask=lambda *a: asked.append(a[0]) or answer))
    store.update(finished.id, config={**finished.config, "device": "mps"})
    app = open_page()
    checked(app.button(key="again").click().run())
    assert "mps is not available" in app.error[0].value
    click_train(app, anyway=True)
    assert "mps is not available" in app.error[0].value and store.runs() == [store.get(finished.id)]
    assert asked == 2 * [{"ask": "device", "device": "mps", "processes": 1}]
    answer = {"error": "The process that runs the models has ended."}
    click_train(app, anyway=True)
    assert len(store.runs()) == 2, "then the training itself says it"


def test_an_older_run_can_be_looked_at(store, run_maker):
    older, _ = run_maker(evaluated=False), run_maker(evaluated=False)
    app = open_page()
    checked(app.selectbox(key="train run").set_value(older.id).run())
    assert shown(app)["run"] == older.id


def test_the_run_on_the_page_stays_there_when_it_ends(store, run_maker):
    older, _ = run_maker(status=Status.RUNNING, evaluated=False), run_maker(evaluated=False)
    app = open_page()
    store.update(older.id, status=Status.FINISHED)
    checked(app.run())
    assert shown(app) == {"run": older.id, "version": services.page_version(store.get(older.id)), "start": None}


def test_stop_asks_the_run_to_stop_and_then_offers_to_end_it(store, run_maker):
    run = run_maker(status=Status.RUNNING, evaluated=False)
    app = open_page()
    checked(app.button(key="stop").click().run())
    assert store.get(run.id).stop_requested
    assert shown(app)["run"] == run.id
    assert app.button(key="end")


def test_a_finished_run_offers_its_errors_and_another_training(finished, store):
    app = open_page()
    keys = {button.key for button in app.button}
    assert {"results", "look", "again", "use", "train delete"} <= keys
    assert not {"stop", "resume"} & keys
    checked(app.button(key="look").click().run())
    assert app.query_params["run"] == finished.id


def test_a_finished_run_offers_its_results(finished, store):
    app = open_page()
    checked(app.button(key="results").click().run())
    assert app.query_params["run"] == finished.id
    assert app.query_params["view"] == "figures"


def test_train_again_queues_the_same_settings(finished, store):
    app = open_page()
    checked(app.button(key="again").click().run())
    again = store.get("last")
    assert again.id != finished.id
    assert again.config == finished.config
    assert setting(app, "epochs").value == finished.config["epochs"]


@pytest.mark.parametrize("status", [Status.FAILED, Status.INTERRUPTED])
def test_how_a_run_broke_off_is_one_sentence_and_it_can_be_resumed(store, run_maker, status):
    run = run_maker(status=status, evaluated=False, message="The picture 7.jpg is missing.")
    app = open_page()
    (box,) = [*app.error, *app.warning]
    assert box.value == "The picture 7.jpg is missing."
    checked(app.button(key="resume").click().run())
    assert store.get(run.id).status == Status.QUEUED


def test_a_run_whose_checkpoints_are_gone_says_so_instead_of_being_resumed(store, run_maker):
    run = run_maker(status=Status.INTERRUPTED, evaluated=False)
    shutil.rmtree(store.checkpoints(run.id))
    app = open_page()
    checked(app.button(key="resume").click().run())
    assert len(app.error) == 1 and "cannot be resumed" in app.error[0].value
    assert store.get(run.id).status == Status.INTERRUPTED


@pytest.fixture
def imported(store, tmp_path):
    """A run of results of another tool on the built-in validation images."""
    (tmp_path / "dt.json").write_text("[]")
    return import_results(store, store.data_dir / "street/annotations/instances_val.json", tmp_path / "dt.json")


def test_an_imported_run_is_none_of_the_trainings(store, imported):
    app = open_page()
    assert "click **Train**" in app.info[0].value and not app.get("bidi_component")
    assert not {"look", "resume", "again", "use", "stop"} & {button.key for button in app.button}


def test_a_run_that_is_chosen_is_looked_at_on_the_other_pages_too(store, finished, run_maker):
    newer = run_maker()
    app = open_page()
    assert shown(app)["run"] == newer.id and "run looked at" not in app.session_state
    checked(app.selectbox(key="train run").set_value(finished.id).run())
    assert shown(app)["run"] == app.session_state["run looked at"] == finished.id


def test_runs_are_told_apart_by_their_data(store, run_maker):
    done, broken = run_maker(), run_maker(status=Status.FAILED)
    assert [pickers.run_label(run).split(" · ")[2:-1] for run in (done, broken)] == [["street"], ["street", "failed"]]


def test_a_training_is_shown_although_a_later_run_was_imported(store, finished, imported):
    app = open_page()
    assert shown(app)["run"] == finished.id
    assert app.selectbox(key="train run").options == [pickers.run_label(finished)]
    app.session_state["watched run"] = imported.id
    assert shown(checked(app.run()))["run"] == finished.id


def test_an_imported_run_has_no_model_to_train_further_and_does_not_disturb_a_training(store, imported):
    app = open_page()
    assert not [name for name in setting(app, "model").options if imported.id in name]
    click_train(app)
    assert store.get("last").status == Status.QUEUED


def test_a_deleted_run_is_brought_back_by_the_note_and_from_the_bin(finished, store):
    app = open_page()
    for undo in ("undo delete", f"restore {finished.id}"):
        checked(app.button(key="train delete").click().run())
        assert store.runs() == [] and any("is deleted" in one.value for one in app.markdown)
        checked(app.button(key=undo).click().run())
        assert store.get(finished.id) == finished and app.button(key="train delete")
        assert not any("is deleted" in one.value for one in app.markdown)


def test_the_bin_is_emptied(finished, store):
    app = open_page()
    checked(app.button(key="train delete").click().run())
    checked(app.button(key="empty bin").click().run())
    assert (
        Bin(store).runs() == []
        and not store.checkpoints(finished.id).with_name(".deleted").joinpath(finished.id).exists()
    )
    assert not {"empty bin", "undo delete"} & {button.key for button in app.button}


@pytest.mark.parametrize(("evaluated", "last"), [(False, "use"), (True, "look")])
def test_a_training_run_is_not_deleted_and_a_second_click_on_stop_does_no_harm(store, run_maker, evaluated, last):
    """The row ends at the right edge of the page, so its last button is where Stop was."""

    def in_row(app):
        return [button.key for button in app.main.button if button.key != "tensorboard open"]  # below the curves

    run = run_maker(status=Status.RUNNING, evaluated=evaluated)
    app = open_page()
    assert app.button(key="train delete").disabled
    assert in_row(app)[-1] == "stop"
    checked(app.button(key="stop").click().run())
    assert in_row(app)[-2:] == ["end", "stop"] and app.button(key="stop").disabled
    store.update(run.id, status=Status.STOPPED)
    assert in_row(checked(app.run()))[-1] == last


HOSTILE = "<b>x</b> **y** [z](https://example.invalid) $a$"


def test_a_name_and_notes_are_kept_and_shown_word_for_word(finished, store):
    app = open_page()
    checked(app.text_input(key=f"train name of {finished.id}").set_value(HOSTILE).run())
    checked(app.text_area(key=f"train notes of {finished.id}").set_value(f"{HOSTILE}\nsecond").run())
    run = store.get(finished.id)
    assert (run.name, run.notes) == (HOSTILE, f"{HOSTILE}\nsecond")
    (option,) = app.selectbox(key="train run").options
    assert HOSTILE in option and "“<b>x</b>" in option and "second" not in option
    store.set_words(run.id, name="renamed elsewhere")
    assert checked(app.run()).text_input(key=f"train name of {run.id}").value == "renamed elsewhere"


def test_the_best_of_a_run_can_be_trained_further(finished, store):
    best = store.checkpoint(finished.id, "best")
    best.mkdir(parents=True)
    (best / "config.json").write_text('{"model_type": "detr", "id2label": {"0": "car"}}')
    save_file({"a": np.zeros(1, np.float32)}, best / "model.safetensors")
    app = open_page()
    checked(setting(app, "model").set_value(str(store.checkpoint(finished.id, "best"))).run())
    click_train(app)
    assert store.get("last").config["model"] == str(store.checkpoint(finished.id, "best"))
