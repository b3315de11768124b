"""Kills of everything else that writes: drawing, converting, importing, exporting, marks, the store's first file.

Each is killed before every write of its own, and in the middle of it. Afterwards there is nothing or the whole, the
same command again gives the same bytes, and nothing temporary is left.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from core.cli.main import main
from core.config import TrainConfig
from core.detr.model import save_model
from core.detr.small import small_detr
from core.evaluation.findings.label_errors import LabelErrorKind
from core.labels import LabelMap
from core.runs.bin import Bin
from core.runs.corrections.journal import Journal
from core.runs.corrections.mend import Mender
from core.runs.evaluated.images import read_part
from core.runs.manager import close_dead_runs
from core.runs.marks import Mark, Marks
from core.runs.schema import Status
from core.runs.store import RunStore
from torture import tiny
from torture.child import in_child
from torture.kills.experiments import experiments, queue_folds
from torture.kills.material import make_results, make_voc, make_yolo
from torture.kills.trainings import unexpected
from torture.record import temporary_files
from torture.scenario import Outcome, Plan, Scenario
from torture.writes import HOWS, Strike, Writes, plain

EVERY_WRITE = 12  # most writes of one command at which it is killed, each in every way


@dataclass(frozen=True)
class Task:
    """One thing that a user does, which writes.

    start   the folder from which it begins, under what a plan prepares
    do      does it, under a copy of that folder
    state   what is there of it; the same value for the same result
    """

    name: str
    start: str
    do: Callable[[Path], None]
    state: Callable[[Path], Any]


def command(*words: str) -> Callable[[Path], None]:
    """Return what runs a command of the command line; {root} in its words is the folder."""

    def run(root: Path) -> None:
        os.environ["DETR_LAB_ROOT"] = str(root)
        status = main([word.replace("{root}", str(root)) for word in words])
        if status:
            raise SystemExit(status)

    return run


def files(name: str) -> Callable[[Path], Any]:
    """Return what digests a file, or all files of a folder, under the root."""

    def state(root: Path) -> Any:
        top = root / name
        paths = [top] if top.is_file() else sorted(path for path in top.rglob("*") if path.is_file())
        return [(str(path.relative_to(root)), _digest(path)) for path in paths]

    return state


def _digest(path: Path) -> str:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            return repr(sorted((one.filename, one.CRC) for one in archive.infolist()))
    data = path.read_bytes()
    if path.suffix == ".json":  # a converted folder names the user's, which each scenario has elsewhere
        data = json.dumps(_without_places(json.loads(data)), sort_keys=True).encode()
    return hashlib.sha256(data).hexdigest()


def _without_places(data: Any) -> Any:
    return {name: value for name, value in data.items() if name not in ("source", "fingerprint")} if isinstance(
        data, dict) else data  # fmt: skip


def runs(root: Path) -> Any:
    """Return every run of the store, each kind of it once; what died is finished or closed first, as by an app."""
    os.environ["DETR_LAB_ROOT"] = str(root)
    store = RunStore.default()
    try:
        close_dead_runs(store)
        return sorted({
            (str(run.status), run.is_imported and json.dumps(run.label_map), tuple(
                (e.epoch, repr(e.figures), e.table and _digest(e.table)) for e in store.evaluations(run.id)
            ))
            for run in store.runs()
        })  # fmt: skip
    finally:
        store.close()


def marks(root: Path) -> Any:
    """Return the marks of the store's only run."""
    store = RunStore(root)
    try:
        return sorted(mark.key for run in store.runs() for mark in Marks(store).all(run.id))
    finally:
        store.close()


def measures(root: Path) -> Any:
    """Return what is measured of the pictures, without the times of their files, which each copy has anew."""
    tables = [pq.read_table(path) for path in sorted((root / "runs/.measured").glob("*.parquet"))]
    return [sorted(map(repr, table.drop_columns(["size", "stamp"]).to_pylist())) for table in tables]


