"""What a tracker is to the follower, which hands a run's record to it: the interface `Tracker`.

In: rows of the run store, evaluations, remarks, and how the run ended. Out: nothing that the training would wait for.
Whatever a tracker raises, or however long it takes, concerns its follower alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from core import LabError
from core.runs.schema import Evaluation, Run

PROJECT_NAME = "detr-lab"  # of the runs, in a tracker that sorts them by projects


class TrackerError(LabError):
    """A tracker could not be told something: one sentence that holds no secret.

    is_final  whether to try it again would be useless, or do twice what was done
    """

    def __init__(self, message: str, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final


class Row(NamedTuple):
    """A recorded value: its row in the store, which grows, its tag, step and value."""

    row: int
    tag: str
    step: int
    value: float


@dataclass(frozen=True)
class Picture:
    """A watched validation image with its boxes drawn, and what it is called."""

    name: str
    image: Image.Image


@dataclass(frozen=True)
class End:
    """How a run has ended.

    best        its best evaluation, None without any
    baseline    that of the untouched model
    checkpoint  where its model lies; "": nowhere
    """

    run: Run
    best: Evaluation | None
    baseline: Evaluation | None
    checkpoint: str

    def figures(self) -> dict[str, float]:
        """Return COCO's figures of the best evaluation as "best/AP" and so on, and the baseline's AP."""
        figures = {f"best/{name}": value for name, value in numbers(self.best).items()}
        figures |= {"best/epoch": float(self.best.epoch)} if self.best else {}
        return figures | {f"baseline/{name}": value for name, value in numbers(self.baseline).items() if name == "AP"}


class Tracker(ABC):
    """Takes one run's record; made in the follower's process, which calls its methods one after another.

    reads_metrics  whether it wants metrics and evaluations at all
    where          a sentence on where to look at what was sent, once it is open
    """

    reads_metrics = True
    where = ""

    @abstractmethod
    def open(self, run: Run, folder: Path, name: str) -> str:
        """Begin to take the run's record, or go on with it; return what the run is called there.

        folder  the run's, for this tracker alone; name: what an earlier call returned, "" at the first
        """

    def whole_until(self, row: int) -> int:
        """Return the row up to which all is safe there; asked after a follower ended in the middle.

        row  up to which all was handed over and flushed
        """
        return row

    def missing(self, rows: Sequence[Row]) -> list[Row]:
        """Return those rows that are not there; asked of what was being sent when a follower ended in the middle."""
        return list(rows)

    def log(self, step: int, metrics: Mapping[str, float], row: int) -> None:  # noqa: B027
        """Take metrics of a step; row: the last of their rows."""

    def evaluated(self, evaluation: Evaluation, pictures: Sequence[Picture], row: int) -> None:  # noqa: B027
        """Take an evaluation, whose figures came as metrics before, and pictures with boxes if it is the last one."""

    def remarked(self, run: Run, remark: Mapping[str, Any]) -> None:  # noqa: B027
        """Take a remark on a run at work that is critical and was not told yet."""

    def flush(self) -> None:  # noqa: B027
        """Return once what was taken stays, whatever happens to this process, or `whole_until` will tell."""

    @abstractmethod
    def close(self, end: End) -> None:
        """Take how the run has ended, and return once all is there."""


def numbers(evaluation: Evaluation | None) -> dict[str, float]:
    """Return the twelve figures of an evaluation that are defined, by name, as shares."""
    figures = evaluation.figures if evaluation else {}
    return {name: float(value) for name, value in figures.items() if isinstance(value, int | float)}


def settings_of(run: Run) -> dict[str, Any]:
    """Return a run's settings and notes as a tracker keeps them."""
    return {**run.config, "run": run.id, **({"notes": run.notes} if run.notes else {})}
