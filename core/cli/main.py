"""The command line: `python -m core demo | download | check | train | evaluate | …`, each with --help.

Here the arguments are read; `actions.py` and `queries.py` do what they say. Errors end in one sentence on stderr and
exit status 1 (2 for wrong arguments); Ctrl-C stops a training as the Stop button does.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress
from dataclasses import fields

from core import LabError
from core.cli import actions, queries
from core.config import PRESETS, TrainConfig
from core.labels import COCO_TEN

RUN_HELP = "a run's id, its beginning, or: last"


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit status."""
    options = _parser().parse_args(arguments)
    try:
        return options.do(options) or 0
    except LabError as error:
        with suppress(OSError):  # stderr may be a log on a full disk
            print(f"error: {error}", file=sys.stderr)
        return _status(error)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # … | head
        sys.stderr.close()
        return 141


def _status(error: LabError) -> int:
    """1, or what tells the app that a full disk kept this training from writing how it ended."""
    from core.disk import is_disk_full
    from core.runs.drive import DISK_FULL_STATUS

    return DISK_FULL_STATUS if is_disk_full(error) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m core", description="Fine-tune DETR and look at its errors.")
    add = parser.add_subparsers(required=True, metavar="COMMAND").add_parser
    _add_commands(add)
    _add_reports(add)
    return parser


def _add_commands(add) -> None:
    """The commands that do something; `add(name, help=…)` gives each its parser."""
    demo = add("demo", help="draw the built-in street scenes, in COCO layout")
    demo.add_argument("--out", default="data/street", help="folder to make (default: %(default)s)")
    demo.add_argument("--look", default="dusk", help="day or dusk (default: %(default)s)")
    demo.add_argument("--train", type=int, default=600, help="training images (default: %(default)s)")
    demo.add_argument("--val", type=int, default=100, help="validation images (default: %(default)s)")
    demo.add_argument("--seed", type=int, default=0, help="same seed, same pictures (default: %(default)s)")
    demo.add_argument("--size", type=int, default=256, help="longest side in pixels (default: %(default)s)")
    demo.add_argument("--extra", nargs="+", default=[], metavar="CLASS", help="a class more: scooter")
    demo.add_argument("--processes", type=int, default=1, help="that draw at the same time (default: %(default)s)")
    demo.set_defaults(do=actions.demo)

    download = add("download", help="fetch a subset of COCO 2017; the same call goes on where it stopped")
    download.add_argument("--out", default="data/coco10", help="folder to make (default: %(default)s)")
    download.add_argument(
        "--classes", nargs="+", default=list(COCO_TEN), metavar="NAME",
        help="images with any of them, and their annotations (default: the experiment's ten)",
    )  # fmt: skip
    download.add_argument("--max-train", type=int, default=4000, help="training images; 0: all (default: %(default)s)")
    download.add_argument("--max-val", type=int, default=1000, help="validation images; 0: all (default: %(default)s)")
    download.add_argument(
        "--empty-share", type=float, default=0.0, help="share of the images without any of them (default: %(default)s)"
    )
    download.add_argument("--seed", type=int, default=0, help="same seed, same images (default: %(default)s)")
    download.set_defaults(do=actions.download)

    convert = add("convert", help="make a COCO data set of a YOLO or Pascal VOC folder; the pictures stay there")
    convert.add_argument("folder", metavar="FOLDER", help="with data.yaml and labels/, or Annotations/ and JPEGImages/")
    convert.add_argument("--out", required=True, help="folder to make")
    convert.set_defaults(do=actions.convert)

    train = add("train", help="fine-tune; prints the run's id first")
    train.add_argument(
        "--run", dest="run_id", metavar="ID", help="drive a run that is already in the store (used by the app)"
    )
    train.add_argument("--name", help="a name for the run")
    train.add_argument("--preset", choices=list(PRESETS), help="start from a preset instead of the defaults")
    for field in fields(TrainConfig):
        _add_setting(train, field)
    train.set_defaults(do=actions.train)

    resume = add("resume", help="go on with a stopped, failed or interrupted run, from its last checkpoint")
    resume.add_argument("run_id", metavar="RUN", help=RUN_HELP)
    resume.set_defaults(do=actions.resume)

    stop = add("stop", help="end a run after its current step, with a checkpoint; or take it out of the queue")
    stop.add_argument("run_id", metavar="RUN", help=RUN_HELP)
    stop.add_argument("--no-wait", action="store_true", help="ask, and do not wait until it has stopped")
    stop.add_argument("--force", action="store_true", help="end its process now; what it saved last is kept")
    stop.set_defaults(do=actions.stop)

    imported = add("import", help="make an evaluated run out of any detector's results, to look at them here")
    imported.add_argument("--gt", required=True, metavar="FILE", help="COCO ground truth (JSON)")
    imported.add_argument(
        "--dt", required=True, metavar="FILE", help="COCO results (JSON): a list, or a dict with annotations"
    )
    imported.add_argument(
        "--images", metavar="DIR", help="folder of the pictures (default: looked for beside the ground truth)"
    )
    imported.add_argument("--name", help="a name for the run")
    imported.set_defaults(do=actions.import_results)
    _add_predict(add("predict", help="what a model finds on any pictures, drawn and as COCO JSON"))


