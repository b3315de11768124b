"""Kills of the app: one whose training outlives it, one of two on the same store.

Half of them with trainings that only pretend, so that an app has several within seconds; half with the real app, as
`streamlit run` starts it, and a real training, whose record must be that of an undisturbed one.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO

from core import PROJECT, RunError
from core.runs.manager import close_dead_runs
from core.runs.process import has_process
from core.runs.queue import RunQueue
from core.runs.schema import Run, Status
from core.runs.store import RunStore
from torture import tiny
from torture.child import kill_all, processes_naming
from torture.kills.trainings import Undisturbed, prepare
from torture.record import read_record, temporary_files
from torture.scenario import Outcome, Plan, Scenario

FAKE = PROJECT / "tests" / "core" / "runs" / "fake_training.py"  # its "app" is a job manager, its "train" takes no time
PRETENDED, REAL = 24, 10  # scenarios
STEPS = 6  # of a pretended training of two epochs
RUNS = 3  # in the queue of a pretended app
PATIENCE = 60  # seconds until all runs are over
FIGURES = "train/loss"


def scenarios(plan: Plan) -> Sequence[Scenario]:
    """Return kills of one app and of one of two, at times."""
    listed: list[Scenario] = []
    random = plan.random("apps")
    for number in range(plan.count(PRETENDED, least=2)):
        apps, after = 1 + number % 2, random.uniform(0.2, 2.5)
        mode = ("child", "forked")[number // 2 % 2]
        name = f"{apps} app(s) with {RUNS} runs ({mode}), one killed after {after:.2f} s"
        attempt = partial(_pretended, apps, mode, after)
        listed.append(Scenario("kills: app, pretended trainings", len(listed), name, attempt))
    whole = prepare(plan, "plain", "apps")
    for number in range(plan.count(REAL, least=0 if plan.share < 0.1 else 1)):
        apps, after = 1 + number % 2, random.uniform(1, 9)
        name = f"{apps} real app(s) with a training, one killed after {after:.1f} s"
        attempt = partial(_real, whole, apps, after)
        listed.append(Scenario("kills: app, real", len(listed), name, attempt, seconds=240))
    return listed


@contextmanager
def cleared(root: Path) -> Iterator[None]:
    """End every process that works on the root, at the end."""
    try:
        yield
    finally:
        kill_all(processes_naming(str(root)))


def start_app(root: Path, command: list[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start an app on the root, with its trainings in one thread each, as the undisturbed ones are."""
    environment = {**os.environ, "DETR_LAB_ROOT": str(root), "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, cwd=PROJECT, env=environment, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT
    )


def kill_app(app: subprocess.Popen[bytes]) -> None:
    """Kill an app, and nothing else."""
    app.send_signal(signal.SIGKILL)
    app.wait()
    if app.stdin:
        app.stdin.close()


def streamlit_command() -> list[str]:
    """Return the command line of the real app, on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}", "--server.headless=true"]


def _pretended(apps: int, mode: str, after: float, folder: Path) -> Outcome:
    root = folder / "root"
    store = RunStore(root)
    ids = [store.create({**tiny.config(root).to_dict(), "data": "short"}).id for _ in range(RUNS)]
    command = [sys.executable, str(FAKE), "app", mode]
    with cleared(root), (folder / "app.log").open("wb") as log:
        running = [start_app(root, command, log) for _ in range(apps)]
        for app in running:
            _begin(app)
        time.sleep(after)
        kill_app(running.pop(0))
        running.append(start_app(root, command, log))
        _begin(running[-1])
        lost, resumed = until_over(store, ids)
        for app in running:
            kill_app(app)
        for run_id in ids:
            lost += _twice(store, run_id, resumed.count(run_id))
    store.close()
    return Outcome(lost=tuple(lost))


def _begin(app: subprocess.Popen[bytes]) -> None:
    with suppress(BrokenPipeError):
        app.stdin.write(b"\n")  # type: ignore[union-attr]
        app.stdin.flush()  # type: ignore[union-attr]


def _twice(store: RunStore, run_id: str, resumed: int) -> list[str]:
    """Return a sentence if a run's steps are not all there once, or it began more often than it was resumed."""
    rows, _ = store.metrics_after(run_id, tags=[FIGURES])
    steps = [step for _, _, step, _ in rows]
    began = (store.checkpoints(run_id) / "began.txt").read_text().splitlines()
    lost = [] if steps == list(range(1, STEPS + 1)) else [f"the run has recorded the steps {steps}"]
    return lost if len(began) <= 1 + resumed else [*lost, f"the run began {len(began)} times, resumed {resumed} times"]


def until_over(store: RunStore, ids: list[str]) -> tuple[list[str], list[str]]:
    """Wait until all runs are finished, resuming what was interrupted; return what is lost, and what was resumed."""
    resumed: list[str] = []
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        runs = [store.get(run_id) for run_id in ids]
        if all(run.status is Status.FINISHED for run in runs):
            return [], resumed
        for run in runs:
            if run.status in tiny.RESUMABLE:
                try:
                    RunQueue(store).requeue(run.id)
                except RunError as error:
                    return [f"the run cannot be resumed: {error}"], resumed
                resumed.append(run.id)
                if resumed.count(run.id) > 3:
                    return [f"the run ends again and again: {run.status}, {run.message}"], resumed
        time.sleep(0.05)
    return [f"after {PATIENCE} s the runs are {', '.join(_words(store.get(one)) for one in ids)}"], resumed


def _words(run: Run) -> str:
    return f"{run.status} ({run.message})"


def _real(whole: Undisturbed, apps: int, after: float, folder: Path) -> Outcome:
    root = tiny.copy_root(whole.root, folder / "root")
    store = RunStore(root)
    with cleared(root), (folder / "app.log").open("wb") as log:
        running = [start_app(root, streamlit_command(), log) for _ in range(apps)]
        time.sleep(after)
        before = store.get(whole.run_id)
        kill_app(running.pop(0))
        survives = before.status is Status.RUNNING and has_process(store.get(whole.run_id))
        lost = [] if survives or before.status is not Status.RUNNING else ["the training died with the app"]
        running.append(start_app(root, streamlit_command(), log))
        more, resumed = until_over(store, [whole.run_id])
        lost += more
        if survives and resumed:
            lost.append("the training lived on, yet it was closed and had to be resumed")
        for app in running:
            kill_app(app)
        close_dead_runs(store)
    store.close()
    lost = lost or whole.record.differences(read_record(root, whole.run_id))
    left = [name for name in temporary_files(root) if ".uploads" not in name]
    return Outcome(lost=(*lost, *([f"temporary files are left: {left[:3]}"] if left else [])))
