"""The app's child process that exports a model, or evaluates an exported one: `python -m core.export.onnx.worker`.

In: one JSON request on the pipe of `core.child`. Out: JSON, one a line: {"words": what is done}, and at the end the
answer or {"error": one sentence}. So torch, and the memory that tracing takes, stay out of the process that serves the
pages, and an export is stopped by ending it.

    {"ask": "export", "run": …, "epoch": …}                     {}: the files lie in the run's folder
    {"ask": "evaluate", "file": …, "data": …, "name": …}       {"run": the id of the new run}
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Generator
from pathlib import Path
from typing import Any

from core import LabError
from core.child import open_requests
from core.engine.priority import give_way
from core.export.onnx.export import export_onnx
from core.inference.evaluate_onnx import evaluate_onnx
from core.keep_result import KeepResult
from core.runs.store import RunStore

NICENESS = 10  # a training and the pages come first


def main() -> None:
    """Answer the one request."""
    requests = open_requests()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the app, which then ends this process
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints goes to standard error
    sys.stdout = sys.stderr
    give_way(NICENESS)
    request = json.loads(requests.readline())

    def tell(answer: dict[str, Any]) -> None:
        print(json.dumps(answer), file=out, flush=True)

    try:
        store = RunStore.default()
        work = KeepResult(HANDLERS[request["ask"]](store, request))
        for words in work:
            tell({"words": words})
    except LabError as error:
        tell({"error": str(error)})
    except BrokenPipeError:
        pass
    except Exception as error:
        traceback.print_exc()
        tell({"error": f"The model could not be exported: {type(error).__name__}: {error}."})
    else:
        tell(work.result)


def export(store: RunStore, request: dict[str, Any]) -> Generator[str, None, dict[str, Any]]:
    """Export a model of a run."""
    yield from export_onnx(store, store.get(request["run"]), request["epoch"])
    return {}


def evaluate(store: RunStore, request: dict[str, Any]) -> Generator[str, None, dict[str, Any]]:
    """Evaluate an ONNX file as a run of its own."""
    work = KeepResult(evaluate_onnx(store, Path(request["file"]), request["data"], request["name"]))
    for done, total in work:
        yield f"Evaluating: {done:,} of {total:,} images"
    return {"run": work.result.id}


HANDLERS = {"export": export, "evaluate": evaluate}


if __name__ == "__main__":
    main()
