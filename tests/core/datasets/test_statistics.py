import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import DataError
from core.datasets import statistics
from core.datasets.split import SIZES, AnnotationColumns, CocoSplit, read_split
from core.datasets.statistics import AREA_EDGES, GRID, MOST_PER_IMAGE, RATIO_STEPS, RATIOS
from tests.core.coco_cases import from_env, gt_of

CLASSES = ("car", "dog", "bus")
SIDES = (1.0, 7.5, 24.0, 31.0, 32.0, 95.9, 96.0, 200.0, 640.0)


def split_of(*boxes, images=1, size=(200, 100), classes=CLASSES):
    """A split with one annotation per (image, class, xywh[, is it a crowd[, area]]); images and classes by place."""
    rows = [_row(*box) for box in boxes]
    sizes = size if isinstance(size, list) else [size] * images
    columns = AnnotationColumns(
        image=np.array([row[0] for row in rows], dtype=np.int64),
        category=np.array([row[1] for row in rows], dtype=np.int64),
        xywh=np.array([row[2] for row in rows], dtype=np.float64).reshape(-1, 4),
        crowd=np.array([row[3] for row in rows], dtype=bool),
        area=np.array([row[4] for row in rows], dtype=np.float64),
        size=np.array(sizes, dtype=np.float64).reshape(-1, 2),
    )
    categories = [{"id": 10 * i + 1, "name": name} for i, name in enumerate(classes)]
    return SimpleNamespace(columns=columns, categories=categories)


def _row(image, k, xywh, crowd=False, area=None):
    return image, k, xywh, crowd, xywh[2] * xywh[3] if area is None else area


def boxes_of(split) -> list[tuple]:
    """(image, class name, xywh, is it a crowd, area) of every annotation, as plain values."""
    c = split.columns
    names = [category["name"] for category in split.categories]
    return [
        (image, names[k], tuple(xywh), crowd, area)
        for image, k, xywh, crowd, area in zip(
            c.image.tolist(), c.category.tolist(), c.xywh.tolist(), c.crowd.tolist(), c.area.tolist(), strict=True
        )
    ]


@st.composite
def splits(draw, classes=CLASSES, most=12):
    sizes = draw(st.lists(st.tuples(st.integers(1, 640), st.integers(1, 640)), max_size=6))
    if not sizes:
        return split_of(images=0, classes=classes)
    side = st.sampled_from(SIDES) | st.floats(0.01, 700)
    box = st.tuples(
        st.integers(0, len(sizes) - 1),
        st.integers(0, len(classes) - 1),
        st.tuples(st.floats(-50, 700), st.floats(-50, 700), side, side),
        st.booleans(),
        st.none() | st.sampled_from([0.0, 1023.9, 1024.0, 9215.9, 9216.0, 1e9]),
    )
    return split_of(*draw(st.lists(box, max_size=most)), size=sizes, classes=classes)


@st.composite
def datasets(draw):
    """Up to two splits, whose files list their classes in different orders, or only some of them."""
    orders = (CLASSES, ("bus", "car"))
    names = draw(st.sampled_from([("train", "val"), ("train",), ("val",)]))
    return {name: draw(splits(orders[i])) for i, name in enumerate(names)}


# Edge cases


@pytest.mark.parametrize("images", [0, 3])
def test_a_split_without_annotations_has_its_images_and_nothing_else(images):
    found = statistics.dataset_statistics({"train": split_of(images=images)})
    part = found.splits["train"]
    assert found.classes == CLASSES
    assert (part.images, part.with_objects, part.crowd_only, part.empty, part.n) == (images, 0, 0, images, 0)
    assert part.per_image.tolist() == [images] + [0] * MOST_PER_IMAGE
    for counts in (
        part.objects,
        part.crowds,
        part.sizes,
        part.aspect_ratios,
        part.coverage,
        part.cooccurrence,
        part.class_images,
    ):
        assert not counts.any()


def test_crowds_are_counted_apart_and_nowhere_else():
    found = statistics.dataset_statistics(
        {"train": split_of((0, 0, (0, 0, 9, 9), True), (0, 0, (0, 0, 9, 9), True), images=2)}
    )
    part = found.splits["train"]
    assert part.crowds.tolist() == [2, 0, 0]
    assert (part.with_objects, part.crowd_only, part.empty, part.n) == (0, 1, 1, 0)
    for counts in (part.objects, part.sizes, part.aspect_ratios, part.coverage, part.cooccurrence):
        assert not counts.any()


def test_an_image_with_a_crowd_and_an_object_holds_an_object():
    part = statistics.dataset_statistics({"train": split_of((0, 0, (0, 0, 9, 9), True), (0, 1, (0, 0, 9, 9)))}).total
    assert (part.with_objects, part.crowd_only, part.empty) == (1, 0, 0)


def test_without_a_class_or_with_one_that_no_split_has_it_is_said():
    for nothing in ({}, {"train": split_of(classes=())}):
        with pytest.raises(DataError, match="No class is chosen"):
            statistics.dataset_statistics(nothing)
    with pytest.raises(DataError, match="no class 'cat'; it has: car, dog, bus"):
        statistics.dataset_statistics({"train": split_of()}, ["car", "cat"])


