"""What `evaluate` does with a model itself: it shows it images, in a run of its own for each input that is asked for.

In: the options --model, --data, --part, --input and the machine's. Out: runs, and their figures in a table.
"""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from core import LabError
from core.cli.chosen_run import JUDGED, chosen_run
from core.cli.command import add_setting, show, show_json, show_progress
from core.cli.data_commands import in_coco_layout
from core.cli.processes import prepare_torch
from core.cli.shell.root import found
from core.export.text import in_percent, percent
from core.files import real_path
from core.inference.evaluation.config import EvaluationConfig
from core.runs.schema import Run, Status
from core.runs.store import RunStore

OF_INPUT = ("size", "tiles")  # settings that --input stands for
COLUMNS = ("AP", "AP50", "APs")


def add_model_options(parser: ArgumentParser) -> None:
    """Add the options of `evaluate` that show images to a model."""
    group = parser.add_argument_group("a model on images with labels")
    for field in fields(EvaluationConfig):
        if field.name not in OF_INPUT:
            add_setting(group, field)
    group.add_argument(
        "--input", nargs="+", metavar="INPUT", dest="inputs",
        help="what the model sees, one run for each: a size in pixels as 640, overlapping tiles as 2x2, or both as "
        "640/2x2 (default: as it was trained)",
    )  # fmt: skip
    group.add_argument("--name", help="a name for the run")


def wants_model(options: Namespace) -> bool:
    """Check whether one of these options was given."""
    names = [field.name for field in fields(EvaluationConfig) if field.name not in OF_INPUT]
    return any(getattr(options, name) is not None for name in (*names, "inputs"))


def evaluate_models(options: Namespace) -> list[Run]:
    """Evaluate a model, once for each input, with a bar; return the finished runs.

    Raises LabError if an evaluation fails,
    KeyboardInterrupt if it is stopped.
    """
    from core.engine.process_id import this_process
    from core.inference.evaluation.job import create_evaluations

    store, runs = RunStore.default(), []
    for config in _configs(store, options):
        (run,) = create_evaluations(store, [config], options.name, this_process())
        show(f"{run.id}  {run.name}")
        run = _finished(evaluate_run(store, run, shows_bar=True))
        show(*run.config["imported"]["notes"])
        runs.append(run)
    show(*_table(store, runs))
    return runs


def evaluate_again(store: RunStore, run: Run) -> int:
    """Begin an evaluation anew that did not come to its end, with a bar; return the exit status."""
    from core.engine.process_id import this_process
    from core.runs.queue import RunQueue

    show(f"{run.id}  {run.name}")
    run = _finished(evaluate_run(store, RunQueue(store).requeue(run.id, this_process()), shows_bar=True))
    show(*_table(store, [run]))
    show_json({"id": run.id, "status": run.status.value, "AP": in_percent(run.ap)})
    return 0


def _finished(run: Run) -> Run:
    if run.status is Status.STOPPED:
        raise KeyboardInterrupt
    if run.status is not Status.FINISHED:
        raise LabError(run.message)
    return run


def evaluate_run(store: RunStore, run: Run, shows_bar: bool = False) -> Run:
    """Carry out a queued evaluation in this process; return the run as it then is."""
    from core.inference.evaluation.job import follow_evaluation

    prepare_torch(EvaluationConfig.from_dict(run.config["evaluation"]).threads)
    steps = follow_evaluation(store, run.id)
    if shows_bar:
        show_progress(((done.images, done.of) for done in steps), "image", "Evaluating")
    else:
        for _ in steps:
            pass
    return store.get(run.id)


def _configs(store: RunStore, options: Namespace) -> list[EvaluationConfig]:
    """Return the settings of each evaluation; of a RUN its best model on its own data, unless options say otherwise."""
    from core.inference.evaluation.names import full_names
    from core.runs.evaluated.images import data_of

    given: dict[str, Any] = {
        field.name: value for field in fields(EvaluationConfig)
        if field.name not in OF_INPUT and (value := getattr(options, field.name)) is not None
    }  # fmt: skip
    if options.run_id and "model" in given:
        raise LabError("Name either a RUN or --model, where a run's model is RUN:best, RUN:last or RUN:untouched.")
    if options.run_id:
        run = chosen_run(store, options.run_id, JUDGED)
        given = {"model": (run.id,), "data": data_of(run) or run.config["imported"]["gt"]} | given
    if "data" not in given:
        raise LabError("Name the images: --data with the folder of a data set, or with a COCO JSON.")
    given["model"] = full_names(store, given.get("model", ()))
    typed = {name: found(given[name]) for name in ("data", "images") if name in given}
    given |= {name: str(real_path(path)) for name, path in typed.items() if os.path.exists(path)}
    config = EvaluationConfig(**given)
    if not config.is_of_file:
        config = replace(config, data=in_coco_layout(store, config.data))
    return [config.with_input(text) for text in options.inputs or ()] or [config]


def _table(store: RunStore, runs: Sequence[Run]) -> list[str]:
    """Return the figures of evaluations as lines, AP in percent."""
    lines = [f"{'input':<24}" + "".join(f"{name:>7}" for name in COLUMNS) + f"{'ms/image':>10}"]
    for run in runs:
        (evaluation,) = store.evaluations(run.id)
        words = EvaluationConfig.from_dict(run.config["evaluation"]).input_words or "as it was trained"
        rate = run.images_per_second
        cells = "".join(f"{percent(evaluation.figures[name]):>7}" for name in COLUMNS)
        lines.append(f"{words:<24}{cells}" + (f"{1000 / rate:>10.0f}" if rate else f"{'–':>10}"))
    return lines
