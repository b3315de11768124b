"""What is known of a data set's problems, and the one look at its pictures that all tabs share."""

import shutil

import pytest

from core.datasets.check import check_dataset
from core.datasets.layouts import find_splits
from core.datasets.problems import ProblemKind, Severity
from core.datasets.split import examine_split
from core.keep_result import KeepResult
from tests.own_folders import add, labels, mine, write, write_json
from ui.data import problems
from ui.data.problems import known_problems, picture_check
from ui.server.background import background_tasks

PATIENCE = 20


@pytest.fixture(autouse=True)
def a_desk_of_its_own():
    background_tasks.clear()
    yield
    background_tasks().stop_all(PATIENCE)
    background_tasks.clear()


def splits_of(folder):
    return {name: examine_split(place, name) for name, place in find_splits(folder).items()}


def settled(folder):
    """The problems once the pictures were looked at."""
    _, task = known_problems(folder, splits_of(folder))
    task.join(PATIENCE)
    return known_problems(folder, splits_of(folder))[0]


def finish(steps):
    work = KeepResult(steps)
    list(work)
    return work.result


@pytest.fixture
def folder(tmp_path):
    train = labels(1, 9)
    add(train, 4, 1, (0, 0, -5, 9))
    add(train, 3, 2, (150, 100, 1, 40))
    folder = write(tmp_path / "mine", {"train": train, "val": labels(101, 6)})
    (folder / "train/000006.png").unlink()
    shutil.copy(folder / "train/000001.png", folder / "val/000101.png")
    return folder


def test_in_the_end_it_is_what_the_check_finds(folder):
    assert settled(folder) == list(finish(check_dataset(folder)).problems)


def test_before_the_pictures_were_looked_at_it_is_what_the_labels_say(folder, monkeypatch):
    monkeypatch.setattr(problems, "AT_ONCE", 0)
    found, task = known_problems(folder, splits_of(folder))
    assert task is None
    assert {p.kind.unit for p in found} <= {"box", "class"} and found


def test_the_worst_comes_first_also_when_the_pictures_bring_it(tmp_path):
    folder = mine(tmp_path / "mine")
    shutil.rmtree(folder / "val")
    (folder / "val").mkdir()
    assert next(p.kind.severity for p in settled(folder)) is Severity.FATAL


def test_two_tabs_share_one_look_and_later_ones_its_result(folder):
    splits = splits_of(folder)
    first, second = (picture_check(folder, splits, start=True) for _ in range(2))
    first.join(PATIENCE)
    assert first is second is picture_check(folder, splits, start=False)


def test_changed_labels_are_looked_at_anew(folder):
    settled(folder)
    first = known_problems(folder, splits_of(folder))[1]
    data = labels(1, 9)
    write_json(folder / "annotations/instances_train.json", data | {"info": {"changed": True}})
    found, task = known_problems(folder, splits_of(folder))
    assert task is not first
    assert not any(p.kind.unit == "box" for p in found)


def test_classes_that_are_not_chosen_are_not_told_of_as_rare(folder):
    def rare(classes):
        found, _ = known_problems(folder, splits_of(folder), classes)
        return {e.detail.split(":")[0] for p in found if p.kind is ProblemKind.FEW_OBJECTS for e in p.examples}

    assert rare(None) == {"car", "dog"} and rare(("dog",)) == {"dog"}


def test_no_picture_is_looked_at_before_somebody_asks(folder):
    assert picture_check(folder, splits_of(folder), start=False) is None
    assert not background_tasks()._all
