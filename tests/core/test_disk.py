"""What is written appears whole or not at all, and a full disk is told from other errors."""

import errno
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from core import ConfigError
from core.disk import atomic_file, atomic_folder, flush, is_disk_full, old_path, partial_path, put_in_place


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


@pytest.fixture(scope="module")
def dead():
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


@pytest.mark.parametrize("write", [atomic_file, atomic_folder])
def test_what_a_killed_process_left_is_cleared_and_what_a_living_one_writes_stays(tmp_path, dead, write):
    left = folder_with(tmp_path / f".out-{dead}-12345678.partial", "half")
    (tmp_path / f".out-{dead}-12345679.partial").touch()
    others = (f".out-{os.getpid()}-12345678.partial", f".out-2-{dead}-12345678.partial", ".out.partial", "out-1")
    for name in others:
        (tmp_path / name).touch()
    with write(tmp_path / "out") as partial:
        assert not left.exists()
        partial.touch()
    assert names(tmp_path) == sorted([*others, "out"])


def test_a_folder_that_a_killed_process_moved_away_comes_back_before_it_is_replaced(tmp_path, dead):
    folder_with(tmp_path / f".out-{dead}-12345678.old", "old")
    with pytest.raises(KeyboardInterrupt), atomic_folder(tmp_path / "out", replace=True):
        raise KeyboardInterrupt
    assert names(tmp_path) == ["out"] and names(tmp_path / "out") == ["old"]
    folder_with(tmp_path / f".out-{dead}-12345678.old", "older")
    with atomic_folder(tmp_path / "out", replace=True):
        pass
    assert names(tmp_path) == ["out"] and names(tmp_path / "out") == []


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
