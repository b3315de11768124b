"""core/runs/watched.py: the watched images' boxes are there at every evaluated epoch of a run."""

import shutil
from itertools import pairwise

import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import RunError
from core.datasets.split import read_split
from core.evaluation.table import read_table, table_metadata
from core.evaluation.tide import detection_table
from core.runs.watched import (
    MOST,
    Frame,
    Losses,
    boxes_at,
    frames,
    part_of,
    read_frame,
    spread,
    watched_images,
    watched_of,
)
from tests.core.runs.watching import STEPS, found_at, record_epochs, record_run


@pytest.fixture
def run(store, drawn):
    """A recorded run of three epochs on 30 validation images."""
    return record_run(store, drawn)


def test_every_epoch_has_its_part_though_most_whole_tables_are_gone(store, run, drawn):
    split = read_split(drawn, "val")
    found = frames(store, run.id)
    assert [(f.epoch, f.label, f.step, f.is_whole) for f in found] == [
        (0, "baseline", 0, False), (1, "epoch 1", 10, False), (2, "epoch 2", 20, False), (3, "epoch 3", 30, False),
    ]  # fmt: skip
    assert [e.epoch for e in store.evaluations(run.id) if e.table] == [0, 3]
    watched = watched_of(found)
    assert len(watched) == MOST < len(split.images)
    for frame in found:
        whole = detection_table(split.to_dict(), found_at(split, split.label_map(), frame.epoch), split.label_map())
        assert read_table(frame.path).equals(part_of(whole, watched))
        assert read_frame(frame.path, watched).equals(part_of(whole, watched))


def test_a_frame_has_the_figures_of_its_evaluation_and_the_mean_losses_that_led_to_it(store, run):
    found = frames(store, run.id)
    assert [f.AP for f in found] == [e.figures["AP"] for e in store.evaluations(run.id)]
    assert [f.val.loss_ce for f in found] == [5.0, 4.0, 3.0, 2.0]
    means = [sum(range(STEPS * e - STEPS + 1, STEPS * e + 1)) / STEPS for e in (1, 2, 3)]
    assert [f.train.loss for f in found] == [None, *(pytest.approx(mean) for mean in means)]
    assert found[1].val.loss_bbox is None and found[1].train.loss_ce is None
    said = found[1].to_dict()
    assert (said["epoch"], said["AP"], said["loss_ce"], said["train_loss"]) == (1, found[1].AP, 4.0, means[0])


def test_a_loss_that_is_no_number_leaves_no_mark(store, run):
    for step, value in ((21, float("nan")), (22, float("inf"))):
        store.record(run.id, step, {"train/loss": value, "train/loss_ce": value})
    frame = frames(store, run.id)[3]
    assert frame.train.loss == pytest.approx(25.5) and frame.train.loss_ce is None


def test_a_run_from_before_images_were_watched_has_its_whole_tables(store, run):
    shutil.rmtree(store.watched_path(run.id, 0).parent)
    found = frames(store, run.id)
    assert [(f.epoch, f.is_whole, f.val.loss_ce) for f in found] == [(0, True, 5.0), (3, True, 2.0)]
    assert watched_of(found) is None
    whole = read_table(store.table_path(run.id, 3))
    ids = watched_images(whole)
    assert read_frame(found[1].path, ids, found[1].is_whole).equals(part_of(whole, ids))
    assert [f.epoch for f, _ in boxes_at(store, run.id, ids[0])] == [0, 3]


def test_a_run_without_tables_has_no_frames(store):
    run = store.create({})
    assert frames(store, run.id) == [] and boxes_at(store, run.id, 1) == []
    store.add_evaluation(run.id, 0, 0, {"AP": 0.1})
    assert frames(store, run.id) == []
    with pytest.raises(RunError, match="no run"):
        frames(store, "20260101-000000-0000")


def test_one_image_has_its_boxes_at_every_epoch_if_it_is_watched_else_at_those_kept_whole(store, run, drawn):
    split = read_split(drawn, "val")
    watched = watched_of(frames(store, run.id))
    for image in split.images:
        found = boxes_at(store, run.id, image["id"])
        assert [f.epoch for f, _ in found] == ([0, 1, 2, 3] if image["id"] in watched else [0, 3])
        for frame, part in found:
            whole = detection_table(split.to_dict(), found_at(split, split.label_map(), frame.epoch), split.label_map())
            assert part.equals(whole.filter(pc.field("image_id") == image["id"]))
            assert table_metadata(part).image_ids == (image["id"],)
    assert boxes_at(store, run.id, 10**9) == []


@pytest.mark.parametrize("damage", ["cut", "text", "other table", "gone"])
def test_what_cannot_be_read_is_left_out_and_named_when_it_is_asked_for(store, run, damage):
    path = store.watched_path(run.id, 3)
    watched = watched_of(frames(store, run.id))
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "text":
        path.write_text("no table")
    elif damage == "gone":
        path.unlink()
        store.table_path(run.id, 3).unlink()
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table({"image_id": [1]}), path)
    assert watched_of(frames(store, run.id)) == watched
    assert [f.epoch for f, _ in boxes_at(store, run.id, watched[0])] == [0, 1, 2]
    with pytest.raises(RunError, match=r"epoch_0003\.parquet"):
        read_frame(path, watched)


def test_what_a_training_records_anew_is_not_there_before(store, run):
    store.rewind(run.id, 20)
    assert [f.epoch for f in frames(store, run.id)] == [0, 1]
    assert sorted(p.name for p in store.watched_path(run.id, 0).parent.iterdir()) == [
        "epoch_0000.parquet", "epoch_0001.parquet",
    ]  # fmt: skip
    before = watched_of(frames(store, run.id))
    record_epochs(store, run.id, [2, 3], epochs=3)
    assert [f.epoch for f in frames(store, run.id)] == [0, 1, 2, 3]
    assert watched_of(frames(store, run.id)) == before


@given(st.lists(st.none() | st.floats(0, 1), max_size=80), st.integers(3, 60))
def test_of_a_long_run_the_first_the_best_and_the_last_epoch_are_among_those_shown(aps, most):
    found = [Frame(i, i, None, False, ap, Losses(), Losses()) for i, ap in enumerate(aps)]
    shown = spread(found, most)
    assert len(shown) == min(most, len(found)) or len(shown) == most - 1
    assert [f.epoch for f in shown] == sorted({f.epoch for f in shown})
    if found:
        assert shown[0] is found[0] and shown[-1] is found[-1]
        best = max((f.AP for f in found if f.AP is not None), default=None)
        assert best is None or best in [f.AP for f in shown]
    gaps = [b.epoch - a.epoch for a, b in pairwise(shown)]
    assert max(gaps, default=0) <= len(found) / (most - 2) + 1
