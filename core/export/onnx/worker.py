"""The app's child process that exports a model: `python -m core.export.onnx.worker`.

In: one JSON request on the pipe of `core.child`. Out: JSON, one a line: {"words": what is done}, and at the end the
answer or {"error": one sentence}. So torch, and the memory that tracing takes, stay out of the process that serves the
pages, and an export is stopped by ending it.

    {"run": …, "epoch": …}    {}: the files lie in the run's folder
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from typing import Any

from core import LabError
from core.child import open_requests
from core.export.onnx.export import export_onnx
from core.runs.store import RunStore
from core.system.priority import give_way

NICENESS = 10  # a training and the pages come first


def main() -> None:
    """Answer the one request."""
    requests = open_requests()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the app, which then ends this process
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints goes to standard error
    sys.stdout = sys.stderr
    give_way(NICENESS)
    request = json.loads(requests.readline())

    def tell(answer: dict[str, Any]) -> None:
        print(json.dumps(answer), file=out, flush=True)

    try:
        store = RunStore.default()
        for words in export_onnx(store, store.get(request["run"]), request["epoch"]):
            tell({"words": words})
    except LabError as error:
        tell({"error": str(error)})
    except BrokenPipeError:
        pass
    except Exception as error:
        traceback.print_exc()
        tell({"error": f"The model could not be exported: {type(error).__name__}: {error}."})
    else:
        tell({})


if __name__ == "__main__":
    main()
