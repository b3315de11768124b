"""`python -m bench.alike`: what the kept decoder states cost, and what they are good for, for docs/measurements.md.

A model, by default a demo run's last, is evaluated on the demo's training and validation scenes. How many of the ten
nearest boxes stay the same in fewer numbers, by PCA and by random directions; bytes an image; how much longer an
evaluation takes; how long a search among half a million states takes; and what maps of two dimensions keep.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from core import PROJECT
from core.boxes import Detections
from core.config import STARTER
from core.datasets.layouts import TEST
from core.detr.detect import detect
from core.detr.input.loader import loader
from core.detr.states.keeper import StateKeeper
from core.detr.states.query_states import QueryStates
from core.evaluation.alike.layout import MOST, lay_out
from core.evaluation.alike.likeness import Likeness, listed_boxes
from core.evaluation.alike.path import states_path
from core.evaluation.alike.states import KeptStates, keep_states, reduced, write_states
from core.evaluation.selection import LOWEST_SCORE, Selection
from core.evaluation.table import indices, table_metadata
from core.evaluation.threshold import error_codes
from core.evaluation.tide import detection_table
from core.inference.evaluation.config import EvaluationConfig
from core.inference.evaluation.models import open_model
from core.runs.evaluated.images import read_part
from core.runs.store import RunStore

NEAREST = 10
REPEATS = 5
MANY = 500_000
Neighbours = np.ndarray  # (S, NEAREST) rows


def evaluated(model: str, data: str, part: str, keeper: StateKeeper | None) -> tuple[float, pa.Table]:
    """Evaluate a model; return the seconds of the forward passes with all that follows them, and its table."""
    config = EvaluationConfig((model,), data, part if part != TEST else "val")
    with tempfile.TemporaryDirectory() as folder:
        loaded = open_model(RunStore(folder), config)
    split = read_part(config.data, config.part, config.images)
    dataset = loaded.dataset(split, split.label_map(), 1)
    batches = list(loader(dataset, 8, 0))
    begin = time.perf_counter()
    parts = list(detect(loaded.model, batches, loaded.device, None, loaded.precision, keeper))
    seconds = time.perf_counter() - begin
    return seconds, detection_table(split.to_dict(), Detections.concat(parts), split.label_map())


def neighbours(values: np.ndarray) -> Neighbours:
    """The rows of the nearest by cosine of each, itself left out."""
    values = values.astype(np.float32)
    rows = []
    for first in range(0, len(values), 1000):
        cosines = values[first : first + 1000] @ values.T
        cosines[np.arange(len(cosines)), first + np.arange(len(cosines))] = -np.inf
        rows.append(np.argpartition(-cosines, NEAREST, axis=1)[:, :NEAREST])
    return np.concatenate(rows)


def same(one: Neighbours, other: Neighbours) -> float:
    """The share of the nearest that two lists have in common."""
    return float(np.mean([len(set(a) & set(b)) / NEAREST for a, b in zip(one.tolist(), other.tolist(), strict=True)]))


def by_random(values: np.ndarray, numbers: int) -> np.ndarray:
    """The states along random directions, the same on every machine."""
    directions = np.random.default_rng(0).standard_normal((values.shape[1], numbers))
    part = (values - values.mean(0, dtype=np.float32)) @ directions
    return part / np.linalg.norm(part, axis=1, keepdims=True)


def agreement(rows: Neighbours, words: np.ndarray) -> float:
    """How often one of the nearest has the word (a class, a verdict) of its box."""
    return float((words[rows] == words[:, None]).mean())


def in_plane(values: np.ndarray) -> Neighbours:
    """The nearest in a plane by distance."""
    values = values.astype(np.float32)
    squares = (values**2).sum(1)
    rows = []
    for first in range(0, len(values), 1000):
        far = squares[None] - 2 * values[first : first + 1000] @ values.T
        far[np.arange(len(far)), first + np.arange(len(far))] = np.inf
        rows.append(np.argpartition(far, NEAREST, axis=1)[:, :NEAREST])
    return np.concatenate(rows)


def fewer_numbers(states: QueryStates, table: pa.Table) -> None:
    """Print what fewer numbers keep of the ten nearest."""
    whole = np.asarray(reduced(states.values, states.values.shape[1]), np.float32)
    full = neighbours(whole)
    print(f"{len(states):,} states of {states.values.shape[1]} numbers")
    for numbers in (16, 32, 64, 96):
        if numbers < states.values.shape[1]:
            pca, chance = reduced(states.values, numbers), by_random(states.values, numbers)
            print(f"    {numbers} numbers: PCA keeps {same(full, neighbours(pca)):.3f} of the ten nearest, "
                  f"random directions {same(full, neighbours(chance)):.3f}", flush=True)  # fmt: skip


def words_of(table: pa.Table, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class and verdict of some rows."""
    classes = indices(table, "class_name", table_metadata(table).classes)[rows]
    return classes, error_codes(table, 0.5)[rows]


