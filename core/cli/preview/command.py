"""The command preview: the first training images as the model will see them, before anything is trained."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path

from core import LabError
from core.cli.chosen_run import TRAINING, chosen_run
from core.cli.command import Command, show, show_json
from core.cli.data_commands import in_coco_layout
from core.cli.shell.settings import add_settings, config_of
from core.runs.store import RunStore


def add_preview_options(parser: ArgumentParser) -> None:
    """Add the options of `preview`: those of `train`, and where the picture goes."""
    parser.add_argument("--out", required=True, help="the picture's file, as preview.jpg")
    parser.add_argument("--epoch", type=int, default=1, help="whose random numbers it has (default: 1)")
    add_settings(parser)


def preview(options: Namespace) -> None:
    """Draw the first training images as the model will see them."""
    from core.datasets.split import read_split
    from core.training.data.preview import draw_preview

    store = RunStore.default()
    if options.like:
        options.like = chosen_run(store, options.like, TRAINING).id
    config, _ = config_of(store, options)
    config = replace(config, data=in_coco_layout(store, config.data))
    picture = draw_preview(config, read_split(config.data, "train"), max(0, options.epoch - 1))
    path = Path(options.out)
    try:
        picture.save(path)
    except (OSError, ValueError) as error:
        raise LabError(f"The picture cannot be written to {path}: {error}.") from error
    show(f"{path}: {picture.width} × {picture.height} pixels")
    show_json({"out": str(path), "width": picture.width, "height": picture.height})


COMMANDS = (
    Command(
        "preview",
        "draw the first training images as the model will see them",
        add_preview_options,
        preview,
        "one JSON object: out, width, height",
    ),
)
