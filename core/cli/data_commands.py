"""The commands about data sets: demo, download, convert, check and revise."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from core.cli.command import Command, show, show_json, show_progress
from core.cli.processes import is_main_process
from core.cli.shell.root import found, under_root
from core.datasets.coco.box_format import BoxFormat
from core.keep_result import KeepResult
from core.runs.store import RunStore
from core.wording import visible

if TYPE_CHECKING:
    from core.datasets.check import CheckReport

EXAMPLES = 3  # of a problem, in print
POLL_SECONDS = 0.2  # between two looks at a folder that another process converts


def add_demo_options(parser: ArgumentParser) -> None:
    """Add the options of `demo`."""
    parser.add_argument("--out", help="folder to make (default: data/street of the root)")
    parser.add_argument("--look", default="dusk", help="day or dusk (default: %(default)s)")
    parser.add_argument("--train", type=int, default=600, help="training images (default: %(default)s)")
    parser.add_argument("--val", type=int, default=100, help="validation images (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same pictures (default: %(default)s)")
    parser.add_argument("--size", type=int, default=256, help="longest side in pixels (default: %(default)s)")
    parser.add_argument("--extra", nargs="+", default=[], metavar="CLASS", help="a class more: scooter")
    parser.add_argument("--processes", type=int, default=1, help="that draw at the same time (default: %(default)s)")


def demo(options: Namespace) -> None:
    """Draw the street scenes."""
    from core.datasets.demo import draw_dataset

    options.out = options.out or under_root("data/street")
    steps = draw_dataset(
        options.out, options.look, options.train, options.val, options.seed, options.size, options.processes,
        tuple(options.extra),
    )  # fmt: skip
    show_progress(steps, "image", f"Drawing {options.out}")
    kinds = ", ".join([options.look, *options.extra])
    show(f"{options.out}: {options.train} training and {options.val} validation images, {kinds}")
    parts = {"train": options.train, "val": options.val}
    show_json({"out": options.out, **parts, "look": options.look, "extra": options.extra})


def add_download_options(parser: ArgumentParser) -> None:
    """Add the options of `download`."""
    parser.add_argument("--out", help="folder to make (default: data/coco10 of the root)")
    parser.add_argument(
        "--classes", nargs="+", metavar="NAME",
        help="images with any of them, and their annotations (default: the experiment's ten)",
    )  # fmt: skip
    parser.add_argument("--max-train", type=int, default=4000, help="training images; 0: all (default: %(default)s)")
    parser.add_argument("--max-val", type=int, default=1000, help="validation images; 0: all (default: %(default)s)")
    parser.add_argument(
        "--empty-share", type=float, default=0.0, help="share of the images without any of them (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="same seed, same images (default: %(default)s)")


def download(options: Namespace) -> None:
    """Download a subset of COCO 2017, with a bar."""
    from core.datasets.coco2017.download import download
    from core.datasets.subset import Subset, find_category_ids
    from core.detr.pretrained import COCO_CLASSES
    from core.labels import COCO_TEN

    options.out = options.out or under_root("data/coco10")
    classes = COCO_TEN if options.classes is None else options.classes
    subset = Subset(tuple(classes), options.max_train, options.max_val, options.empty_share, options.seed)
    find_category_ids(((name, 0) for name in COCO_CLASSES), subset.classes, "COCO 2017")  # before anything is fetched
    with (
        tqdm(total=1000, bar_format="{l_bar}{bar}| {desc}") as bar,
        closing(download(options.out, subset)) as steps,
    ):
        for progress in steps:
            bar.n = round(1000 * progress.share)
            bar.set_description_str(visible(progress.sentence))
    show(f"{options.out}: {progress.total:,} pictures of {len(subset.classes)} classes of COCO 2017")
    show(f"next: python -m core check {options.out}, or train --data {options.out}")
    show_json({"out": options.out, "pictures": progress.total, "classes": subset.classes})


def add_convert_options(parser: ArgumentParser) -> None:
    """Add the options of `convert`."""
    parser.add_argument("folder", metavar="FOLDER", help="of YOLO, Pascal VOC, or what another tool exports")
    parser.add_argument("--out", required=True, help="folder to make")
    parser.add_argument(
        "--boxes", choices=[format.value for format in BoxFormat],
        help="FOLDER is COCO's, or a COCO file, with such boxes: make a copy with x, y, width, height in pixels",
    )  # fmt: skip


def convert(options: Namespace) -> None:
    """Convert a folder of another format than COCO's, or the boxes of a COCO folder."""
    from core.datasets.convert.boxes import rewrite_boxes
    from core.datasets.convert.to_coco import convert

    folder = found(options.folder)
    if options.boxes:
        count = rewrite_boxes(folder, options.out, BoxFormat(options.boxes))
        show(f"{options.out}: {count:,} boxes as x, y, width, height in pixels; the pictures stay where they are")
        show_json({"out": options.out, "boxes": count})
        return
    report = convert_with_bar(folder, options.out, convert(folder, options.out))
    show(*_conversion_lines(folder, options.out, report))
    show_json({"out": options.out, **report.to_dict()})


