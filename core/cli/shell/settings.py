"""The settings of a training as the command line has them: a preset, a run or a file, and an option for each."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from dataclasses import fields, replace
from pathlib import Path

from core.cli.command import add_setting
from core.cli.shell.root import found
from core.config import TrainConfig
from core.detr.pretrained import preset_config
from core.files import real_path
from core.presets import PRESETS
from core.runs.store import RunStore
from core.training.settings_file.yaml_file import read_settings

EXPERIMENT = "Experiment"  # the preset that changes no default


def add_settings(parser: ArgumentParser) -> None:
    """Add what settings begin with, a preset or a run, and an option for every field of TrainConfig."""
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument(
        "--preset", choices=list(PRESETS), help="start from a preset (default: the one that fits the model)"
    )
    begin.add_argument(
        "--like", metavar="RUN", help="start from a run's settings; the new run's notes say what differs"
    )
    parser.add_argument(
        "--config", dest="settings_file", metavar="FILE", help="YAML with settings, as config RUN writes; options win"
    )
    for field in fields(TrainConfig):
        add_setting(parser, field, f"preset {EXPERIMENT}")


def config_of(store: RunStore, options: Namespace) -> tuple[TrainConfig, str | None]:
    """Return the settings, and the preset that fits their model, None if none is known; folders become absolute.

    The given options change those of a run or a preset that is named, else of the preset that fits.
    """
    from core.runs.advised.advised_run import settings_of
    from core.runs.models import run_settings
    from core.training.doctor.fit import fitting_preset

    given = {f.name: getattr(options, f.name) for f in fields(TrainConfig) if getattr(options, f.name) is not None}
    if "epochs" in given:
        given.setdefault("minutes", 0.0)  # else those of a file, a run or a preset would count instead
    if options.settings_file:
        file = read_settings(options.settings_file)
        given = dict(file.values) | given
        options.preset = options.preset or (None if options.like else file.preset)
    if options.like:
        begun = settings_of(store.get(options.like))
    else:
        begun = PRESETS[options.preset].apply() if options.preset else TrainConfig()
    for name in ("data", "model"):
        path = Path(found(given.get(name, getattr(begun, name))))
        if os.path.exists(path):  # False where no file can have such a name
            given[name] = str(real_path(path))
    model = given.get("model", begun.model)
    fits = fitting_preset(model, trained_with=run_settings(store, model))
    if not options.like:
        begun = preset_config(options.preset or fits or EXPERIMENT, model)
    return replace(begun, **given), fits
