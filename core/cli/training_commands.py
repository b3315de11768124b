"""The commands that train: train, resume and stop."""

from __future__ import annotations

import os
import sys
import time
from argparse import SUPPRESS, ArgumentParser, Namespace
from dataclasses import replace

from tqdm import tqdm

from core import LabError
from core.cli.advice.asking import confirm
from core.cli.advice.doctor_command import show_remarks
from core.cli.chosen_run import LIVE, RESUMABLE, TRAINING, chosen_run
from core.cli.command import Command, add_run, show, show_json
from core.cli.data_commands import in_coco_layout
from core.cli.model_evaluation import evaluate_again, evaluate_run
from core.cli.processes import is_main_process, launch, needs_launch, prepare_torch, with_processes
from core.cli.shell.settings import add_settings, config_of
from core.config import TrainConfig
from core.export.text import in_percent, loss_text, percent
from core.metrics import LOSS_PARTS
from core.runs.schema import Run, Status
from core.runs.store import RunStore
from core.wording import sentence, short, visible

EXPERIMENT = "Experiment"  # the preset that changes no default
LINES = "lines of JSON: started, each evaluation (AP in percent), and ended"
POLL_SECONDS = 0.2  # between two looks at a run that shall stop


def add_train_options(parser: ArgumentParser) -> None:
    """Add the options of `train`: every field of TrainConfig, among others."""
    parser.add_argument(
        "--run", dest="run_id", metavar="ID", help="drive a run that is already in the store (used by the app)"
    )
    parser.add_argument("--name", help="a name for the run")
    parser.add_argument(
        "--anyway",
        action="store_true",
        help="train although the settings will likely spoil the model; else it is asked",
    )
    parser.add_argument("--told", action="store_true", help=SUPPRESS)  # in a process that another one has started
    add_settings(parser)


def train(options: Namespace) -> int:
    """Create a run and train it, or drive the run of the app that --run names; return the exit status."""
    from core.training.typed_settings import check_typed

    store = RunStore.default()
    if options.run_id:
        return _train_silently(store, options.run_id)
    if options.like:
        options.like = chosen_run(store, options.like, TRAINING).id
    config, fits = config_of(store, options)
    is_launched_here = needs_launch(config)
    if not is_launched_here:
        config = with_processes(config)
    config = replace(config, data=in_coco_layout(store, config.data))
    check_typed(config)  # before torch is loaded, which takes seconds, and before there are several that would say it
    if not options.told:
        is_main = is_main_process()
        if fits and is_main and not (options.preset or options.like):
            show(f"Preset: {fits}, which fits {short(config.model)}; --preset takes another.", file=sys.stderr)
        confirm(config, fits, options.anyway, is_main)
    if is_launched_here:  # "last" is another run once the main process has begun
        given = [*options.arguments, "--told", *(["--like", options.like] if options.like else [])]
        return launch(store, [sys.executable, "-m", "core", *given], config.processes)
    from core.detr.device import choose_device
    from core.engine.process_id import this_process
    from core.runs.drive import train_beside_main_process

    prepare_torch(config.threads, config.deterministic)
    choose_device(config.device, int(os.environ.get("LOCAL_RANK", "0")))
    if not is_main_process():
        train_beside_main_process(config, store.checkpoints_dir, resume=False)
        return 0
    run = store.create(config.to_dict(), options.name, process=this_process())
    if options.like:
        _note_changes(store, run.id, options.like, config)
    return _train_with_bar(store, run.id)


def add_resume_options(parser: ArgumentParser) -> None:
    """Add the options of `resume`."""
    add_run(parser)
    parser.add_argument(
        "--changed-data", action="store_true",
        help="go on although boxes, pictures, the list of images or names of classes are not what they were",
    )  # fmt: skip


def resume(options: Namespace) -> int:
    """Continue a run from its last checkpoint; return the exit status."""
    from core.engine.process_id import this_process
    from core.runs.drive import train_beside_main_process
    from core.runs.manager import close_dead_runs
    from core.runs.provenance.data import ANY, accept_changed_data
    from core.runs.queue import RunQueue, resumes_from_checkpoint

    store = RunStore.default()
    close_dead_runs(store)  # it may have died a moment ago
    run = _own(chosen_run(store, options.run_id, RESUMABLE))
    if run.is_evaluation:
        return evaluate_again(store, run)
    config = TrainConfig.from_dict(run.config)
    if needs_launch(config):  # the id: once the main process has begun it, "last" is another one
        given = [run.id, *(["--changed-data"] if options.changed_data else [])]
        return launch(store, [sys.executable, "-m", "core", "resume", *given], config.processes)
    config = with_processes(config)
    prepare_torch(config.threads, config.deterministic)
    if not is_main_process():
        train_beside_main_process(config, store.checkpoints(run.id), resumes_from_checkpoint(store, run))
        return 0
    accept_changed_data(store, run.id, ANY if options.changed_data else "")
    RunQueue(store).requeue(run.id, this_process())
    return _train_with_bar(store, run.id)


def add_stop_options(parser: ArgumentParser) -> None:
    """Add the options of `stop`."""
    add_run(parser)
    parser.add_argument("--no-wait", action="store_true", help="ask, and do not wait until it has stopped")
    parser.add_argument("--force", action="store_true", help="end its process now; what it saved last is kept")


