"""The processes of a training by several: started, watched and ended together, with one exit status.

    python -m core train --processes 2      this process: waits, passes signals on, never loads torch
        |- the same command, RANK 0         the main process: keeps the run's record, prints, is told to stop
        |- the same command, RANK 1         prints into a file; if it fails first, its words are the run's message

`accelerate launch -m core …` starts them as well, also on several machines, but hides how they ended: its status is 1.
"""

from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from types import FrameType
from typing import IO

from core import LabError, RunError
from core.cli.command import show
from core.config import TrainConfig
from core.engine.process import SAFE, with_code
from core.engine.process_id import ProcessId, process_of, this_process
from core.runs.log import open_log
from core.runs.process import ended_by
from core.runs.schema import Run, Status
from core.runs.store import RunStore
from core.system.processes import ending_signal, kill_family, own_session, passed_on, torch_environment
from core.wording import sentence, short, visible

SECONDS_TO_RECORD = 30.0  # for the main process to end and record that another one has failed
SECONDS_FOR_CAUSE = 1.0  # in which to see, once the main process has failed, that another one had before it
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")  # that the main process gets; Windows lacks the last
ERROR = "error: "  # how the line begins in which a command says why it failed
MOST_BYTES = 20_000  # of what a failed process printed, at its end, that go to the run's log


def needs_launch(config: TrainConfig) -> bool:
    """Check whether the settings ask for several processes and none of them was started yet."""
    return config.processes > 1 and "WORLD_SIZE" not in os.environ


def with_processes(config: TrainConfig) -> TrainConfig:
    """Return the settings with the number of processes that were started together, 1 without any other.

    Raises LabError if the settings ask for another number.
    """
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if config.processes not in (1, world_size):
        raise LabError(
            f"The settings ask for {config.processes} processes, but {world_size} run (WORLD_SIZE): begin with "
            f"accelerate launch --multi_gpu --num_processes {config.processes} -m core …, or without WORLD_SIZE."
        )
    return replace(config, processes=world_size)


def is_main_process() -> bool:
    """Check whether this process keeps the run's record: the only one, or the first of those that train together."""
    return int(os.environ.get("RANK", "0")) == 0


def launch(store: RunStore, command: Sequence[str], processes: int) -> int:
    """Run a command in several processes that find each other; return the exit status of the training.

    That is the main process's, which has said why; or, if another one failed before it, that one's, whose words become
    the run's message. 128 + n: ended by signal n. None of the processes is left when this returns.
    """
    from core.training.events import PEER_ENDED

    with ExitStack() as stack:
        outputs = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(1, processes)]
        children: list[subprocess.Popen[bytes]] = []
        stack.callback(_end, children)
        stack.enter_context(_signals_passed_on(children))
        port = _free_port()
        for rank, output in enumerate([None, *outputs]):
            children.append(_start(command, rank, processes, port, output))
        main = children[0]
        known = (this_process(), process_of(main.pid))
        failure = _first_failure(children)
        has_ended_itself = main.poll() is not None and not ending_signal(main.returncode)
        _end(children)
        run = _run_of(store, known)
        if not failure or (has_ended_itself and not (run and run.message == PEER_ENDED)):
            return main.returncode
        rank, code = failure
        output_text = _last_part(outputs[rank - 1]) if rank else ""
        message = _message(f"Process {rank + 1} of {processes}", code, output_text, store, run)
        if run:
            _record(store, run, Status.INTERRUPTED if ending_signal(code) else Status.FAILED, message, output_text)
        show(f"error: {sentence(message)}", file=sys.stderr)
        return code if code > 0 else 128 - code


def _free_port() -> str:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return str(sock.getsockname()[1])


def _start(
    command: Sequence[str], rank: int, processes: int, port: str, output: IO[bytes] | None
) -> subprocess.Popen[bytes]:
    """Start one of the processes, which learns from its environment which one it is and where the others are."""
    environment = {
        "OMP_NUM_THREADS": "1", **with_code(os.environ), **SAFE, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port,
        "WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes), "RANK": str(rank), "LOCAL_RANK": str(rank),
    }  # fmt: skip
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=output,
        stderr=None if output is None else subprocess.STDOUT,
        **own_session(),  # so that Ctrl-C comes to the main process only, and once: from here
    )  # fmt: skip


