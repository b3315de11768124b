"""JSON of a type: threads that need a type for the first time at once all get their value, and nothing crashes."""

import ast
import subprocess
import sys

import msgspec
import pytest

from core import PROJECT
from core.typed_json import convert, decode, decoder

ALONE = "core/typed_json.py"
# with msgspec's own functions this is ended by SIGSEGV within a few rounds
AT_ONCE = """
import sys, threading
import msgspec
from core.typed_json import convert, decode

sys.setswitchinterval(1e-6)
TEXT = b'{"p":[{"a":1,"c":{"d":[{"x":1,"y":[1,2]}]},"e":[{"d":[{"x":2}]}]}],"q":{"k":{"a":1,"c":{"d":[]}}}}'

def types():
    D = msgspec.defstruct("D", [("x", int), ("y", list[int], [])])
    C = msgspec.defstruct("C", [("d", list[D]), ("z", dict[str, D] | None, None)])
    B = msgspec.defstruct("B", [("a", int), ("c", C), ("e", list[C], [])])
    return msgspec.defstruct("A", [("p", list[B]), ("q", dict[str, B], {})])

def ask(kind, go, told):
    go.wait()
    told.append(decode(TEXT, kind) == convert(msgspec.json.decode(TEXT), kind))

for _ in range(100):
    kind, go, told = types(), threading.Barrier(6), []
    threads = [threading.Thread(target=ask, args=(kind, go, told)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == [True] * 6
print("whole")
"""


class Point(msgspec.Struct):
    x: int
    name: str = ""


def test_threads_that_need_a_type_for_the_first_time_at_once():
    ended = subprocess.run(
        [sys.executable, "-c", AT_ONCE],
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, "whole\n"), ended.stderr


def test_a_value_or_an_error_that_says_where():
    assert decode(b'{"x": 1, "other": 2}', Point) == decode('{"x": 1}', Point) == convert({"x": 1}, Point) == Point(1)
    with pytest.raises(msgspec.ValidationError, match=r"\$\.x"):
        decode(b'{"x": "1"}', Point)
    with pytest.raises(msgspec.ValidationError, match=r"\$\.x"):
        convert({"x": None}, Point)
    with pytest.raises(msgspec.DecodeError):
        decode(b"{", Point)
    assert decoder(list[Point]) is decoder(list[Point])


def test_nothing_else_has_msgspec_make_a_type_ready():
    typed = []
    for folder in ("core", "ui", "pages"):
        for path in sorted((PROJECT / folder).rglob("*.py")):
            name = path.relative_to(PROJECT).as_posix()
            calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
            words = [(ast.unparse(call.func), {word.arg for word in call.keywords}) for call in calls]
            typed += [
                f"{name}: {call}" for call, given in words
                if call.startswith("msgspec.") and (call.endswith((".convert", ".Decoder")) or "type" in given)
            ]  # fmt: skip
    assert {line.split(":")[0] for line in typed} == {ALONE}
