"""`evaluate` of a model on images: which one on which, one run for each input, and what is refused before any run."""

import json

import pytest

from core.runs.schema import Status
from core.runs.store import RunStore
from tests.core.cli.running import last_line, run
from tests.core.inference.onnx.tiny import describe, tiny_onnx
from tests.made_runs import make_run


@pytest.fixture
def store(home):
    with_runs = RunStore(home)
    yield with_runs
    with_runs.close()


@pytest.fixture
def file(tmp_path):
    return tiny_onnx(tmp_path / "model")


def test_a_model_becomes_a_run_whose_figures_are_printed(store, home, file, capsys):
    status, out, err = run(capsys, "evaluate", "--model", file, "--data", home / "data/street", "--name", "Mine")
    assert status == 0, err
    (made,) = store.runs()
    assert out.startswith(f"{made.id}  Mine\n") and made.status is Status.FINISHED
    assert "as it was trained" in out and "ms/image" in out and "AP50" in out
    assert run(capsys, "evaluate", made.id)[0] == 0
    status, out, _ = run(capsys, "evaluate", "--model", file, "--data", home / "data/street", "--json")
    assert status == 0 and {"AP", "per_class", "impact"} <= set(json.loads(out))
    inputs = ["--input", "48", "2x2", "--json"]
    status, out, _ = run(capsys, "evaluate", "--model", file, "--data", home / "data/street", *inputs)
    assert status == 0 and set(json.loads(out)[0]) >= {"AP", "per_class", "impact"}
    status, _, err = run(capsys, "export", made.id, "--as", "huggingface")
    assert status == 1 and "was evaluated: only its results are here" in last_line(err)


def test_ctrl_c_stops_it_with_a_status_of_its_own(store, home, file, capsys, monkeypatch):
    from core.inference.evaluation import job

    def stopped(store, run_id):
        store.update(run_id, status=Status.STOPPED, message="Stopped after 1 of 6 images.")
        yield job.Done(1, 6)

    monkeypatch.setattr(job, "follow_evaluation", stopped)
    status, _, err = run(capsys, "evaluate", "--model", file, "--data", home / "data/street", "--input", "48", "2x2")
    assert status == 130 and last_line(err) == "stopped" and len(store.runs()) == 1


def test_each_input_is_a_run_and_a_row_of_the_table(store, home, file, capsys):
    inputs = ["48", "2x2", "48/3x3"]
    status, out, err = run(capsys, "evaluate", "--model", file, "--data", home / "data/street", "--input", *inputs)
    assert status == 0, err
    assert len(store.runs()) == 3
    rows = out.splitlines()[-3:]
    assert [row[:24].strip() for row in rows] == ["48 px", "2 × 2 tiles", "48 px, 3 × 3 tiles"]
    seen = [(one.config["evaluation"]["size"], one.config["evaluation"]["tiles"]) for one in store.runs()[::-1]]
    assert seen == [(48, 1), (0, 2), (48, 3)]


def test_a_run_alone_is_its_best_model_on_its_own_data_and_a_part_is_another_one(store, home, file, capsys):
    status, _, err = run(capsys, "evaluate", "--model", file, "--data", home / "data/street")
    assert status == 0, err
    (first,) = store.runs()
    assert run(capsys, "evaluate", first.id, "--part", "train")[0] == 0
    again = store.runs()[0].config["evaluation"]
    assert again["model"] == [str(file)] and again["part"] == "train"
    trained = make_run(store)
    status, _, err = run(capsys, "evaluate", trained.id, "--input", "2x2")  # which has no checkpoint here
    assert status == 1 and "holds no label_map.json" in last_line(err)
    config = store.runs()[0].config["evaluation"]
    assert config["model"] == [f"{trained.id}:best"] and config["data"] == trained.config["data"]
    assert store.runs()[0].status is Status.FAILED


def test_a_folder_of_another_format_is_converted_first_with_its_part_for_testing(store, home, file, capsys, tmp_path):
    from tests.core.datasets.test_test_part import with_test_part, yolo

    folder = with_test_part(tmp_path / "mine", yolo)
    describe(file.parent, names=["car", "bus"])
    status, out, err = run(capsys, "evaluate", "--model", file, "--data", folder, "--part", "test")
    assert status == 0, err
    assert "\n2 images, " in out


@pytest.mark.parametrize(("arguments", "says"), [
    (["--model", "x"], "Name the images: --data"), (["--data", "x"], "model is empty"),
    (["--model", "x", "--data", "x", "--gt", "y"], "leave out --gt, --dt, --epoch and --corrected"),
    (["--model", "x", "--data", "x", "--epoch", "1"], "leave out --gt, --dt, --epoch and --corrected"),
    (["--model", "x", "--data", "x", "--input", "2x3"], "'2x3' is no input"),
    (["--model", "x", "--data", "x", "--input", "640", "31"], "size is 31"),
    (["--model", "20200101-000000-abcd:best", "--data", "x"], "no run"),
    (["last", "--model", "x", "--data", "x"], "Name either a RUN or --model"),
    ([], "Name a RUN, both --gt and --dt, or a model and images"),
])  # fmt: skip
def test_what_means_nothing_is_refused_and_leaves_no_run(store, capsys, arguments, says):
    status, _, err = run(capsys, "evaluate", *arguments)
    assert status == 1 and says in last_line(err) and store.runs() == []


def test_data_that_is_not_there_is_told(store, file, capsys):
    status, _, err = run(capsys, "evaluate", "--model", file, "--data", "nowhere")
    assert status == 1 and "There is no data set folder" in last_line(err) and store.runs() == []


def test_one_that_was_stopped_is_resumed(store, home, file, capsys):
    assert run(capsys, "evaluate", "--model", file, "--data", home / "data/street")[0] == 0
    (made,) = store.runs()
    store.update(made.id, status=Status.STOPPED)
    status, out, err = run(capsys, "resume", made.id)
    assert status == 0 and "as it was trained" in out, err
    assert store.get(made.id).status is Status.FINISHED
    status, _, err = run(capsys, "stop", made.id)
    assert status == 1 and "there is nothing to stop" in last_line(err)
