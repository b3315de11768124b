"""The tab ONNX of Results: what an export has cost, in a table; its files are evaluated as runs of their own."""

import shutil
import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.export.onnx.measurements import MEASUREMENTS, Measurements, write_measurements
from core.runs.evaluated.imports import import_results
from tests.core.cli.test_onnx_commands import ROWS
from tests.core.inference.onnx.tiny import tiny_onnx
from ui.server.background import background_tasks

SHELL = str(Path(__file__).parents[2] / "ui/shell.py")


def open_tab(**query):
    app = AppTest.from_file(SHELL, default_timeout=60).run()
    app.switch_page("../pages/results.py")
    app.query_params["view"] = "onnx"
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception, app.exception
    return app


@pytest.fixture
def exported(store, finished):
    """The best model's export: one small file that can be computed, and measurements."""
    folder = store.onnx_folder(finished.id, 2)
    tiny_onnx(folder)
    write_measurements(folder, Measurements(ROWS, 30, 30, 2, 0.01, 2))
    return folder


def test_before_an_export_the_tab_says_what_it_is(finished):
    app = open_tab()
    assert "without PyTorch" in app.markdown[0].value
    assert app.button(key="export onnx").label == "Export to ONNX" and not app.dataframe


def test_its_cost_is_a_table_that_says_what_was_refused_and_why(exported):
    app = open_tab()
    table = app.dataframe[0].value
    assert table["Model"].tolist() == ["PyTorch", "ONNX", "int8"] and table["Speed"].tolist()[1] == "× 2.00"
    assert table["Kept"].tolist()[2].startswith("no: AP falls by 20.00 points")
    assert str(exported) in [code.value for code in app.code]
    assert [button.key for button in app.button if button.key.startswith("evaluate ")] == ["evaluate model.onnx"]


def test_of_another_model_of_the_run_there_is_none_yet(exported):
    app = open_tab(model="untouched")
    assert not app.dataframe and app.button(key="export onnx").label == "Export to ONNX"


def test_damaged_measurements_are_told(exported):
    (exported / MEASUREMENTS).write_text("{")
    assert "cannot be read" in open_tab().error[0].value


def test_imported_results_have_no_model(store, tmp_path):
    gt = store.data_dir / "street/annotations/instances_val.json"
    (tmp_path / "dt.json").write_text("[]")
    import_results(store, gt, tmp_path / "dt.json")
    app = open_tab()
    assert "only results are here" in app.info[0].value and not app.dataframe


def test_a_file_is_evaluated_by_a_run_of_its_own_in_the_queue(exported, store, finished):
    app = open_tab()
    app.button(key="evaluate model.onnx").click().run()
    assert not app.exception
    (made,) = [run for run in store.runs() if run.is_evaluation]
    assert made.config["imported"]["onnx"] == str(exported / "model.onnx") and made.is_live


def test_a_stopped_export_leaves_nothing(store, finished):
    app = open_tab()
    app.button(key="export onnx").click().run()
    task = background_tasks().find(f"onnx {finished.id}")
    task.stop()
    task.join(60)
    assert not task.is_running
    deadline = time.monotonic() + 5
    folder = store.folder(finished.id) / "onnx"
    while folder.is_dir() and list(folder.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not folder.is_dir() or not list(folder.iterdir())
    shutil.rmtree(folder, ignore_errors=True)
    background_tasks().forget(task.name)