def test_a_class_of_one_split_only_is_none_in_the_other():
    splits = {"train": split_of((0, 0, (0, 0, 9, 9))), "val": split_of((0, 0, (0, 0, 9, 9)), classes=("owl", "dog"))}
    found = statistics.dataset_statistics(splits)
    assert found.classes == (*CLASSES, "owl")
    assert found.splits["train"].objects.tolist() == [1, 0, 0, 0]
    assert found.splits["val"].objects.tolist() == [0, 0, 0, 1]


def test_classes_that_are_not_chosen_are_as_if_they_were_not_there():
    split = split_of((0, 0, (0, 0, 9, 9)), (0, 1, (0, 0, 9, 9)), (1, 1, (0, 0, 9, 9)), images=3)
    part = statistics.dataset_statistics({"train": split}, ["car"]).total
    assert (part.with_objects, part.empty, part.n) == (1, 2, 1)
    assert part.per_image[:3].tolist() == [2, 1, 0]


def test_chosen_classes_come_in_the_order_of_the_file():
    assert statistics.dataset_statistics({"train": split_of()}, ["bus", "car"]).classes == ("car", "bus")
    assert statistics.dataset_statistics({"train": split_of()}, []).classes == CLASSES


def test_the_middle_image_gives_the_shape():
    splits = {"train": split_of(size=[(200, 100), (100, 100)]), "val": split_of(size=[(400, 100)])}
    assert statistics.dataset_statistics(splits).aspect_ratio == 2
    assert statistics.dataset_statistics({"train": split_of(images=0)}).aspect_ratio == 1


# Each count


@pytest.mark.parametrize("objects", [1, MOST_PER_IMAGE - 1, MOST_PER_IMAGE, MOST_PER_IMAGE + 5])
def test_very_full_images_share_the_last_bin(objects):
    part = statistics.dataset_statistics({"train": split_of(*[(0, 0, (0, 0, 9, 9))] * objects)}).total
    assert part.per_image.sum() == 1 and part.per_image[min(objects, MOST_PER_IMAGE)] == 1


@pytest.mark.parametrize("area, size", [(0, 0), (1023.9, 0), (1024, 1), (9215.9, 1), (9216, 2), (1e12, 2)])
def test_sizes_change_at_cocos_borders_which_are_edges_of_bins(area, size):
    part = statistics.dataset_statistics({"train": split_of((0, 1, (0, 0, 9, 9), False, area))}).total
    assert part.sizes[1].tolist() == [int(i == size) for i in range(len(SIZES))]
    assert {1024.0, 9216.0} <= set(AREA_EDGES.tolist())


@pytest.mark.parametrize("width, height, ratio", [(9, 9, 1), (20, 10, 2), (10, 20, 0.5), (1, 9999, 1 / 16)])
def test_ratios_are_counted_where_they_are_nearest(width, height, ratio):
    part = statistics.dataset_statistics({"train": split_of((0, 0, (0, 0, width, height)))}).total
    assert RATIOS[part.aspect_ratios.argmax()] == pytest.approx(ratio)


@given(splits())
def test_turning_every_box_mirrors_the_ratios(split):
    before = statistics.dataset_statistics({"train": split}).total.aspect_ratios
    turned = replace(split.columns, xywh=split.columns.xywh[:, [1, 0, 3, 2]])
    after = statistics.dataset_statistics(
        {"train": SimpleNamespace(columns=turned, categories=split.categories)}
    ).total.aspect_ratios
    assert after.tolist() == before[::-1].tolist()


def test_a_box_covers_the_cells_that_it_reaches_into():
    whole, left, beyond, outside = (0, 0, 200, 100), (0, 0, 100, 100), (150, 50, 999, 999), (-90, 0, 90, 9)
    half, quarter = GRID // 2, 3 * GRID // 4
    cover = [
        statistics.dataset_statistics({"train": split_of((0, 0, box))}).total.coverage
        for box in (whole, left, beyond, outside)
    ]
    assert (cover[0] == 1).all()
    assert (cover[1][:, :half] == 1).all() and not cover[1][:, half:].any()
    assert (cover[2][half:, quarter:] == 1).all() and cover[2].sum() == (GRID - half) * (GRID - quarter)
    assert not cover[3].any()


def test_an_image_holds_two_classes_once_however_many_objects_there_are():
    boxes = [(0, k, (0, 0, 9, 9)) for k in (0, 0, 1)] + [(1, 1, (0, 0, 9, 9)), (2, 2, (0, 0, 9, 9))]
    part = statistics.dataset_statistics({"train": split_of(*boxes, images=4)}).total
    assert part.cooccurrence.tolist() == [[1, 1, 0], [1, 2, 0], [0, 0, 1]]
    assert part.class_images.tolist() == [1, 2, 1]


def test_images_that_share_classes_are_counted_beyond_one_batch(monkeypatch):
    monkeypatch.setattr(statistics, "ROWS_AT_ONCE", 2)
    split = split_of(*[(i, k, (0, 0, 9, 9)) for i in range(5) for k in (0, 1)], images=5)
    assert statistics.dataset_statistics({"train": split}).total.cooccurrence.tolist() == [
        [5, 5, 0],
        [5, 5, 0],
        [0, 0, 0],
    ]


