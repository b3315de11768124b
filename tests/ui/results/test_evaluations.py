"""What if and Evaluate on Results: what is put into the queue, what is said of it, and what was tried."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.inference.evaluation.config import EvaluationConfig
from core.inference.evaluation.job import create_evaluations
from core.runs.evaluated.imports import import_results
from core.runs.schema import NewEvaluation, Status
from ui.results.evaluations import BEGUN

SHELL = str(Path(__file__).parents[3] / "ui/shell.py")


def checked(app):
    assert not app.exception, app.exception
    return app


def open_tab(**query):
    app = AppTest.from_file(SHELL, default_timeout=60).run()
    app.switch_page("../pages/results.py")
    for name, value in {"view": "what-if", **query}.items():
        app.query_params[name] = value
    return checked(app.run())


def end(store, run, ap, rate):
    """As the evaluation's process does."""
    figures = {"AP": ap, "AP50": ap, "APs": ap / 2, "APm": None, "APl": ap}
    store.record(run.id, 0, {}, {"status": Status.FINISHED, "images_per_second": rate},
                 NewEvaluation(0, figures, True, False))  # fmt: skip


def test_imported_results_have_no_model_that_could_see_other_pictures(store, tmp_path):
    (tmp_path / "dt.json").write_text("[]")
    import_results(store, store.data_dir / "street/annotations/instances_val.json", tmp_path / "dt.json")
    app = open_tab()
    assert "only results are here" in app.info[0].value
    assert "begin what if" not in [button.key for button in app.button]


def test_an_onnx_file_that_an_earlier_version_evaluated_can_be_shown_other_pictures(store, finished):
    folder = str(store.data_dir / "street")
    imported = {"gt": f"{folder}/annotations/instances_val.json", "dt": "/x/model.onnx", "images": f"{folder}/val"}
    config = {"imported": {**imported, "data": folder, "onnx": "/x/model.onnx", "notes": []}}
    store.update(finished.id, config=config)
    app = open_tab(run=finished.id)
    assert app.button(key="begin what if").label == "Evaluate 5"


def test_the_inputs_are_queued_one_after_the_other_and_the_model_stays(store, finished):
    app = open_tab(run=finished.id, model="best")
    size = finished.config["shortest_edge"]
    assert app.multiselect(key="what if").value[:2] == ["0", str(int(0.6 * size))]
    app.multiselect(key="what if").set_value(["0", "2x2"])
    checked(app.run())
    checked(app.button(key="begin what if").click().run())
    runs = store.runs()[::-1][1:]
    assert [run.config["evaluation"]["tiles"] for run in runs] == [1, 2]
    assert {run.status for run in runs} == {Status.QUEUED}
    assert all(run.config["evaluation"]["model"] == [f"{finished.id}:best"] for run in runs)
    assert app.session_state[BEGUN] == [run.id for run in runs]
    assert app.query_params["run"] in (finished.id, [finished.id])


def test_what_was_tried_is_a_table_and_a_word_that_means_nothing_is_told(store, finished):
    config = EvaluationConfig((f"{finished.id}:best",), finished.config["data"])
    for run, (ap, rate) in zip(
        create_evaluations(store, [config, config.with_input("640"), config.with_input("2x2")]),
        [(0.4, 20.0), (0.5, 10.0), (0.6, 4.0)], strict=True,
    ):  # fmt: skip
        end(store, run, ap, rate)
    app = open_tab(run=finished.id, model="best")
    (table,) = [frame.value for frame in app.dataframe]
    assert table["Input"].tolist() == ["as it was trained", "640 px", "2 × 2 tiles"]
    assert table["AP"].tolist() == [40.0, 50.0, 60.0] and table["Milliseconds an image"].tolist() == [50, 100, 250]
    assert app.button(key="compare tried").disabled and app.button(key="open tried").disabled
    app.multiselect(key="what if").set_value([])
    assert checked(app.run()).button(key="begin what if").disabled


@pytest.mark.parametrize(("status", "words"), [
    (Status.FAILED, "No picture"), (Status.STOPPED, "Stopped after 3 of 9 images."),
])  # fmt: skip
def test_the_end_of_an_evaluation_is_said_once(store, finished, status, words):
    config = EvaluationConfig((f"{finished.id}:best",), finished.config["data"])
    (run,) = create_evaluations(store, [config])
    store.update(run.id, status=status, message=words)
    app = open_tab(run=finished.id)
    app.session_state[BEGUN] = [run.id, "20200101-000000-abcd"]  # the other was deleted meanwhile
    checked(app.run())
    assert any(words in one.value for one in (*app.error, *app.info))
    checked(app.button(key=f"seen {run.id}").click().run())
    assert not any(words in one.value for one in (*app.error, *app.info))


def test_any_model_on_any_part_is_begun_in_the_sidebar_also_without_a_run(store):
    app = open_tab()
    app.selectbox(key="evaluate model").set_value("checkpoints/starter")
    app.selectbox(key="evaluate part").set_value("train")
    checked(app.run())
    checked(app.button(key="begin evaluation").click().run())
    (run,) = store.runs()
    assert run.config["evaluation"]["model"] == ["checkpoints/starter"] and run.config["imported"]["part"] == "train"
    assert run.name == "checkpoints/starter on street train"


def test_one_of_another_session_is_followed_too_and_one_that_ended_badly_begins_again(store, finished):
    config = EvaluationConfig((f"{finished.id}:untouched",), finished.config["data"])
    waiting, failed = create_evaluations(store, [config, config.with_input("2x2")])
    store.update(failed.id, status=Status.FAILED, message="It broke off.")
    app = open_tab(run=finished.id)
    assert app.button(key=f"stop evaluation {waiting.id}")
    app.session_state[BEGUN] = [failed.id]
    checked(app.run())
    checked(app.button(key=f"again {failed.id}").click().run())
    assert store.get(failed.id).status is Status.QUEUED and app.button(key=f"stop evaluation {failed.id}")
