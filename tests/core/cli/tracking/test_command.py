"""`track`: what it says of a run that was sent, that was not, and that cannot be."""

import json
import sys

import pytest

from core.runs.store import RunStore
from core.trackers import kinds
from tests.core.cli.running import last_line, run
from tests.core.runs.tracking import made_trackers
from tests.made_runs import make_run

KEEP = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read())"


@pytest.fixture
def trained(home):
    store = RunStore(home)
    trained = make_run(store)
    store.update(trained.id, ended=5.0)
    yield trained
    store.close()


def test_a_run_is_sent_and_its_state_is_told(trained, capsys, monkeypatch):
    kind = made_trackers.kind_of("kept")
    monkeypatch.setitem(kinds.BY_KEY, "kept", kind)
    monkeypatch.setattr(kinds, "find_spec", lambda name: True)
    assert run(capsys, "track", trained.id, "--status")[1] == ""
    status, out, _ = run(capsys, "track", "last", "--to", "kept")
    assert status == 0 and out.startswith("Kept: 86 metrics and 3 evaluations are there. Read ")
    assert run(capsys, "track", trained.id, "--status")[1] == out


def test_a_notice_is_tried(trained, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("DETR_LAB_ON_END", f'{sys.executable} -c "{KEEP}" {tmp_path / "told"}')
    assert run(capsys, "track", trained.id, "--to", "command")[:2] == (0, "Command at the end: Told of its end.\n")
    assert json.loads((tmp_path / "told").read_text())["run"] == trained.id


def test_what_cannot_be_sent_is_said(trained, capsys, monkeypatch):
    monkeypatch.setattr(kinds, "find_spec", lambda name: None)
    status, _, err = run(capsys, "track", trained.id)
    assert status == 1 and "name no tracker: name one with --to" in last_line(err)
    status, _, err = run(capsys, "track", trained.id, "--to", "mlflow")
    assert status == 1 and "run pip install mlflow-skinny sqlalchemy alembic" in last_line(err)
    status, _, err = run(capsys, "train", "--data", str(trained.config["data"]), "--trackers", "trackio")
    assert status == 1 and "Trackio needs a package" in last_line(err)
