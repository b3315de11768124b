"""Trackers for the tests of the follower, and the program in which one of them follows a run.

    python made_trackers.py ROOT RUN TRACKER       follow to the end; TRACKER is a class of this file, in lower case

What a tracker is told it appends to FOLDER/told.jsonl, a line at a time, as a server keeps what it took.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(next(p for p in Path(__file__).resolve().parents if (p / "app.py").exists())))

from core.runs.manager import close_dead_runs
from core.runs.store import RunStore
from core.runs.tracking.follower import Follower, Pace
from core.runs.tracking.tracker import Tracker
from core.trackers.kinds import TrackerKind

QUICK = Pace(poll=0.05, hang=0.5, manager=0.1, pause=0.05, tries=2)


class Kept(Tracker):
    """Keeps what it is told in a file."""

    def open(self, run, folder, name):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.tell("open", name)
        self.where = f"Read {folder}."
        return f"there-{run.id}"

    def tell(self, *words):
        with (self.folder / "told.jsonl").open("a") as file:
            file.write(json.dumps(words) + "\n")

    def told(self):
        return [json.loads(line) for line in (self.folder / "told.jsonl").read_text().splitlines()]

    def missing(self, rows):
        logged = {(tag, step) for what, step, *rest in self.told() if what == "log" for tag in rest[0]}
        return [row for row in rows if (row.tag, row.step) not in logged]

    def log(self, step, metrics, row):
        self.tell("log", step, dict(metrics))

    def evaluated(self, evaluation, pictures, row):
        self.tell("evaluated", evaluation.epoch, [picture.image.size for picture in pictures])

    def remarked(self, run, remark):
        self.tell("remarked", remark["rule"])

    def close(self, end):
        self.tell("close", str(end.run.status), end.figures(), end.checkpoint)

    def once(self, what):
        """Whether this is asked for the first time."""
        mark = self.folder / what
        is_first = not mark.exists()
        mark.touch()
        return is_first


class Troubled(Kept):
    """Its first process is killed in the middle of a step's metrics, its second hangs at an evaluation."""

    def log(self, step, metrics, row):
        super().log(step, metrics, row)
        if step == 7 and self.once("killed"):
            os.kill(os.getpid(), signal.SIGKILL)

    def evaluated(self, evaluation, pictures, row):
        if self.once("hung"):
            time.sleep(60)
        super().evaluated(evaluation, pictures, row)


class Raises(Kept):
    """Raises at every end, with a password in its words."""

    def close(self, end):
        raise ValueError("no answer from https://ana:geheim@tracker.test/api")


def kind_of(name):
    return TrackerKind(name, name.capitalize(), f"{__name__}:{name.capitalize()}", "A tracker of a test.", package="x")


def follower(root, run_id, name, **options):
    again = [sys.executable, *sys.orig_argv[1:]]
    return Follower(RunStore(root), run_id, kind_of(name), close_dead_runs, again, options.pop("pace", QUICK))


if __name__ == "__main__":
    follower(*sys.argv[1:4]).follow()
