"""A process that is killed at its n-th change of a file or folder, for real: SIGKILL, in a fork."""

import os
import signal
import sys
from collections.abc import Callable

CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate")


def killed_at(number: int, action: Callable[[], object]) -> bool:
    """Do `action` in a forked process, which is killed just before its change `number`, from 1; whether it was."""
    pid = os.fork()
    if not pid:
        try:
            _kill_before(number)
            action()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)  # with os._exit, coverage would write its data first
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def _kill_before(number: int) -> None:
    count = 0

    def hook(event: str, arguments: tuple) -> None:
        nonlocal count
        is_write = event == "open" and bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        if event in CHANGES or is_write:
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
