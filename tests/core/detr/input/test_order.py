"""The order of an epoch: every image once, those of like shape together, the same for any number of processes."""

import os
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.padding import padding
from core.datasets.split import read_split
from core.detr.input.dataset import DetectionDataset
from core.detr.input.order import StepBatches, by_shape, epoch_order

sizes = st.lists(st.tuples(st.integers(1, 200), st.integers(1, 200)), max_size=60)
windows = st.sampled_from([1, 7, 20, 1024])


def steps_of(shapes, per_step, start=0, rank=0, ranks=1, epoch=2):
    order = epoch_order(len(shapes), 7, epoch)
    return StepBatches(order, per_step, lambda image: shapes[image], start, rank, ranks)


def test_an_order_is_that_of_seed_and_epoch():
    assert sorted(epoch_order(50, 1, 2)) == list(range(50))
    assert epoch_order(50, 1, 2) == epoch_order(50, 1, 2) != epoch_order(50, 1, 3)
    assert epoch_order(50, 1, 2) != epoch_order(50, 2, 2) and epoch_order(0, 1, 2) == []


@given(sizes, st.integers(1, 9), windows)
def test_an_epoch_has_every_image_once_in_full_steps_but_the_last(shapes, per_step, images):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.detr.input.order.WINDOW", images)
        steps = list(steps_of(shapes, per_step))
    assert Counter(image for step in steps for image in step) == Counter(range(len(shapes)))
    assert [len(step) for step in steps[:-1]] == [per_step] * max(0, len(steps) - 1)
    assert len(steps) == len(steps_of(shapes, per_step)) == -(-len(shapes) // per_step)


@given(st.integers(0, 60), st.integers(1, 9), st.integers(0, 3))
def test_where_all_have_one_shape_the_order_stays(length, per_step, epoch):
    order = epoch_order(length, 7, epoch)
    steps = list(steps_of([(40, 30)] * length, per_step, epoch=epoch))
    assert [image for step in steps for image in step] == order


@given(sizes, st.integers(1, 9), st.integers(1, 4), windows)
def test_all_processes_together_have_the_steps_of_one(shapes, per_rank, ranks, images):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.detr.input.order.WINDOW", images)
        shares = [list(steps_of(shapes, per_rank * ranks, rank=rank, ranks=ranks)) for rank in range(ranks)]
        alone = list(steps_of(shapes, per_rank * ranks))
    assert {len(steps) for steps in shares} == {len(alone)}
    for step, images_of_step in enumerate(alone):
        parts = [steps[step] for steps in shares]
        woven = [part[i] for i in range(per_rank) for part in parts if i < len(part)]
        assert woven == images_of_step
        assert max(map(len, parts)) - min(map(len, parts)) <= 1 and max(map(len, parts)) <= per_rank


@given(sizes, st.integers(1, 9), st.integers(0, 20), st.integers(1, 3), windows)
def test_an_epoch_goes_on_with_the_steps_it_would_have_had(shapes, per_step, start, ranks, images):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.detr.input.order.WINDOW", images)
        for rank in range(ranks):
            whole = list(steps_of(shapes, per_step, rank=rank, ranks=ranks))
            rest = steps_of(shapes, per_step, start, rank, ranks)
            assert list(rest) == whole[start:] and len(rest) == max(0, len(whole) - start)


@settings(max_examples=30)
@given(st.integers(0, 10**6))
def test_portraits_and_landscapes_are_apart(seed):
    shapes = [(1067, 800) if wide else (800, 1067) for wide in np.random.default_rng(seed).random(60) < 0.6]
    kinds = [{shapes[image] for image in step} for step in steps_of(shapes, 4)]
    assert sum(len(kind) > 1 for kind in kinds) <= 1


def test_shapes_that_are_padded_to_one_count_as_one():
    shapes = {0: (65, 33), 1: (96, 64), 2: (70, 40), 3: (33, 65)}
    assert by_shape([2, 0, 3, 1], shapes.__getitem__) == [3, 2, 0, 1]


@pytest.mark.skipif("DETR_LAB_COCO" not in os.environ, reason="DETR_LAB_COCO does not name a folder of real COCO")
def test_little_of_a_batch_of_photographs_is_padding():
    for name in ("train", "val"):
        split = read_split(os.environ["DETR_LAB_COCO"], name)
        data = DetectionDataset(split, split.label_map(), 800, 1333)
        shapes = [data.shown_size(image) for image in range(len(data))]
        random = epoch_order(len(shapes), 7, 2)
        before = padding([random[start : start + 4] for start in range(0, len(random), 4)], shapes.__getitem__)
        assert padding(steps_of(shapes, 4), shapes.__getitem__) < 8 < 20 < before