# Everything against plain counting


@settings(max_examples=150, deadline=None)
@given(datasets(), st.sets(st.sampled_from(["car", "bus"])))
def test_everything_is_as_counted_one_by_one(data, chosen):
    found = statistics.dataset_statistics(data, sorted(chosen))
    assert set(found.classes) == (chosen or {c["name"] for split in data.values() for c in split.categories})
    for name, split in data.items():
        part = found.splits[name]
        every = [box for box in boxes_of(split) if box[1] in found.classes]
        objects, crowds = ([box for box in every if box[3] is is_crowd] for is_crowd in (False, True))
        images = len(split.columns.size)
        held = {i: {box[1] for box in objects if box[0] == i} for i in range(images)}
        with_crowd = {box[0] for box in crowds}
        assert (part.images, part.n) == (images, len(objects))
        assert part.with_objects == sum(map(bool, held.values()))
        assert part.crowd_only == sum(i in with_crowd and not held[i] for i in held)
        assert part.crowds.tolist() == [sum(box[1] == k for box in crowds) for k in found.classes]
        assert part.objects.tolist() == [sum(box[1] == k for box in objects) for k in found.classes]
        assert part.sizes.tolist() == [
            [sum(box[1] == k and size_of(box[4]) == size for box in objects) for size in SIZES] for k in found.classes
        ]
        per_image = Counter(min(sum(box[0] == i for box in objects), MOST_PER_IMAGE) for i in range(images))
        assert part.per_image.tolist() == [per_image[i] for i in range(MOST_PER_IMAGE + 1)]
        assert part.cooccurrence.tolist() == [
            [sum({a, b} <= held[i] for i in held) for b in found.classes] for a in found.classes
        ]
        ratios = Counter(ratio_bin(*box[2][2:]) for box in objects)
        assert part.aspect_ratios.tolist() == [ratios[i] for i in range(len(RATIOS))]
        assert part.coverage.tolist() == covered([(box[2], split.columns.size[box[0]].tolist()) for box in objects])


def size_of(area: float) -> str:
    return "small" if area < 32**2 else "medium" if area < 96**2 else "large"


def ratio_bin(width: float, height: float) -> int:
    steps = round((float(np.log2(width)) - float(np.log2(height))) * RATIO_STEPS)
    return min(max(steps + len(RATIOS) // 2, 0), len(RATIOS) - 1)


def covered(boxes: list[tuple]) -> list[list[int]]:
    cells = [[0] * GRID for _ in range(GRID)]
    for (x, y, w, h), (width, height) in boxes:
        rows = range(max(math.floor(y * GRID / height), 0), min(math.ceil((y + h) * GRID / height), GRID))
        columns = range(max(math.floor(x * GRID / width), 0), min(math.ceil((x + w) * GRID / width), GRID))
        for row in rows:
            for column in columns:
                cells[row][column] += 1
    return cells


@given(datasets())
def test_the_counts_agree_with_each_other(data):
    found = statistics.dataset_statistics(data)
    for part in (*found.splits.values(), found.total):
        assert part.n == part.objects.sum() == part.sizes.sum() == part.aspect_ratios.sum()
        assert part.images == part.per_image.sum() == part.with_objects + part.crowd_only + part.empty
        assert part.per_image[0] == part.images - part.with_objects
        assert (part.cooccurrence == part.cooccurrence.T).all()
        assert (part.cooccurrence <= part.class_images[:, None]).all() and (part.class_images <= part.objects).all()
        assert part.coverage.max() <= part.n
    assert found.total.n == sum(part.n for part in found.splits.values())


# Files


def test_a_split_from_a_file_is_counted_by_the_names_of_its_classes():
    gt = gt_of((2, 2, (0, 0, 50, 50)), (2, 1, (0, 0, 9, 9), {"iscrowd": 1}), images=2)
    found = statistics.dataset_statistics({"val": CocoSplit("val", Path("instances_val.json"), Path("val"), **gt)})
    part = found.splits["val"]
    assert (found.classes, found.aspect_ratio) == (("car", "dog"), 2)
    assert (part.objects.tolist(), part.crowds.tolist()) == ([0, 1], [1, 0])
    assert part.sizes.tolist() == [[0, 0, 0], [0, 1, 0]]


def test_real_coco_files_are_counted_as_they_are():
    folder = from_env("DETR_LAB_COCO")
    splits = {name: read_split(folder, name) for name in ("train", "val")}
    found = statistics.dataset_statistics(splits)
    for name, split in splits.items():
        part, objects = found.splits[name], [a for a in split.annotations if not a["iscrowd"]]
        assert (part.images, part.n) == (len(split.images), len(objects))
        assert part.crowds.sum() == len(split.annotations) - len(objects) == 8
        assert part.with_objects == len({a["image_id"] for a in objects})
        pairs = {(a["image_id"], a["category_id"]) for a in objects}
        assert part.class_images.sum() == len(pairs)
