"""Processes that train together: one exit status and one sentence for all; programs without torch stand in for them."""

import os
import signal
import sys

import psutil
import pytest

from core import PROJECT
from core.cli.main import main
from core.cli.processes import launch
from core.runs.store import RunStore
from core.training.events import PEER_ENDED
from tests.core.cli.running import TINY, run

WAIT = "import threading; threading.Event().wait()"


@pytest.fixture
def store(root):
    store = RunStore(root)
    yield store
    store.close()


def launched(store, *programs):
    """The status of processes that run these programs, in the order of their ranks."""
    program = f"import os, sys; exec({programs!r}[int(os.environ['RANK'])])"
    return launch(store, [sys.executable, "-c", program], len(programs))


def works_on(store, made, rest):
    """A program that begins the run, as the main process does."""
    return (
        f"sys.path.insert(0, {str(PROJECT)!r})\n"
        "from core.runs.queue import RunQueue; from core.runs.store import RunStore\n"
        "from core.engine.process_id import this_process; from core.runs.schema import Status\n"
        f"queue = RunQueue(RunStore.default()); queue.begin({made.id!r}, this_process())\n"
        f"{rest}"
    )


@pytest.mark.few(2)
@pytest.mark.parametrize("code", [0, 1, 28, 130])
def test_the_status_is_the_main_processs_which_has_said_why(store, capfd, code):
    assert launched(store, f"sys.exit({code})", WAIT) == code
    assert capfd.readouterr().err == ""


@pytest.mark.few(1)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_ends_the_main_process_is_128_more(store, capfd, number):
    kill = f"import signal; signal.signal({number}, 0) if {number} != 9 else 0; os.kill(os.getpid(), {number})"
    assert launched(store, kill, WAIT) == 128 + number
    assert f"error: Process 1 of 2 was ended by {number.name}" in capfd.readouterr().err


def test_none_is_left_and_they_can_find_each_other(store, root):
    names = ("WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    tell = f"path = {str(root)!r} + '/' + os.environ['RANK']\n"
    tell += f"text = ' '.join([str(os.getpid()), *map(os.environ.get, {names})])\n"
    tell += "open(path + 'new', 'w').write(text); os.rename(path + 'new', path)\n"
    assert launched(store, f"{tell}while not os.path.exists({str(root / '1')!r}): pass", tell + WAIT) == 0
    first, second = ((root / name).read_text().split() for name in "01")
    assert not psutil.pid_exists(int(first[0])) and not psutil.pid_exists(int(second[0]))
    assert first[1:3] == ["2", "0"] and second[1:3] == ["2", "1"] and first[3:] == second[3:]


@pytest.mark.parametrize(
    ("program", "code", "words"),
    [
        ("print('error: The picture 7.jpg cannot be read.'); sys.exit(1)", 1, "The picture 7.jpg cannot be read."),
        ("raise ZeroDivisionError('a reason')", 1, "exit code 1 (ZeroDivisionError: a reason): see runs/"),
        ("os._exit(3)", 3, "Process 2 of 2 ended with exit code 3: see runs/"),
        ("os.kill(os.getpid(), 9)", 137, "Process 2 of 2 was ended by SIGKILL, which often means that memory ran out"),
    ],
)
@pytest.mark.parametrize("hangs", [True, False])
def test_the_words_of_another_process_that_failed_become_the_runs_message(
    store, capfd, monkeypatch, program, code, words, hangs
):
    monkeypatch.setattr("core.cli.processes.SECONDS_TO_RECORD", 0.01 if hangs else 60)
    made = store.create({})
    ready = store.root / "ready"
    begun = f"open({str(ready)!r}, 'w').close()\n"
    end = f"queue.end({made.id!r}, Status.FAILED, {PEER_ENDED!r}); import time\n"
    end += f"while not os.path.exists({str(store.root / 'over')!r}): pass\nsys.exit(1)"
    other = f"while not os.path.exists({str(ready)!r}): pass\n"
    # else the main process, which it takes with it, is seen to end first
    other += "" if hangs else f"open({str(store.root / 'over')!r}, 'w').close(); import time; time.sleep(0.3)\n"
    status = launched(store, works_on(store, made, begun + (WAIT if hangs else end)), other + program)
    ended = store.get(made.id)
    err = capfd.readouterr().err
    assert status == code and words in ended.message and not ended.is_live
    assert "Traceback" not in err and err.splitlines()[-1].startswith("error: Process 2 of 2")
    assert ("Traceback" in store.log_path(made.id).read_text()) == ("ZeroDivision" in program)


def test_resume_names_the_run_because_last_is_another_one_once_it_has_begun(store, capsys, monkeypatch):
    made = store.create({"processes": 2}, process=(os.getpid(), 1.0))
    commands = []
    monkeypatch.setattr("core.cli.training_commands.launch", lambda *arguments: commands.append(arguments[1:]) or 137)
    assert run(capsys, "resume", "last", "--changed-data")[0] == 137
    assert commands == [([sys.executable, "-m", "core", "resume", made.id, "--changed-data"], 2)]


def test_the_settings_of_a_started_group_must_agree_with_it(root, capsys, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "3")
    status, _, err = run(capsys, "train", "--processes", "2", "--data", "x")
    assert status == 1 and "ask for 2 processes, but 3 run (WORLD_SIZE)" in err


def test_what_was_mistyped_is_said_once_and_leaves_no_run(store, street, capfd):
    arguments = ("train", "--data", street / "none", *TINY, "--processes", "2")
    assert main([str(argument) for argument in arguments]) == 1
    assert capfd.readouterr().err.count("error: ") == 1 and store.runs() == []
