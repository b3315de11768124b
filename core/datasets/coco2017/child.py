"""The parent's side of `worker.py`: starts the child, asks it, and ends it when it is silent for too long.

In: requests as `worker.py` describes them. Out: its answers one by one, with a tick between them a few times a
second, so that whoever asks can tell how far it is, and can stop. Apart from `download.py` because it knows nothing of
data sets, and FiftyOne is never imported here.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from core import PROJECT, DataError

STALL_SECONDS = 30  # without a word from the child or a byte of a file
START_SECONDS = 180  # the same while it imports FiftyOne, from a slow disk
TICK_SECONDS = 0.25
SECONDS_TO_END = 1
MODULE = "core.datasets.coco2017.worker"
QUIET = {"FIFTYONE_DO_NOT_TRACK": "true", "FIFTYONE_SHOW_PROGRESS_BARS": "false"}


class Stalled(Exception):
    """The child was silent for too long, or has died, as the text says; the next request starts another one."""


class Fetcher:
    """A child process that fetches, started with the first request; to be closed, as by `with`."""

    def __init__(self):
        self._process: subprocess.Popen | None = None
        self._answers: queue.Queue[str | None] = queue.Queue()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed in `close`)
        self._is_ready = False

    def __enter__(self) -> Fetcher:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The child's; None while there is none."""
        return self._process and self._process.pid

    def ask(self, request: dict, watched: Path) -> Iterator[dict]:
        """Sends the request and yields its answers up to the one with "done"; {} stands for a moment without any.

        Growth of the files in the folder `watched` is a sign of life. Raises Stalled, and DataError if no child can
        be started.
        """
        if self._process is None:
            self._start()
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:  # it has died between two requests
            self._give_up(self._death())
        seen, size = time.monotonic(), None
        while True:
            try:
                line = self._answers.get(timeout=TICK_SECONDS)
            except queue.Empty:
                if (now := bytes_in(watched)) != size:
                    seen, size = time.monotonic(), now
                elif time.monotonic() - seen > (STALL_SECONDS if self._is_ready else START_SECONDS):
                    self._give_up("no answer")
                yield {}
                continue
            if line is None:
                self._give_up(self._death())
            seen = time.monotonic()
            answer = json.loads(line)
            if "ready" in answer:
                self._is_ready = True
                continue
            yield answer
            if "done" in answer:
                return

    def close(self) -> None:
        """Ends the child: asked first, by force after a second."""
        self._end(SECONDS_TO_END)
        self._errors.close()

    def _death(self) -> str:
        """That the child has ended by itself, with the last line that it has written on stderr."""
        self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(self._errors.tell() - 4000, 0))
        lines = [line.strip() for line in self._errors.read().decode(errors="replace").splitlines() if line.strip()]
        return "the fetching process ended" + (f": {lines[-1][:200]}" if lines else "")

    def _start(self) -> None:
        paths = [str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, **QUIET, "PYTHONPATH": os.pathsep.join(paths)}
        command = [sys.executable, "-m", MODULE]
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(
                command,
                cwd=PROJECT,
                env=environment,
                stdin=pipe,
                stdout=pipe,
                stderr=self._errors,
                start_new_session=True,
            )
        except OSError as error:
            raise DataError(f"The download cannot be started: {error.strerror}.") from None
        self._answers, self._is_ready = queue.Queue(), False
        threading.Thread(target=_read, args=(self._process.stdout, self._answers), daemon=True).start()

    def _give_up(self, reason: str):
        self._end(0)
        raise Stalled(reason)

    def _end(self, seconds: float) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(OSError):
            process.stdin.close()  # which ends it, unless it hangs in code that lets no thread run
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        with contextlib.suppress(ProcessLookupError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)  # a session of its own, so that nothing it started is left
            else:
                process.kill()
        process.wait()


def _read(stream, answers: queue.Queue) -> None:
    """Puts every line into the queue, and None at the end."""
    with stream:
        for line in stream:
            answers.put(line)
    answers.put(None)


def bytes_in(folder: Path) -> int:
    """The bytes of all files in a folder and those below it; files that vanish meanwhile do not count."""
    total = 0
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    total += bytes_in(entry.path)
                else:
                    total += entry.stat(follow_symlinks=False).st_size
    return total