def stop(options: Namespace) -> None:
    """Stop a run, and wait until it has stopped."""
    from core.runs.manager import close_dead_runs, stop_run

    store = RunStore.default()
    close_dead_runs(store)
    run = _own(chosen_run(store, options.run_id, LIVE))
    if not run.is_live:
        raise LabError(f"The run {run.id} is {run.status}: there is nothing to stop.")
    run = stop_run(store, run.id, options.force)
    while run.is_live and not options.no_wait:
        time.sleep(POLL_SECONDS)
        close_dead_runs(store)
        run = store.get(run.id)
        if options.force and run.is_live:  # it may have begun, or gone over to another process, only now
            stop_run(store, run.id, force=True)
    if run.status is Status.FAILED:
        raise LabError(run.message)
    show(f"{run.id} {run.label.lower()}" + (f": {sentence(run.message)}" if run.message and not run.is_live else ""))
    show_json({"id": run.id, "status": run.status.value, "message": run.message})


def _note_changes(store: RunStore, run_id: str, like: str, config: TrainConfig) -> None:
    from core.runs.advised.advised_run import differences, settings_of

    if words := differences(settings_of(store.get(like)), config):
        store.set_words(run_id, notes=f"Like the run {like}, but: {words}.")


def _train_silently(store: RunStore, run_id: str) -> int:
    """Drive a run of the queue, as the app's child; return the exit status.

    Prints nothing, because its record says everything: its output goes to the run's log, and a log that cannot be
    written must not end it.
    """
    from core.runs.drive import drive, train_beside_main_process
    from core.runs.log import bound_output
    from core.runs.queue import resumes_from_checkpoint

    bound_output()
    run = _own(store.get(run_id))
    if run.is_evaluation:
        run = evaluate_run(store, run)
        if run.status is Status.FAILED:
            raise LabError(run.message)
        return _exit_status(run)
    config = TrainConfig.from_dict(run.config)
    if needs_launch(config):
        return launch(store, [sys.executable, "-m", "core", "train", "--run", run.id], config.processes)
    prepare_torch(config.threads, config.deterministic)
    if not is_main_process():
        train_beside_main_process(config, store.checkpoints(run.id), resumes_from_checkpoint(store, run))
        return 0
    run = drive(store, run.id)
    if run.status is Status.FAILED:
        raise LabError(run.message)
    return _exit_status(run)


def _train_with_bar(store: RunStore, run_id: str) -> int:
    """Train with a bar and each evaluation's metrics; print the result and the remarks; return the exit status."""
    from core.runs.drive import follow
    from core.training.events import MEASURING, Evaluated, PreflightDone, Starting

    show(run_id)
    show_json({"event": "started", "id": run_id})
    with tqdm(unit="step") as bar:
        for progress in follow(store, run_id):
            bar.total = progress.steps or None
            epoch = min(progress.epoch + 1, progress.epochs)
            doing = progress.message or (f"Epoch {epoch} of {progress.epochs}" if progress.epochs else MEASURING)
            # at once before what may take long, as a download
            is_shown = isinstance(progress, (Starting, PreflightDone))
            bar.set_description(visible(doing), refresh=is_shown)
            bar.update(progress.step - bar.n)
            if isinstance(progress, PreflightDone):
                (data,) = (check for check in progress.checks if check.name == "Data")
                bar.write(f"data: {sentence(data.evidence)}")
            if isinstance(progress, Evaluated):
                model = "baseline" if progress.is_baseline else f"epoch {progress.epoch}"
                values = [f"{name} {percent(getattr(progress.figures, name))}" for name in ("AP", "AP50")]
                losses = [(loss.name, progress.metrics.get(loss.val.tag)) for loss in LOSS_PARTS]
                values += [f"{name} {loss_text(value)}" for name, value in losses if value is not None]
                bar.write(f"{model}: {', '.join(values)}")
                measured = {name: in_percent(getattr(progress.figures, name)) for name in ("AP", "AP50")}
                show_json({"event": "evaluated", "epoch": progress.epoch, **measured})
    run = store.get(run_id)
    if run.status is not Status.FAILED:
        show(f"{run.label.lower()}: best AP {percent(run.best_ap)}, baseline {percent(run.baseline_ap)}")
    show_remarks(run)
    best = {"best_AP": in_percent(run.best_ap), "baseline_AP": in_percent(run.baseline_ap)}
    show_json({"event": "ended", "id": run.id, "status": run.status.value, **best, "remarks": run.remarks})
    if run.status is Status.FAILED:
        raise LabError(run.message)
    return _exit_status(run)


def _own(run: Run) -> Run:
    """Return the run, if it is a training or an evaluation made here; raise LabError if it is not."""
    if run.is_imported and not run.is_evaluation:
        raise LabError(f"The run {run.id} is imported: it has no training to begin, resume or stop.")
    return run


def _exit_status(run: Run) -> int:
    """Return 130 for a stopped training, as after Ctrl-C, else 0; `accelerate launch` would take 130 for a failure."""
    return 130 if run.status is Status.STOPPED and "TORCHELASTIC_RUN_ID" not in os.environ else 0


COMMANDS = (
    Command("train", "fine-tune; prints the run's id first", add_train_options, train, LINES),
    Command(
        "resume", "go on with a stopped, failed or interrupted run, from its last checkpoint", add_resume_options,
        resume, LINES,
    ),
    Command(
        "stop", "end a run after its current step, with a checkpoint; or take it out of the queue", add_stop_options,
        stop, "one JSON object: id, status, message",
    ),
)  # fmt: skip
