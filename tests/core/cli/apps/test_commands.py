"""The commands that open applications: reached at this machine alone, ended by Ctrl-C, and nothing of them is left."""

import os
import re
import signal
import subprocess
import sys
import urllib.request

import psutil
import pytest

from core import PROJECT
from tests.core.cli.running import last_line, run
from tests.processes import lives
from tests.suite import unmeasured


def listening(process: psutil.Process) -> set[tuple[str, int]]:
    """The addresses at which a process and its children take connections from elsewhere."""
    family = [process, *process.children(recursive=True)]
    return {tuple(c.laddr) for one in family for c in one.net_connections("inet") if c.status == psutil.CONN_LISTEN}


def test_tensorboard_serves_the_runs_to_this_machine_until_ctrl_c(finished, tmp_path):
    command = subprocess.Popen(
        [sys.executable, "-m", "core", "tensorboard"], cwd=PROJECT, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env={**unmeasured(os.environ), "DETR_LAB_ROOT": str(tmp_path)},
    )  # fmt: skip
    address = command.stdout.readline().strip()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", address)
    with urllib.request.urlopen(address, timeout=30) as page:
        assert page.status == 200 and b"TensorBoard" in page.read()
    family = psutil.Process(command.pid).children(recursive=True)
    places = listening(psutil.Process(command.pid))
    assert places and {host for host, _ in places} <= {"127.0.0.1", "::1"}
    command.send_signal(signal.SIGINT)
    _, errors = command.communicate(timeout=30)
    assert command.returncode == 0 and "Traceback" not in errors
    assert f"forward this port: ssh -L {address.split(':')[-1].strip('/')}:" in errors
    psutil.wait_procs(family, 10)
    assert family and not any(map(lives, family))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--score", "2"), "error: --score is 2: give a number from 0 to 1."),
        (("--epoch", "7"), "error: Epoch 7 of {run} was not evaluated; there are: 0, 1, 2."),
        (("--marked",), "error: No image of this run is marked: mark some on the Errors page, or leave --marked out."),
    ],
)
def test_what_fiftyone_cannot_be_asked_for_is_said_before_it_is_started(capsys, finished, options, sentence):
    status, _, err = run(capsys, "fiftyone", finished.id, *options)
    assert status == 1 and last_line(err) == sentence.format(run=finished.id)