def _add_predict(predict: argparse.ArgumentParser) -> None:
    predict.add_argument(
        "model",
        metavar="MODEL",
        help="best, last or untouched, of a run; or a checkpoint's folder, or a name on the hub",
    )
    predict.add_argument("pictures", nargs="+", metavar="PICTURE", help="a file, or a folder of pictures")
    predict.add_argument("--run", metavar="RUN", help=f"{RUN_HELP} (default: last)")
    predict.add_argument("--score", type=float, default=0.5, help="boxes from this score (default: %(default)s)")
    predict.add_argument("--out", metavar="FOLDER", help="folder to write to (default: predictions; none with --json)")
    predict.add_argument("--json", action="store_true", help="print one JSON object: a COCO file with scores")
    predict.set_defaults(do=actions.predict)


def _add_reports(add) -> None:
    """The commands that tell what is there."""
    check = add("check", help="what is wrong with a data set: pictures, boxes, classes; its files are not changed")
    check.add_argument(
        "data", metavar="DATA", help="its folder: COCO's or Roboflow's layout, or one JSON beside pictures"
    )
    check.add_argument("--whole", action="store_true", help="decode every picture: finds more damage, takes longer")
    check.add_argument("--json", action="store_true", help="print one JSON object with examples of each problem")
    check.set_defaults(do=queries.check)

    evaluate = add("evaluate", help="figures, classes and errors of a run, or of any results file")
    evaluate.add_argument("run_id", nargs="?", metavar="RUN", help=RUN_HELP)
    evaluate.add_argument("--gt", metavar="FILE", help="COCO ground truth (JSON), instead of a run")
    evaluate.add_argument("--dt", metavar="FILE", help="COCO results (JSON): a list, or a dict with annotations")
    _add_epoch(evaluate)
    evaluate.add_argument("--score", type=float, default=0.0, help="count errors from this score (default: all)")
    evaluate.add_argument("--json", action="store_true", help="print one JSON object, figures in [0, 1]")
    evaluate.set_defaults(do=queries.evaluate)

    analyze = add("analyze", help="the same figures, and the worst images with their boxes as analysis_N.png")
    analyze.add_argument("run_id", metavar="RUN", help=RUN_HELP)
    analyze.add_argument("--images", type=int, default=10, help="how many, worst first (default: %(default)s)")
    _add_epoch(analyze)
    analyze.add_argument("--score", type=float, default=0.5, help="predictions from this score (default: %(default)s)")
    analyze.set_defaults(do=queries.analyze)

    table = add("table", help="write the detection table: a row for every object and every prediction")
    table.add_argument("run_id", metavar="RUN", help=RUN_HELP)
    table.add_argument("--out", required=True, metavar="FILE", help="FILE.parquet or FILE.csv")
    _add_epoch(table)
    table.set_defaults(do=queries.table)

    export = add("export", help="hand images with their boxes over to other tools: COCO JSON, PNGs or FiftyOne")
    _add_export(export)
    export.set_defaults(do=queries.export)

    metrics = add("metrics", help="what a run has recorded: the last values, or with --csv every one")
    metrics.add_argument("run_id", metavar="RUN", help=RUN_HELP)
    metrics.add_argument("--csv", action="store_true", help="print step,tag,value in full precision, as recorded")
    metrics.add_argument(
        "--tag", nargs="+", action="extend", metavar="TAG", help="only these, as train/loss (default: all)"
    )
    metrics.set_defaults(do=queries.metrics)

    runs = add("runs", help="list the runs, and the queue in order")
    runs.add_argument("--json", action="store_true", help="print a JSON list")
    runs.set_defaults(do=queries.runs)


def _add_export(parser: argparse.ArgumentParser) -> None:
    """Its words are checked later: the files that know them take longer to load than all of this one."""
    parser.add_argument("run_id", metavar="RUN", help=RUN_HELP)
    parser.add_argument(
        "--out", required=True, metavar="FILE",
        help="FILE.zip; or FILE.json for COCO's annotations, with the predictions in FILE-predictions.json beside it",
    )  # fmt: skip
    parser.add_argument(
        "--as", dest="kind", default="coco", metavar="FORMAT",
        help="coco (JSON), png (pictures with boxes) or fiftyone (with a script that opens it) (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--score", type=float, default=0.5, help="predictions from this score; 0: all, for AP (default: %(default)s)"
    )
    _add_epoch(parser)
    several = {"nargs": "+", "action": "extend", "default": []}
    parser.add_argument("--marked", action="store_true", help="only images that are marked")
    parser.add_argument("--images", type=int, metavar="ID", help="only these images (default: all)", **several)
    parser.add_argument("--class", dest="classes", metavar="NAME", help="only images with such boxes", **several)
    parser.add_argument("--size", dest="sizes", metavar="SIZE", help="the same: small, medium, large", **several)
    parser.add_argument(
        "--error", metavar="TYPE",
        help="the same: classification, localization, both, duplicate, background or missed",
    )  # fmt: skip


def _add_epoch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--epoch", type=int, help="evaluated epoch, 0 = untouched model (default: the best)")


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
