"""`python -m core …`: the command line, `cli/main.py`."""

import signal
import sys
from types import FrameType

from core.system.console import print_anything


def run() -> int:
    """Run the command; Ctrl-C at any time, however often, ends it without a traceback."""
    sys.unraisablehook = _show_unraisable
    print_anything()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where a shell has it ignored
        signal.signal(signal.SIGINT, _interrupt)
    try:
        from core.cli.main import main  # here: to import it takes time, in which Ctrl-C may come

        return main()
    except KeyboardInterrupt:
        return 130
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # Python notes a Ctrl-C that came within code made of text, as of a dataclass, and would end as killed by it
        exec("")  # until the next such code


def _interrupt(_number: int, frame: FrameType | None) -> None:
    """Break off what the command does; where `run` itself or its setting of a handler goes on, there is nothing to."""
    called = frame
    while frame is not None and frame.f_code is not run.__code__:
        called, frame = frame, frame.f_back
    if called is None or called.f_code not in (run.__code__, _interrupt.__code__, signal.signal.__code__):
        raise KeyboardInterrupt


def _show_unraisable(error: "sys.UnraisableHookArgs") -> None:
    """Show what Python could not raise, as in a destructor; but a Ctrl-C there is no error, and the next one counts."""
    if not issubclass(error.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(error)


if __name__ == "__main__":
    sys.exit(run())