def add_marks(root: Path) -> None:
    """Mark three images and a missing label."""
    store = RunStore(root)
    new = [Mark(LabelErrorKind.IMAGE, number) for number in (7, 8, 9)]
    new.append(Mark(LabelErrorKind.MISSING, 7, "car", (1.0, 2.0, 3.0, 4.0), None, 0.5))
    Marks(store).add_all(store.get("last").id, new)
    store.close()


def remove_marks(root: Path) -> None:
    """Take two marks back."""
    store = RunStore(root)
    Marks(store).remove_all(store.get("last").id, ["image 7", "image 8"])
    store.close()


def first_run(root: Path) -> None:
    """Open a store where there is none, and queue a run."""
    store = RunStore(root)
    if not store.runs():
        store.create({})
    store.close()


def delete_run(root: Path) -> None:
    """Delete the store's run, if it is there."""
    store = RunStore(root)
    for run in store.runs():
        Bin(store).delete(run.id)
    store.close()


def leave_model(root: Path) -> None:
    """Leave a run with a checkpoint, as a training does."""
    store, labels = RunStore(root), LabelMap(("car", "dog"), (3, 18))
    config = TrainConfig(data=str(root / "data"), shortest_edge=64, longest_edge=96)
    run = store.create(config.to_dict())
    save_model(small_detr(labels), labels, store.checkpoint(run.id, "last"), config)
    store.update(run.id, status=Status.FINISHED, label_map=labels.to_dict())
    store.close()


def draw_label(root: Path) -> None:
    """Draw a label, if none was drawn."""
    store = RunStore(root)
    mender = Mender(store, read_part(str(root / "data/gt.json"), "val"))
    if not mender.journal.all():
        mender.draw(mender.split.images[0]["id"], mender.split.categories[0]["name"], (1, 2, 30, 40))
    store.close()


def corrections(root: Path) -> Any:
    """Return the journal of the store's ground truth."""
    store = RunStore(root)
    try:
        return [(one.label_id, one.kind, one.after, one.state) for one in Journal(store, "data/gt.json").all()]
    finally:
        store.close()


def save_corrected(root: Path) -> None:
    """Save a revision, if it is not there."""
    if not (root / "data/new").exists():
        command("revise", "--data", "{root}/data/gt.json", "--name", "new")(root)


DRAW = ("demo", "--out", "{root}/data/drawn", "--train", "4", "--val", "2", "--size", "64")
IMPORT = ("import", "--gt", "{root}/data/gt.json", "--dt", "{root}/data/dt.json")
TASKS = (
    Task("drawing the demo", "empty", command(*DRAW), files("data/drawn")),
    Task("drawing it in two processes", "empty", command(*DRAW, "--processes", "2"), files("data/drawn")),
    Task("converting YOLO", "yolo", command("convert", "{root}/yolo", "--out", "{root}/data/new"), files("data/new")),
    Task("converting VOC", "voc", command("convert", "{root}/voc", "--out", "{root}/data/new"), files("data/new")),
    Task("importing results", "results", command(*IMPORT), runs),
    Task("the store's first run", "empty", first_run, runs),
    Task("marking", "imported", add_marks, marks),
    Task("taking marks back", "marked", remove_marks, marks),
    Task("drawing a label", "imported", draw_label, corrections),
    Task("saving a revision", "corrected", save_corrected, files("data/new/annotations")),
    Task("queueing folds", "trainable", queue_folds, experiments),
    Task("deleting a run", "marked", delete_run, runs),
    Task("exporting a zip", "marked", command("export", "last", "--out", "{root}/out.zip"), files("out.zip")),
    Task("exporting JSON", "marked", command("export", "last", "--out", "{root}/out.json"), files("out.json")),
    Task(
        "exporting a model",
        "trained",
        command("export", "last", "--as", "huggingface", "--out", "{root}/out.zip"),
        files("out.zip"),
    ),
    Task("measuring pictures", "marked", command("slices", "last"), measures),
    Task("the table as CSV", "marked", command("table", "last", "--out", "{root}/out.csv"), files("out.csv")),
)


