"""A scenario: what is done to the project, and what of it must hold afterwards.

In: a seed and a share of the whole. Out: for each family a list of scenarios, the same for the same seed and share.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """What came of a scenario.

    tried   how many attempts it made: one, or one for each input, request or poll
    lost    a sentence for everything that did not hold
    """

    tried: int = 1
    lost: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scenario:
    """One scenario of a family.

    row       its line in the table
    number    what --case names, within its family
    name      what is done, in a few words
    attempt   does it in an empty folder
    seconds   after which it counts as lost: it hangs
    """

    row: str
    number: int
    name: str
    attempt: Callable[[Path], Outcome]
    seconds: int = 120


@dataclass(frozen=True)
class Plan:
    """How much is tried, and where.

    seed     of everything that is drawn
    share    of the whole, above 0
    folder   for what a family prepares once, before its scenarios
    """

    seed: int
    share: float
    folder: Path

    def count(self, whole: int, least: int = 1) -> int:
        """Return this plan's share of `whole` attempts, `least` at least."""
        return max(least, round(whole * self.share))

    def random(self, *keys: object) -> random.Random:
        """Return the random numbers of one purpose."""
        return random.Random(":".join(map(str, (self.seed, *keys))))


Family = Callable[[Plan], Sequence[Scenario]]


@dataclass
class Row:
    """A line of the table."""

    tried: int = 0
    lost: int = 0


@dataclass
class Table:
    """The counts of all scenarios, by row, in the order in which rows came."""

    rows: dict[str, Row] = field(default_factory=dict)

    def add(self, row: str, outcome: Outcome) -> None:
        """Count one scenario's outcome."""
        line = self.rows.setdefault(row, Row())
        line.tried += outcome.tried
        line.lost += min(outcome.tried, len(outcome.lost))

    @property
    def lost(self) -> int:
        """How much is lost in all."""
        return sum(row.lost for row in self.rows.values())

    def __str__(self) -> str:
        lines = [
            f"| {name} | {row.tried:,} | {row.tried - row.lost:,} | {row.lost:,} |" for name, row in self.rows.items()
        ]
        tried = sum(row.tried for row in self.rows.values())
        total = f"| **all** | {tried:,} | {tried - self.lost:,} | {self.lost:,} |"
        return "\n".join(["| scenarios | tried | passed | lost |", "|---|---|---|---|", *lines, total])
