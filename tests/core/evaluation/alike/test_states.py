"""What is kept of an evaluation's states, in how few numbers, and what becomes of the file whatever happens to it."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core import RunError
from core.boxes import Detections, iou
from core.datasets.split import read_split
from core.detr.states.query_states import QueryStates
from core.evaluation.alike.path import states_path
from core.evaluation.alike.states import (
    MOST_NUMBERS,
    KeptStates,
    keep_states,
    nearest_detections,
    read_states,
    record_states,
    reduced,
    write_states,
)
from core.evaluation.table import CORNERS
from core.evaluation.tide import detection_table
from tests.invented import invented, invented_states


@pytest.fixture(scope="module")
def evaluation(street):
    """A detection table of scores from 0 on, and the states of all of its queries."""
    split = read_split(street, "val")
    detections = invented(split, 0.5)
    rng = np.random.default_rng(0)
    score = np.where(rng.random(len(detections)) < 0.3, 0.2 * detections.score, detections.score) * (
        rng.random(len(detections)) > 0.2
    )
    detections = Detections(detections.image_id, detections.query, detections.label, score, detections.boxes)
    return detection_table(split.to_dict(), detections, split.label_map()), invented_states(detections)


def of_rows(table):
    """The table's rows as dicts; of one image after another."""
    return table.to_pylist()


def nearest_plainly(rows, truth):
    """The (image, query) of the highest IoU with an object, or None."""
    box = [[truth[side] for side in CORNERS]]
    others = [r for r in rows if r["kind"] == "detection" and r["image_id"] == truth["image_id"]]
    overlaps = [iou([[r[side] for side in CORNERS]], box)[0, 0] for r in others]
    return others[int(np.argmax(overlaps))] if overlaps and max(overlaps) > 0 else None


def lost(rows):
    return [r for r in rows if r["kind"] == "ground_truth" and not r["iscrowd"] and r["match_query"] is None]


def test_kept_are_detections_that_are_shown_or_found_something_and_the_nearest_to_what_none_found(evaluation):
    table, states = evaluation
    rows = of_rows(table)
    expected = {
        (r["image_id"], r["query"]) for r in rows
        if r["kind"] == "detection" and (r["score"] >= np.float32(0.05) or r["gt_id"] is not None)
    }  # fmt: skip
    near = {(r["image_id"], r["query"]) for truth in lost(rows) if (r := nearest_plainly(rows, truth))}
    kept = keep_states(states, table)
    names = list(zip(kept.image_id.tolist(), kept.query.tolist(), strict=True))
    assert names == sorted(expected | near) and near - expected and len(names) < len(states)


def test_nearest_is_the_one_of_the_highest_iou_whatever_its_class(evaluation):
    table, _ = evaluation
    rows, nearest = of_rows(table), nearest_detections(table)
    expected = [nearest_plainly(rows, r) if r in lost(rows) else None for r in rows]
    assert [rows[i] if i >= 0 else None for i in nearest] == expected
    assert any(expected)


def test_states_that_an_evaluation_did_not_keep_are_not_missed(evaluation):
    table, states = evaluation
    half = keep_states(states[::2], table)
    whole = keep_states(states, table)
    assert 0 < len(half) < len(whole)
    assert len(keep_states(states[:0], table)) == 0


