"""Every kind of problem is found where it is, with its number, and nowhere else."""

import hashlib
import json
import shutil
from collections import Counter

import pytest
from PIL import Image

from core import DataError
from core.datasets.check import (
    FEW,
    check_annotations,
    check_dataset,
    objects_by_class,
)
from core.datasets.layouts import find_splits
from core.datasets.part import filter_to_classes
from core.datasets.problems import ProblemKind, Severity
from core.datasets.split import examine_split, read_split
from tests.core.coco_cases import from_env
from tests.core.datasets import check_cases as cases
from tests.core.datasets.check_cases import BOX, CASES, FEW_KINDS, dataset, finish, gt_small, picture, sound
from tests.core.datasets.convert.of_conversions import OF_CONVERSIONS


def found(folder, whole=False):
    """(kind, split) to its count, of everything that check finds."""
    report, _ = finish(check_dataset(folder, whole))
    assert [p.kind for p in report.problems] == [k for k in ProblemKind for p in report.problems if p.kind is k]
    counts = Counter((p.kind, p.split) for p in report.problems)
    assert set(counts.values()) <= {1}
    return {(p.kind, p.split): p.count for p in report.problems}


def without_few(counts):
    return {key: count for key, count in counts.items() if key[0] not in FEW_KINDS}


@pytest.mark.parametrize("case", CASES)
def test_exactly_the_problems_that_are_there_are_found(tmp_path, case):
    expected = case(tmp_path / "data")
    report, _ = finish(check_dataset(tmp_path / "data"))
    shown = {(p.kind, p.split): [(e.image_id, e.annotation_ids) for e in p.examples] for p in report.problems}
    assert {key: some for key, some in shown.items() if expected.get(key, ()) is not None} == {
        key: some for key, some in expected.items() if some is not None
    }
    assert set(shown) == set(expected)
    of_file = {ProblemKind.BOX_FORMAT: 12}  # boxes, of which one example tells
    assert found(tmp_path / "data") == {key: of_file.get(key[0]) or len(shown[key]) or 1 for key in expected}


def test_there_is_a_case_for_every_kind(tmp_path):
    kinds = {kind for i, case in enumerate(CASES) for kind, _ in case(tmp_path / str(i))}
    assert kinds == set(ProblemKind) - OF_CONVERSIONS


@pytest.mark.parametrize("case", CASES)
def test_a_report_is_json_and_says_whether_a_training_may_begin(tmp_path, case):
    case(tmp_path / "data")
    report, _ = finish(check_dataset(tmp_path / "data"))
    said = json.loads(json.dumps(report.to_dict()))
    assert said["folder"] == str(tmp_path / "data")
    assert said["fit"] is not case.__name__.startswith("fatal")
    assert said["fit"] is not bool(report.of(Severity.FATAL))
    assert [p["kind"] for p in said["problems"]] == [p.kind.key for p in report.problems]
    splits = {name: examine_split(place, name) for name, place in find_splits(tmp_path / "data").items()}
    assert said["images"] == {name: len(split.images) for name, split in splits.items()}
    assert said["annotations"] == {name: len(split.annotations) for name, split in splits.items()}
    assert sum(len(report.of(severity)) for severity in Severity) == len(report.problems)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("whole", [False, True])
def test_nothing_of_the_users_is_changed(tmp_path, case, whole):
    def files():
        paths = sorted(path for path in tmp_path.rglob("*") if path.is_file())
        return [(path, path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).digest()) for path in paths]

    case(tmp_path / "data")
    before = files()
    finish(check_dataset(tmp_path / "data", whole))
    assert files() == before


# Clean data, one split, one file


def test_a_clean_data_set_has_no_problem_but_few_objects(street):
    assert without_few(found(street)) == without_few(found(street, whole=True)) == {}


def test_every_picture_is_counted_once_while_looking(street):
    _, steps = finish(check_dataset(street))
    assert steps[-1] == (18, 18)
    assert steps == sorted(steps) and {total for _, total in steps} == {18}


def test_a_class_is_rare_below_the_limit_and_only_if_it_has_objects(tmp_path):
    boxes = [(1, 1, (i, 4, 20, 20)) for i in range(FEW)] + [(1, 2, (i, 4, 20, 20)) for i in range(FEW - 1)]
    boxes += [(1, 2, BOX, {"iscrowd": 1})]
    gt = gt_small(*boxes, categories=("car", "dog", "bus"))
    report, _ = finish(check_dataset(dataset(tmp_path / "data", train=gt)))
    (few,) = [p for p in report.problems if p.kind is ProblemKind.FEW_OBJECTS]
    assert [e.detail for e in few.examples] == ["dog: 19"]
    assert objects_by_class(read_split(tmp_path / "data", "train")) == {"car": 20, "dog": 19, "bus": 0}


