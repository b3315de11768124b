"""DETR Lab's library: everything the dashboard and the command line do, without either.

    COCO files -> datasets -> detr -> training -> checkpoints and metrics, which runs keeps
                                   -> evaluation -> the detection table -> charts, export, pages

Each package imports only those above it, in this order: keep_result, labelled_enum, wording, disk, files, typed_json,
engine, child, boxes, labels, metrics, settings, augmentation, config, config_diff, presets, datasets, detr, evaluation,
charts, training, runs, inference, export, cli, __main__. Nothing here imports Streamlit.

Errors: everything that is raised on purpose is a LabError, whose text is one sentence for the user.

    LabError
    ├── DataError      a data set, an annotation file or a picture
    ├── ConfigError    settings, as of a training
    ├── ModelError     a checkpoint or a model's name
    └── RunError       the run store, a run or its files
"""

from pathlib import Path

from core.wording import COMMAND, short

PROJECT = Path(__file__).resolve().parent.parent  # the folder of app.py; no other file counts its folders
MOST_LETTERS = 1000  # of an error's sentence, and of each line of a shell that it tells
MOST_COMMANDS = 2


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
