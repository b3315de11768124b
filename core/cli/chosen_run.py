"""The run that a command is about: by its id, the beginning of one, or "last", which depends on the command.

In: what the user typed. Out: a run. "last" means the newest run that has something for the command at hand, so never a
training that failed before it began; which run that is, is said on stderr.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

from core import LabError
from core.cli.command import show
from core.runs.schema import Run, Status
from core.runs.store import RunStore
from core.wording import short


@dataclass(frozen=True)
class Purpose:
    """What a command wants of a run.

    words  completes "the last run that …"
    fits   whether a whole run has it
    """

    words: str
    fits: Callable[[RunStore, Run], bool]


def _can_resume(store: RunStore, run: Run) -> bool:
    from core.training.checkpoint_folder import saved_checkpoint

    if run.status not in (Status.STOPPED, Status.FAILED, Status.INTERRUPTED):
        return False
    if run.is_imported:
        return run.is_evaluation
    return run.status is not Status.FAILED or saved_checkpoint(store.checkpoints(run.id)) is not None


EVALUATED = Purpose("is evaluated", lambda store, run: bool(store.evaluations(run.id)))
TRAINED = Purpose(
    "was trained here and evaluated", lambda store, run: not run.is_imported and bool(store.evaluations(run.id))
)
JUDGED = Purpose(
    "is evaluated and has a model",
    lambda store, run: (run.is_evaluation or not run.is_imported) and bool(store.evaluations(run.id)),
)
HAS_MODEL = Purpose(
    "has a model",
    lambda store, run: (
        not run.is_imported
        and (
            run.label_map is not None or any(os.path.isdir(store.checkpoint(run.id, name)) for name in ("best", "last"))
        )
    ),
)
RESUMABLE = Purpose("can be resumed", _can_resume)
LIVE = Purpose("waits or is at work", lambda store, run: run.is_live)
ENDED = Purpose("has ended", lambda store, run: not run.is_live)
TRAINING = Purpose("was trained here", lambda store, run: not run.is_imported)
RECORDED = Purpose("has recorded metrics", lambda store, run: bool(store.metrics_after(run.id, limit=1)[0]))
ANY = Purpose("is there", lambda store, run: True)


def chosen_run(store: RunStore, name: str, purpose: Purpose) -> Run:
    """Return the run that is named; of "last" say which it is.

    Raises RunError if there is no such run, LabError if none has what the command wants.
    """
    if name != "last":
        return store.get(name)
    runs = [run for run in store.runs() if not run.is_damaged]
    if not runs:
        return store.get("last")  # which says that there is none
    for passed, run in enumerate(runs):
        if purpose.fits(store, run):
            newer = f"; {passed} newer cannot be taken, as none of them {purpose.words}" if passed else ""
            words = f" ({short(run.name, 60)})" if run.name != run.id else ""
            show(f"last: the run {run.id}{words}, {run.label.lower()}{newer}", file=sys.stderr)
            return run
    newest = runs[0]
    raise LabError(
        f"There is no run that {purpose.words}; the newest, {newest.id}, is {newest.label.lower()}"
        + (f" ({newest.message.rstrip('.')})" if newest.message else "") + "."
    )  # fmt: skip
