"""Renames, links and copies, also as on a system that refuses what Linux does."""

import errno
import os
from pathlib import Path

import pytest

from core.disk import atomic_file, atomic_folder
from core.system import moves

NO_RIGHT = OSError(errno.EPERM, "A required privilege is not held by the client")


@pytest.fixture
def elsewhere(monkeypatch):
    """As on Windows: what is open is not replaced, so many times, and a folder takes no other's place."""
    rename, is_open = os.replace, {}

    def replace(source, target):
        if is_open.get(target, 0):
            is_open[target] -= 1
            raise PermissionError(errno.EACCES, "The process cannot access the file")
        if os.path.isdir(target):
            raise PermissionError(errno.EACCES, "Access is denied")
        rename(source, target)

    monkeypatch.setenv("DETR_LAB_LACKS", "replacing")
    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(moves, "PAUSES", (0.0, 0.0, 0.0))
    return is_open


def test_a_file_that_a_reader_has_open_for_a_moment_is_replaced(tmp_path, elsewhere):
    target = tmp_path / "a.txt"
    target.write_text("old")
    elsewhere[target] = 2
    with atomic_file(target) as partial:
        partial.write_text("new")
    assert target.read_text() == "new" and os.listdir(tmp_path) == ["a.txt"]


def test_a_file_that_stays_open_stays_as_it_is(tmp_path, elsewhere):
    target = tmp_path / "a.txt"
    target.write_text("old")
    elsewhere[target] = 9
    with pytest.raises(PermissionError), atomic_file(target) as partial:
        partial.write_text("new")
    assert target.read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]


def test_a_folder_takes_the_place_of_an_empty_one_and_of_no_other(tmp_path, elsewhere):
    (tmp_path / "empty").mkdir()
    with atomic_folder(tmp_path / "empty") as partial:
        (partial / "mine").touch()
    assert os.listdir(tmp_path / "empty") == ["mine"]
    with pytest.raises(PermissionError), atomic_folder(tmp_path / "empty") as partial:
        (partial / "other").touch()
    assert os.listdir(tmp_path / "empty") == ["mine"] and os.listdir(tmp_path) == ["empty"]
    with atomic_folder(tmp_path / "empty", replace=True) as partial:
        (partial / "third").touch()
    assert os.listdir(tmp_path / "empty") == ["third"] and os.listdir(tmp_path) == ["empty"]


def test_a_file_takes_no_folders_place(tmp_path, elsewhere):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(PermissionError):
        moves.replace(tmp_path / "file", tmp_path / "empty")
    assert (tmp_path / "empty").is_dir()


@pytest.fixture(params=["linked", "copied"])
def without_links(request, monkeypatch):
    """As where only some users may link folders, on a disk with or without hard links."""

    def refuse(*arguments, **options):
        raise NO_RIGHT

    monkeypatch.setattr(os, "symlink", refuse)
    if request.param == "copied":
        monkeypatch.setattr(os, "link", refuse)
    return request.param


def test_without_links_a_folder_has_the_same_pictures(tmp_path, without_links):
    (tmp_path / "from/deep/er").mkdir(parents=True)
    (tmp_path / "from/.hidden").mkdir()
    for name in ("a.jpg", "deep/er/b.jpg", ".hidden/c.jpg", ".d.jpg"):
        (tmp_path / "from" / name).write_text(name)
    os.mkfifo(tmp_path / "from/pipe.jpg")
    moves.link_folder(tmp_path / "from", tmp_path / "to")
    made = {path.relative_to(tmp_path / "to").as_posix() for path in (tmp_path / "to").rglob("*") if path.is_file()}
    assert made == {"a.jpg", "deep/er/b.jpg"} and (tmp_path / "to/deep/er/b.jpg").read_text() == "deep/er/b.jpg"
    is_same = os.path.samefile(tmp_path / "to/a.jpg", tmp_path / "from/a.jpg")
    assert is_same == (without_links == "linked") == moves.is_shared(tmp_path / "to/a.jpg")


def test_without_links_a_folder_inside_of_what_it_shows_ends(tmp_path, without_links):
    (tmp_path / "a.jpg").write_text("a")
    with atomic_folder(tmp_path / "out") as partial:
        moves.link_folder(tmp_path, partial / "pictures")
    assert sorted(path.name for path in (tmp_path / "out").rglob("*")) == ["a.jpg", "pictures"]


def test_a_users_picture_is_not_opened_to_be_flushed(tmp_path, without_links, monkeypatch):
    """It may be closed to writing, and nobody has written it."""
    (tmp_path / "from").mkdir()
    (tmp_path / "from/a.jpg").write_text("a")
    flushed = []
    monkeypatch.setattr("core.disk.flush", flushed.append)
    with atomic_folder(tmp_path / "out", durable=True) as partial:
        moves.link_folder(tmp_path / "from", partial / "pictures")
        (partial / "own.json").write_text("{}")
    names = {path.name for path in flushed}
    assert names == ({"own.json"} if without_links == "linked" else {"own.json", "a.jpg"})


def test_a_full_disk_is_no_reason_to_copy(tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "symlink", full)
    (tmp_path / "from").mkdir()
    with pytest.raises(OSError, match="No space left"):
        moves.link_folder(tmp_path / "from", tmp_path / "to")
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize("has_links", [True, False])
def test_a_name_that_is_taken_stays_another_files(tmp_path, monkeypatch, has_links):
    first, second, target = (tmp_path / name for name in ("first", "second", "target"))
    first.write_text("1")
    second.write_text("2")
    if not has_links:
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(NO_RIGHT))
    moves.take_name(first, target)
    moves.take_name(second, target)
    assert Path(target).read_text() == "1"
