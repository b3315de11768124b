"""A part of a data set: which images and objects it has, and when it is refused without a trace."""

import contextlib
import errno
import os
import tempfile
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import DataError
from core.datasets.part import save_subset, subset_image_ids, take_subset
from core.datasets.subset import Subset, choose_images
from core.system.moves import link_folder
from tests.core.coco_cases import gt_of
from tests.core.datasets.part_cases import (
    CARS,
    FULL,
    dataset,
    refused,
    saved,
    splits_of,
    subsets,
    truths,
)

# Edge cases


def test_without_any_image_nothing_is_chosen_and_nothing_is_saved(tmp_path):
    folder = dataset(tmp_path / "d", train=gt_of(images=0))
    split = splits_of(folder)["train"]
    assert subset_image_ids(split, CARS) == [] and take_subset(split, CARS).images == []
    assert refused(folder, CARS, tmp_path / "out") == "No train image shows car: choose other classes."


def test_a_split_without_an_image_of_the_classes_is_named(tmp_path):
    folder = dataset(tmp_path / "d", train=gt_of((1, 1, (0, 0, 9, 9))), val=gt_of((1, 2, (0, 0, 9, 9))))
    assert refused(folder, CARS, tmp_path / "out") == "No val image shows car: choose other classes."
    assert refused(folder, Subset(("car",), empty_share=0.9), tmp_path / "out").startswith("No val image")


def test_an_image_with_nothing_but_a_crowd_shows_the_class_as_in_a_download(tmp_path):
    gt = gt_of((2, 1, (0, 0, 9, 9), {"iscrowd": 1}), images=3)
    folder = dataset(tmp_path / "d", train=gt)
    assert subset_image_ids(splits_of(folder)["train"], CARS) == [2]
    found = saved(folder, CARS, tmp_path / "out")["train"]
    assert [a["iscrowd"] for a in found.annotations] == [1]


def test_a_class_that_is_not_there_is_named(tmp_path):
    folder = dataset(tmp_path / "d", train=gt_of((1, 1, (0, 0, 9, 9))))
    with pytest.raises(DataError, match="unicorn"):
        take_subset(splits_of(folder)["train"], Subset(("unicorn",)))
    assert "unicorn" in refused(folder, Subset(("car", "unicorn")), tmp_path / "out")


def test_a_broken_file_is_refused_with_what_is_wrong(tmp_path):
    gt = gt_of(*((1, 1, (60 + i, 50, 120 + i, 90)) for i in range(12)))  # corners
    folder = dataset(tmp_path / "d", train=gt)
    with pytest.raises(DataError, match=r"instances_train.json cannot be used. 12 boxes "):
        take_subset(splits_of(folder)["train"], CARS)
    assert "instances_train.json cannot be used. 12 boxes " in refused(folder, CARS, tmp_path / "out")


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch])
def test_what_is_there_already_is_kept(tmp_path, make):
    folder = dataset(tmp_path / "d", train=gt_of((1, 1, (0, 0, 9, 9))))
    make(tmp_path / "out")
    assert refused(folder, CARS, tmp_path / "out") == f"{tmp_path}/out is there already: choose another name."


def test_a_place_that_cannot_be_is_refused(tmp_path):
    folder = dataset(tmp_path / "d", train=gt_of((1, 1, (0, 0, 9, 9))))
    (tmp_path / "file").touch()
    assert "cannot be written: Not a directory." in refused(folder, CARS, tmp_path / "file" / "out")
    assert "cannot be written: File name too long." in refused(folder, CARS, tmp_path / ("x" * 300))


