"""Many pictures are checked in their order and at once; those in both splits are found."""

import itertools
import os
import threading
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.datasets.picture_check import PicturesChecked, picture_problems, same_pictures
from core.datasets.problems import ProblemKind
from tests.core.datasets import picture_cases
from tests.core.datasets.picture_cases import (
    READABLE,
    SIZE,
    encoded,
    photograph,
    picture_problem,
)

write = picture_cases.write  # a fixture


# Many pictures


@pytest.fixture
def many(write):
    """300 (key, path, size), of which every 50th is missing and every 70th has another size."""
    data = encoded()
    paths = [write(data, f"{n}.jpg") for n in range(300)]
    for path in paths[::50]:
        path.unlink()
    return [(n, path, (1, 1) if n % 70 == 3 else SIZE) for n, path in enumerate(paths)]


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("workers", [1, 3, None])
def test_many_pictures_are_looked_at_in_their_order(many, workers, whole):
    steps = list(picture_problems(many, workers, whole))
    found = [entry for step in steps for entry in step.problems]
    assert found == [(key, *wrong) for key, path, size in many if (wrong := picture_problem(path, size, whole))]
    assert {key for key, kind, _ in found if kind is ProblemKind.MISSING} == set(range(0, 300, 50))
    assert [step.done for step in steps] == sorted({step.done for step in steps}) and steps[-1].done == 300
    assert len(steps) > 2  # progress can be shown


def test_no_pictures_are_nothing():
    assert list(picture_problems([])) == []


def test_few_pictures_wait_at_a_time_and_closing_stops(many):
    taken = itertools.count()
    counted = ((next(taken), many[1][1], SIZE) for _ in itertools.count())  # without end
    threads = threading.active_count()
    looks = picture_problems(counted, workers=2)
    assert next(looks).done == 128
    looks.close()
    assert next(taken) <= 128 * 6
    assert threading.active_count() == threads


def test_an_error_in_the_list_of_pictures_reaches_the_caller_and_leaves_no_thread(many):
    def broken():
        yield many[1]
        raise KeyError("mine")

    threads = threading.active_count()
    with pytest.raises(KeyError, match="mine"):
        list(picture_problems(broken()))
    assert threading.active_count() == threads


def test_warnings_of_others_are_heard_while_pictures_are_read(write):
    def items():
        warnings.warn("mine", UserWarning, stacklevel=1)
        yield 1, write(encoded()), SIZE

    with pytest.warns(UserWarning, match="mine"):
        assert list(picture_problems(items())) == [PicturesChecked(1)]


# The same picture twice


def same(folder: Path, files: dict) -> list:
    """The groups of the same pictures, given as file name to content; None is not written."""
    for name, content in files.items():
        if content is not None:
            (folder / name).write_bytes(content)
    return same_pictures((name, folder / name) for name in files)


def test_pictures_with_the_same_bytes_are_the_same_whatever_they_are_called(tmp_path):
    a, b, c = (encoded(photograph(seed=seed)) for seed in (1, 2, 3))
    assert same(tmp_path, {"x": a, "y": b, "p": c, "q": b, "r": a, "z": b}) == [["x", "r"], ["y", "q", "z"]]


def test_files_of_one_size_that_differ_in_a_byte_are_not_the_same(tmp_path):
    data = bytearray(encoded(photograph((200, 100)), "BMP"))  # larger than the tail that is compared first
    places = (0, 100, len(data) // 2, len(data) - 1)
    others = [bytes(data[:at]) + bytes([data[at] ^ 1]) + bytes(data[at + 1 :]) for at in places]
    assert same(tmp_path, {"x": bytes(data)} | {f"{n}": other for n, other in enumerate(others)}) == []


def test_links_are_the_same_picture_and_unreadable_files_are_none(tmp_path):
    (tmp_path / "a.jpg").write_bytes(encoded())
    (tmp_path / "soft.jpg").symlink_to(tmp_path / "a.jpg")
    os.link(tmp_path / "a.jpg", tmp_path / "hard.jpg")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "folder.jpg").mkdir()
    odd = [(name, tmp_path / name) for name in ("empty.jpg", "folder.jpg", "missing.jpg", "nul\0.jpg")]
    files = [(name, tmp_path / name) for name in ("soft.jpg", "hard.jpg", "a.jpg")]
    twice = [*odd, *files, (7, tmp_path / "missing.jpg"), (8, tmp_path / "a.jpg")]
    assert same_pictures(twice) == [["soft.jpg", "hard.jpg", "a.jpg", 8]]
    assert same_pictures(twice, unread=True) == [["soft.jpg", "hard.jpg", "a.jpg", 8], ["missing.jpg", 7]]
    assert same_pictures([]) == same_pictures(odd) == same_pictures(files[:1]) == []


@settings(max_examples=60, deadline=None, suppress_health_check=[READABLE])
@given(st.lists(st.binary(max_size=2), max_size=12))
def test_the_groups_are_those_of_comparing_all_with_all(tmp_path_factory, contents):
    folder = tmp_path_factory.mktemp("same")
    expected = [
        [str(n) for n, c in enumerate(contents) if c == content] for content in dict.fromkeys(contents) if content
    ]
    assert same(folder, {f"{n}": c for n, c in enumerate(contents)}) == [group for group in expected if len(group) > 1]