def convert_with_bar(folder: str, out: str | Path, steps: Iterable[tuple[int, int]]) -> CheckReport:
    """Iterate over the (done, total) of a conversion with a bar; return what is found in what came of it."""
    from core.datasets.check import report_on_annotations

    show_progress(steps, "image", f"Converting {folder}")
    return report_on_annotations(out)


def _conversion_lines(folder: str, out: str | Path, report: CheckReport) -> list[str]:
    """Return what came of a conversion in lines."""
    used = f"{out}: {report.totals.pictures.used:,} images in COCO layout; the pictures stay in {folder}"
    return [used, *report.totals.sentences, *_problem_lines(report)]


def add_check_options(parser: ArgumentParser) -> None:
    """Add the options of `check`."""
    parser.add_argument("data", metavar="DATA", help="its folder: COCO, YOLO, Pascal VOC, or what another tool exports")
    parser.add_argument("--whole", action="store_true", help="decode every picture: finds more damage, takes longer")


def check(options: Namespace) -> int:
    """Print every problem with examples; return 1 if the data cannot be trained on."""
    from core.datasets.check import check_dataset

    work = KeepResult(check_dataset(found(options.data), options.whole))
    show_progress(work, "picture", f"Looking at {options.data}")
    report = work.result
    show(*_report_lines(report))
    show_json(report.to_dict())
    return int(not report.is_fit)


def _report_lines(report: CheckReport) -> Iterator[str]:
    """Yield a report in lines: how much is used, then the problems, the most urgent first."""
    yield from report.totals.sentences
    for name, images in report.images.items():
        yield f"{name}: {images:,} images, {report.annotations[name]:,} annotations"
    yield from _problem_lines(report)
    verdict = "it can be trained on" if report.problems else "nothing is wrong"
    yield verdict if report.is_fit else "it cannot be trained on"


def _problem_lines(report: CheckReport) -> Iterator[str]:
    """Yield a line for each problem, and below it its first examples."""
    for problem in report.problems:
        label = problem.kind.severity.label
        yield f"{label}: {problem.sentence.removesuffix(f' ({label})')}"
        yield from (f"    {example.detail}" for example in problem.examples[:EXAMPLES])


def in_coco_layout(store: RunStore, folder: str) -> str:
    """Return the folder, or the one under data/ into which a folder of another format is converted, once."""
    from core.datasets.convert.to_coco import convert, default_target, detect_format, is_current

    if not detect_format(folder):
        return folder
    out = default_target(folder, store.data_dir)
    if is_main_process():
        report = convert_with_bar(folder, out, convert(folder, out))
        show(*_conversion_lines(folder, out, report), file=sys.stderr)  # stdout begins with the run's id
    else:
        while not is_current(folder, out):  # the main process converts it
            time.sleep(POLL_SECONDS)
    return str(out)


def add_revise_options(parser: ArgumentParser) -> None:
    """Add the options of `revise`."""
    parser.add_argument(
        "--data", default="data/street", help="a data set's folder, or a COCO JSON (default: %(default)s)"
    )
    parser.add_argument(
        "--images", default="", help="folder of the pictures of a COCO JSON (default: looked for beside it)"
    )
    parser.add_argument("--name", help="of the folder under data/ (default: the data's own, with the next number)")


def revise(options: Namespace) -> None:
    """Write a data set with the labels as they were corrected in the app."""
    from core.runs.corrections.revision import save_revision

    folder, revision = save_revision(RunStore.default(), found(options.data), options.images, options.name)
    changes = revision.changes
    new, gone = (sum(getattr(change, name) is None for change in changes) for name in ("before", "after"))
    images = len({(change.part, change.image_id) for change in changes})
    show(str(folder))
    show(
        f"revision {revision.number} of {revision.of}: {len(changes):,} label{'s' * (len(changes) != 1)} on {images:,} "
        f"image{'s' * (images != 1)}: {new:,} new, {gone:,} gone, {len(changes) - new - gone:,} changed"
    )
    show(f"next: python -m core train --data {folder}")
    counts = {"labels": len(changes), "images": images, "new": new, "gone": gone}
    show_json({"out": str(folder), "revision": revision.number, "of": revision.of, **counts})


COMMANDS = (
    Command(
        "demo", "draw the built-in street scenes, in COCO layout", add_demo_options, demo,
        "one JSON object: out, train, val, look, extra",
    ),
    Command(
        "download", "fetch a subset of COCO 2017; the same call goes on where it stopped", add_download_options,
        download, "one JSON object: out, pictures, classes",
    ),
    Command(
        "convert", "make a COCO data set of YOLO, Pascal VOC or another tool's; the pictures stay there",
        add_convert_options, convert, "one JSON object: out, and what check says; with --boxes out and boxes",
    ),
    Command(
        "check", "what is wrong with a data set: pictures, boxes, classes; its files are not changed",
        add_check_options, check, "one JSON object with examples of each problem",
    ),
    Command(
        "revise", "save the labels corrected in the app as a data set of its own; the pictures are links",
        add_revise_options, revise, "one JSON object: out, revision, of, labels, images, new, gone",
    ),
)  # fmt: skip
