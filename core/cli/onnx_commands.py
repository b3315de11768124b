"""What the command `export --as onnx` does: its options, what it says, and what the files have cost."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

import msgspec

from core import LabError
from core.cli.chosen_run import TRAINED, chosen_run
from core.cli.command import show, show_json
from core.runs.store import RunStore

ONNX = "onnx"


def add_onnx_options(parser: ArgumentParser) -> None:
    """Add the options of `export --as onnx`."""
    group = parser.add_argument_group("--as onnx")
    group.add_argument(
        "--most-fall", type=float, default=1.0, metavar="POINTS",
        help="a smaller variant (fp16, int8) is kept if its AP falls by no more than this (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--measure", type=int, default=200, metavar="N",
        help="validation images on which AP and time are measured, evenly spread; 0: all (default: %(default)s)",
    )  # fmt: skip


def export_onnx(options: Namespace) -> None:
    """Write a run's model as ONNX files, saying what is done, and print what that has cost."""
    from core.export.onnx.export import check_options, export_onnx, model_of_epoch
    from core.export.onnx.measurements import read_measurements, table_lines
    from core.export.onnx.write import OnnxOptions
    from core.runs.evaluated.images import data_of

    if options.measure < 0:
        raise LabError(f"--measure is {options.measure}: give a number of images, or 0 for all.")
    chosen = OnnxOptions(options.most_fall / 100, options.measure or None)
    check_options(chosen)
    store = RunStore.default()
    run = chosen_run(store, options.run_id, TRAINED)
    _, epoch = model_of_epoch(store, run, options.epoch)
    out = Path(options.out) if options.out else store.onnx_folder(run.id, epoch)
    before = ""
    for words in export_onnx(store, run, epoch, Path(options.out) if options.out else None, chosen):
        if (step := words.partition(":")[0]) != before:  # of counted steps the first
            show(f"{step} …", file=sys.stderr)
            before = step
    measurements = read_measurements(out)
    show(f"{out}: the model of epoch {epoch} of {run.id}", *(table_lines(measurements) if measurements else ()))
    told = msgspec.to_builtins(measurements) if measurements else None
    show_json({"id": run.id, "as": ONNX, "out": str(out), "epoch": epoch, "measurements": told})
    show("next:", f"  python -m core evaluate --model {out / 'model.onnx'} --data {data_of(run)}")
