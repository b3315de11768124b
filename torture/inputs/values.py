"""Readers of values: settings, label maps, addresses, cells of the run database, arguments of the command line."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from core.cli.main import COMMANDS, main
from core.config import TrainConfig
from core.config_diff import compare_settings
from core.evaluation.alike.path import states_path
from core.evaluation.alike.states import KeptStates, read_states, write_states
from core.evaluation.selection import Selection
from core.labels import LabelMap
from core.runs.marks import Marks
from core.runs.store import RunStore
from core.training.remark import Remark
from torture.inputs.inputs import Reader
from torture.inputs.mutate import ATOMS, mutate_value
from torture.kills import commands
from torture.scenario import Plan

CLASSES = ("person", "car", "dog")
WIDTH = 64  # numbers of a decoder state
QUERY = {
    "score": ["0.5"], "class": ["car"], "error": ["missed"], "size": ["small"], "true": ["car"],
    "predicted": ["dog"], "image": ["3"], "score_to": ["0.9"], "iou_from": ["0.1"], "iou_to": ["0.5"], "crowd": ["1"],
    "slice": ["camera:left", "a%3Ab:1:2"],
}  # fmt: skip
ARGUMENTS = ("last", "x", "-1", "1e999", "", "--", "--json", "--out", "--data", "--set", "lr=nan", "--help", "\udcff",
             "\0", "a" * 4000, "\x1b[2J", "--epoch", "--score", "é", "../..", "/dev/null")  # fmt: skip
TABLES = ("runs", "runs", "runs", "metrics", "evaluations", "marks")


def readers(plan: Plan) -> Sequence[Reader]:
    """Return the readers of values."""
    copy = partial(_copy, commands.prepare(plan) / "marked")
    return (
        Reader("settings", "settings", 4000, lambda folder: TrainConfig().to_dict(), _read_settings),
        Reader(
            "label maps", "label maps", 3000, lambda folder: LabelMap(CLASSES, (1, 3, 18)).to_dict(), _read_label_map
        ),
        Reader("addresses", "addresses", 4000, lambda folder: QUERY, _read_address),
        Reader("cells of the run database", "cells of the run database", 3000, copy, _read_cell),
        Reader("arguments", "arguments", 3000, copy, _read_arguments),
        Reader("decoder states", "decoder states", 3000, _write_states, _read_states),
    )


def _copy(source: Path, folder: Path) -> Path:
    shutil.copytree(source, folder, dirs_exist_ok=True, symlinks=True)
    os.environ["DETR_LAB_ROOT"] = str(folder)
    return folder


def _write_states(folder: Path) -> tuple[Path, bytes]:
    table, count = folder / "epoch_0001.parquet", 200
    values = np.eye(WIDTH, dtype=np.float16)[np.arange(count) % WIDTH]
    write_states(KeptStates(np.arange(count) // 9, np.arange(count, dtype=np.int32), values), table)
    return table, states_path(table).read_bytes()


def _read_states(random: Random, sound: tuple[Path, bytes]) -> None:
    table, data = sound
    damaged = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 8))):
        place = random.randrange(len(damaged))
        damaged[place : place + random.choice((1, 1, 1, 4))] = random.randbytes(random.choice((1, 1, 1, 4)))
    states_path(table).write_bytes(
        damaged[: random.choice((len(damaged), len(damaged), random.randrange(len(damaged))))]
    )
    states = read_states(table)
    assert states is None or len(states.query) == len(states.image_id) == len(states.values)


def _read_settings(random: Random, sound: dict[str, Any]) -> None:
    data = mutate_value(random, sound)
    if isinstance(data, dict):  # as JSON in the database; another value is a damaged cell
        TrainConfig.from_dict(data)


def _read_label_map(random: Random, sound: dict[str, Any]) -> None:
    LabelMap.from_dict(mutate_value(random, sound))


def _read_address(random: Random, sound: dict[str, list[str]]) -> None:
    query = {
        name: [random.choice([value, str(random.choice(ATOMS))]) for value in values] * random.choice((1, 1, 2))
        for name, values in sound.items()
        if random.random() < 0.6
    }
    once = _from_address(Selection.from_query(query, CLASSES))
    assert _from_address(once) == once, f"{query} does not come back"


def _from_address(selection: Selection) -> Selection:
    query = {name: value if isinstance(value, list) else [value] for name, value in selection.to_query().items()}
    return Selection.from_query(query, CLASSES)


def _read_cell(random: Random, root: Path) -> None:
    """Damage one cell; the list of runs is then read all the same, and every run of it by itself or refused."""
    kept = (root / "runs" / "runs.db").read_bytes()
    for log in ("-wal", "-shm"):
        (root / "runs" / f"runs.db{log}").unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(root / "runs" / "runs.db")) as db:
            table = random.choice(TABLES)
            columns = [row[1] for row in db.execute(f"pragma table_info({table})") if row[1] not in ("number", "row")]
            value = random.choice([a for a in ATOMS if not isinstance(a, (list, dict))] + [b"\xff\0", "{", "[1]", "{}"])
            value = str(value) if isinstance(value, int) and abs(value) >= 2**63 else value
            value = "\ufffd" if value == "\ud800" else value
            with contextlib.suppress(sqlite3.Error):  # what a constraint forbids cannot be there
                db.execute(f"update {table} set {random.choice(columns)} = ?", (value,))
                db.commit()
        store = RunStore(root)
        try:
            for run in store.runs():
                store.evaluations(run.id)
                store.metrics_after(run.id)
                Marks(store).all(run.id)
                for remark in run.remarks:
                    Remark.from_dict(remark)
                compare_settings([run.config])
        finally:
            store.close()
    finally:
        for log in ("-wal", "-shm"):
            (root / "runs" / f"runs.db{log}").unlink(missing_ok=True)
        (root / "runs" / "runs.db").write_bytes(kept)


def _read_arguments(random: Random, root: Path) -> None:
    """Give a command arguments that make no sense; it must say so, and not in a traceback."""
    quick = [c.name for c in COMMANDS if c.name not in ("train", "resume", "download", "demo", "predict", "evaluate")]
    words = [random.choice([*quick, "nonsense"]), *random.choices(ARGUMENTS, k=random.randrange(5))]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as errors:
        try:
            status: object = main(words)
        except SystemExit as error:
            status = error.code
    assert status in (0, 1, 2), f"{words}: {status}"
    assert "Traceback" not in errors.getvalue() and len(errors.getvalue()) < 9000, f"{words}: {errors.getvalue()[:300]}"
