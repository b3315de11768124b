"""How cost grows with work: 1, 4 and 16 times as much of it, each in a process of its own, its time and its memory.

The exponent is the slope of log cost over log size: 1 where twice the work costs twice as much. Memory is what the
work adds to the process at its peak; where that is below a megabyte, a megabyte. A process measures one size:

    python -m bench.growth NAME SIZE FOLDER
"""

from __future__ import annotations

import ctypes
import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import psutil

from bench.large import peak, write_annotations
from bench.table import Bench, Figures, NotMeasured, Row, once

FACTORS, WANTED = (1, 4, 16), 1.1
LEAST_MEGABYTES = 1.0
RESET_PEAK = Path("/proc/self/clear_refs")
PER_IMAGE = 25  # detections

Action = Callable[[], object]


def repeated(action: Action, times: int = 20) -> Action:
    """Return what does this so many times, as once would be too short to measure; only the last result is kept."""

    def repeat() -> object:
        for _ in range(times - 1):
            action()
        return action()

    return repeat


def reading(images: int, folder: Path) -> Action:
    from core.datasets.check import check_annotations
    from core.datasets.layouts import SplitLocation
    from core.datasets.split import examine_split

    path = folder / f"{images}.json"
    if not path.exists():
        write_annotations(path, images, 7 * images)

    def read() -> object:
        split = examine_split(SplitLocation(path, folder), "train")
        return split, check_annotations({"train": split})

    return read


def checking(images: int, folder: Path) -> Action:
    from bench.pictures import check, write_pictures
    from core.datasets.split import read_split

    split = read_split(write_pictures(folder / f"pictures{images}", images), "train")
    return lambda: check(split)


def evaluating(images: int, per_image: int, classes: int = 0) -> Action:
    from bench.detections import synthetic_detections
    from core.evaluation.coco_eval import evaluate
    from core.evaluation.findings.impact import impact
    from core.evaluation.tide import detection_table

    gt, detections, label_map = synthetic_detections(images, per_image, classes)

    def evaluate_all() -> object:
        table = detection_table(gt, detections, label_map)
        return table, evaluate(gt, detections, label_map), impact(table)

    return evaluate_all


def filtering(images: int, folder: Path) -> Action:
    from bench.detections import synthetic_detections
    from core.evaluation.ordering import SortOrder, sorted_images
    from core.evaluation.selection import Selection
    from core.evaluation.table import table_metadata
    from core.evaluation.tide import detection_table

    table = detection_table(*synthetic_detections(images, PER_IMAGE))
    selection = Selection(0.5, error="localization")
    names = dict.fromkeys(table_metadata(table).image_ids, "")
    return repeated(lambda: sorted_images(table, selection, SortOrder.WORST, False, names))


def recording(steps: int, folder: Path) -> Action:
    from bench.records import record_steps
    from core.runs.store import RunStore

    store = RunStore(folder / f"recording{time.monotonic_ns()}")
    run = store.create({}).id
    return lambda: record_steps(store, run, range(steps))


def asking(steps: int, folder: Path, rows: int | None = None) -> Action:
    """Ask for the last so many rows, or for all."""
    from bench.records import record_steps
    from core.runs.store import RunStore

    store = RunStore(folder / f"asking{time.monotonic_ns()}")
    run = store.create({}).id
    record_steps(store, run, range(steps))
    last = store.metrics_after(run)[1]
    return repeated(lambda: store.curves_after(run, last - rows if rows else 0))


@dataclass(frozen=True)
class Growth:
    """A work that grows: its name, its words, by what it grows, the smallest size, and what prepares one size."""

    name: str
    words: str
    of: str
    smallest: int
    prepare: Callable[[int, Path], Action]

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(factor * self.smallest for factor in FACTORS)


GROWTHS = {
    one.name: one
    for one in (
        Growth("reading", "reading and checking annotations", "images", 2000, reading),
        Growth("checking", "checking pictures", "images", 500, checking),
        Growth("images", "detection table, COCO's figures, what errors cost", "images", 250,
               lambda size, _: evaluating(size, PER_IMAGE)),
        Growth("detections", "the same", "detections an image", 6, lambda size, _: evaluating(1000, size)),
        Growth("classes", "the same", "classes", 5, lambda size, _: evaluating(1000, PER_IMAGE, size)),
        Growth("filter", "filter and sort of the gallery", "images", 2000, filtering),
        Growth("recording", "recording a training", "steps", 500, recording),
        Growth("asking", "asking for its curves", "steps", 500, asking),
        Growth("news", "asking for what is new of it", "steps", 500, partial(asking, rows=60)),
    )
}  # fmt: skip


def measure_size(name: str, size: int, folder: Path) -> tuple[float, float]:
    """Return the seconds and the megabytes of one size, in this process."""
    growth = GROWTHS[name]
    growth.prepare(max(1, growth.smallest // 4), folder)()  # what is made once
    action = growth.prepare(size, folder)
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # or the work would live in what its preparation has left
    RESET_PEAK.write_text("5", encoding="ascii")
    before = psutil.Process().memory_info().rss
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin, max((peak() - before) / 1e6, LEAST_MEGABYTES)


@once
def measure_sizes(name: str, bench: Bench) -> list[list[list[float]]]:
    """Return (seconds, megabytes) of each size, in every round."""
    if not RESET_PEAK.exists():
        raise NotMeasured("only Linux tells a process's peak of memory anew")
    folder = bench.folder / "growth"
    folder.mkdir(exist_ok=True)
    rounds: list[list[list[float]]] = []
    for _ in range(bench.rounds):
        rounds.append([])
        for size in GROWTHS[name].sizes:
            command = [sys.executable, "-m", "bench.growth", name, str(size), str(folder)]
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
            rounds[-1].append(json.loads(done.stdout))
    return rounds


def exponent(sizes: tuple[int, ...], costs: list[float]) -> float:
    """Return the slope of log cost over log size.

    >>> round(exponent((1, 4, 16), [3, 12, 48]), 6), round(exponent((1, 4, 16), [1, 16, 256]), 6)
    (1.0, 2.0)
    """
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


def measure_growth(name: str, place: int, bench: Bench) -> Figures:
    sizes = GROWTHS[name].sizes
    return Figures([exponent(sizes, [one[place] for one in costs]) for costs in measure_sizes(name, bench)])


ROWS = [
    Row(
        f"growth-{growth.name}-{cost}",
        f"{growth.words}, by {growth.of} ({', '.join(f'{size:,}' for size in growth.sizes)}): exponent of {cost}",
        partial(measure_growth, growth.name, place),
        unit="",
        wanted=WANTED,
    )
    for growth in GROWTHS.values()
    for place, cost in enumerate(("time", "memory"))
]


if __name__ == "__main__":
    print(json.dumps(measure_size(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))))
