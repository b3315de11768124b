"""The settings of several runs side by side, and which of them differ.

In: the configs of runs as the store keeps them. Out: a `Setting` for each field of `TrainConfig`, with all values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from core import ConfigError
from core.augmentation.kinds import preset_of
from core.config import TrainConfig

IMPORT_SETTINGS = {  # of runs made from another tool's results: label and help
    "gt": ("Ground truth", "The annotation file that the results were evaluated on."),
    "dt": ("Results", "The file with the predictions."),
    "images": ("Pictures", "The folder of the pictures."),
}
EVALUATION_SETTINGS = {  # of evaluations of their own, beside model and data: label and help
    "part": ("Part", "Which images of the data set; of a COCO JSON all."),
    "size": (
        "Size, pixels",
        "The shortest edge of an image as the model sees it, or the side of the square; 0: as it was trained.",
    ),
    "tiles": (
        "Tiles",
        "Overlapping parts that each side of an image is divided into; their boxes and the image's are merged.",
    ),
}
TRAIN_SETTINGS = {field.name: (field.metadata["label"], field.metadata["help"]) for field in fields(TrainConfig)}
BOOKKEEPING = {field.name for field in fields(TrainConfig) if field.metadata.get("is_bookkeeping")}


@dataclass(frozen=True)
class Setting:
    """One setting with its value in each run.

    label, help  for the user, as `TrainConfig` has them
    values       (R,) one for each run; None where a run has no such setting, as an imported one
    """

    name: str
    label: str
    help: str
    values: tuple[Any, ...]

    @property
    def differs(self) -> bool:
        """Whether two of the runs have different values."""
        return any(value != self.values[0] for value in self.values)

    @property
    def is_number(self) -> bool:
        """Whether all values are numbers; True and False are not."""
        return all(isinstance(value, int | float) and not isinstance(value, bool) for value in self.values)


def compare_settings(configs: Sequence[dict[str, Any]]) -> list[Setting]:
    """Return every setting of the runs: in the order of `TrainConfig`, then of imports, evaluations, other versions.

    Those that change nothing in a run are left out.
    """
    runs = [setting_values(config) for config in configs]
    known = {**TRAIN_SETTINGS, **IMPORT_SETTINGS, **EVALUATION_SETTINGS}
    names = [name for name in known if any(name in run for run in runs)]
    names += sorted({name for run in runs for name in run} - set(known))
    names = [name for name in names if name not in BOOKKEEPING]
    return [
        Setting(name, *known.get(name, (name, "A setting of another version.")), tuple(run.get(name) for run in runs))
        for name in names
    ]


def setting_values(config: dict[str, Any]) -> dict[str, Any]:
    """Return a run's settings by name; one that an older version did not have yet has its default."""
    if "evaluation" in config:
        values = {name: config["evaluation"].get(name) for name in ("data", "model", *EVALUATION_SETTINGS)}
        return values | {"model": tuple(values["model"] or ())}
    if "imported" in config:
        return dict(config["imported"])
    try:
        values = TrainConfig.from_dict(config).to_dict()
    except ConfigError:  # of a newer version: as it is
        values = config
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def value_text(value: object) -> str:
    """Return a setting's value as text; kinds of augmentation by the name of their preset, if they have one.

    >>> value_text(1e-05), value_text(()), value_text(False), value_text(None)
    ('1e-05', 'all', 'no', '–')
    >>> value_text(("flip", "zoom", "colour", "blur and noise"))
    'photographs'
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        if value and (preset := preset_of(value)):
            return preset.name
        return ", ".join(map(str, value)) or "all"
    return f"{value:g}" if isinstance(value, float) else str(value)
