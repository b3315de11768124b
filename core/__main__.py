"""The command line: `python -m core demo | train | evaluate | analyze | runs`, each with --help.

Everything here is a thin layer over the library: read the arguments, call, print. Errors end in one sentence on stderr
and exit status 1 (2 for wrong arguments); Ctrl-C stops a training as the Stop button does.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import fields
from pathlib import Path

from tqdm import tqdm

from core import LabError
from core.config import PRESETS, TrainConfig
from core.runs import RunStore


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit status."""
    options = _parser().parse_args(arguments)
    try:
        return options.do(options) or 0
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # … | head
        sys.stderr.close()
        return 141


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m core", description="Fine-tune DETR and look at its errors.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="draw the built-in street scenes, in COCO layout")
    demo.add_argument("--out", default="data/street", help="folder to make (default: %(default)s)")
    demo.add_argument("--look", default="dusk", help="day or dusk (default: %(default)s)")
    demo.add_argument("--train", type=int, default=400, help="training images (default: %(default)s)")
    demo.add_argument("--val", type=int, default=100, help="validation images (default: %(default)s)")
    demo.add_argument("--seed", type=int, default=0, help="same seed, same pictures (default: %(default)s)")
    demo.add_argument("--size", type=int, default=256, help="longest side in pixels (default: %(default)s)")
    demo.set_defaults(do=_demo)

    train = commands.add_parser("train", help="fine-tune; prints the run's id first")
    train.add_argument(
        "--run", dest="run_id", metavar="ID", help="drive a run that is already in the store (used by the app)"
    )
    train.add_argument("--name", help="a name for the run")
    train.add_argument("--preset", choices=list(PRESETS), help="start from a preset instead of the defaults")
    for field in fields(TrainConfig):
        _add_setting(train, field)
    train.set_defaults(do=_train)

    evaluate = commands.add_parser("evaluate", help="COCO's figures and error counts of a run, or of any results file")
    evaluate.add_argument("run_id", nargs="?", metavar="RUN", help="a run's id, its beginning, or: last")
    evaluate.add_argument("--gt", help="COCO ground truth (JSON)")
    evaluate.add_argument("--dt", help="COCO results list (JSON)")
    evaluate.add_argument("--epoch", type=int, help="evaluated epoch, 0 = untouched model (default: the best)")
    evaluate.add_argument("--score", type=float, default=0.0, help="count errors from this score (default: all)")
    evaluate.add_argument("--json", action="store_true", help="print one JSON object")
    evaluate.set_defaults(do=_evaluate)

    analyze = commands.add_parser("analyze", help="analysis_N.png: red = prediction, green = expected; error types")
    analyze.add_argument("run_id", metavar="RUN", help="a run's id, its beginning, or: last")
    analyze.add_argument("--images", type=int, default=10, help="how many, worst first (default: %(default)s)")
    analyze.add_argument("--epoch", type=int, help="evaluated epoch, 0 = untouched model (default: the best)")
    analyze.add_argument("--score", type=float, default=0.5, help="predictions from this score (default: %(default)s)")
    analyze.set_defaults(do=_analyze)

    runs = commands.add_parser("runs", help="list the runs")
    runs.add_argument("--json", action="store_true", help="print a JSON list")
    runs.set_defaults(do=_runs)
    return parser


def _add_setting(parser: argparse.ArgumentParser, field) -> None:
    """One TrainConfig field as an option; absent ones stay None, so that a preset can fill them."""
    option, text = "--" + field.name.replace("_", "-"), field.metadata["help"].replace("%", "%%")
    if isinstance(field.default, bool):
        parser.add_argument(option, action=argparse.BooleanOptionalAction, default=None, help=text)
    elif isinstance(field.default, tuple):
        parser.add_argument(option, nargs="+", default=None, metavar="NAME", help=text)
    else:
        text += f" (default: {field.default})"
        kind = type(field.default)
        parser.add_argument(option, type=kind, default=None, choices=field.metadata.get("choices"), help=text)


def _demo(options) -> None:
    from core.demo import draw_dataset

    steps = draw_dataset(options.out, options.look, options.train, options.val, options.seed, options.size)
    with tqdm(unit="image", desc=f"Drawing {options.out}") as bar:
        for done, total in steps:
            bar.total = total
            bar.update(done - bar.n)
    print(f"{options.out}: {options.train} training and {options.val} validation images, {options.look}")


def _train(options) -> int:
    from core.coco import find_splits
    from core.jobs import follow, this_process
    from core.records import Status

    store = RunStore.default()
    config = TrainConfig.from_dict(store.get(options.run_id).config) if options.run_id else _config(options)
    _prepare_torch(config.threads)
    if options.run_id:
        run = store.get(options.run_id)
    else:
        find_splits(config.data)  # a mistyped folder shall not leave a run behind
        run = store.create(config.to_dict(), options.name, process=this_process())
        print(run.id, flush=True)
    with tqdm(unit="step", disable=bool(options.run_id)) as bar:
        for progress in follow(store, run.id):
            bar.total = progress.steps or None
            bar.update(progress.step - bar.n)
            epoch = min(progress.epoch + 1, progress.epochs)
            bar.set_description(progress.message or f"Epoch {epoch} of {progress.epochs}", refresh=False)
            if progress.figures:
                what = "untouched model" if progress.kind == "baseline" else f"epoch {progress.epoch}"
                figures = {"AP": progress.figures.AP, "AP50": progress.figures.AP50}
                figures |= {name: progress.metrics.get(f"val/{name}") for name in ("loss_ce", "loss_bbox", "loss_giou")}
                bar.write(f"{what}: " + ", ".join(f"{name} {_figure(value)}" for name, value in figures.items()))
    run = store.get(run.id)
    if run.status is Status.FAILED:
        raise LabError(run.message)
    if not options.run_id:
        print(f"{run.label.lower()}: best AP {_figure(run.best_ap)}, untouched model {_figure(run.baseline_ap)}")
    return 130 if run.status is Status.STOPPED else 0


