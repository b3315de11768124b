"""A notice: what is told when a run ends, fails, or when the doctor calls it critical.

It is a tracker that reads no metrics, so that the follower, its cursor and its new tries serve it, too. Whom it tells
stands in the environment of the app or of the command alone, never in a setting: a page cannot change it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.runs.schema import Run, Status
from core.runs.tracking.tracker import End, Tracker
from core.training.remark import Level

CRITICAL, ENDED, FAILED = "critical", "ended", "failed"


class Notice(Tracker):
    """Tells of a run's end, and of critical remarks, by `deliver`."""

    reads_metrics = False

    def open(self, run: Run, folder: Path, name: str) -> str:
        """Do nothing: there is nothing to begin."""
        return run.id

    def remarked(self, run: Run, remark: Mapping[str, Any]) -> None:
        """Tell of a remark."""
        self.deliver(message_of(run, CRITICAL, remark))

    def close(self, end: End) -> None:
        """Tell how the run has ended."""
        remarks = [remark for remark in end.run.remarks if remark["level"] == Level.CRITICAL]
        event = FAILED if end.run.status in (Status.FAILED, Status.INTERRUPTED) else ENDED
        self.deliver(message_of(end.run, event, next(iter(remarks), None)))

    @abstractmethod
    def deliver(self, message: Mapping[str, Any]) -> None:
        """Tell it; raises TrackerError with a sentence that names no address."""


def message_of(run: Run, event: str, remark: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what is told of a run, for JSON; AP as shares from 0 to 1, as they are recorded."""
    return {
        "event": event, "run": run.id, "name": run.name, "status": str(run.status), "message": run.message,
        "epoch": run.epoch, "epochs": run.epochs, "step": run.step,
        "AP": run.ap, "best_AP": run.best_ap, "baseline_AP": run.baseline_ap,
        "remark": f"{remark['title']}: {remark['evidence']} {remark['advice']}" if remark else None,
    }  # fmt: skip
