"""What a rule of the doctor is: one object with its key, its level, its words and the function that applies it.

    @rule("plateau", Level.INFO, "AP no longer rises", "The model has learned what …")
    def plateau(history: History) -> Finding | None:
        …

In: a run's History. Out: a Remark, or None if nothing is the matter. To add a rule is to write one such object and to
name it in the list at the end of its file, `steps.py`, `evaluations.py` or `trends.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from core.training.doctor.history import History
from core.training.remark import Level, Remark


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a rule has seen in a run, and what to change.

    evidence  the figures that show it
    advice    what to change
    changes   the settings that the advice changes, with their new values
    level, title, cause  where they differ from the rule's
    step      at which it was seen, if not at the last one
    images    ids of the images that it is about
    """

    evidence: str
    advice: str
    level: Level | None = None
    title: str | None = None
    cause: str | None = None
    step: int | None = None
    images: tuple[int, ...] = ()
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Rule:
    """A rule of the doctor; the docstring of its function says where its thresholds come from.

    key     as its remark is stored; a run has one remark of each rule at most
    level   how urgent it is
    title   what is the matter, in a few words
    cause   why that happens
    find    the function; gives None if nothing is the matter
    """

    key: str
    level: Level
    title: str
    cause: str
    find: Callable[[History], Finding | None]

    def remark(self, history: History) -> Remark | None:
        """Return what is to be said of the run by this rule; None if nothing is the matter."""
        finding = self.find(history)
        if finding is None:
            return None
        return Remark(
            rule=self.key,
            level=finding.level or self.level,
            title=finding.title or self.title,
            cause=finding.cause or self.cause,
            evidence=finding.evidence,
            advice=finding.advice,
            step=history.step if finding.step is None else finding.step,
            images=finding.images,
            changes={n: value for n, value in finding.changes.items() if value != getattr(history.config, n)},
        )


def rule(key: str, level: Level, title: str, cause: str) -> Callable[[Callable[[History], Finding | None]], Rule]:
    """Make a Rule of the function below."""

    def make(find: Callable[[History], Finding | None]) -> Rule:
        return Rule(key, level, title, cause, find)

    return make