def prepare(plan: Plan) -> Path:
    """Make the folders from which the tasks begin, once; return the one that holds them."""
    top = plan.folder / "commands"
    if top.is_dir():
        return top
    (top / "empty").mkdir(parents=True)
    make_yolo(top / "yolo" / "yolo")
    make_voc(top / "voc" / "voc")
    make_results(tiny.draw(plan.folder), top / "results" / "data")
    shutil.copytree(tiny.draw(plan.folder), top / "trainable" / "data")
    for start, name, do in (
        ("results", "imported", command(*IMPORT)), ("imported", "marked", add_marks),
        ("imported", "corrected", draw_label), ("empty", "trained", leave_model),
    ):  # fmt: skip
        shutil.copytree(top / start, top / name)
        ending = in_child(partial(do, top / name), top / "logs")
        if ending.status != 0:
            raise RuntimeError(f"The store to begin from ({name}) cannot be made: {ending.text}")
    return top


def scenarios(plan: Plan) -> Sequence[Scenario]:
    """Return the kills of every task: at each of its writes if it has few, else at some."""
    top = prepare(plan)
    listed: list[Scenario] = []
    for task in TASKS:
        root = top / "whole" / task.name.replace(" ", "-")
        shutil.copytree(top / task.start, root, symlinks=True)
        before = task.state(shutil.copytree(top / task.start, root.with_suffix(".before"), symlinks=True))
        ending = in_child(partial(_counted, task, root), top / "logs")
        if ending.status != 0:
            raise RuntimeError(f"{task.name} does not work undisturbed: {ending.text}")
        events, whole = ending.result, task.state(root)
        points = [(number, how) for number in range(1, len(events) + 1) for how in HOWS]
        random = plan.random("commands", task.name)
        chosen = random.sample(points, min(len(points), plan.count(2 * EVERY_WRITE)))
        for number, how in sorted(chosen):
            kind, path = events[number - 1]
            words = f"{task.name}: {how} write {number} ({kind} {plain(path)})"
            attempt = partial(_kill, task, top / task.start, Strike(number, how), (before, whole))
            listed.append(Scenario("kills: drawing, converting, importing, marks …", len(listed), words, attempt))
    return listed


def _counted(task: Task, root: Path) -> list[tuple[str, str]]:
    writes = Writes(root).install()
    task.do(root)
    return writes.events


def _struck(task: Task, root: Path, strike: Strike) -> None:
    Writes(root, strike).install()
    task.do(root)


def _kill(task: Task, start: Path, strike: Strike, states: tuple[Any, Any], folder: Path) -> Outcome:
    """Kill the task at a write; then there is nothing or the whole, and it can be done again."""
    root = folder / "root"
    shutil.copytree(start, root, symlinks=True)
    lost = [f"killed: {text}" for text in unexpected(in_child(partial(_struck, task, root, strike), folder))]
    after = task.state(root)
    if after not in states:
        lost.append(f"after the kill there is a part: {repr(after)[:200]}")
    again = in_child(partial(task.do, root), folder)
    if again.status != 0:
        last_line = (again.text.strip().splitlines() or ["nothing said"])[-1]
        lost.append(f"the same again ended with {again.status}: {last_line[:300]}")
    elif task.state(root) != states[1]:
        lost.append(f"the same again gives something else: {repr(task.state(root))[:200]}")
    if left := temporary_files(root):
        lost.append(f"temporary files are left: {', '.join(map(plain, left[:3]))}")
    lost += [f"a run is {row[0]}" for row in runs(root) if row[0] not in (Status.FINISHED, Status.QUEUED)]
    return Outcome(lost=tuple(lost))
