"""The commands that do something: demo, download, convert, train, resume, stop, import and predict.

`main.py` has their options.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import fields, replace
from pathlib import Path

from tqdm import tqdm

from core import LabError
from core.config import PRESETS, TrainConfig
from core.export.text import describe_table, loss_text, percent
from core.keep_result import KeepResult
from core.metrics import LOSS_PARTS
from core.runs.schema import Run, Status
from core.runs.store import RunStore
from core.training.events import Evaluated, PreflightDone

LOOK_SECONDS = 0.2  # between two looks at a run that shall stop


def demo(options) -> None:
    from core.datasets.demo import draw_dataset

    how = (options.train, options.val, options.seed, options.size, options.processes, tuple(options.extra))
    steps = draw_dataset(options.out, options.look, *how)
    with tqdm(unit="image", desc=f"Drawing {options.out}") as bar:
        for done, total in steps:
            bar.total = total
            bar.update(done - bar.n)
    what = ", ".join([options.look, *options.extra])
    print(f"{options.out}: {options.train} training and {options.val} validation images, {what}")


def download(options) -> None:
    from contextlib import closing

    from core.datasets.coco2017.download import download
    from core.datasets.subset import Subset, find_category_ids
    from core.detr.pretrained import COCO_CLASSES

    subset = Subset(tuple(options.classes), options.max_train, options.max_val, options.empty_share, options.seed)
    find_category_ids(((name, 0) for name in COCO_CLASSES), subset.classes, "COCO 2017")  # before anything is fetched
    with (
        tqdm(total=1000, bar_format="{l_bar}{bar}| {desc}") as bar,
        closing(download(options.out, subset)) as steps,
    ):
        for progress in steps:
            bar.n = round(1000 * progress.share)
            bar.set_description_str(progress.sentence)
    print(f"{options.out}: {progress.total:,} pictures of {len(subset.classes)} classes of COCO 2017")
    print(f"next: python -m core check {options.out}, or train --data {options.out}")


def convert(options) -> None:
    from core.datasets.convert.to_coco import convert

    print(_convert(options.folder, options.out, convert(options.folder, options.out)))


def _convert(folder, out, steps) -> str:
    with tqdm(unit="image", desc=f"Converting {folder}") as bar:
        for done, total in steps:
            bar.total = total
            bar.update(done - bar.n)
    return f"{out}: {total:,} images in COCO layout; the pictures stay in {folder}"


def _in_coco_layout(store: RunStore, folder: str) -> str:
    """The folder, or what a YOLO or Pascal VOC folder is converted to, once, under data/."""
    from core.datasets.convert.to_coco import convert, home, is_current, kind_of
    from core.datasets.layouts import is_dataset

    if is_dataset(folder) or not kind_of(folder):
        return folder
    out = home(folder, store.data_dir)
    if _is_main_process():
        print(_convert(folder, out, convert(folder, out)), file=sys.stderr)  # stdout begins with the run's id
    else:
        while not is_current(folder, out):  # the one that leads converts it
            time.sleep(LOOK_SECONDS)
    return str(out)


def train(options) -> int:
    from core.datasets.layouts import find_splits
    from core.runs.drive import accompany
    from core.runs.process import this_process

    store = RunStore.default()
    if options.run_id:
        return _train_unseen(store, options.run_id)
    config = _together(config_of(options))
    _prepare_torch(config)
    config = replace(config, data=_in_coco_layout(store, config.data))
    find_splits(config.data)  # a mistyped folder shall not leave a run behind
    if not _is_main_process():
        accompany(config, store.checkpoints_dir, resume=False)
        return 0
    run = store.create(config.to_dict(), options.name, process=this_process())
    return _train_in_sight(store, run.id)


def _train_unseen(store: RunStore, which: str) -> int:
    """Drive a run of the queue, as the app's child: what there is to say is in its record.

    It prints nothing: its output goes to the run's log, and must not end it where that cannot be written.
    """
    from core.runs.drive import accompany, drive
    from core.runs.queue import resumes_from_checkpoint

    run = _trained(store.get(which))
    config = TrainConfig.from_dict(run.config)
    _prepare_torch(config)
    if not _is_main_process():
        accompany(config, store.checkpoints(run.id), resumes_from_checkpoint(store, run))
        return 0
    run = drive(store, run.id)
    if run.status is Status.FAILED:
        raise LabError(run.message)
    return _exit_status(run)


def resume(options) -> int:
    from core.runs.drive import accompany
    from core.runs.manager import close_dead_runs
    from core.runs.process import this_process
    from core.runs.queue import RunQueue, resumes_from_checkpoint

    store = RunStore.default()
    close_dead_runs(store)  # it may have died a moment ago
    run = _trained(store.get(options.run_id))
    config = _together(TrainConfig.from_dict(run.config))
    _prepare_torch(config)
    if not _is_main_process():
        accompany(config, store.checkpoints(run.id), resumes_from_checkpoint(store, run))
        return 0
    RunQueue(store).requeue(run.id, this_process())
    return _train_in_sight(store, run.id)


def stop(options) -> None:
    from core.runs.manager import close_dead_runs, stop_run

    store = RunStore.default()
    close_dead_runs(store)
    run = _trained(store.get(options.run_id))
    if not run.is_live:
        raise LabError(f"The run {run.id} is {run.status}: there is nothing to stop.")
    run = stop_run(store, run.id, options.force)
    while run.is_live and not options.no_wait:
        time.sleep(LOOK_SECONDS)
        close_dead_runs(store)
        run = store.get(run.id)
        if options.force and run.is_live:  # it may have begun, or gone over to another process, only now
            stop_run(store, run.id, force=True)
    if run.status is Status.FAILED:
        raise LabError(run.message)
    print(f"{run.id} {run.label.lower()}" + (f": {run.message}" if run.message and not run.is_live else ""))


def import_results(options) -> None:
    from core.evaluation.table import read_table
    from core.runs.imports import import_results

    store = RunStore.default()
    run = import_results(store, options.gt, options.dt, options.images, options.name)
    (evaluation,) = store.evaluations(run.id)
    print(run.id)
    said = ", ".join(f"{name} {percent(evaluation.figures[name])}" for name in ("AP", "AP50"))
    print(f"imported: {describe_table(read_table(evaluation.table))}: {said}")
    if run.config["imported"]["images"] is None:
        print("No pictures were found, so boxes appear without them: import again with --images DIR to see them.")
    print("next: open the app, or")
    for command in ("evaluate {}", "analyze {}", "table {} --out table.csv"):
        print(f"  python -m core {command.format(run.id)}")


def predict(options) -> int:
    """Writes what a model finds on pictures, or with --json prints it; exit status 1 if a picture cannot be used."""
    from transformers.utils import logging

    from core.cli.queries import check_score
    from core.inference.model_cache import MODELS, Models
    from core.inference.own_pictures import picture_files
    from core.inference.predict import open_model, predict_files

    check_score(options.score)
    logging.disable_progress_bar()
    paths, store, are_usable = picture_files(options.pictures), RunStore.default(), []
    run_id = store.get(options.run or "last").id if options.run or options.model in MODELS else None
    name = f"{options.model} of {run_id}" if run_id else options.model
    out = None if options.json and not options.out else Path(options.out or "predictions")
    model = open_model(Models(store), options.model, run_id)
    work = KeepResult(predict_files(model, paths, options.score, name, out))
    for message, is_usable in work:
        are_usable.append(is_usable)
        if not is_usable:
            print(f"error: {message}", file=sys.stderr)
        elif not options.json:
            print(message, flush=True)
    coco = work.result
    count = f"{len(coco['annotations']):,} boxes on {len(coco['images']):,} pictures"
    print(json.dumps(coco) if options.json else f"{out}: {count}, from score {options.score:g}")
    return int(not all(are_usable))


def config_of(options) -> TrainConfig:
    """The preset, or the defaults, with the options that were given; folders become absolute."""
    given = {f.name: getattr(options, f.name) for f in fields(TrainConfig) if getattr(options, f.name) is not None}
    changes = PRESETS[options.preset].changes if options.preset else {}
    for name in ("data", "model"):
        path = Path(given.get(name, getattr(TrainConfig, name)))
        if path.exists():
            given[name] = str(path.resolve())
    return TrainConfig(**{**changes, **given})


def _train_in_sight(store: RunStore, run_id: str) -> int:
    """Train with a bar and the figures of every evaluation; then the result, and what is to be said of the run."""
    from core.runs.drive import follow

    print(run_id, flush=True)
    with tqdm(unit="step") as bar:
        for progress in follow(store, run_id):
            bar.total = progress.steps or None
            bar.update(progress.step - bar.n)
            epoch = min(progress.epoch + 1, progress.epochs)
            bar.set_description(progress.message or f"Epoch {epoch} of {progress.epochs}", refresh=False)
            if isinstance(progress, PreflightDone):
                (data,) = (check for check in progress.checks if check.name == "Data")
                bar.write(f"data: {data.evidence}")
            if isinstance(progress, Evaluated):
                model = "baseline" if progress.is_baseline else f"epoch {progress.epoch}"
                values = [f"{name} {percent(getattr(progress.figures, name))}" for name in ("AP", "AP50")]
                values += [f"{loss.name} {loss_text(progress.metrics.get(loss.val.tag))}" for loss in LOSS_PARTS]
                bar.write(f"{model}: {', '.join(values)}")
    run = store.get(run_id)
    if run.status is not Status.FAILED:
        print(f"{run.label.lower()}: best AP {percent(run.best_ap)}, untouched model {percent(run.baseline_ap)}")
    for remark in run.remarks:
        print("{level}: {title}. {evidence} {advice}".format_map(remark))
    if run.status is Status.FAILED:
        raise LabError(run.message)
    return _exit_status(run)


def _trained(run: Run) -> Run:
    """The run, if it is a training; raises LabError for one that is imported."""
    if run.is_imported:
        raise LabError(f"The run {run.id} is imported: it has no training to begin, resume or stop.")
    return run


def _exit_status(run: Run) -> int:
    """130 for a training that was stopped, as after Ctrl-C; but `accelerate launch` would take that for a failure."""
    return 130 if run.status is Status.STOPPED and "WORLD_SIZE" not in os.environ else 0


def _together(config: TrainConfig) -> TrainConfig:
    """The settings with the number of processes that `accelerate launch` has started, one without it.

    Raises LabError if the settings ask for another number.
    """
    there = int(os.environ.get("WORLD_SIZE", 1))
    if config.processes not in (1, there):
        raise LabError(
            f"The settings ask for {config.processes} processes, but {there} run: begin with "
            f"accelerate launch --multi_gpu --num_processes {config.processes} -m core …"
        )
    return replace(config, processes=there)


def _is_main_process() -> bool:
    """Whether this process has the run: it is alone, or the first of those that `accelerate launch` has started."""
    return int(os.environ.get("RANK", 0)) == 0


def _prepare_torch(config: TrainConfig) -> None:
    """What only the process that trains may do: torch's thread count, and quiet progress bars of others."""
    if config.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read once, when a GPU is used first
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    if config.threads:
        torch.set_num_threads(config.threads)
