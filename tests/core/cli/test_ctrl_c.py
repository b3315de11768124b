"""Ctrl-C as often as one likes: a command ends without a traceback, and what it began is cleared."""

import os
import signal
import subprocess
import sys
import time

from core import PROJECT
from core.runs.schema import Status
from core.runs.store import RunStore
from tests.core.cli.running import TINY
from tests.core.detr.sources.hub_server import HubServer
from tests.core.runs.waiting import until


def started(root, *arguments, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "core", *map(str, arguments)], cwd=PROJECT, text=True,
        env={**os.environ, **environment, "DETR_LAB_ROOT": str(root)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def flood(process):
    """Press Ctrl-C two hundred times a second until the process has ended; its status and what it printed on stderr."""
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        time.sleep(0.005)
    return process.returncode, process.communicate()[1]


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


def test_a_models_download_ends_at_once_and_what_came_of_it_is_kept(tmp_path, street):
    hub = HubServer("someone/starter", PROJECT / "checkpoints/starter")
    hub.hold = 2_000_000  # from there on it says nothing
    environment = {"HF_ENDPOINT": hub.address, "HF_HUB_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "0"}
    process = started(tmp_path, "train", "--data", street, *TINY, "--model", hub.name, **environment)
    store = until(lambda: (tmp_path / "runs/runs.db").exists() and RunStore(tmp_path), 60)
    words = f"Downloading {hub.name}: 2 of 7 MB"
    run = until(lambda: next((run for run in store.runs() if run.message == words), None))
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    until(lambda: not store.get(run.id).is_live)
    assert time.monotonic() - begin < 3
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in errors and words in errors, errors
    assert (store.get(run.id).status, store.get(run.id).message) == (Status.STOPPED, "Stopped before its first step.")
    assert max(path.stat().st_size for path in tmp_path.rglob("blobs/*")) >= 2_000_000
    hub.close()