def _config(options) -> TrainConfig:
    """The preset, or the defaults, with the options that were given; folders become absolute."""
    given = {f.name: getattr(options, f.name) for f in fields(TrainConfig) if getattr(options, f.name) is not None}
    changes = PRESETS[options.preset].changes if options.preset else {}
    for name in ("data", "model"):
        path = Path(given.get(name, getattr(TrainConfig, name)))
        if path.exists():
            given[name] = str(path.resolve())
    return TrainConfig(**{**changes, **given})


def _prepare_torch(threads: int) -> None:
    """What only the process that trains may do: torch's thread count, and quiet progress bars of others."""
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    if threads:
        torch.set_num_threads(threads)


def _evaluate(options) -> None:
    from core.coco import read_json, read_results
    from core.errors import detection_table
    from core.evaluate import evaluate
    from core.table import count_errors

    if options.run_id and not (options.gt or options.dt):
        evaluation = _evaluation(RunStore.default(), options)
        figures, table = evaluation.figures, _table(evaluation)
    elif options.gt and options.dt and not options.run_id:
        truths, results = read_json(options.gt), read_results(options.dt)
        figures, table = evaluate(truths, results).to_dict(), detection_table(truths, results)
    else:
        raise LabError("Name either a RUN, or both --gt and --dt.")
    answer = {**figures, "errors": count_errors(table, options.score)}
    if options.json:
        print(json.dumps(answer))
        return
    for name, value in figures.items():
        if name != "per_class":
            print(f"{name:<6} {_figure(value)}")
    _print_columns("AP by class", {name: _figure(value) for name, value in figures["per_class"].items()})
    _print_columns(f"errors from score {options.score:g}", answer["errors"])


def _evaluation(store: RunStore, options):
    """The chosen evaluation of a run: of `--epoch`, else its best one, else (nothing trained yet) its first."""
    run = store.get(options.run_id)
    evaluations = {e.epoch: e for e in store.evaluations(run.id)}
    if not evaluations:
        raise LabError(
            f"The run {run.id} has no evaluation: it is {run.label.lower()} ({run.message or 'no message'})."
        )
    epoch = options.epoch if options.epoch is not None else run.best_epoch or 0
    if epoch not in evaluations:
        raise LabError(f"Epoch {epoch} of {run.id} was not evaluated; there are: {', '.join(map(str, evaluations))}.")
    return evaluations[epoch]


def _table(evaluation):
    from core.table import read_table

    if evaluation.table is None:
        raise LabError(
            f"Epoch {evaluation.epoch} of {evaluation.run_id} has no detection table any more: tables are kept of the "
            "untouched, the best and the last model."
        )
    return read_table(evaluation.table)


def _analyze(options) -> None:
    from core.coco import read_split
    from core.data import read_image
    from core.draw import draw_analysis
    from core.table import count_errors, image_rows, worst_images

    if not 0 <= options.score <= 1 or options.images < 1:
        raise LabError(f"--score is {options.score:g} and --images {options.images}: give 0 to 1, and 1 or more.")
    store = RunStore.default()
    evaluation = _evaluation(store, options)
    table, run = _table(evaluation), store.get(evaluation.run_id)
    split = read_split(run.config["data"], "val")
    chosen = worst_images(table, options.score)[: options.images]
    for number, (image_id, _) in enumerate(tqdm(chosen, unit="image", desc="Drawing"), start=1):
        image = read_image(split.image_path(split.image_by_id[image_id]))
        target = store.analysis_path(run.id, number)
        draw_analysis(image, image_rows(table, image_id, options.score)).save(target)
    if chosen:
        print(f"{store.analysis_path(run.id, 1)} … {len(chosen)} pictures, worst first: red predicted, green expected")
    errors = count_errors(table, options.score)
    _print_columns(f"errors of epoch {evaluation.epoch} from score {options.score:g}", errors)


def _runs(options) -> None:
    from dataclasses import asdict

    from core.jobs import settle

    store = RunStore.default()
    settle(store)  # without an app, nobody else has noticed that a training's process has died
    runs = store.list()
    if options.json:
        print(json.dumps([asdict(run) for run in runs]))
        return
    print(f"{'id':<21}{'status':<13}{'epoch':>9}{'untouched':>11}{'AP':>8}{'best':>8}  name")
    for run in runs:
        figures = f"{_figure(run.baseline_ap):>11}{_figure(run.ap):>8}{_figure(run.best_ap):>8}"
        print(f"{run.id:<21}{run.label:<13}{run.epoch or 0:>4}/{run.epochs or '?':<4}{figures}  {run.name}")


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _print_columns(title: str, values: dict) -> None:
    print(f"\n{title}")
    for name, value in values.items():
        print(f"  {name:<16}{value:>7}")


if __name__ == "__main__":
    sys.exit(main())
