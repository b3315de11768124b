"""How an evaluation becomes a run: at once and whole, as an import, or as the end of a run that waited in the queue.

In: figures, a detection table and the images that they were measured on. Out: a run with one evaluation, of epoch 0.
"""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from core import RunError
from core.datasets.fingerprint.fingerprint import take_fingerprint
from core.datasets.split import CocoSplit
from core.detr.states.query_states import QueryStates
from core.disk import hidden_path
from core.evaluation.alike.states import record_states
from core.evaluation.coco_eval import CocoFigures
from core.evaluation.table import METADATA_KEY, table_metadata, write_table
from core.keep_result import KeepResult
from core.runs.paths import table_name
from core.runs.provenance.code import note_code
from core.runs.provenance.data import keep_fingerprint
from core.runs.schema import NewEvaluation, Run
from core.runs.store import RunStore


def add_evaluated(
    store: RunStore, config: dict[str, Any], name: str | None, figures: CocoFigures, table: pa.Table, split: CocoSplit
) -> Run:
    """Create a finished run of a model that was evaluated on a split, whole or not at all; raises RunError."""
    try:
        with hidden_path(store.runs_dir / "import") as folder, ExitStack() as stack:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)  # unless it has become the run's
            state = _write(folder, table, split)
            return store.create_finished(config, name, state, figures.to_dict(), folder)
    except OSError as error:
        raise RunError(f"The run cannot be written under {store.runs_dir}: {error.strerror or error}.") from error


def finish_evaluated(
    store: RunStore,
    run: Run,
    figures: CocoFigures,
    table: pa.Table,
    split: CocoSplit,
    notes: Sequence[str],
    images_per_second: float | None,
    states: QueryStates | None = None,
) -> None:
    """Record the only evaluation of a run that is at work, and what was left out; raises RunError, OSError."""
    state = _write(store.folder(run.id), table, split, states) | {"images_per_second": images_per_second}
    images = {} if "data" in run.config["imported"] else {"images": str(split.root)}
    config = {**run.config, "imported": {**run.config["imported"], **images, "notes": list(notes)}}
    store.record(run.id, 0, {}, {"config": config, **state}, NewEvaluation(0, figures.to_dict(), True, True))


def _write(folder: Path, table: pa.Table, split: CocoSplit, states: QueryStates | None = None) -> dict[str, Any]:
    """Write table and decoder states, and by what data and code they were made; return what the run's row says."""
    label_map = table_metadata(table).label_map
    fingerprint = KeepResult(take_fingerprint(label_map, [replace(split, name="val")]))  # whatever part it is
    deque(fingerprint, maxlen=0)
    metadata = replace(table_metadata(table), data=fingerprint.result.digest)
    table = table.replace_schema_metadata({METADATA_KEY: metadata.to_json()})
    record_states(states, table, folder / table_name(0))
    write_table(table, folder / table_name(0))
    keep_fingerprint(folder, fingerprint.result)
    note_code(folder)
    return {"label_map": label_map.to_dict(), "epoch": 0, "epochs": 0, "step": 0, "steps": 0}