def test_fewer_numbers_keep_the_neighbours():
    rng = np.random.default_rng(0)
    few = rng.normal(size=(400, 20)) @ rng.normal(size=(20, 256)) + 5  # much in common, and 20 directions
    values = few / np.linalg.norm(few, axis=1, keepdims=True)
    short = reduced(values.astype(np.float16)).astype(np.float32)
    assert short.shape == (400, MOST_NUMBERS)
    np.testing.assert_allclose(np.linalg.norm(short, axis=1), 1, atol=2e-3)
    centred = values - values.mean(0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    np.testing.assert_allclose(short @ short.T, centred @ centred.T, atol=0.02)
    spread = (short**2).sum(0)
    assert (np.diff(spread[:20]) <= 1).all()


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_states_and_states_that_are_the_same_are_no_error(count):
    same = np.full((count, 8), 0.3, np.float16)
    assert reduced(same).shape == (count, 8) and not reduced(same).any()


def kept(count=50, numbers=16):
    values = np.random.default_rng(0).normal(size=(count, numbers))
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    image_id = np.repeat(np.arange(-3, count - 3), 1).astype(np.int64)
    return KeptStates(image_id, np.arange(count, dtype=np.int32), values.astype(np.float16))


def test_what_is_written_is_read_again(tmp_path):
    states, table = kept(), tmp_path / "tables/epoch_0001.parquet"
    write_states(states, table)
    assert states_path(table).name == "epoch_0001.states.parquet"
    again = read_states(table)
    for name in ("image_id", "query", "values"):
        np.testing.assert_array_equal(getattr(again, name), getattr(states, name))
    assert states_path(table).stat().st_size < 50 * (2 * 16 + 20) + 2000
    assert [path.name for path in table.parent.iterdir()] == [states_path(table).name]


def test_without_states_none_are_read_and_old_ones_are_taken_away(tmp_path, evaluation):
    table, states = evaluation
    path = tmp_path / "epoch_0002.parquet"
    assert read_states(path) is None
    record_states(states, table, path)
    assert len(read_states(path)) > 20
    record_states(None, table, path)
    assert read_states(path) is None
    record_states(None, table, path)


def test_of_no_states_a_file_is_written_and_read(tmp_path, evaluation):
    path = tmp_path / "epoch_0002.parquet"
    record_states(evaluation[1][:0], evaluation[0], path)
    assert len(read_states(path)) == 0


def columns(**changed):
    states = kept()
    given = {"image_id": states.image_id, "query": states.query, "values": [v.tobytes() for v in states.values]}
    return given | changed


DAMAGED = {
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-40]),
    "empty": lambda path: path.write_bytes(b""),
    "a flipped bit": lambda path: path.write_bytes(
        (data := path.read_bytes())[:500] + bytes([data[500] ^ 4]) + data[501:]
    ),
    "no Parquet": lambda path: path.write_text("states"),
    "a folder": lambda path: path.unlink() or path.mkdir(),
    "another column": lambda path: rewrite(path, columns(more=[1] * 50)),
    "texts": lambda path: rewrite(path, columns(values=["a"] * 50)),
    "too many numbers": lambda path: rewrite(path, columns(values=[bytes(2 * MOST_NUMBERS + 2)] * 50)),
    "an odd number of bytes": lambda path: rewrite(path, columns(values=[bytes(3)] * 50)),
    "no numbers": lambda path: rewrite(path, columns(values=[np.full(4, np.nan, np.float16).tobytes()] * 50)),
    "too large": lambda path: rewrite(path, columns(values=[np.full(4, 7, np.float16).tobytes()] * 50)),
    "another order": lambda path: rewrite(path, columns(image_id=kept().image_id[::-1].copy())),
    "a negative query": lambda path: rewrite(path, columns(query=np.arange(-1, 49, dtype=np.int32))),
    "a null": lambda path: rewrite(path, columns(query=pa.array([None, *range(49)], pa.int32()))),
}  # fmt: skip


def rewrite(path, given):
    values = given["values"]
    if isinstance(values[0], bytes):
        given = given | {"values": pa.array(values, pa.binary(len(values[0])))}
    pq.write_table(pa.table(given), path)


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_is_refused_in_a_sentence(tmp_path, damage):
    table = tmp_path / "epoch_0001.parquet"
    write_states(kept(), table)
    DAMAGED[damage](states_path(table))
    with pytest.raises(RunError, match="are damaged: evaluate the checkpoint again"):
        read_states(table)


def test_what_does_not_fit_into_memory_is_not_read(tmp_path, monkeypatch):
    table = tmp_path / "epoch_0001.parquet"
    write_states(kept(), table)
    monkeypatch.setattr("core.evaluation.alike.states.psutil.virtual_memory", lambda: type("m", (), {"available": 9}))
    with pytest.raises(RunError, match="more than fit into memory"):
        read_states(table)


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        write_states(kept(), tmp_path / "file/epoch_0001.parquet")


def test_queries_are_found_by_image_and_number():
    states = kept()
    image_id = np.array([-3, 0, 5, 100, -3, 46, 7], dtype=np.int64)
    query = np.array([0, 3, 8, 1, 1, 49, -1])
    assert states.places(image_id, query).tolist() == [0, 3, 8, -1, -1, 49, -1]
    empty = KeptStates(states.image_id[:0], states.query[:0], states.values[:0])
    assert empty.places(image_id, query).tolist() == [-1] * 7
    assert states.places(image_id[:0], query[:0]).tolist() == []
    large = QueryStates(np.array([2**62]), np.array([2**31 - 1], np.int32), np.ones(1, np.float32), states.values[:1])
    assert KeptStates(large.image_id, large.query, large.values).places(large.image_id, large.query).tolist() == [0]
