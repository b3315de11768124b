"""What a run has recorded and saved, without what no two trainings share: times, speeds, process numbers.

In: a store's folder and a run. Out: a `Record`, and in words how two of them differ.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from core.evaluation.alike.path import states_path
from core.metrics import MACHINE
from core.runs.evaluated.attributes import MEASURED
from core.runs.paths import BIN, EXPERIMENTS
from core.runs.store import RunStore

TIMES = {metric.tag for metric in MACHINE}
TEMPORARY = (".partial", ".part", ".old", ".new", ".tmp")
ROW_FIELDS = ("status", "epoch", "epochs", "step", "steps", "baseline_ap", "ap", "best_ap", "best_epoch", "label_map")


@dataclass(frozen=True)
class Record:
    """A run as it is in the end; each part by what it is called in a sentence."""

    parts: Mapping[str, Any]

    def differences(self, other: Record) -> list[str]:
        """Return a sentence for each part in which `other` differs from this one."""
        names = [*self.parts, *(name for name in other.parts if name not in self.parts)]
        return [
            f"{name} differ: {_difference(self.parts.get(name), other.parts.get(name))}"
            for name in names
            if self.parts.get(name) != other.parts.get(name)
        ]


def read_record(root: Path, run_id: str) -> Record:
    """Read a run's record, its tables, its TensorBoard events and its checkpoints."""
    store = RunStore(root)
    try:
        run = store.get(run_id)
        evaluations = store.evaluations(run_id)
        parts: dict[str, Any] = {f"the run's {name}": getattr(run, name) for name in ROW_FIELDS}
        rows, _ = store.metrics_after(run_id)
        parts["metrics"] = sorted((tag, step, repr(value)) for _, tag, step, value in rows if tag not in TIMES)
        parts["evaluations"] = [(e.epoch, e.step, repr(e.figures), e.is_best, e.table is not None) for e in evaluations]
        for e in evaluations:
            watched = store.watched_path(run_id, e.epoch)
            parts[f"the watched boxes of epoch {e.epoch}"] = _rows(watched)
            if e.table:
                parts[f"the table of epoch {e.epoch}"] = _rows(e.table)
                parts[f"whether epoch {e.epoch} has decoder states"] = states_path(e.table).is_file()
        parts["the pre-flight's checks"] = _checks(store.preflight_path(run_id))
        parts["TensorBoard's events"] = _tensorboard(store.folder(run_id))
        for folder in sorted(store.checkpoints(run_id).glob("*")):
            parts[f"the checkpoint {folder.name}'s weights"] = _digest(folder / "model.safetensors")
            parts[f"the checkpoint {folder.name}'s state"] = _state(folder / "trainer.pt")
    finally:
        store.close()
    return Record(parts)


def temporary_files(root: Path) -> list[str]:
    """Return what is left under the root that no finished work leaves."""
    folders = [root / name for name in ("runs", "checkpoints", "data")]
    paths = [path for folder in folders if folder.is_dir() for path in folder.rglob("*")]
    left = [path for path in paths if path.name.endswith(TEMPORARY) or path.name.startswith(".")]
    return [str(path.relative_to(root)) for path in left if path.name not in (".gitkeep", BIN, EXPERIMENTS, MEASURED)]


def _rows(path: Path) -> str:
    if not path.is_file():
        return "missing"
    table = pq.read_table(path)
    return hashlib.sha256(repr(table.to_pydict()).encode()).hexdigest()


def _checks(path: Path) -> Any:
    try:
        return [(check["name"], check["ok"]) for check in json.loads(path.read_text())["checks"]]
    except (OSError, ValueError) as error:
        return type(error).__name__


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"


def _state(path: Path) -> str:
    """Return the digest of a checkpoint's state: every tensor and number of the optimizer."""
    import torch

    digest = hashlib.sha256()

    def add(value: Any) -> None:
        if isinstance(value, torch.Tensor):
            digest.update(value.numpy().tobytes())
        elif isinstance(value, Mapping):
            for key in value:
                digest.update(repr(key).encode())
                add(value[key])
        elif isinstance(value, (list, tuple)):
            for one in value:
                add(one)
        else:
            digest.update(repr(value).encode())

    if not path.is_file():
        return "missing"
    add(torch.load(path, weights_only=True, map_location="cpu"))
    return digest.hexdigest()


def _tensorboard(folder: Path) -> list[tuple[str, int, float | str]]:
    """Return (tag, step, value) of every event that TensorBoard would show; what it purges is left out.

    A value is a number, or the digest of a picture or a curve.
    """
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorboard.compat.proto.event_pb2 import SessionLog

    shown: list[tuple[str, int, float | str]] = []
    for path in sorted(folder.glob("events.out.tfevents.*")):
        for event in EventFileLoader(str(path)).Load():
            if event.HasField("session_log") and event.session_log.status == SessionLog.START:
                shown = [one for one in shown if one[1] < event.step]
            for value in event.summary.value:
                if value.tag not in TIMES:
                    shown.append((value.tag, event.step, _number(value)))
    return sorted(set(shown), key=repr)  # an evaluation that is made again gives the same point again


def _number(value: Any) -> float | str:
    if value.metadata.plugin_data.plugin_name == "scalars":
        return float(value.tensor.float_val[0])
    return hashlib.sha256(value.tensor.SerializeToString()).hexdigest()


def _difference(expected: Any, got: Any) -> str:
    if isinstance(expected, list) and isinstance(got, list):
        missing = [one for one in expected if one not in got]
        added = [one for one in got if one not in expected]
        first = repr((missing or added or ["the order"])[0])[:120]
        return (
            f"{len(expected)} expected, {len(got)} are there, {len(missing)} missing, {len(added)} new, such as {first}"
        )
    return f"{repr(expected)[:80]} expected, {repr(got)[:80]} is there"
