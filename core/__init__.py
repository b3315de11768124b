"""DETR Lab's library: everything the dashboard and the command line do, without either.

    COCO files -> datasets -> detr -> training -> checkpoints and metrics, which runs keeps
                                   -> evaluation -> the detection table -> charts, export, pages

Each package imports only those above it, in this order: keep_result, labelled_enum, wording, system, disk, files,
typed_json, engine, child, boxes, labels, metrics, settings, augmentation, trackers, config, config_diff, presets,
datasets, detr, evaluation, charts, training, runs, inference, export, apps, cli, __main__. Nothing here imports
Streamlit.

Errors: everything that is raised on purpose is a LabError, whose text is one sentence for the user.

    LabError
    ├── DataError      a data set, an annotation file or a picture
    ├── ConfigError    settings, as of a training
    ├── ModelError     a checkpoint or a model's name
    └── RunError       the run store, a run or its files

For scripts and notebooks: the names in `__all__`, as in `from core import TrainConfig, RunStore, follow`. They stay;
what else a module has may change. `docs/notebook.ipynb` and `docs/python.md` use them.
"""

import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.wording import COMMAND, short

if TYPE_CHECKING:
    from core.config import TrainConfig as TrainConfig
    from core.datasets.demo import draw_dataset as draw_dataset
    from core.datasets.split import CocoSplit as CocoSplit
    from core.datasets.split import read_split as read_split
    from core.detr.explain import explain as explain
    from core.evaluation.draw import draw_analysis as draw_analysis
    from core.evaluation.findings.curves import coco_figures as coco_figures
    from core.evaluation.findings.impact import impact as impact
    from core.evaluation.table import read_table as read_table
    from core.evaluation.threshold import image_rows as image_rows
    from core.export.analysis import worst_pictures as worst_pictures
    from core.export.model_formats import MODEL_FORMATS as MODEL_FORMATS
    from core.export.model_formats import ModelOptions as ModelOptions
    from core.export.model_formats import write_model as write_model
    from core.export.saved_model import saved_model as saved_model
    from core.inference.model_cache import ModelCache as ModelCache
    from core.presets import PRESETS as PRESETS
    from core.runs.drive import follow as follow
    from core.runs.drive import new_run as new_run
    from core.runs.store import RunStore as RunStore
    from core.training.events import Evaluated as Evaluated
    from core.training.events import StepDone as StepDone
    from core.training.train import train as train

PROJECT = Path(__file__).resolve().parent.parent  # the folder of app.py; no other file counts its folders
MOST_LETTERS = 1000  # of an error's sentence, and of each line of a shell that it tells
MOST_COMMANDS = 2


# the public names besides the errors, and where they are; imported when they are first used, so `import core` is light
PUBLIC = {
    "TrainConfig": "core.config",
    "PRESETS": "core.presets",
    "draw_dataset": "core.datasets.demo",
    "read_split": "core.datasets.split",
    "CocoSplit": "core.datasets.split",
    "read_table": "core.evaluation.table",
    "image_rows": "core.evaluation.threshold",
    "draw_analysis": "core.evaluation.draw",
    "coco_figures": "core.evaluation.findings.curves",
    "impact": "core.evaluation.findings.impact",
    "train": "core.training.train",
    "StepDone": "core.training.events",
    "Evaluated": "core.training.events",
    "RunStore": "core.runs.store",
    "new_run": "core.runs.drive",
    "follow": "core.runs.drive",
    "ModelCache": "core.inference.model_cache",
    "explain": "core.detr.explain",
    "worst_pictures": "core.export.analysis",
    "saved_model": "core.export.saved_model",
    "MODEL_FORMATS": "core.export.model_formats",
    "ModelOptions": "core.export.model_formats",
    "write_model": "core.export.model_formats",
}
__all__ = ["ConfigError", "DataError", "LabError", "ModelError", "PROJECT", "RunError", *PUBLIC]  # noqa: PLE0604 (strings all)


def __getattr__(name: str) -> Any:
    """Import a public name."""
    if name not in PUBLIC:
        raise AttributeError(f"module 'core' has no attribute {name!r}")
    return getattr(import_module(PUBLIC[name]), name)


def __dir__() -> list[str]:
    """Return the module's names with the public ones, as an editor completes them."""
    return sorted({*globals(), *PUBLIC})


def lab_root() -> Path:
    """Return the folder of runs/, checkpoints/ and data/, from which relative paths of settings are looked for.

    It is the one that the environment variable DETR_LAB_ROOT names, as the option --root does, else the project's. Only
    what comes with DETR Lab, as a starter model, is looked for in PROJECT besides.
    """
    return Path(os.environ.get("DETR_LAB_ROOT") or PROJECT).absolute()


class LabError(Exception):
    """Base of all errors raised on purpose: one sentence saying what, where and what to do.

    It is shown in one line and bounded, whatever the names and values in it hold. Lines of a shell, which a person may
    copy, stand at its end (`core.wording.with_commands`).
    """

    def __str__(self) -> str:
        return COMMAND.join(short(part, MOST_LETTERS) for part in super().__str__().split(COMMAND, MOST_COMMANDS))


class DataError(LabError):
    """A data set, an annotation file or a picture cannot be used."""


class ConfigError(LabError):
    """Settings, as of a training, are wrong or do not go together."""


class ModelError(LabError):
    """A model cannot be found, read or built."""


class RunError(LabError):
    """A run, or one of its files, is missing or in a state that does not allow what was asked."""
