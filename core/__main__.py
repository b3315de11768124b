"""`python -m core …`: the command line, `cli/main.py`."""

import signal
import sys


def run() -> int:
    """Run the command; Ctrl-C at any time, however often, ends it without a traceback."""
    sys.unraisablehook = _show_unraisable
    try:
        try:
            from core.cli.main import main  # here: to import it takes time, in which Ctrl-C may come

            return main()
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
    except KeyboardInterrupt:  # also one that came before the line above had its effect
        return 130


def _show_unraisable(error: "sys.UnraisableHookArgs") -> None:
    """Show what Python could not raise, as in a destructor; but a Ctrl-C there is no error, and the next one counts."""
    if not issubclass(error.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(error)


if __name__ == "__main__":
    sys.exit(run())
