"""What is written appears whole or not at all, and a full disk is told from other errors."""

import errno
import os
import sqlite3
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from core import ConfigError
from core.disk import (
    atomic_file,
    atomic_folder,
    clear_leftovers,
    flush,
    hidden_path,
    is_disk_full,
    old_path,
    partial_path,
    put_in_place,
)
from tests.killed import killed_at


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def folder_with(path, name):
    path.mkdir()
    (path / name).touch()
    return path


def failing_replace(monkeypatch, fails):
    replace = os.replace

    def refuse(source, target):
        if fails(Path(source), Path(target)):
            raise PermissionError(errno.EACCES, "Permission denied")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_appears_at_the_end_of_the_block(tmp_path, durable):
    target = tmp_path / "new" / "file.txt"
    for text in ("one", "two"):
        with atomic_file(target, durable=durable) as partial:
            partial.write_text(text)
            assert partial.parent == target.parent and partial.name.startswith(".file.txt-")
            assert not target.exists() if text == "one" else target.read_text() == "one"
        assert target.read_text() == text
        assert names(target.parent) == ["file.txt"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_block_that_fails_leaves_the_file_that_was_there(tmp_path, error):
    target = tmp_path / "file.txt"
    target.write_text("old")

    def write():
        with atomic_file(target) as partial:
            partial.write_text("half")
            raise error

    with pytest.raises(type(error)):
        write()
    assert target.read_text() == "old" and names(tmp_path) == ["file.txt"]


def test_a_durable_file_has_its_name_only_when_its_bytes_are_on_the_disk(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(os, "fsync", lambda _: calls.append(names(tmp_path)))
    with atomic_file(tmp_path / "file", durable=True) as partial:
        partial.write_bytes(b"x")
    flush(tmp_path / "file")
    assert calls == [[partial.name], ["file"]]


def test_two_that_write_one_file_at_once_do_not_meet(tmp_path):
    with atomic_file(tmp_path / "file") as one, atomic_file(tmp_path / "file") as two:
        one.write_text("one")
        two.write_text("two")
    assert (tmp_path / "file").read_text() == "one", "the one that ended last"


def test_a_folder_appears_at_the_end_of_the_block(tmp_path):
    target = tmp_path / "deep" / "out"
    with atomic_folder(target) as partial:
        assert names(partial) == [] and not target.exists()
        (partial / "file").touch()
    assert names(target) == ["file"] and names(target.parent) == ["out"]


def test_a_folder_that_is_there_is_replaced_only_if_that_is_wanted(tmp_path):
    target = folder_with(tmp_path / "out", "old")
    with pytest.raises(OSError, match="not empty"), atomic_folder(target) as partial:
        (partial / "new").touch()
    assert names(target) == ["old"]
    with atomic_folder(target, replace=True) as partial:
        (partial / "new").touch()
    assert names(target) == ["new"] and names(tmp_path) == ["out"]


@pytest.mark.parametrize("replace", [False, True])
def test_a_block_that_fails_leaves_the_folder_that_was_there(tmp_path, replace):
    target = folder_with(tmp_path / "out", "old")
    with pytest.raises(KeyboardInterrupt), atomic_folder(target, replace=replace):
        raise KeyboardInterrupt
    assert names(target) == ["old"] and names(tmp_path) == ["out"]


@pytest.mark.parametrize("step", ["the old one away", "the new one in"])
def test_a_failed_exchange_keeps_the_old_folder(tmp_path, monkeypatch, step):
    target, partial = folder_with(tmp_path / "out", "old"), folder_with(tmp_path / ".out.partial", "new")
    failing_replace(monkeypatch, lambda source, _: source == (target if step == "the old one away" else partial))
    with pytest.raises(PermissionError):
        put_in_place(partial, target, old_path(target))
    assert names(target) == ["old"]


def test_what_a_process_that_died_left_of_an_exchange_is_cleared_by_the_next(tmp_path):
    target = folder_with(tmp_path / "out", "old")
    folder_with(old_path(target), "older")
    put_in_place(folder_with(partial_path(target), "new"), target, old_path(target))
    assert names(target) == ["new"] and names(tmp_path) == ["out"]


def test_between_the_two_renames_the_old_folder_is_there(tmp_path, monkeypatch):
    target, seen = folder_with(old_path(tmp_path / "out"), "old"), []
    failing_replace(monkeypatch, lambda *_: seen.append(names(tmp_path)))
    put_in_place(folder_with(tmp_path / ".out.partial", "new"), tmp_path / "out", target)
    assert seen == [[".out.partial", "out.old"]] and names(tmp_path) == ["out"]


def test_everything_that_says_that_the_disk_is_full_is_understood():
    class SafetensorError(Exception):
        pass

    assert is_disk_full(OSError(errno.ENOSPC, "anything")) and is_disk_full(OSError(errno.EDQUOT, "anything"))
    assert is_disk_full(SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"))
    assert is_disk_full(RuntimeError("PytorchStreamWriter failed writing file data/12: file write failed"))

    def fail():
        try:
            raise OSError(errno.ENOSPC, "anything")
        except OSError as error:
            raise ConfigError("a sentence") from error

    with pytest.raises(ConfigError) as raised:
        fail()
    assert is_disk_full(raised.value)
    for other in (None, OSError(errno.EACCES, "denied"), RuntimeError("full"), sqlite3.OperationalError("locked")):
        assert not is_disk_full(other)


# Processes that are killed

DEAD = 2**22 + 1  # more than any process's number


def contents(target):
    """What a reader finds under a folder's name, or under the one that it has while it is replaced."""
    for path in (target, old_path(target)):
        if (path / "a").exists() and (path / "b").exists():
            return (path / "a").read_text(), (path / "b").read_text()
    return None


def write_folder(target, text, **options):
    with atomic_folder(target, replace=True, **options) as unfinished:
        for name in "ab":
            (unfinished / name).write_text(text)


@pytest.mark.few(3)
@pytest.mark.parametrize("first", range(1, 12))
def test_two_kills_at_any_two_moments_leave_a_whole_folder(tmp_path, first):
    for second in count(1):
        target = tmp_path / str(second) / "last"
        options = {"old": old_path(target)}
        write_folder(target, "old", **options)
        killed_at(first, partial(write_folder, target, "new", **options))
        assert contents(target) in (("old", "old"), ("new", "new")), second
        was_killed = killed_at(second, partial(write_folder, target, "newer", **options))
        assert contents(target), second
        write_folder(target, "newest", **options)
        assert contents(target) == ("newest", "newest") and names(target.parent) == ["last"]
        if not was_killed:
            break


def test_what_a_killed_process_left_is_cleared_and_what_it_moved_away_comes_back(tmp_path):
    folder_with(tmp_path / f".whole-{DEAD}-0a1b2c3d.old", "only one")
    folder_with(tmp_path / "other", "new")
    folder_with(tmp_path / f".other-{DEAD}-0a1b2c3d.old", "replaced")
    folder_with(tmp_path / f".half-{DEAD}-0a1b2c3d.partial", "half")
    (tmp_path / f".file.txt-{DEAD}-0a1b2c3d.partial").touch()
    kept = [".a user's.partial", f".living-{os.getppid()}-0a1b2c3d.partial", "x-1-0a1b2c3d.partial"]
    for name in kept:
        (tmp_path / name).touch()
    clear_leftovers(tmp_path)
    assert names(tmp_path) == sorted([*kept, "other", "whole"])
    assert names(tmp_path / "whole") == ["only one"] and names(tmp_path / "other") == ["new"]


def test_what_this_process_writes_is_no_leftover_and_what_an_earlier_one_of_its_number_wrote_is(tmp_path):
    (tmp_path / f".earlier-{os.getpid()}-0a1b2c3d.partial").touch()
    with hidden_path(tmp_path / "mine") as mine:
        mine.touch()
        clear_leftovers(tmp_path)
        assert names(tmp_path) == [mine.name]
    clear_leftovers(tmp_path)
    assert names(tmp_path) == []
    clear_leftovers(tmp_path / "nowhere")  # nothing to clear
