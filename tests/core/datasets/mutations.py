"""Changing a file at random: bits, bytes and slices of any file, values of JSON, words of text."""

import copy
import json
import random
import re
from typing import Any

NESTED: list[Any] = []
for _ in range(60):
    NESTED = [NESTED]
VALUES = (  # what a JSON value, or a word of a text, may become
    None, True, False, 0, -1, 0.5, 1e308, -1e308, 2**31, 2**53, 2**63, 10**29, -(10**29), 10**400, float("nan"),
    float("inf"), -float("inf"), "", "7", "NaN", "x" * 100_000, "a\0b", "\u202egnp.a\u202c", "\x1b[31m", "a\nb",
    "../../../etc/passwd", "/dev/zero", "a" * 300, "\ud800", "é", "😀", "![x](https://x)", "<b>", "=1+1", [], {},
    NESTED, [[1, 2, 3, 4]], [0.0] * 1000, {"a": {"b": 1}}, [None] * 4, [float("nan")] * 4, [1e300] * 4, -0.0, 1e-320,
)  # fmt: skip
BYTES = (
    b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\xe2\x80\xae", b"\n", b"\r", b"\x1b[2J", b"\xed\xa0\x80", b"\x80", b"{",
    b"]", b'"', b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&b;", b"\0" * 5000, b"9" * 5000, b"-" * 99, b"1e999 ", b"nan ",
    b"*a &a ", b"!!python/object:os.system ", b"<" * 3000, b"[" * 3000, b"a: " * 3000, b"9" * 26 + b" ",
)  # fmt: skip


def mutated(data: bytes, suffix: str, rng: random.Random) -> bytes:
    """Return a file's bytes, changed once to four times."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        ways = [flip, cut, without, inserted, repeated, swapped]
        ways += [json_value] * 9 if suffix == ".json" else []
        ways += [word] * 6 if suffix in (".json", ".txt", ".xml", ".yaml") else []
        data = rng.choice(ways)(data, rng)
    return data


def flip(data: bytes, rng: random.Random) -> bytes:
    """Turn over some bits."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 3, 30)) if data else 0):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut(data: bytes, rng: random.Random) -> bytes:
    """Leave out an end."""
    return data[: rng.randint(0, len(data))]


def without(data: bytes, rng: random.Random) -> bytes:
    """Leave out a part."""
    begin = rng.randint(0, len(data))
    return data[:begin] + data[begin + rng.choice((1, 4, 50)) :]


def inserted(data: bytes, rng: random.Random) -> bytes:
    """Put something in, known to be odd or random."""
    place = rng.randint(0, len(data))
    return data[:place] + rng.choice((rng.choice(BYTES), rng.randbytes(rng.choice((1, 8, 200))))) + data[place:]


def repeated(data: bytes, rng: random.Random) -> bytes:
    """Repeat a part some times."""
    begin = rng.randint(0, len(data))
    part = data[begin : begin + rng.choice((1, 20, 300))]
    return data[:begin] + part * rng.choice((2, 50)) + data[begin:]


def swapped(data: bytes, rng: random.Random) -> bytes:
    """Overwrite a part with another one."""
    begin, other = rng.randint(0, len(data)), rng.randint(0, len(data))
    length = rng.choice((1, 4, 40))
    return data[:begin] + data[other : other + length] + data[begin + length :]


def word(data: bytes, rng: random.Random) -> bytes:
    """Replace a word or a number of a text."""
    words = list(re.finditer(rb"[\w.+-]+", data))
    if not words:
        return data
    match, value = rng.choice(words), rng.choice(VALUES)
    return data[: match.start()] + str(value).encode(errors="surrogatepass") + data[match.end() :]


def json_value(data: bytes, rng: random.Random) -> bytes:
    """Replace, leave out or double a value of a JSON document, however deep it stands."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return flip(data, rng)
    places = [(None, None)]

    def visit(node: Any) -> None:
        for key in list(node) if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], dict | list):
                visit(node[key])

    if isinstance(document, dict | list):
        visit(document)
    node, key = rng.choice(places)
    if node is None:
        document = a_value(rng) if rng.random() < 0.2 else [document]
    elif rng.random() < 0.15:
        del node[key]
    elif isinstance(node, list) and rng.random() < 0.2:
        node.insert(key, node[key])
    else:
        node[key] = a_value(rng)
    return json.dumps(document).encode()


def a_value(rng: random.Random) -> Any:
    """Choose a value, a copy: what is changed further must not change the next file."""
    return copy.deepcopy(rng.choice(VALUES))
