"""A `Remark`: something about a run that its user should know, said by the doctor or by the training itself.

Each rule has one author: the doctor says what it reads from the metrics (`doctor/`), the training what only it knows
(`TrainingRule`). So a run never has two remarks of one thing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """How urgent a remark is; the most urgent stands first."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"

    @property
    def urgency(self) -> int:
        """The place in the order of levels: 0 is the most urgent."""
        return list(Level).index(self)


class TrainingRule(StrEnum):
    """What the training says of itself; such a remark stays for good, also when the run is resumed."""

    BATCH_HALVED = "batch_halved"
    STOPPED_EARLY = "stopped_early"
    DATA_CHANGED = "data_changed"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, kw_only=True)
class Remark:
    """Something about a run that its user should know.

    rule      what it is about: a TrainingRule, or the key of a doctor's rule; a run has one remark of each at most
    title     what is the matter, in a few words
    cause     why that happens
    evidence  the figures or images that show it
    advice    what to change
    step      the step at which it was seen first
    images    ids of the images that it is about, where there are any
    changes   the settings that the advice changes, with their new values; empty where it is about no setting
    """

    rule: str
    level: Level
    title: str
    cause: str
    evidence: str
    advice: str
    step: int
    images: tuple[int, ...] = ()
    changes: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Remark:
        """Return the remark that `to_dict` gave."""
        return cls(**{**values, "level": Level(values["level"]), "images": tuple(values.get("images", ()))})

    def to_dict(self) -> dict[str, Any]:
        """Return the fields for JSON, `images` and `changes` only where there are any."""
        values = asdict(self)
        for name in ("images", "changes"):
            if not values[name]:
                del values[name]
        return values
