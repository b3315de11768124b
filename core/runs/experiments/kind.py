"""What a kind of experiment is, `Kind`: one object has its key, its words, its settings, its runs and what they say.

In: the settings of one training, and those of the experiment. Out: a `Planned` for each run; later, from the runs, a
`Summary`. `kinds.py` has the list of all kinds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from core import ConfigError
from core.charts.chart import Chart
from core.config import TrainConfig
from core.datasets.split import CocoSplit
from core.runs.experiments.record import Experiment, Member
from core.runs.schema import Status
from core.settings import Settings

MOST_RUNS = 200  # of one experiment
Reader = Callable[[str | Path, str], CocoSplit]  # as core.datasets.split.read_split
Tables = Callable[[Member], pa.Table | None]  # the detection table of a run's best model


@dataclass(frozen=True)
class Planned:
    """A run of an experiment that is not queued yet.

    variant      what sets it apart from the others, as JSON can hold it; "seed" among them, if several are tried
    words        the same for a user, the name of the run
    dataset      the name of a data set that the experiment writes for it; "": that of its config
    pause_epoch  the first rung of halving, None without
    """

    config: TrainConfig
    variant: dict[str, Any]
    words: str
    dataset: str = ""
    pause_epoch: int | None = None


@dataclass(frozen=True)
class Summary:
    """What the runs of an experiment say by now.

    sentences  what is said of them, one after another
    charts     of those that have an AP
    values     what a command prints as JSON
    """

    sentences: list[str]
    charts: list[Chart] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)


class Kind(ABC):
    """A kind of experiment. `key` names it in the database, on the command line and in addresses."""

    key: ClassVar[str]
    label: ClassVar[str]
    description: ClassVar[str]
    settings: ClassVar[type[Settings]]

    @abstractmethod
    def plan(self, base: TrainConfig, settings: Any, read: Reader) -> list[Planned]:
        """Return the runs, each with checked settings. Raises ConfigError, or DataError for the data."""

    def write_data(  # noqa: B027 (most have none)
        self, base: TrainConfig, settings: Any, folder: Path, read: Reader
    ) -> None:
        """Write the data sets that the runs name, into `folder`; most kinds have none."""

    def details(self, base: TrainConfig, settings: Any) -> dict[str, Any]:
        """Return what else is recorded as the experiment's plan, beside its settings."""
        return {}

    @abstractmethod
    def name(self, settings: Any) -> str:
        """Return a name for the experiment."""

    @abstractmethod
    def summarize(self, experiment: Experiment, members: Sequence[Member], tables: Tables) -> Summary:
        """Return what the runs say; only those that have ended count."""


def check_number(runs: int) -> None:
    """Raise ConfigError if an experiment would have too many runs."""
    if runs > MOST_RUNS:
        raise ConfigError(
            f"That makes {runs:,} trainings: at most {MOST_RUNS} are queued at once; give fewer values, parts or seeds."
        )


def is_done(member: Member) -> bool:
    """Check whether a run went to its end and has an AP."""
    return member.run.status is Status.FINISHED and member.run.best_ap is not None


def total_steps(members: Sequence[Member]) -> int:
    """Return the steps of all runs together."""
    return sum(member.run.step or 0 for member in members)


def points(value: float) -> str:
    """Return an AP in [0, 1] in percent, with one digit."""
    return f"{100 * value:.1f}"
