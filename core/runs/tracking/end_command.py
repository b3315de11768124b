"""A notice by a command: the line in the environment variable DETR_LAB_ON_END, run without a shell.

It gets the notice as JSON in its standard input, and the run's id, status and event in DETR_LAB_RUN_ID,
DETR_LAB_RUN_STATUS and DETR_LAB_RUN_EVENT. What it prints is not kept, as it may hold what the line does.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Mapping
from typing import Any

from core.runs.tracking.notice import Notice
from core.runs.tracking.tracker import TrackerError
from core.system.processes import kill_session, own_session

VARIABLE = "DETR_LAB_ON_END"
SECONDS = 60.0


class EndCommand(Notice):
    """Runs a command."""

    seconds = SECONDS

    def deliver(self, message: Mapping[str, Any]) -> None:
        """Run the command to its end; raises TrackerError if it fails."""
        try:
            words = shlex.split(os.environ.get(VARIABLE, ""))
        except ValueError:
            words = []
        if not words:
            raise TrackerError(f"{VARIABLE} holds no command: close its quotes.", is_final=True)
        named = {"ID": message["run"], "STATUS": message["status"], "EVENT": message["event"]}
        environment = os.environ | {f"DETR_LAB_RUN_{name}": str(value) for name, value in named.items()}
        try:
            process = subprocess.Popen(
                words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                **own_session(),
            )  # fmt: skip
        except (OSError, ValueError) as error:
            reason = os.strerror(error.errno).lower() if isinstance(error, OSError) and error.errno else "no command"
            raise TrackerError(f"The command of {VARIABLE} could not be started ({reason}).") from None
        try:
            process.communicate(json.dumps(message).encode(), timeout=self.seconds)
        except subprocess.TimeoutExpired:
            kill_session(process.pid)
            process.communicate()
            raise TrackerError(f"The command of {VARIABLE} did not end in {self.seconds:g} seconds.", True) from None
        if process.returncode:
            raise TrackerError(f"The command of {VARIABLE} ended with exit status {process.returncode}.", is_final=True)
