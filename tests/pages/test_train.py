import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core import DataError
from core.config import PRESETS, TrainConfig
from core.datasets.demo import is_complete
from core.detr.pretrained import KNOWN_MODELS
from core.runs.imports import import_results
from core.runs.schema import Status
from ui.choose import built_in, pickers
from ui.server import services
from ui.train import form

ROOT = Path(__file__).parents[2]
SHELL = str(ROOT / "ui/shell.py")


def open_page():
    return checked(AppTest.from_file(SHELL, default_timeout=30).run())


def checked(app):
    assert not app.exception, app.exception
    return app


def setting(app, name):
    return app.get_by_key(form.FIELD + name)


def click_train(app):
    return checked(app.button(key="train").click().run())


def shown(app) -> dict:
    return json.loads(app.get("bidi_component")[0].proto.json)


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
    assert shown(app) == {"run": run.id, "version": services.page_version(run)}


def test_a_built_in_data_set_is_drawn_when_it_is_chosen_and_its_new_class_starts_fresh(store, few_scenes):
    app = open_page()
    scooters = str(store.data_dir / "scooters")
    assert not any("resh: " in c.value for c in app.caption)
    checked(setting(app, "data").set_value(scooters).run())
    assert not app.error and "6 train + 3 val images" in " ".join(c.value for c in app.caption)
    assert any(c.value.endswith("fresh: scooter.") for c in app.caption)
    click_train(app)
    assert store.get("last").config["data"] == scooters


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
    setting(app, "augment").set_value("none")
    setting(app, "classes").set_value(["car", "dog"])
    checked(app.run())
    click_train(app)
    config = TrainConfig.from_dict(store.get("last").config)
    assert (config.epochs, config.lr, config.schedule, config.augment) == (3, 2e-4, "cosine", "none")
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
    assert "shortest_edge 500 is larger than longest_edge 256" in app.error[0].value
    assert app.button(key="train").disabled


@pytest.mark.parametrize("folder", ["/nowhere/at/all", "tests"])
def test_a_folder_without_a_data_set_gives_one_sentence(store, folder):
    app = AppTest.from_file(SHELL, default_timeout=30)
    app.session_state[form.FIELD + "data"] = folder  # typed
    checked(app.run())
    assert len(app.error) == 1
    assert app.button(key="train").disabled


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
    assert shown(app) == {"run": older.id, "version": services.page_version(store.get(older.id))}


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
    assert {"results", "look", "again", "use", "delete"} <= keys
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


def test_deleting_asks_first(finished, store):
    app = open_page()
    checked(app.button(key="delete").click().run())
    assert store.get(finished.id)
    assert app.button(key="delete for good")
    checked(app.button(key="keep it").click().run())
    assert store.get(finished.id)


def test_the_best_of_a_run_can_be_trained_further(finished, store):
    store.checkpoint(finished.id, "best").mkdir(parents=True)
    (store.checkpoint(finished.id, "best") / "config.json").write_text('{"id2label": {"0": "car"}}')
    app = open_page()
    checked(setting(app, "model").set_value(str(store.checkpoint(finished.id, "best"))).run())
    click_train(app)
    assert store.get("last").config["model"] == str(store.checkpoint(finished.id, "best"))


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
    config = {"id2label": {"0": "N/A", "1": "person", "2": "car"}}
    (tmp_path / "model/config.json").write_text(json.dumps(config))
    assert "Copied from the model: all 10 classes." in captions(open_page())
    app = open_with(model=str(tmp_path / "model"), classes=["car", "dog", "cat"])
    assert "Copied from the model: car; fresh: dog, cat." in captions(app)
    checked(setting(app, "classes").set_value(["dog"]).run())
    assert "Fresh: dog." in captions(app)
    checked(setting(app, "model").set_value("random").run())
    assert "Fresh: dog." in captions(app)


