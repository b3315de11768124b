"""Ctrl-C as often as one likes: a command ends without a traceback, and what it began is cleared."""

import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

import core.__main__ as command
from core import PROJECT
from core.runs.schema import Status
from core.runs.store import RunStore
from tests.core.cli.running import TINY
from tests.core.runs.waiting import until


def started(root, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "core", *map(str, arguments)], cwd=PROJECT, text=True,
        env={**os.environ, "DETR_LAB_ROOT": str(root)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def flood(process):
    """Press Ctrl-C two hundred times a second until the process has ended; its status and what it printed on stderr."""
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        time.sleep(0.005)
    return process.returncode, process.communicate()[1]


def test_it_breaks_off_what_the_command_does_and_nothing_that_comes_after_that(monkeypatch):
    """Where it was pressed is told by the frame that a handler gets."""
    handlers, frames = [], []

    def main():
        handlers.append(signal.getsignal(signal.SIGINT))
        frames.extend([sys._getframe(), sys._getframe(1)])
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setitem(sys.modules, "core.cli.main", SimpleNamespace(main=main))
    before, hook = signal.signal(signal.SIGINT, signal.default_int_handler), sys.unraisablehook
    try:
        assert command.run() == 130
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
        sys.unraisablehook = hook
    in_main, in_run = frames
    with pytest.raises(KeyboardInterrupt):
        handlers[0](signal.SIGINT, in_main)
    handlers[0](signal.SIGINT, in_run)


def test_it_may_come_while_the_command_lets_go_of_it(monkeypatch):
    """`signal.signal` is Python, too: it was pressed within the last one."""
    set_handler, pressed = signal._enum_to_int, []

    def pressed_within(value):
        if callable(signal.getsignal(signal.SIGINT)) and value == signal.SIG_IGN and not pressed:
            pressed.append(value)
            signal.raise_signal(signal.SIGINT)
        return set_handler(value)

    monkeypatch.setitem(sys.modules, "core.cli.main", SimpleNamespace(main=lambda: 130))
    before, hook = signal.signal(signal.SIGINT, signal.default_int_handler), sys.unraisablehook
    monkeypatch.setattr(signal, "_enum_to_int", pressed_within)
    try:
        assert command.run() == 130 and pressed
    finally:
        signal.signal(signal.SIGINT, before)
        sys.unraisablehook = hook


def test_its_status_is_the_same_where_it_was_pressed_within_code_made_of_text(tmp_path):
    """As in a dataclass or a named tuple that is being made, while a library is imported."""
    (tmp_path / "pressed.py").write_text(
        "import sys, types\n"
        "from core import __main__ as command\n"
        "main = types.SimpleNamespace(main=lambda: exec('raise KeyboardInterrupt'))\n"
        "sys.modules['core.cli.main'] = main\n"
        "sys.exit(command.run())\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    pressed = [sys.executable, "-m", "pressed"]
    done = subprocess.run(pressed, check=False, cwd=tmp_path, env=environment, stderr=subprocess.PIPE)
    assert done.returncode == 130 and done.stderr == b""


def test_a_drawing_ends_and_leaves_nothing_that_stays(tmp_path):
    process = started(tmp_path, "demo", "--out", tmp_path / "data/street", "--train", "5000", "--val", "10")
    until(lambda: list(tmp_path.glob("data/.street*/train")))
    status, errors = flood(process)
    assert status == 130 and "Traceback" not in errors, errors
    RunStore(tmp_path).close()
    started(tmp_path, "runs").communicate()
    assert list(tmp_path.glob("data/.street*")) == []


def test_a_training_ends_also_while_it_loads_and_is_recorded_as_stopped(tmp_path, street):
    process = started(tmp_path, "train", "--data", street, *TINY, "--epochs", "500", "--eval-every", "500")
    store = until(lambda: (tmp_path / "runs/runs.db").exists() and RunStore(tmp_path), 60)
    run = until(lambda: store.runs() and store.runs()[0], 60)
    until(lambda: store.get(run.id).status is Status.RUNNING, 120)
    status, errors = flood(process)
    assert status == 130 and "Traceback" not in errors, errors
    assert store.get(run.id).status is Status.STOPPED
