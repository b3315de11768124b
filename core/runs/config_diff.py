"""Settings of several runs side by side: what each run was trained with, and where they differ.

In: the configs of runs as the store keeps them. Out: a `Setting` for each field of `TrainConfig`, with their values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from core import ConfigError
from core.config import TrainConfig

IMPORTED = {  # of runs made of another tool's results
    "gt": ("Ground truth", "The annotation file that the results were evaluated on."),
    "dt": ("Results", "The file with the predictions."),
    "images": ("Pictures", "The folder of the pictures."),
}
DESCRIBED = {field.name: (field.metadata["label"], field.metadata["help"]) for field in fields(TrainConfig)}


@dataclass(frozen=True)
class Setting:
    """One setting of all runs.

    label, help  for the user, as `TrainConfig` has them
    values       (R,) one for each run; None where a run has no such setting, as an imported one
    """

    name: str
    label: str
    help: str
    values: tuple

    @property
    def differs(self) -> bool:
        """Whether two of the runs were not trained with the same."""
        return any(value != self.values[0] for value in self.values)

    @property
    def is_number(self) -> bool:
        """Whether all values are numbers: a switch is none."""
        return all(isinstance(value, int | float) and not isinstance(value, bool) for value in self.values)


def compare_settings(configs: Sequence[dict]) -> list[Setting]:
    """Every setting that a run has, in the order of `TrainConfig`; then what another version or an import has."""
    runs = [_values(config) for config in configs]
    known = {**DESCRIBED, **IMPORTED}
    names = [name for name in known if any(name in run for run in runs)]
    names += sorted({name for run in runs for name in run} - set(known))
    return [
        Setting(name, *known.get(name, (name, "A setting of another version.")), tuple(run.get(name) for run in runs))
        for name in names
    ]


def _values(config: dict) -> dict:
    """By name; what an older version did not know yet has its default."""
    if "imported" in config:
        return dict(config["imported"])
    try:
        values = TrainConfig.from_dict(config).to_dict()
    except ConfigError:  # of a newer version: as it is
        values = config
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def value_text(value) -> str:
    """A setting's value in words.

    >>> value_text(1e-05), value_text(()), value_text(False), value_text(None)
    ('1e-05', 'all', 'no', '–')
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "all"
    return f"{value:g}" if isinstance(value, float) else str(value)
