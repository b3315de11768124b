"""The command that predicts on the user's own pictures: predict."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from core import RunError
from core.cli.chosen_run import HAS_MODEL, chosen_run
from core.cli.command import RUN_HELP, Command, check_score, show, show_json
from core.cli.shell.root import found
from core.keep_result import KeepResult
from core.runs.models import RunModel
from core.runs.store import RunStore
from core.wording import sentence


def add_predict_options(parser: ArgumentParser) -> None:
    """Add the options of `predict`."""
    parser.add_argument(
        "model", metavar="MODEL",
        help="best, last or baseline (the untouched model, before the first step) of a run; or a checkpoint's folder, "
        "an ONNX file, or a name on the hub",
    )  # fmt: skip
    parser.add_argument("pictures", nargs="+", metavar="PICTURE", help="a file, or a folder of pictures")
    parser.add_argument("--run", metavar="RUN", help=f"{RUN_HELP} (default: last)")
    parser.add_argument("--score", type=float, default=0.5, help="boxes from this score (default: %(default)s)")
    parser.add_argument("--out", metavar="FOLDER", help="folder to write to (default: predictions; none with --json)")


def predict(options: Namespace) -> int:
    """Draw and write the predictions on pictures, or with --json print them; return 1 if a picture cannot be used."""
    from core.detr.pretrained import find_model
    from core.inference.onnx.file import is_onnx
    from core.inference.own_pictures import picture_files

    check_score(options.score)
    store, is_named = RunStore.default(), options.model in RunModel.names()
    # what is not there is refused before torch and the model are loaded, which takes seconds
    run_id = chosen_run(store, options.run or "last", HAS_MODEL).id if options.run or is_named else None
    if run_id is None and not is_onnx(options.model):
        find_model(options.model)
    paths, are_usable = picture_files(map(found, options.pictures)), []
    out = None if options.json and not options.out else Path(options.out or "predictions")
    if out and os.path.lexists(out) and not os.path.isdir(out):
        raise RunError(f"{out} is no folder, so the predictions cannot be written there: choose another for --out.")

    from transformers.utils import logging

    from core.inference.model_cache import ModelCache
    from core.inference.predict import open_model, predict_files

    logging.disable_progress_bar()
    model = open_model(
        ModelCache(store), RunModel.from_name(options.model).value if is_named else options.model, run_id
    )
    title = f"{options.model} of {run_id}" if run_id else options.model
    work = KeepResult(predict_files(model, paths, options.score, title, out))
    for message, is_usable in work:
        are_usable.append(is_usable)
        if not is_usable:
            show(f"error: {sentence(message)}", file=sys.stderr)
        else:
            show(message)
    coco = work.result
    count = f"{len(coco['annotations']):,} boxes on {len(coco['images']):,} pictures"
    show_json(coco)
    if out:
        show(f"{out}: {count}, from score {options.score:g}")
    return int(not all(are_usable))


COMMANDS = (
    Command(
        "predict",
        "what a model predicts on any pictures, drawn and as COCO JSON",
        add_predict_options,
        predict,
        "one JSON object: a COCO file with scores (0 to 1)",
    ),
)