def test_a_published_model_is_offered_and_its_download_announced(store, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    app = open_page()
    assert set(KNOWN_MODELS) <= set(setting(app, "model").options)
    checked(setting(app, "model").set_value(KNOWN_MODELS[1]).run())
    later = "It is downloaded when the training begins. "
    assert later + "Copied from the model: all 10 classes." in captions(app)
    app = open_with(model="someone/else")
    assert later + "The classes that it knows by name are copied from it." in captions(app)
    assert not app.button(key="train").disabled


def test_a_folder_without_a_model_gives_one_sentence_and_no_training(store):
    app = open_with(model="/nowhere/at/all")
    assert len(app.error) == 1 and "no model in the folder /nowhere/at/all" in app.error[0].value
    assert app.button(key="train").disabled


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


def test_settings_of_an_older_version_fill_the_form(store, run_maker):
    run = run_maker(evaluated=False)
    old = {name: value for name, value in run.config.items() if name not in ("augment", "ema")}
    store.update(run.id, config={**old, "flip": False, "epochs": 7})
    app = open_page()
    setting(app, "ema").set_value(0.9)
    checked(app.button(key="use").click().run())
    assert (setting(app, "epochs").value, setting(app, "augment").value) == (7, "none")
    assert setting(app, "ema").value == 0.0


CHECKS = [("Disk", True, "71 GiB free."), ("Mapping", True, "AP 1.000 of *itself*.")]
BAD = [*CHECKS, ("One step", False, "The loss is nan on the images [7, 9].")]


def expander(app, words):
    found = [box for box in app.expander if words in box.label]
    return found[0] if found else None


def test_a_passed_preflight_is_folded_up_below_the_curves(store, finished, leave):
    leave(finished, checks=CHECKS)
    app = open_page()
    assert expander(app, "Pre-flight: 2 checks passed").proto.expanded is False
    app.session_state[f"preflight {finished.id}"] = True
    checked(app.run())
    said = expander(app, "Pre-flight").markdown[0].value
    assert "**Disk**" in said and "71 GiB free" in said and r"\*itself\*" in said
    assert f"/api/preflight/{finished.id}?v=" in expander(app, "Pre-flight").markdown[1].value


def test_a_failed_preflight_is_open_and_names_what_failed(store, run_maker, leave):
    run = run_maker(status=Status.FAILED, evaluated=False, message="The pre-flight stopped the training.")
    leave(run, checks=BAD)
    app = open_page()
    box = expander(app, "Pre-flight: 1 of 3 checks failed")
    assert box.proto.expanded
    assert "– failed: The loss is nan" in box.markdown[0].value


@pytest.mark.parametrize("text", ["", "{", "[]", '{"checks": [{"name": "x"}]}', '{"checks": 3}', '{"operators": [{}]}'])
def test_half_written_files_of_a_run_are_not_shown(store, finished, leave, text):
    leave(finished, checks=CHECKS, operators=OPERATORS)
    store.preflight_path(finished.id).write_text(text)
    store.profile_path(finished.id).write_text(text)
    app = open_page()
    assert [box.label for box in app.expander] == ["More settings"]


def test_a_run_folder_that_was_deleted_by_hand_leaves_the_curves(store, finished, leave):
    leave(finished, checks=CHECKS, operators=OPERATORS)
    app = open_page()
    shutil.rmtree(store.folder(finished.id))
    checked(app.run())
    assert [box.label for box in app.expander] == ["More settings"]
    assert shown(app)["run"] == finished.id


OPERATORS = [("aten::add", 5, 1.0, 0.0), ("aten::conv", 20, 90.0, 0.0), ("aten::mul", 7, 3.0, 0.0)]


def test_a_profile_is_drawn_once_it_is_opened(store, finished, leave):
    leave(finished, operators=OPERATORS)
    app = open_page()
    assert expander(app, "Where the time goes") is not None
    assert not app.get("plotly_chart") and not app.dataframe
    app.session_state[f"profile {finished.id}"] = True
    checked(app.run())
    assert app.get("plotly_chart")
    table = app.dataframe[0].value
    assert list(table["name"]) == ["aten::conv", "aten::mul", "aten::add"]  # the costliest first
    assert list(table.columns) == ["name", "calls", "cpu_ms"]  # there was no GPU
    assert app.download_button(key="trace")
    assert any("ui.perfetto.dev" in text.value for text in app.markdown)


def test_a_profile_without_its_trace_offers_no_download(store, finished, leave):
    leave(finished, operators=[*OPERATORS, ("kernel", 3, 0.0, 50.0)], trace=None)
    app = open_page()
    app.session_state[f"profile {finished.id}"] = True
    checked(app.run())
    assert not app.get("download_button")
    assert "gpu_ms" in app.dataframe[0].value.columns


def test_the_waiting_runs_can_be_reordered_and_cancelled(store, run_maker):
    run_maker(status=Status.RUNNING, evaluated=False)
    first, second, third = (store.create(TrainConfig().to_dict()) for _ in range(3))
    app = open_page()
    assert app.button(key=f"up {first.id}").disabled and app.button(key=f"down {third.id}").disabled
    checked(app.button(key=f"up {third.id}").click().run())
    assert [run.id for run in services.waiting()] == [first.id, third.id, second.id]
    checked(app.button(key=f"down {first.id}").click().run())
    assert [run.id for run in services.waiting()] == [third.id, first.id, second.id]
    checked(app.button(key=f"cancel {first.id}").click().run())
    assert [run.id for run in services.waiting()] == [third.id, second.id]
    assert store.get(first.id).status == Status.STOPPED
    checked(app.button(key=f"show {second.id}").click().run())
    assert shown(app)["run"] == second.id


def test_a_run_that_has_begun_meanwhile_is_not_moved_and_the_page_says_so(store, run_maker):
    first, second = (store.create(TrainConfig().to_dict()) for _ in range(2))
    app = open_page()
    store.update(second.id, status=Status.RUNNING)
    checked(app.button(key=f"up {second.id}").click().run())
    assert len(app.error) == 1 and "can be moved" in app.error[0].value


def test_without_waiting_runs_there_is_no_queue(store, finished):
    assert not [button for button in open_page().button if button.key.startswith("cancel ")]


def test_the_built_in_data_is_drawn_at_the_first_start(store, monkeypatch, drawn):
    def draw(one, data_dir):
        for done in range(3):
            yield done, 3
        drawn_copy(drawn, data_dir / one.folder)
        yield 3, 3

    (store.data_dir / "street").rename(store.data_dir / "away")
    monkeypatch.setattr(built_in, "draw_built_in", draw)
    app = open_page()
    assert is_complete(store.data_dir / "street")
    assert not app.button(key="train").disabled


def drawn_copy(source, target):
    for path in source.rglob("*"):
        if path.is_file():
            (target / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
            (target / path.relative_to(source)).write_bytes(path.read_bytes())


@pytest.mark.parametrize("error", [DataError("The disk is full."), OSError(28, "No space left on device")])
def test_a_drawing_that_fails_gives_a_sentence_and_the_page_goes_on(store, monkeypatch, error):
    def draw(*_):
        yield 0, 3
        raise error

    (store.data_dir / "street").rename(store.data_dir / "away")
    monkeypatch.setattr(built_in, "draw_built_in", draw)
    app = open_page()
    assert any("The disk is full." in box.value or "could not be drawn" in box.value for box in app.error)
    assert app.button(key="train").disabled


def test_no_page_loads_torch_or_transformers():
    pages = [*(ROOT / "pages").rglob("*.py"), *(ROOT / "ui").rglob("*.py")]
    modules = {n.module for p in pages for n in ast.walk(ast.parse(p.read_text())) if isinstance(n, ast.ImportFrom)}
    code = f"import sys\nfor m in {sorted(modules)!r}: __import__(m)\n" + (
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'torch', 'transformers', 'fiftyone', 'tensorboard'}))"
    )
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert out.strip().splitlines()[-1] == "[]"


def test_a_run_database_that_is_gone_is_a_sentence(finished, store):
    app = open_page()
    for path in store.runs_dir.glob("runs.db*"):
        path.unlink()
    checked(app.run())
    assert "is gone: put it back" in app.error[0].value
