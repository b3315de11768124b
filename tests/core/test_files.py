"""The one door to files of others: no pipe, no device, nothing too large."""

import os
import socket

import pytest

from core.files import FileRefused, open_file, read_bytes


def test_a_pipe_a_folder_a_device_and_a_socket_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "socket"))
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for name, reason in (("pipe", "not a file"), ("link", "not a file"), ("folder", "a folder"), ("socket", "not a f")):
        with pytest.raises(FileRefused, match=reason):
            open_file(tmp_path / name)
    with pytest.raises(FileRefused, match="not a file"):
        open_file("/dev/zero")
    listening.close()


def test_a_file_that_is_too_large_is_refused_and_one_as_large_as_allowed_is_read(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_bytes(path, 5) == b"12345"
    with pytest.raises(FileRefused, match="5 bytes, more than the 4"):
        read_bytes(path, 4)


def test_a_file_that_says_it_is_empty_and_is_not_is_read_no_further_than_allowed():
    with pytest.raises(FileRefused, match="more than the 10 bytes"):
        read_bytes("/proc/self/status", 10)


@pytest.mark.parametrize("name", ["nothing", "a\0b", "x" * 300])
def test_what_is_missing_or_can_be_no_name_is_an_os_error(tmp_path, name):
    with pytest.raises(OSError, match=r".") as raised:
        read_bytes(f"{tmp_path}/{name}", 10)
    assert not isinstance(raised.value, FileRefused)
