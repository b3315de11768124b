"""The processes that read images for a training or an evaluation: whether there may be so many, and when they end.

In: how many are wanted. Out: readers that end with the process they read for, and one sentence where the system does
not allow them, as they need open files: their pipes, and one for each tensor that waits.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import wait

from core import DataError
from core.system.proc import open_files

PATIENCE_SECONDS = 600  # for a reader's next batch: one that could not send it tries no more
FILES_OF_READER, FILES_OF_IMAGE, FILES_OF_BATCH = 10, 2, 2  # its pipes; tensors that wait
SPARE_FILES = 40  # libraries, tables, checkpoints
ADVICE = "raise the limit (ulimit -n), or take fewer reading processes, or 0"


def require_files(readers: int, batches: int, images: int) -> None:
    """Raise this process's limit of open files to what `readers` need, if the system allows it.

    Of each reader, `batches` with `images` altogether wait at a time. Raises DataError if the limit stays too low.
    """
    needed = (open_files() or SPARE_FILES) + SPARE_FILES
    needed += readers * (FILES_OF_READER + batches * FILES_OF_BATCH + images * FILES_OF_IMAGE)
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit in (resource.RLIM_INFINITY, -1) or needed <= limit:
        return
    allowed = needed if most in (resource.RLIM_INFINITY, -1) else min(needed, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(limit, allowed), most))
    if allowed < needed:
        raise DataError(
            f"{readers} reading processes need about {needed} open files, but this process may have {most}: {ADVICE}."
        )


def become_reader(_: int) -> None:
    """Ignore Ctrl-C, and end as soon as the process that is read for does; a `worker_init_fn` of torch's DataLoader.

    Ctrl-C reaches every process of a terminal: the training hears it, and ends its readers in order.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