def test_a_data_set_of_one_split_is_not_compared_with_another(tmp_path):
    assert without_few(found(dataset(tmp_path / "data", val=gt_small((1, 1, BOX))))) == {
        (ProblemKind.NO_SPLIT, "train"): 1
    }
    assert (ProblemKind.ONE_SPLIT, "") not in found(tmp_path / "data")


def test_a_single_file_is_told_of_once(tmp_path):
    gt = gt_small(*((i, 1, BOX) for i in range(1, 11)), images=10)
    gt["annotations"] += [dict(a, id=a["id"] + 50, bbox=[1, 1, 0, 0]) for a in gt["annotations"]]
    folder = dataset(tmp_path / "data", images=gt)
    (folder / "annotations/instances_images.json").rename(folder / "labels.json")
    (folder / "images/4.jpg").unlink()
    report, steps = finish(check_dataset(folder))
    assert report.images == {"train": 8, "val": 2} and steps[-1] == (10, 10)
    counts = Counter()
    for p in report.problems:
        counts[p.kind] += p.count
    assert counts == {ProblemKind.NO_EXTENT: 10, ProblemKind.MISSING: 1, ProblemKind.FEW_OBJECTS: 2}


def test_a_cut_off_picture_is_found_and_damage_inside_only_by_the_whole(tmp_path):
    folder = dataset(tmp_path / "data", train=gt_small(*((i, 1, BOX) for i in range(1, 6)), images=5))
    content = (folder / "train/1.jpg").read_bytes()
    (folder / "train/1.jpg").write_bytes(content[:-20])
    assert found(folder)[ProblemKind.UNREADABLE, "train"] == 1
    picture(folder / "train/2.png")
    content = (folder / "train/2.png").read_bytes()
    start = content.index(b"IDAT") + 8
    (folder / "train/2.jpg").write_bytes(content[:start] + b"\xff" * 8 + content[start + 8 :])
    assert (
        found(folder)[ProblemKind.UNREADABLE, "train"],
        found(folder, whole=True)[ProblemKind.UNREADABLE, "train"],
    ) == (1, 2)


def test_what_is_no_data_set_is_refused(tmp_path):
    with pytest.raises(DataError, match="There is no data set folder"):
        finish(check_dataset(tmp_path / "nowhere"))
    folder = dataset(tmp_path / "data", train=gt_small())
    (folder / "annotations/instances_train.json").write_text("{")
    with pytest.raises(DataError, match="not valid JSON"):
        finish(check_dataset(folder))


def test_labels_are_checked_without_pictures(tmp_path):
    expected = cases.in_the_labels(tmp_path / "data")
    splits = {name: read_split(tmp_path / "data", name) for name in ("train", "val")}
    shutil.rmtree(tmp_path / "data/train")
    assert {(p.kind, p.split) for p in check_annotations(splits)} == set(expected)


# Real photographs


def test_real_photographs_have_known_problems_only():
    folder = from_env("DETR_LAB_COCO")
    counts = without_few(found(folder))
    assert not [key for key in counts if key[0].severity in (Severity.FATAL, Severity.DROPPED)]
    assert counts == without_few(found(folder, whole=True))
    train, val, _ = sound(folder)
    assert (len(train.images), len(val.images)) == (70, 72)
    assert filter_to_classes(train, ["person"]).images


@pytest.mark.parametrize("damage", ["size", "bytes"])
def test_a_split_of_which_nothing_can_be_used_is_not_fit(tmp_path, damage):
    dataset(tmp_path, train=gt_small((1, 1, BOX), images=2), val=gt_small((1, 1, BOX)))
    for path in (tmp_path / "train").iterdir():
        Image.new("RGB", (7, 9)).save(path) if damage == "size" else path.write_bytes(b"")
    report, _ = finish(check_dataset(tmp_path))
    assert not report.is_fit and report.totals.pictures.used == 1
    fatal = [(problem.kind, problem.split) for problem in report.of(Severity.FATAL)]
    assert fatal == [(ProblemKind.NO_IMAGES, "train")]


def test_pictures_that_cannot_be_read_are_not_said_to_repeat_each_other(tmp_path):
    """As where Git LFS left a pointer in the place of each."""
    dataset(tmp_path, train=gt_small((1, 1, BOX), images=2), val=gt_small((1, 1, BOX)))
    for path in (*(tmp_path / "train").iterdir(), *(tmp_path / "val").iterdir()):
        path.write_bytes(b"version https://git-lfs.github.com/spec/v1")
    report, _ = finish(check_dataset(tmp_path))
    assert not {problem.kind for problem in report.problems} & {ProblemKind.LEAK, ProblemKind.REPEATED}
