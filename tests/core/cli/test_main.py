"""The command line: commands that go together, errors, exit statuses and help."""

import errno
import io
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core import PROJECT, RunError
from core.cli.main import main
from core.runs.drive import DISK_FULL_STATUS
from core.runs.store import RunStore
from tests.core.cli.running import TINY, TWELVE, run


def test_train_evaluate_analyze_and_runs_go_together(root, street, capsys, tmp_path):
    status, out, _ = run(capsys, "train", "--data", street, "--name", "tiny", *TINY)
    assert status == 0
    run_id = out.splitlines()[0]

    status, out, _ = run(capsys, "evaluate", run_id, "--json")
    answer = json.loads(out)
    assert status == 0 and set(answer) == {*TWELVE, "per_class", "errors", "impact"}
    types = ["classification", "localization", "both", "duplicate", "background", "missed"]
    assert list(answer["errors"]) == list(answer["impact"]) == types
    # 6 images x 30 queries: each detection is right, wrong in one way, or only on a crowd
    assert 0 < sum(answer["errors"].values()) <= 180 + answer["errors"]["missed"]

    status, told, _ = run(capsys, "evaluate", run_id[:15])
    assert status == 0 and "errors from score 0 " in told and "baseline    epoch 1     change" in told

    status, out, _ = run(capsys, "analyze", "last", "--images", 2, "--score", 0)
    assert status == 0 and out.endswith(told)
    data = tmp_path / "smaller"
    shutil.copytree(street, data)
    coco = json.loads((data / "annotations/instances_val.json").read_text())
    coco = {**coco, "images": coco["images"][:1], "annotations": []}
    (data / "annotations/instances_val.json").write_text(json.dumps(coco))
    RunStore(root).update(run_id, config={**RunStore(root).get(run_id).config, "data": str(data)})
    status, _, err = run(capsys, "analyze", run_id, "--images", 6)
    assert status == 1 and "has changed since" in err
    assert {p.name for p in (root / "runs" / run_id).glob("analysis_*.png")} == {"analysis_1.png", "analysis_2.png"}

    status, out, _ = run(capsys, "runs", "--json")
    assert [(r["id"], r["name"], r["status"]) for r in json.loads(out)] == [(run_id, "tiny", "finished")]
    assert run_id in run(capsys, "runs")[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("evaluate",), "Name a RUN, both --gt and --dt, or a model and images"),
        (("evaluate", "last", "--gt", "x"), "Name a RUN, both --gt and --dt"),
        (("evaluate", "last"), "There is no run yet"),
        (("evaluate", "--gt", "none.json", "--dt", "none.json"), "There is no file none.json"),
        (("analyze", "2099"), "There is no run yet"),
        (("analyze", "last", "--score", "7"), "--score is 7"),
        (("evaluate", "last", "--score", "nan"), "--score is nan"),
        (("analyze", "last", "--images", "0"), "--images is 0"),
        (("train", "--lr", "7"), "lr is 7.0"),
        (("train", "--data", "/no/such/folder"), "/no/such/folder"),
        (("stop", "last"), "There is no run yet"),
        (("resume", "2099"), "There is no run yet"),
        (("metrics", "last", "--csv"), "There is no run yet"),
        (("table", "last", "--out", "x.csv"), "There is no run yet"),
        (("import", "--gt", "none.json", "--dt", "none.json"), "There is no file"),
        (("demo", "--look", "night", "--out", "x"), "no look 'night'"),
        (("demo", "--extra", "moped", "--out", "x"), "no further class 'moped'; they have: scooter"),
    ],
)
def test_an_error_is_one_sentence_and_an_exit_status(root, capsys, arguments, said):
    status, _, err = run(capsys, *arguments)
    last = err.strip().splitlines()[-1]
    assert status == 1 and last.startswith("error: ") and said in last and "Traceback" not in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_full_disk_is_told_by_the_exit_status_where_not_even_the_log_can_be_written(root, monkeypatch):
    def fail(self):
        raise RunError("a sentence") from OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(RunStore, "runs", fail)
    monkeypatch.setattr("sys.stderr", open("/dev/full", "wb", buffering=0))  # noqa: SIM115
    monkeypatch.setattr("sys.stderr", io.TextIOWrapper(sys.stderr, write_through=True))
    assert main(["runs"]) == DISK_FULL_STATUS
    sys.stderr.detach().close()


COMMANDS = [
    "demo", "train", "resume", "stop", "import", "evaluate", "analyze", "table", "export", "predict", "metrics", "runs",
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0 and "usage:" in capsys.readouterr().out


def test_wrong_arguments_are_status_two(capsys):
    with pytest.raises(SystemExit) as end:
        main(["train", "--epochs", "many"])
    assert end.value.code == 2


def test_the_help_loads_nothing_that_takes_time():
    script = (
        "import sys; from core.cli.main import main\n"
        "try: main(['--help'])\n"
        "finally: assert not {'torch', 'pyarrow', 'numpy', 'streamlit'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


class Gone(io.StringIO):
    """A stream whose reader has gone, as after `… | head`."""

    def write(self, text):
        raise BrokenPipeError


def test_a_reader_that_has_gone_ends_a_command_as_sigpipe_would(root, monkeypatch):
    monkeypatch.setattr(sys, "stdout", Gone())
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert main(["runs", "--json"]) == 128 + signal.SIGPIPE
