"""`python -m core …` of a training by two processes that is broken off: `broken_off.py HOW STEP ARGUMENTS…`

"Ctrl-C"  when the step is recorded, the process that waits for the two gets SIGINT, as from its terminal
"death"   the second process is killed after that step

The two are forks of the process that waits for them: where that has torch from the beginning, nobody imports it.
"""

import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path
from types import SimpleNamespace

if __name__ == "__main__":
    sys.path.insert(0, str(next(p for p in Path(__file__).resolve().parents if (p / "app.py").exists())))

from core.cli import processes
from core.cli.main import main

HOW, STEP, *ARGUMENTS = sys.argv[1:] if __name__ == "__main__" else ("", "0")


class Fork:
    """What `launch` needs of a Popen."""

    def __init__(self, command, env, stdin, stdout, stderr, start_new_session):
        self.returncode, self._looking = None, threading.Lock()
        self.pid = os.fork()
        if not self.pid:
            os._exit(work(env, stdout))

    def poll(self):
        with self._looking:
            if self.returncode is None:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

    def wait(self):
        while self.poll() is None:
            time.sleep(0.01)
        return self.returncode

    def send_signal(self, number):
        os.kill(self.pid, number)


def work(environment, output) -> int:
    """Be one of the two processes; return its exit status."""
    os.setsid()
    for name in processes.SIGNALS:
        signal.signal(getattr(signal, name), signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL)
    if output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    os.environ.update(environment)
    if (HOW, os.environ["RANK"]) == ("Ctrl-C", "0"):
        press_ctrl_c_after(int(STEP))
    elif (HOW, os.environ["RANK"]) == ("death", "1"):
        die_after(int(STEP))
    try:
        return main(ARGUMENTS)
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def press_ctrl_c_after(step: int) -> None:
    """Let the recorder of this process wait, once it has written the step, until Ctrl-C has come back to it."""
    from core.runs.recorder import Recorder
    from core.training.events import StepDone

    write = Recorder.write

    def write_and_press(self, progress):
        write(self, progress)
        if isinstance(progress, StepDone) and progress.step == step:
            before = signal.getsignal(signal.SIGINT)
            os.killpg(os.getpgid(os.getppid()), signal.SIGINT)
            while signal.getsignal(signal.SIGINT) is before:  # the training's handler replaces itself
                time.sleep(0.01)

    Recorder.write = write_and_press


def die_after(step: int) -> None:
    """Let the training of this process kill it after the step."""
    import core.training.train as training
    from core.training.events import StepDone

    train = training.train

    def die(*arguments):
        for progress in train(*arguments):
            if isinstance(progress, StepDone) and progress.step == step:
                os.kill(os.getpid(), signal.SIGKILL)
            yield progress

    training.train = die


if __name__ == "__main__":
    processes.subprocess = SimpleNamespace(Popen=Fork, DEVNULL=subprocess.DEVNULL, STDOUT=subprocess.STDOUT)
    sys.exit(main(ARGUMENTS))
