"""The server's end: SIGTERM and Ctrl-C end it within seconds, whatever its threads are doing.

In: what is to be stopped. Out: uvicorn's signal handlers, with a clock that starts at the first signal. uvicorn by
itself waits for every request that is being answered, and for a thread that never comes back it would wait for ever.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

import uvicorn

from core.system.processes import STOPPING

SECONDS_TO_ANSWER = 8.0  # for the requests that are being answered, and for an end in order
SECONDS_TO_STOP = 5.0  # for what is to be stopped where the end in order has not come to it


def bound_the_end(stop: Callable[[], None]) -> None:
    """Let a signal end this process in time; `stop` may be called in another thread, also while it runs already."""
    if threading.current_thread() is not threading.main_thread():  # a server in a thread hears no signals
        return
    for number in STOPPING:
        handler = signal.getsignal(number)
        if callable(handler) and isinstance(getattr(handler, "__self__", None), uvicorn.Server):
            signal.signal(number, _with_clock(handler, stop))


def _with_clock(
    handler: Callable[[int, FrameType | None], object], stop: Callable[[], None]
) -> Callable[[int, FrameType | None], None]:
    def end(number: int, frame: FrameType | None) -> None:
        threading.Thread(target=_end_in_time, args=(number, stop), name="detr-lab-end", daemon=True).start()
        handler(number, frame)

    return end


def _end_in_time(number: int, stop: Callable[[], None]) -> None:
    time.sleep(SECONDS_TO_ANSWER)  # an end in order takes this thread with it
    stopping = threading.Thread(target=stop, daemon=True)
    stopping.start()
    stopping.join(SECONDS_TO_STOP)
    os._exit(128 + number)
