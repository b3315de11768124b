"""A TensorBoard event file, written by TensorBoard's own writer of records.

In: a run's folder, and what its steps measured. Out: events.out.tfevents… in it, of which a reader has each step whole
or not at all.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary

NAMES = "events.out.tfevents.*"


class EventFile:
    """A TensorBoard event file, one event for what is written at once.

    Not through torch.utils.tensorboard, nor through the writer behind it: that one opens the file anew for every event,
    in a thread of its own, and fails for good if this fails once.
    """

    def __init__(self, folder: Path, purge_from: int) -> None:
        # here, not above: 0.8 s that the page process, which imports manager.py, need not spend
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._event, self._summary = Event, Summary
        # TensorBoard reads a folder's files in the order of their names
        times = [float(".".join(path.name.split(".")[3:5])) for path in folder.glob(NAMES)]
        now = max([time.time(), *(last + 1 for last in times)])  # also where the machine's clock was set back
        name = f"events.out.tfevents.{now:017.6f}.{socket.gethostname()}.{os.getpid()}"
        self._file = (folder / name).open("ab")
        self._records = RecordWriter(self._file)
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))
        # TensorBoard then drops the steps from there on that an earlier file of the run has
        start = SessionLog(status=SessionLog.START)
        self._write(Event(wall_time=time.time(), step=purge_from, session_log=start))

    def add(self, step: int, metrics: dict[str, float]) -> None:
        """Write one event with the metrics of a step."""
        self.add_values(step, [self._summary.Value(tag=tag, simple_value=value) for tag, value in metrics.items()])

    def add_values(self, step: int, values: Sequence[Summary.Value]) -> None:
        """Write one event with values of any kind, as `values.py` makes them; none without values."""
        if values:
            self._write(self._event(wall_time=time.time(), step=step, summary=self._summary(value=values)))

    def _write(self, event: Any) -> None:
        self._records.write(event.SerializeToString())
        self._file.flush()  # a checkpoint may follow, and a resumed training records only what that lacks

    def close(self) -> None:
        """Write what is left, and close the file."""
        self._file.close()
