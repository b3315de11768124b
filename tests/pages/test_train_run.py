"""Train: what a run left, pre-flight and profile, and the queue of those that wait."""

import shutil

import pytest

from core.config import TrainConfig
from core.runs.schema import Status
from tests.pages.train_page import checked, open_page, shown
from ui.server import services

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
    assert [box.label for box in app.expander] == ["More settings", "Several at once"]


def test_a_run_folder_that_was_deleted_by_hand_leaves_the_curves(store, finished, leave):
    leave(finished, checks=CHECKS, operators=OPERATORS)
    app = open_page()
    shutil.rmtree(store.folder(finished.id))
    checked(app.run())
    assert [box.label for box in app.expander] == ["More settings", "Several at once"]
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
    assert {button.label for button in app.get("download_button")} == {"Download settings"}
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
    _first, second = (store.create(TrainConfig().to_dict()) for _ in range(2))
    app = open_page()
    store.update(second.id, status=Status.RUNNING)
    checked(app.button(key=f"up {second.id}").click().run())
    assert len(app.error) == 1 and "can be moved" in app.error[0].value


def test_without_waiting_runs_there_is_no_queue(store, finished):
    assert not [button for button in open_page().button if button.key.startswith("cancel ")]
