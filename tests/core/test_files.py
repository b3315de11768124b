"""The one door to files of others: no pipe, no device, nothing too large."""

import os
import socket
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.files import FileRefused, open_file, read_bytes, typed_path


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


# Paths that a person typed


@pytest.mark.parametrize(
    "text",
    ["{}", " {}", "{} ", "\t{}\r\n", '"{}"', "'{}'", " “{}” ", "`{}`", "\u202a{}", "\u202a{}\u202c", "\ufeff{}", "<{}>",
     '"{}" ', "' {} '", "\xa0{}\xa0", "{}/", "file://{}", "file://localhost{}", '"file://{}"'],
)  # fmt: skip
@pytest.mark.parametrize("name", ["birds", "my birds, 2", "it's", "a'b'", "50%", "ä~x", "{x}"])
def test_a_pasted_path_is_the_folder_that_is_meant(tmp_path, text, name):
    folder = tmp_path / name
    folder.mkdir()
    path = quote(str(folder)) if "file:" in text else str(folder)
    assert Path(typed_path(text.replace("{}", path))) == folder


def test_a_folder_whose_name_is_odd_is_taken_at_its_word(tmp_path):
    for name in ["ends with a space ", '"quoted"', "back\\ slash", "$HOME", "~"]:
        (tmp_path / name).mkdir()
        assert typed_path(str(tmp_path / name)) == str(tmp_path / name)
        assert typed_path(name, tmp_path) == name


def test_home_variables_and_a_shells_backslashes_are_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PICTURES", str(tmp_path / "my birds (2)"))
    (tmp_path / "my birds (2)").mkdir()
    for text in ["~/my birds (2)", '"~/my birds (2)"', "$PICTURES", "${PICTURES}", r"~/my\ birds\ \(2\)"]:
        assert typed_path(text) == str(tmp_path / "my birds (2)")
    assert typed_path("~") == str(tmp_path)


@pytest.mark.parametrize(
    ("text", "path"),
    [(r' "C:\data\my birds" ', r"C:\data\my birds"), ("file:///C:/data/my%20birds", "C:/data/my birds"),
     ("file://server/share", "file://server/share"), ("file://[", "file://["), ("", ""), ("  ", ""), ('""', ""),
     ('"', '"'),
     ("facebook/detr-resnet-50 ", "facebook/detr-resnet-50"), ("\x00", "\x00"), ("a\ud800", "a\ud800")],
)  # fmt: skip
def test_what_is_not_there_is_the_plainest_reading(text, path):
    assert typed_path(text) == path


@given(st.text(max_size=40))
@example("~a\x00b")
@example("~\ud800")
@example("file://[")
def test_any_text_is_some_path_without_quotes_around_it(text):
    path = typed_path(text)
    assert path == path.strip() or os.path.exists(text)
