"""The commands that open an application of others, at this machine alone: fiftyone, tensorboard.

Each runs in the foreground, as its application does, until Ctrl-C.
"""

from __future__ import annotations

import os
import sys
import time
from argparse import ArgumentParser, Namespace
from typing import Any

from core import LabError
from core.apps.side_app import ADDRESS, FIFTYONE, TENSORBOARD, AppProcess
from core.cli.chosen_run import EVALUATED, chosen_run
from core.cli.command import Command, add_epoch, add_run, check_score, show, show_json, tell_steps
from core.cli.evaluations import changed_since, chosen_evaluation, detection_table_of
from core.cli.export_commands import add_image_options, chosen_images, images_of_slices
from core.runs.store import RunStore

LOOK_SECONDS = 0.5
SECONDS_TO_KEEP = 10.0  # for marks and tags to come back after Ctrl-C


def add_fiftyone_options(parser: ArgumentParser) -> None:
    """Add the options of `fiftyone`."""
    add_run(parser)
    add_epoch(parser)
    parser.add_argument(
        "--score", type=float, default=0.5, help="predictions from this score; 0: all (default: %(default)s)"
    )
    parser.add_argument(
        "--tags-back", action="store_true",
        help="only bring back what was tagged there: marks of the run, and slices; of every model without --epoch",
    )  # fmt: skip
    add_image_options(parser)


def open_fiftyone(options: Namespace) -> None:
    """Open a run in FiftyOne's App until Ctrl-C, and bring back what was tagged there; or only do the latter."""
    store = RunStore.default()
    process = AppProcess(FIFTYONE)
    if options.tags_back:
        run = chosen_run(store, options.run_id, EVALUATED)
        _bring_back(process, run.id, options.epoch)
        process.stop(SECONDS_TO_KEEP)
        return
    check_score(options.score)
    evaluation = chosen_evaluation(store, options)
    table, run = detection_table_of(evaluation), store.get(evaluation.run_id)
    ids = None
    if any((options.marked, options.images, options.classes, options.sizes, options.error, options.slices)):
        from core.runs.marks import Marks

        marked = Marks(store).image_ids(run.id) if options.marked else None
        ids = chosen_images(table, options, marked, images_of_slices(store, run, table, options.slices))
    if changed := changed_since(store, run, table):
        show(f"note: {changed}")
    request = {
        "ask": "open", "run": run.id, "epoch": evaluation.epoch, "score": options.score, "images": ids,
        "corrected": False,
    }  # fmt: skip
    _serve(process, request, lambda: _bring_back(process, run.id, evaluation.epoch))


def _bring_back(process: AppProcess, run_id: str, epoch: int | None) -> None:
    sentence = tell_steps(process.ask({"ask": "tags", "run": run_id, "epoch": epoch}))["sentence"]
    show(sentence)
    show_json({"tags": sentence})


def add_tensorboard_options(parser: ArgumentParser) -> None:
    """Add the options of `tensorboard`: none."""


def open_tensorboard(options: Namespace) -> None:
    """Open the curves of all runs in TensorBoard until Ctrl-C."""
    runs = RunStore.default().runs_dir
    _serve(AppProcess(TENSORBOARD), {"ask": "open", "runs": os.fspath(runs)})


def _serve(process: AppProcess, request: dict[str, Any], at_end: Any = None) -> None:
    """Open an application, say where, and wait for Ctrl-C, or for its end; raises LabError."""
    try:
        answer = tell_steps(process.ask(request))
        show(f"http://{ADDRESS}:{answer['port']}{answer['path']}", *filter(None, [answer.get("note")]))
        show_json({"address": f"http://{ADDRESS}:{answer['port']}{answer['path']}", "note": answer.get("note", "")})
        show("Ctrl-C ends it. From another machine, forward this port: ssh -L "
             f"{answer['port']}:{ADDRESS}:{answer['port']} HOST", file=sys.stderr)  # fmt: skip
        try:
            while process.pid is not None:
                time.sleep(LOOK_SECONDS)
        except KeyboardInterrupt:
            if at_end:
                at_end()
            return
        raise LabError(process.death)
    finally:
        process.stop(SECONDS_TO_KEEP)


COMMANDS = (
    Command(
        "fiftyone", "open a run in FiftyOne, or bring its tags back", add_fiftyone_options, open_fiftyone,
        "one JSON object: address and note, once it is open; of the tags that come back one more: tags, in words",
    ),
    Command(
        "tensorboard", "open the curves of all runs in TensorBoard", add_tensorboard_options, open_tensorboard,
        "one JSON object: address and note, once it is open",
    ),
)  # fmt: skip
