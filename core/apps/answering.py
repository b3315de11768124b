"""The child's side of `side_app.py`: it takes requests and answers them until they end.

Whatever a library prints goes to standard error, so that nothing comes between the answers.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Generator
from typing import Any

from core import LabError
from core.child import open_requests

Answer = Callable[[dict[str, Any]], Generator[str, None, dict[str, Any]]]  # yields words


def answer_requests(title: str, answer: Answer) -> None:
    """Answer each request until there are no more, or nobody hears the answers; a LabError is an answer, too."""
    requests = open_requests()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends this process
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr

    def tell(**values: object) -> None:
        print(json.dumps(values), file=out, flush=True)

    try:
        for line in requests:
            try:
                steps = answer(json.loads(line))
                while True:
                    tell(words=next(steps))
            except StopIteration as end:
                tell(**end.value)
            except LabError as error:
                tell(error=str(error))
            except BrokenPipeError:
                raise
            except Exception as error:
                traceback.print_exc()
                tell(error=f"{title} could not be opened: {type(error).__name__}: {error}.")
    except BrokenPipeError:
        pass