@contextmanager
def _signals_passed_on(children: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Pass signals on to the main process, which alone decides what they mean."""

    def handle(number: int, _frame: FrameType | None) -> None:
        if children:
            children[0].send_signal(passed_on(number))
        else:
            raise KeyboardInterrupt

    numbers = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    taken = [number for number in numbers if before[number] is not signal.SIG_IGN]  # ignored under nohup
    for number in taken:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number in taken:
            if signal.getsignal(number) is handle:  # see core/runs/drive.py
                signal.signal(number, before[number])


def _first_failure(children: Sequence[subprocess.Popen[bytes]]) -> tuple[int, int] | None:
    """Wait until the main process has ended, or has had its time after another one failed.

    Returns rank and exit code of the first that failed, None if none did.
    """
    ended: queue.SimpleQueue[tuple[int, int]] = queue.SimpleQueue()
    for rank, child in enumerate(children):
        threading.Thread(target=lambda r=rank, c=child: ended.put((r, c.wait())), daemon=True).start()
    failure = None
    while True:
        try:
            rank, code = ended.get(timeout=SECONDS_TO_RECORD if failure else None)
        except queue.Empty:
            return failure
        failure = failure or ((rank, code) if code else None)
        if rank == 0:
            break
    if failure and failure[0] == 0 and failure[1] > 0:  # perhaps because of another, whose end was seen later
        with suppress(queue.Empty):
            while not (other := ended.get(timeout=SECONDS_FOR_CAUSE))[1]:
                pass
            failure = other
    return failure


def _end(children: Sequence[subprocess.Popen[bytes]]) -> None:
    """End those that still run: without the main process nothing that they do is kept."""
    for child in children:
        if child.poll() is None:
            kill_family(child.pid)
    for child in children:
        child.wait()


def _run_of(store: RunStore, known: Sequence[ProcessId]) -> Run | None:
    """Return the run that one of these processes works on, or worked on last."""
    return next((run for run in store.runs() if (run.pid, run.pid_started) in known), None)


def _last_part(output: IO[bytes]) -> str:
    output.seek(max(0, output.seek(0, os.SEEK_END) - MOST_BYTES))
    return output.read().decode(errors="replace").strip()


def _message(name: str, code: int, output: str, store: RunStore, run: Run | None) -> str:
    """Return why a process has ended, in a sentence for the user."""
    log = f"see {store.log_path(run.id).relative_to(store.root).as_posix()}" if run else "begin again"
    last_line = output.rpartition("\n")[2]
    if number := ending_signal(code):
        return f"{name} {ended_by(number)}: resume the run, or {log}."
    if last_line.startswith(ERROR):
        return f"{name}: {last_line.removeprefix(ERROR)}"
    words = f" ({short(last_line, 300)})" if last_line else ""
    return f"{name} ended with exit code {code}{words}: {log}."


def _record(store: RunStore, run: Run, status: Status, message: str, output: str) -> None:
    """Make it the run's message, also where the main process knew only that another one has ended; keep the output."""
    from core.runs.manager import close_dead_runs
    from core.runs.queue import RunQueue
    from core.training.events import PEER_ENDED

    with suppress(RunError, OSError):  # a full disk must not hide the sentence and the exit status
        if store.get(run.id).stop_requested:  # it was killed because it did not obey
            close_dead_runs(store)
        RunQueue(store).end(run.id, status, message)
        if store.get(run.id).message == PEER_ENDED:
            store.update(run.id, message=message)
        with open_log(store.log_path(run.id)) as log:
            log.writelines(f"{visible(line)}\n".encode() for line in output.split("\n") if line)


def prepare_torch(threads: int, deterministic: bool = False) -> None:
    """Set what only a process that does nothing else may set: torch's threads, and no progress bars of others."""
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read once, when a GPU is used first
    for name, value in torch_environment().items():
        os.environ.setdefault(name, value)
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    if threads:
        torch.set_num_threads(threads)
