"""The trackers that a run's record can be sent to, and the notices when it ends: `TRACKERS` and `NOTICES`.

In: nothing. Out: for each its key, its words, its package and the class that sends. Apart from `core/runs/tracking/`,
which sends, so that the settings of a training and the pages can name them without loading any of their packages.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec

from core import ConfigError
from core.wording import short


@dataclass(frozen=True)
class TrackerKind:
    """A tracker, or a notice.

    key       in the settings, on the command line, and in the names of its files
    label     its name for the user
    sender    its class, a `core.runs.tracking.tracker.Tracker`, as module:class
    sentence  what it is and where its data goes by default
    package   that must be importable; "": none
    install   what pip is given to install it
    variable  of a notice: the environment variable that asks for it
    """

    key: str
    label: str
    sender: str
    sentence: str
    package: str = ""
    install: str = ""
    variable: str = ""


TRACKERS = (
    TrackerKind(
        "wandb", "W&B", "core.runs.tracking.wandb:Wandb",
        "Weights & Biases: into the run's folder, for wandb sync; to the server if you are logged in.",
        package="wandb", install="wandb",
    ),
    TrackerKind(
        "mlflow", "MLflow", "core.runs.tracking.mlflow:Mlflow",
        "MLflow: into runs/mlflow, or where MLFLOW_TRACKING_URI says.",
        package="mlflow", install="mlflow-skinny sqlalchemy alembic",
    ),
    TrackerKind(
        "trackio", "Trackio", "core.runs.tracking.trackio:Trackio",
        "Trackio: into runs/trackio, or where TRACKIO_DIR says.",
        # its own pin would put an older Pillow in the place of the one that is here
        package="trackio", install="--no-deps trackio gradio-client",
    ),
    TrackerKind(
        "clearml", "ClearML", "core.runs.tracking.clearml:ClearML",
        "ClearML: into the run's folder, for clearml-task; to the server if clearml.conf or the environment has a key.",
        package="clearml", install="clearml",
    ),
)  # fmt: skip
NOTICES = (
    TrackerKind(
        "webhook", "Webhook", "core.runs.tracking.webhook:Webhook",
        "A POST of JSON to a URL when a run ends, fails or becomes critical.", variable="DETR_LAB_WEBHOOK",
    ),
    TrackerKind(
        "command", "Command at the end", "core.runs.tracking.end_command:EndCommand",
        "A command that is run when a run ends, fails or becomes critical.", variable="DETR_LAB_ON_END",
    ),
)  # fmt: skip
KEYS = tuple(kind.key for kind in TRACKERS)
BY_KEY = {kind.key: kind for kind in (*TRACKERS, *NOTICES)}


def check_trackers(keys: Iterable[str]) -> None:
    """Raise ConfigError for a tracker that is unknown or whose package is missing, and for a notice nobody set."""
    for key in keys:
        kind = BY_KEY.get(key)
        if kind is None:
            raise ConfigError(f"There is no tracker {short(repr(key))}; there are: {', '.join(BY_KEY)}.")
        if kind.package and find_spec(kind.package) is None:
            raise ConfigError(f"{kind.label} needs a package that is not installed: run pip install {kind.install}.")
        if kind.variable and not os.environ.get(kind.variable, "").strip():
            raise ConfigError(f"The environment variable {kind.variable} is not set: set it to what is to be told.")