def maps(table: pa.Table, states: KeptStates) -> None:
    """Print what maps of two dimensions keep, of the boxes from score 0.5 on."""
    names = dict.fromkeys(table_metadata(table).image_ids, "")
    likeness = Likeness(table, states)
    rows = listed_boxes(table, Selection(0.5), names)
    rows = rows[likeness.places[rows] >= 0][:MOST]
    values = states.values[likeness.places[rows]].astype(np.float32)
    classes, verdicts = words_of(table, rows)
    wrong = verdicts >= 0
    print(f"map of {len(rows):,} boxes, {wrong.sum():,} of them errors")
    full = neighbours(values)
    print(f"    all numbers: {agreement(full, classes):.3f} of the ten nearest are of its class, "
          f"of an error's {(verdicts[full[wrong]] >= 0).mean():.3f} are errors")  # fmt: skip
    ways: dict[str, Callable[[], np.ndarray]] = {
        "PCA": lambda: values[:, :2],
        "t-SNE": lambda: lay_out(values.astype(np.float16)),
    }
    for name, way in ways.items():
        begin = time.perf_counter()
        near = in_plane(way())
        print(f"    {name}: {same(full, near):.3f} of the ten nearest, {agreement(near, classes):.3f} of its class, "
              f"of an error's {(verdicts[near[wrong]] >= 0).mean():.3f} errors; {time.perf_counter() - begin:.1f} s",
              flush=True)  # fmt: skip


def search_many() -> None:
    """Print how long it takes to find the boxes most like one among half a million."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((MANY, 64)).astype(np.float16) / 8
    states = KeptStates(np.arange(MANY, dtype=np.int64) // 50, np.arange(MANY, dtype=np.int32) % 50, values)
    table = pa.table({"image_id": states.image_id})
    likeness = Likeness(table, states)
    likeness.__dict__["places"] = np.arange(MANY)
    seconds = []
    for row in range(REPEATS):
        begin = time.perf_counter()
        cosines = likeness.to_row(row)
        np.argsort(-cosines, kind="stable")
        seconds.append(time.perf_counter() - begin)
    print(f"{MANY:,} states are compared with one and sorted in {np.median(seconds):.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default=str(PROJECT / STARTER), help="folder of a checkpoint")
    parser.add_argument("--data", default="data/street")
    options = parser.parse_args()
    keeper = StateKeeper(LOWEST_SCORE)
    _, table = evaluated(options.model, options.data, "train", keeper)
    states = keeper.take()
    assert states is not None
    fewer_numbers(states, table)
    kept = keep_states(states, table)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "epoch_0000.parquet"
        write_states(kept, path)
        images = len(table_metadata(table).image_ids)
        size = states_path(path).stat().st_size / images
        print(f"    {len(kept) / images:.1f} states and {size:,.0f} bytes an image in the file")
    maps(table, kept)
    search_many()
    times: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(REPEATS):
        for keeps in times:
            times[keeps].append(
                evaluated(options.model, options.data, "val", StateKeeper(LOWEST_SCORE) if keeps else None)[0]
            )
    without, with_states = (float(np.median(times[keeps])) for keeps in (False, True))
    print(f"evaluation of the validation images without states {without:.2f} s, with {with_states:.2f} s")


if __name__ == "__main__":
    main()
