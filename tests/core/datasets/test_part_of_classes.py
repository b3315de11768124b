"""A split of some classes only: all that is of them, and as many images without any as are asked for."""

import copy
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import DataError
from core.datasets.part import filter_to_classes
from core.datasets.split import CocoSplit, read_split
from tests.core.coco_cases import from_env, gt_of, judge

GT = gt_of((1, 1, (0, 0, 10, 10)), (2, 2, (5, 5, 99, 90)), images=4)


def split_of(gt: dict) -> CocoSplit:
    return CocoSplit("train", Path("instances_train.json"), Path("train"), **copy.deepcopy(gt))


@st.composite
def splits(draw):
    annotations = draw(st.lists(st.tuples(st.integers(1, 8), st.integers(1, 3), st.booleans()), max_size=12))
    rows = [(image, category, (0, 0, 9, 9), {"iscrowd": int(crowd)}) for image, category, crowd in annotations]
    return split_of(gt_of(*rows, images=8, categories=("car", "dog", "bus")))


names = st.lists(st.sampled_from(["car", "dog", "bus"]), min_size=1, unique=True)


@settings(deadline=None)
@given(splits(), names, st.sampled_from([0.0, 0.3, 0.5, 0.9]), st.integers(0, 5))
def test_a_filtered_split_has_all_of_its_classes_and_the_share_of_empty_images(split, chosen, share, seed):
    before = copy.deepcopy(split.to_dict())
    part = filter_to_classes(split, chosen, share, seed)
    ids = {c["id"] for c in split.categories if c["name"] in chosen}
    assert part.annotations == [a for a in split.annotations if a["category_id"] in ids]  # crowds too, ids kept
    assert {c["name"] for c in part.categories} == set(chosen)
    assert part.images == [image for image in split.images if image in part.images]  # the file's order
    filled = {a["image_id"] for a in part.annotations}
    assert filled <= {image["id"] for image in part.images}
    empty, available = len(part.images) - len(filled), len(split.images) - len(filled)
    assert empty == min(round(len(filled) * share / (1 - share)), available)
    assert filter_to_classes(split, chosen, share, seed) == part
    assert split.to_dict() == before


@settings(deadline=None)
@given(splits(), names)
def test_without_a_share_every_image_stays(split, chosen):
    assert filter_to_classes(split, chosen, None).images == split.images


def test_another_seed_draws_other_empty_images():
    split = split_of(gt_of(*((i, 1, (0, 0, 9, 9)) for i in range(1, 21)), images=100))
    assert filter_to_classes(split, ["car"], 0.5, 0) != filter_to_classes(split, ["car"], 0.5, 1)


def test_an_unknown_class_or_share_is_refused():
    with pytest.raises(DataError, match="no class 'cat'; it has: car, dog"):
        filter_to_classes(split_of(GT), ["cat"])
    for share in (-0.1, 1, float("nan")):
        with pytest.raises(DataError, match="share of images without a chosen class"):
            filter_to_classes(split_of(GT), ["car"], share)


def test_a_filtered_real_split_is_a_coco_file_that_pycocotools_evaluates():
    split = filter_to_classes(read_split(from_env("DETR_LAB_COCO"), "val"), ["person", "car"])
    perfect = [{key: a[key] for key in ("image_id", "category_id", "bbox")} | {"score": 1.0} for a in split.annotations]
    objects = [row for row, a in zip(perfect, split.annotations, strict=True) if not a["iscrowd"]]
    assert judge(split.to_dict(), objects).stats[0] == pytest.approx(1.0)
