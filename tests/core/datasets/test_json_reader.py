"""Whatever a JSON file is, it gives objects of the wanted type or one sentence."""

import contextlib
import gc
import json
import os
import tracemalloc
from typing import Any, TypedDict

import msgspec
import psutil
import pytest

from core import DataError
from core.datasets import json_reader
from core.datasets.json_reader import LARGE, MEMORY_FACTOR, PythonOnlyJson, decode


class Wanted(TypedDict):
    number: float


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.json"


def test_fields_that_are_not_wanted_are_skipped(path):
    path.write_text(json.dumps({"more": [[1, 2], {"a": "b"}], "number": 7}))
    assert decode(path, Wanted) == {"number": 7.0}
    assert decode(str(path), Any) == {"more": [[1, 2], {"a": "b"}], "number": 7}


def test_json_of_another_type_is_told_apart_from_broken_json(path):
    for text in ('{"number": "7"}', "{}", "[]"):
        path.write_text(text)
        with pytest.raises(msgspec.ValidationError):
            decode(path, Wanted)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1" * 400])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_numbers_that_only_python_writes_are_told_apart(path, value, mark):
    for text in (f'{{"number": {value}}}', f'{{"number":{value}}}', f'{{"number": \n{value}, "number": 1}}'):
        path.write_text(mark + text)
        with pytest.raises(PythonOnlyJson):
            decode(path, Wanted)
        assert "number" in json_reader.decode_with_python(path)


def test_a_byte_order_mark_and_space_before_it_are_passed_over(path):
    for start in ("\ufeff", " \n\t", "\ufeff \r\n"):
        path.write_bytes((start + '{"number": 1}').encode())
        assert decode(path, Wanted) == {"number": 1}


@pytest.mark.parametrize(
    "content, says",
    [
        (b"", "is empty: fetch or export it again"),
        (b"\xef\xbb\xbf", "begins with neither"),
        (b"   ", "begins with neither"),
        (b"\0" * 100, "begins with neither"),
        (b"<html>404</html>", "begins with neither"),
        (b"PK\3\4", "begins with neither"),
        (b"7", "begins with neither"),
        (
            b'{"a": 1}\n{"a": 2}\n',
            r"from byte \d+ on, where more follows .* each line is a value \(JSON lines\), make one list",
        ),
        ('{"a": "é"}'.encode("utf-16"), r"it is written as UTF-16; save it as UTF-8\."),
        (b"{", r"not valid JSON: it may be cut off or damaged; fetch or export it again\."),
        (b'{"number": 1}x', "not valid JSON from byte 1[345] on, where more follows behind its first value: if"),
        (b'{"number": 1} {"number": 1}', "not valid JSON from byte 1[345] on, where more"),
        (b'{"text": "\xe9"}', r"not valid JSON: it may be"),
        (b'{"text": "\\ud800"}', r"not valid JSON"),
        (b'{"number": nan}', "not valid JSON from byte 1[0-9] on"),
        (b"[" * 200_000, "nested without end"),
        (b'{"a":' * 200_000, "nested without end"),
    ],
)
def test_what_is_no_json_is_refused_in_one_sentence(path, content, says):
    path.write_bytes(content)
    with pytest.raises(DataError, match=says) as caught:
        decode(path, Any)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_what_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").write_text("{}")
    for name, says in (
        ("nowhere", "There is no file"),
        ("pipe", "cannot be read: it is not a file"),
        (".", "cannot be read: it is a folder"),
        ("loop", "cannot be read"),
        ("file/inside", "cannot be read"),
        ("x" * 300, "cannot be read"),
    ):
        with pytest.raises(DataError, match=says):
            decode(tmp_path / name, Any)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused(path):
    path.write_text("{}")
    path.chmod(0)
    with pytest.raises(DataError, match="cannot be read: Permission denied"):
        decode(path, Any)


@pytest.mark.parametrize("start", [b"", b"{", b"[", b'{"number": '])
def test_two_gigabytes_of_zeros_are_refused_without_being_read(path, start):
    path.write_bytes(start)
    os.truncate(path, 2_000_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"not valid JSON|only .* GB are free"):
            decode(path, Any if start == b"[" else Wanted)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_file_too_large_for_the_memory_is_refused_before_it_is_read(path, monkeypatch):
    class Little:
        available = MEMORY_FACTOR * (LARGE + 10) - 1

    monkeypatch.setattr(psutil, "virtual_memory", Little)
    path.write_text('{"number": 1}' + " " * (LARGE - 13))
    assert decode(path, Wanted) == {"number": 1}  # not large: not looked at
    os.truncate(path, LARGE + 10)
    with pytest.raises(DataError, match=r"has 0\.1 GB; reading it takes up to 0\.3 GB of memory, but only 0\.3 GB are"):
        decode(path, Wanted)
    Little.available += 1
    with pytest.raises(DataError, match="not valid JSON"):
        decode(path, Wanted)


@pytest.mark.parametrize("text", ['{"number": 1}', '{"number": "a"}', '{"num'])
def test_garbage_is_collected_afterwards_as_before(path, text):
    path.write_text(text)
    was_on = gc.isenabled()
    try:
        for switch, is_on in ((gc.disable, False), (gc.enable, True)):
            switch()
            with contextlib.suppress(DataError, msgspec.ValidationError):
                decode(path, Wanted)
            assert gc.isenabled() is is_on
    finally:
        (gc.enable if was_on else gc.disable)()


def test_the_slow_reader_takes_nan_and_leaves_polygons_beside_boxes_out(path):
    path.write_text('{"a": [{"segmentation": [[1, 2]], "bbox": [1], "b": -Infinity}, {"segmentation": [[1, 2]]}]}')
    assert json_reader.decode_with_python(path) == {
        "a": [{"bbox": [1], "b": float("-inf")}, {"segmentation": [[1, 2]]}]
    }
    for text in ('{"a": NaN', '{"a": NaN, "b": [{"name": "c\\ud800"}]}', "[" * 200_000, '{"a": ' + "1" * 5000 + "}"):
        path.write_text(text)
        with pytest.raises(DataError, match="not valid JSON: it may be cut off or damaged"):
            json_reader.decode_with_python(path)
    path.write_bytes(b'{"a": "\xe9"}')
    with pytest.raises(DataError, match="not valid JSON"):
        json_reader.decode_with_python(path)
