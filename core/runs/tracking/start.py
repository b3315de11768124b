"""Followers are started here, when a run begins: one for each of its trackers, one for each notice.

In: a run that begins. Out: processes that are nobody's children, in sessions of their own: whatever ends the training,
SIGKILL included, leaves them, and neither the training nor the app waits for them.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys

from core.engine.process import SAFE, environment_of, with_code, working_folder
from core.runs.log import open_log
from core.runs.schema import Run
from core.runs.store import RunStore
from core.system.processes import own_session
from core.trackers.kinds import NOTICES

SECONDS_TO_START = 30.0
# a process between that ends at once: `stop --force` kills the children of a training, and theirs
BETWEEN = f"import subprocess, sys; subprocess.Popen(sys.argv[1:], **{own_session()!r})"
# of a training by several processes: a library that reads them would look for the others
OF_SEVERAL = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")

logger = logging.getLogger(__name__)


def start_followers(store: RunStore, run: Run) -> None:
    """Start what sends a run's record to its trackers, and tells of its end whom the operator wants to be told.

    Nothing is raised: a training goes on without them.
    """
    for key in dict.fromkeys(run.config.get("trackers") or ()):
        _start(store, run.id, key, is_notice=False)
    for kind in NOTICES:
        if os.environ.get(kind.variable, "").strip():
            _start(store, run.id, kind.key, is_notice=True)


def follower_command(run_id: str, key: str) -> list[str]:
    """Return the command line of a follower."""
    return [sys.executable, "-m", "core", "track", run_id, "--to", key]


def follower_environment(store: RunStore, is_notice: bool) -> dict[str, str]:
    """Return the environment of a follower: that of the training, of which a tracker does not learn who is told."""
    left_out = (*OF_SEVERAL, *(() if is_notice else (kind.variable for kind in NOTICES)))
    environment = with_code(environment_of(store.root)) | SAFE
    return {
        name: value for name, value in environment.items()
        if name not in left_out and not name.startswith("TORCHELASTIC_")
    }  # fmt: skip


def _start(store: RunStore, run_id: str, key: str, is_notice: bool) -> None:
    command, environment = [*follower_command(run_id, key), "--waits"], follower_environment(store, is_notice)
    try:
        with open_log(store.tracking_folder(run_id) / f"{key}.txt") as log:
            subprocess.run(
                [sys.executable, "-I", "-S", "-c", BETWEEN, *command], cwd=working_folder(environment),
                check=True, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                timeout=SECONDS_TO_START, **own_session(),
            )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        logger.warning("What sends the run %s to %s could not be started: %s.", run_id, key, type(error).__name__)