@pytest.mark.parametrize("moment", ["mkdir", "write", "link", "place"])
@pytest.mark.parametrize("error", [FULL, PermissionError(errno.EACCES, "Permission denied")])
def test_a_full_or_closed_disk_leaves_nothing_behind(tmp_path, monkeypatch, moment, error):
    folder = dataset(tmp_path / "d", train=gt_of((1, 1, (0, 0, 9, 9))), val=gt_of((1, 1, (0, 0, 9, 9))))
    where = {"mkdir": "pathlib.Path.mkdir", "write": "core.disk.os.fsync", "link": "core.datasets.part.link_folder"}
    calls = []

    def fail(*arguments, **options):
        calls.append(arguments)
        raise error

    with monkeypatch.context() as broken:
        broken.setattr(where.get(moment, "core.disk.os.replace"), fail)
        if moment == "place":  # the last of them, after those of the annotation files
            whole = os.replace
            broken.setattr("core.disk.os.replace", lambda a, b: fail() if Path(a).is_dir() else whole(a, b))
        said = refused(folder, CARS, tmp_path / "out")
    assert said == f"{tmp_path}/out cannot be written: {error.strerror}."
    assert calls  # it did fail there


def test_a_folder_that_has_come_meanwhile_is_not_written_over(tmp_path, monkeypatch):
    folder, out = dataset(tmp_path / "d", train=gt_of((1, 1, (0, 0, 9, 9)))), tmp_path / "out"

    def late(*arguments):
        (out / "mine").mkdir(parents=True)
        link_folder(*arguments)

    monkeypatch.setattr("core.datasets.part.link_folder", late)
    with pytest.raises(DataError, match="cannot be written: Directory not empty"):
        save_subset(splits_of(folder), CARS, out)
    assert sorted(tmp_path.iterdir()) == [folder, out] and [p.name for p in out.iterdir()] == ["mine"]


# Which images


@given(truths(), subsets)
@settings(max_examples=60, deadline=None)
def test_the_images_and_objects_are_those_that_plain_python_finds(gt, subset):
    with tempfile.TemporaryDirectory() as place:
        folder = dataset(Path(place), train=gt)
        split = splits_of(folder)["train"]
        found = take_subset(split, subset)
        path = folder / "annotations/instances_train.json"
        downloaded = _or_none(lambda: [p.id for p in choose_images(path, subset, "train")])
    names = {c["id"]: c["name"] for c in gt["categories"]}
    shown = {a["image_id"] for a in gt["annotations"] if names[a["category_id"]] in subset.classes}
    ids = [image["id"] for image in found.images]
    empty = len(set(ids) - shown)
    assert ids == subset_image_ids(split, subset) == (downloaded or [])
    assert ids == [image["id"] for image in gt["images"] if image["id"] in set(ids)]
    assert empty <= Fraction(str(subset.empty_share)) * len(ids)
    assert len(ids) <= subset.max_train or not subset.max_train
    assert subset.max_train or shown <= set(ids)
    assert found.annotations == [
        a for a in gt["annotations"] if names[a["category_id"]] in subset.classes and a["image_id"] in set(ids)
    ]
    assert found.categories == [c for c in gt["categories"] if c["name"] in subset.classes]
    assert split.to_dict() == gt, "the whole is changed"


def _or_none(action):
    with contextlib.suppress(DataError):
        return action()


@given(truths(), subsets, st.integers(1, 8))
@settings(max_examples=40, deadline=None)
def test_more_images_are_those_of_before_and_others(gt, subset, more):
    with tempfile.TemporaryDirectory() as place:
        split = splits_of(dataset(Path(place), train=gt))["train"]
    most = [subset.max_train or 1, (subset.max_train or 1) + more, 0]
    smaller, larger, all_ = (
        set(subset_image_ids(split, Subset(subset.classes, n, 0, subset.empty_share, subset.seed))) for n in most
    )
    assert smaller <= larger <= all_


def test_training_and_validation_have_limits_of_their_own(tmp_path):
    gt = gt_of(*((i, 1, (0, 0, 9, 9)) for i in range(1, 8)), images=7)
    found = saved(dataset(tmp_path / "d", train=gt, val=gt), Subset(("car",), 5, 2), tmp_path / "out")
    assert {name: len(split.images) for name, split in found.items()} == {"train": 5, "val": 2}
