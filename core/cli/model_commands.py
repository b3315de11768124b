"""The command that lists the models to start from: models."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import asdict

from core.cli.command import Command, show, show_json
from core.detr.pretrained import OFFERED, download_place, models_here
from core.detr.sources.hub import is_here
from core.detr.sources.released import COCO, FAMILIES, ReleasedModel


def add_models_options(parser: ArgumentParser) -> None:
    """Add the options of `models`: none of its own."""


def models(options: Namespace) -> None:
    """Print the released models that can be trained, and the folders with a model in checkpoints/."""
    show_json([_json(model) for model in OFFERED.values()])
    width = max(map(len, OFFERED))
    show(f"{'model':<{width}}  {'family':<17}{'M param.':>8}{'AP':>6}  {'pictures':<13}{'licence':<11}download")
    for model in OFFERED.values():
        place = "here" if is_here(model.name) else f"{model.megabytes:,.0f} MB"
        ap = f"{model.ap:.1f}{'' if model.data == COCO else '*'}"
        figures = f"{FAMILIES[model.family]:<17}{model.parameters:>8.1f}{ap:>6}  {model.pictures:<13}"
        show(f"{model.name:<{width}}  {figures}{model.licence:<11}{place}")
    show(
        "",
        "AP of COCO's val2017 as published; pictures in pixels: the edges, or the square to which they are stretched.",
    )
    for model in OFFERED.values():
        if model.data != COCO:
            show(f"* {model.name}: AP of {model.data}, whose classes it knows.")
    show(f"A download begins with the training that needs it, into {download_place()}.")
    if here := models_here():
        show("", "in checkpoints/, a run's among them:", *(f"  {folder}" for folder in here))


def _json(model: ReleasedModel) -> dict[str, object]:
    """Return a released model's fields, and whether it is on this machine."""
    return {**asdict(model), "megabytes": round(model.megabytes, 1), "here": is_here(model.name)}


COMMANDS = (
    Command(
        "models",
        "list the released models: size, published AP, licence, what is here",
        add_models_options,
        models,
        "a JSON list of the released models",
    ),
)
