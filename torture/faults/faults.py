"""Faults: full and read-only disks, a locked or damaged database, cut files, limits of the system, a clock that is set.

A training meets the fault and must end in bounded time, with one sentence and without a flood of output, or go through
it. Once the fault is lifted, the run goes on, and its figures are those of a training that nobody disturbed.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from core import LabError
from core.cli.main import main
from core.runs.manager import close_dead_runs
from core.runs.schema import Status
from core.runs.store import RunStore
from torture import tiny
from torture.child import in_child
from torture.kills.trainings import Undisturbed, prepare, unlike
from torture.scenario import Outcome, Plan, Scenario

MOST_CHARACTERS = 300  # of a message
MOST_OUTPUT = 5 * 2**20  # bytes
PATIENCE = 60  # seconds until a training under a fault has ended
BY_A_SIGNAL = (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT)
NOT_A_SENTENCE = re.compile(r"Traceback|enforce fail|\b[A-Z]\w+(Error|Exception)\b|\n|\bat 0x[0-9a-f]{6,}")


@dataclass(frozen=True)
class Fault:
    """One fault.

    row      its line in the table
    around   what holds while the training runs, given the store's folder: a mount, a lock
    inside   what is done in the training's process first
    limits   of that process's resources
    variant  of the training's settings (`torture.kills.trainings.VARIANTS`), by name
    begun    whether the training has been stopped after some steps before
    deadly   whether a signal may end the training, which must then go on as after any kill: a native library
             that gets no memory can do no better
    lift     what is done afterwards
    """

    row: str
    name: str
    around: Callable[[Path], AbstractContextManager[Any]] = lambda root: nullcontext()
    inside: Callable[[Path], None] = lambda root: None
    limits: Callable[[], dict[int, int]] = dict
    variant: str = "plain"
    begun: bool = False
    deadly: bool = False
    lift: Callable[[Path], None] = lambda root: None


def scenarios(plan: Plan) -> Sequence[Scenario]:
    """Return every fault as a scenario; a smaller share takes some of each kind."""
    from torture.faults import disks, files, limits

    wholes: dict[str, Undisturbed] = {"plain": prepare(plan, "plain", "faults")}
    begun = _begun(plan, wholes["plain"])
    listed: list[Scenario] = []
    for kind in (disks.faults(plan, wholes["plain"]), files.faults(plan), limits.faults(plan)):
        chosen = plan.random("faults", kind[0].row).sample(list(kind), plan.count(len(kind), least=2))
        for fault in chosen:
            if fault.variant not in wholes:
                wholes[fault.variant] = prepare(plan, fault.variant, "faults")
            attempt = partial(_attempt, fault, wholes[fault.variant], begun if fault.begun else None)
            listed.append(Scenario(fault.row, len(listed), fault.name, attempt))
    return [*listed, *files.scenarios(plan, len(listed))]


def _begun(plan: Plan, whole: Undisturbed) -> Path:
    """Return the store of a training that was stopped in its second epoch, and so has a checkpoint."""
    root = tiny.copy_root(whole.root, plan.folder / "faults" / "begun")
    ending = in_child(partial(_stop_in_second_epoch, root, whole.run_id), plan.folder / "faults")
    if ending.status != 0:
        raise RuntimeError(f"A training cannot be stopped: {ending.text}")
    return root


def _stop_in_second_epoch(root: Path, run_id: str) -> None:
    import threading

    from core.runs.drive import follow
    from core.training.events import StepDone

    store, stop = RunStore(root), threading.Event()
    for progress in follow(store, run_id, stop=stop):
        if isinstance(progress, StepDone) and progress.step == 4:
            stop.set()


def train_by_command(root: Path, run_id: str, before: Callable[[Path], None]) -> int:
    """Train or resume the run as the command line does; return its exit status."""
    os.environ["DETR_LAB_ROOT"] = str(root)
    before(root)
    status = Status.QUEUED
    try:
        store = RunStore(root)
        status = store.get(run_id).status
        store.close()
    except LabError:  # the command itself shall say so
        pass
    return main(["train", "--run", run_id] if status is Status.QUEUED else ["resume", run_id])


def _attempt(fault: Fault, whole: Undisturbed, begun: Path | None, folder: Path) -> Outcome:
    root = tiny.copy_root(begun or whole.root, folder / "root")
    with fault.around(root):
        action = partial(train_by_command, root, whole.run_id, fault.inside)
        ending = in_child(action, folder, PATIENCE, limits=fault.limits())
    lost = []
    if ending.status is None:
        lost.append(f"it was not over after {PATIENCE} s: {ending.text[-200:]}")
    elif ending.status not in (0, 1, 2) and not (fault.deadly and -ending.status in BY_A_SIGNAL):
        lost.append(f"it ended with {ending.status}: {ending.text[-300:]}")
    if ending.output.stat().st_size > MOST_OUTPUT:
        lost.append(f"it wrote {ending.output.stat().st_size:,} bytes")
    lost += [f"its output says: {_excerpt(ending.text)}"] if "Traceback" in ending.text else []
    lost += bad_sentences([line for line in ending.text.splitlines() if line.startswith("error: ")])
    fault.lift(root)
    return Outcome(lost=(*lost, *_afterwards(whole, root, folder)))


def _afterwards(whole: Undisturbed, root: Path, folder: Path) -> list[str]:
    """Look at how the run has ended, then let it go on to its end, without the fault."""
    store = RunStore(root)
    close_dead_runs(store)
    run = store.get(whole.run_id)
    store.close()
    lost = bad_sentences([run.message or ""])
    log = store.log_path(run.id)
    if log.is_file() and log.stat().st_size > MOST_OUTPUT:
        lost.append(f"the run's log has {log.stat().st_size:,} bytes")
    ending = in_child(partial(tiny.go_on, root, whole.run_id), folder)
    return [*lost, *unlike(whole, root, ending)]


def bad_sentences(messages: Sequence[str]) -> list[str]:
    """Return what is wrong with messages for a user."""
    lost = []
    for message in messages:
        if len(message) > MOST_CHARACTERS:
            lost.append(f"a message has {len(message)} characters: {message[:200]} …")
        elif match := NOT_A_SENTENCE.search(message):
            lost.append(f"a message says {match[0]!r}: {message}")
    return lost


def _excerpt(text: str) -> str:
    lines = text[text.index("Traceback") :].strip().splitlines()
    return " / ".join([lines[0], *lines[-2:]])[:300]
