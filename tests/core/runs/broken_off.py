"""`python -m core …` of a training by two processes that is broken off: `broken_off.py HOW STEP ARGUMENTS…`

"Ctrl-C"  when the step is recorded, the process that waits for the two gets SIGINT, as from its terminal
"death"   the second process is killed after that step
"""

import os
import signal
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(next(p for p in Path(__file__).resolve().parents if (p / "app.py").exists())))

import core.cli.training_commands as commands
from core.cli.main import main
from core.cli.processes import launch


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
    how, step, *arguments = sys.argv[1:]
    rank = os.environ.get("RANK")
    if rank is None:
        here = [sys.executable, __file__, how, step]
        commands.launch = lambda store, command, processes: launch(store, [*here, *command[3:]], processes)
    elif (how, rank) == ("Ctrl-C", "0"):
        press_ctrl_c_after(int(step))
    elif (how, rank) == ("death", "1"):
        die_after(int(step))
    sys.exit(main(arguments))
