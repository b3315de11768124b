"""`export --as onnx`: what is asked for, what is said, and what is refused at once; its file elsewhere."""

from pathlib import Path

import pytest

from core.export.onnx import export as module
from core.export.onnx.measurements import Measurements, Row, write_measurements
from core.runs.store import RunStore
from tests.core.cli.running import last_line, run
from tests.core.inference.onnx.tiny import tiny_onnx
from tests.made_runs import make_run

ROWS = (
    Row("PyTorch", "", 4_000_000, 0.5, 0.2), Row("ONNX", "model.onnx", 4_000_000, 0.5, 0.1, 1e-6),
    Row("int8", "model_int8.onnx", 1_000_000, 0.3, 0.05, 0.4, "AP falls by 20.00 points, more than 1"),
)  # fmt: skip


@pytest.fixture
def made(home, monkeypatch):
    """A finished run whose export takes no time; the options that it was given."""
    given = []

    def write(loaded, data, folder, epoch, options):
        given.append((epoch, options))
        (folder / "model.onnx").write_bytes(b"a graph")
        write_measurements(folder, Measurements(ROWS, 5, 6, 2, options.most_fall, epoch))
        yield "Measuring: 1 of 5 images"
        yield "Measuring: 2 of 5 images"

    monkeypatch.setattr(module, "write_onnx", write)
    monkeypatch.setattr(module.ModelCache, "get", lambda self, run_id, name: name)
    store = RunStore(home)
    yield store, make_run(store), given
    store.close()


def test_the_files_lie_in_the_runs_folder_and_the_table_is_printed(made, capsys):
    store, one, given = made
    status, out, err = run(capsys, "export", one.id, "--as", "onnx")
    assert status == 0 and given[0][0] == 2 and given[0][1].most_fall == 0.01 and given[0][1].images == 200
    folder = store.onnx_folder(one.id, 2)
    assert sorted(path.name for path in folder.iterdir()) == ["measurements.json", "model.onnx"]
    assert str(folder) in out and "× 2.00" in out and "no: AP falls by 20.00 points" in out and "5 of 6" in out
    assert err.count("Measuring") == 1  # a counted step is said once


def test_a_second_export_takes_the_place_of_the_first_but_never_of_a_folder_of_the_users(made, capsys, tmp_path):
    _, one, given = made
    for _ in range(2):
        assert run(capsys, "export", one.id, "--as", "onnx", "--epoch", "0", "--measure", "0")[0] == 0
    assert [(epoch, options.images) for epoch, options in given] == [(0, None)] * 2
    out = tmp_path / "mine"
    assert run(capsys, "export", one.id, "--as", "onnx", "--out", out)[0] == 0
    status, _, err = run(capsys, "export", one.id, "--as", "onnx", "--out", out)
    assert status == 1 and "is there already: choose another folder" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--most-fall", "-1"), "from 0 to 100"), (("--most-fall", "nan"), "from 0 to 100"),
        (("--measure", "-1"), "or 0 for all"), (("--epoch", "1"), "The model of epoch 1 of"),
    ],
)  # fmt: skip
def test_what_means_nothing_is_refused_before_a_model_is_read(arguments, words, made, capsys):
    _, one, given = made
    status, _, err = run(capsys, "export", one.id, "--as", "onnx", *arguments)
    assert status == 1 and words in last_line(err) and not given


def test_an_export_that_fails_leaves_nothing(made, capsys, monkeypatch):
    store, one, _ = made

    def write(loaded, data, folder, *_):
        (folder / "model.onnx").write_bytes(b"half")
        yield "Writing"
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(module, "write_onnx", write)
    status, _, err = run(capsys, "export", one.id, "--as", "onnx")
    assert status == 1 and "cannot be written: Permission denied" in last_line(err)
    assert list((store.folder(one.id) / "onnx").iterdir()) == []


def test_images_still_need_a_file(made, capsys):
    status, _, err = run(capsys, "export", made[1].id)
    assert status == 1 and "Give --out" in last_line(err)


def test_an_onnx_file_is_evaluated_as_a_run_that_exports_no_model(home, capsys):
    file = tiny_onnx(home / "model")
    status, out, err = run(capsys, "evaluate", "--model", file, "--data", home / "data/street", "--name", "Tiny")
    assert status == 0, err
    run_id = out.split()[0]
    assert Path(home / "runs" / run_id).is_dir() and "person" in out
    status, _, err = run(capsys, "export", run_id, "--as", "onnx")
    assert status == 1 and "was evaluated: there is no checkpoint" in last_line(err)


def test_an_import_needs_results(home, capsys):
    with pytest.raises(SystemExit):
        run(capsys, "import", "--gt", "x")
    assert "the following arguments are required: --dt" in capsys.readouterr().err


def test_a_picture_is_predicted_with_an_onnx_file(home, capsys):
    picture = next((home / "data/street/val").iterdir())
    status, out, err = run(capsys, "predict", tiny_onnx(home / "model"), picture, "--score", "0", "--out", home / "to")
    assert status == 0, err
    assert (home / "to/predictions.json").is_file() and "6 boxes" in out
    status, _, err = run(capsys, "predict", home / "none.onnx", picture)
    assert status == 1 and "is not there: check its path" in last_line(err)
