"""No pattern takes long for a text that somebody else wrote: each of the library's is tried with the worst ones for it.

Python's `re` tries every way in which a text may match, and holds up the whole process meanwhile: a line of a label
file could stop the server for hours. The texts are made of the pattern: what it repeats is repeated, and then it fails.
"""

import ast
import re
import signal
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

import pytest

from core.datasets.convert.formats.rows import PICTURE
from core.datasets.convert.source import BEGINNING
from core.datasets.convert.to_coco import FORMATS
from tests.suite import IN_CI

ROOT = Path(__file__).resolve().parent.parent
METHODS = {"match", "search", "fullmatch", "sub", "subn", "split", "findall", "finditer"}
LENGTH, SECONDS = 30_000, 0.2  # characters of a text, and of a core: quadratic time takes more, linear a hundredth
SEEDS = 6 if IN_CI else 2
FAILING = ("\0", "x/", " !")  # ends with which most patterns fail
CLASSES = {
    "CATEGORY_DIGIT": r"\d", "CATEGORY_NOT_DIGIT": r"\D", "CATEGORY_SPACE": r"\s", "CATEGORY_NOT_SPACE": r"\S",
    "CATEGORY_WORD": r"\w", "CATEGORY_NOT_WORD": r"\W",
}  # fmt: skip
REPEATS = (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT)


class Tried(Exception):
    """The time is over."""


def patterns() -> dict[tuple[str | bytes, int], set[str]]:
    """Return the library's patterns and flags, each with the methods that it is used with."""
    trees = [ast.parse(path.read_text()) for top in ("core", "ui", "pages") for path in (ROOT / top).rglob("*.py")]
    names, used = {}, defaultdict(set)
    compiled: dict[tuple[str | bytes, int], set[str]] = defaultdict(set)
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr in METHODS:
                used[node.value.id].add(node.attr)
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re.") and node.args:
                method, first = node.func.attr, node.args[0]
                if not isinstance(first, ast.Constant):
                    continue
                flags = 0
                for word in re.findall(r"re\.([A-Z]+)\b", ast.unparse(node)):
                    flags |= getattr(re, word)
                if method == "compile":
                    names[first.value, flags] = [
                        target.id
                        for one in ast.walk(tree)
                        if isinstance(one, ast.Assign) and one.value is node
                        for target in one.targets
                    ]
                elif method in METHODS:
                    compiled[first.value, flags].add(method)
    for key, called in names.items():
        compiled[key] |= set().union(*(used[name] for name in called)) or {"search"}
    compiled[PICTURE.pattern, re.IGNORECASE].add("match")
    return compiled


def sample(tree: Any, random: Random, target: object, pumped: int) -> tuple[str, bool]:
    """Return a text that a parsed pattern may match, up to the end of the repeat `target`; whether that was reached."""
    text = ""
    for node in tree:
        kind, value = node
        if kind is sre.LITERAL:
            part, ends = chr(value), False
        elif kind is sre.NOT_LITERAL or kind is sre.ANY:
            part, ends = random.choice('a1 -."'), False
        elif kind is sre.IN:
            part, ends = chosen(value, random), False
        elif kind in REPEATS:
            low, high, body = value
            count = random.randint(low, min(low + 3, high)) if high > low else low
            if node is target:
                part, ends = "", True
                once = [sample(body, random, None, 0)[0] for _ in range(3)]
                count = min(int(high), max(3, pumped // max(1, len("".join(once)) // 3)))
                part = "".join(once[i % 3] for i in range(count))
            else:
                part, ends = "", False
                for _ in range(max(count, 1 if holds(body, target) else 0)):
                    more, ends = sample(body, random, target, pumped)
                    part += more
                    if ends:
                        break
        elif kind is sre.SUBPATTERN:
            part, ends = sample(value[-1], random, target, pumped)
        elif kind is sre.ATOMIC_GROUP:
            part, ends = sample(value, random, target, pumped)
        elif kind is sre.BRANCH:
            branches = [branch for branch in value[1] if holds(branch, target)] or value[1]
            part, ends = sample(random.choice(branches), random, target, pumped)
        else:  # a look to the side, a place
            part, ends = "", False
        text += part
        if ends:
            return text, True
    return text, False


def holds(tree: Any, target: object) -> bool:
    return any(node is target for node in repeats(tree))


def repeats(tree: Any) -> Iterator[object]:
    """Yield the repeats in a parsed pattern."""
    for node in tree:
        kind, value = node
        if kind in REPEATS:
            yield node
            yield from repeats(value[2])
        elif kind is sre.SUBPATTERN:
            yield from repeats(value[-1])
        elif kind is sre.ATOMIC_GROUP:
            yield from repeats(value)
        elif kind is sre.BRANCH:
            for branch in value[1]:
                yield from repeats(branch)


def chosen(choices: Any, random: Random) -> str:
    """Return a character of a set; of one that excludes some, one of the usual that it does not."""
    one = re.compile("[" + "".join(map(shown, choices)) + "]")
    fitting = [letter for letter in "1a0 A-_.x\"\\'eé:/{[" if one.match(letter)]
    kind, value = choices[-1]
    return random.choice(fitting) if fitting else chr(value if kind is sre.LITERAL else value[0])


def shown(choice: Any) -> str:
    kind, value = choice
    if kind is sre.NEGATE:
        return "^"
    if kind is sre.LITERAL:
        return re.escape(chr(value))
    if kind is sre.RANGE:
        return f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}"
    return CLASSES[str(value)]


def is_slow(pattern: str | bytes, flags: int, methods: set[str], length: int) -> str | None:
    """Return the beginning of a text that takes a pattern longer than SECONDS; None if there seems to be none."""
    tree, tried = _parser.parse(pattern, flags), re.compile(pattern, flags)
    nothing = b"" if isinstance(pattern, bytes) else ""
    way = partial(tried.sub, nothing)
    if methods <= {"match", "fullmatch"}:
        way = tried.fullmatch if methods == {"fullmatch"} else tried.match
    texts = set()
    for target in [None, *repeats(tree)]:
        for seed in range(SEEDS):
            text, _ = sample(tree, Random(seed), target, length)
            if target is None:
                text *= length // max(len(text), 1)
            texts |= {text[:length] + end for end in FAILING}
    for text in sorted(texts):
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
        try:
            way(text.encode() if isinstance(pattern, bytes) else text)
        except Tried:
            return text[:60]
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return None


def _over(*_: object) -> None:
    raise Tried


@pytest.fixture
def timer():
    before = signal.signal(signal.SIGVTALRM, _over)
    yield
    signal.signal(signal.SIGVTALRM, before)


def test_no_pattern_takes_long(timer):
    library = patterns()
    slow = {key[0]: text for key, methods in library.items() if (text := is_slow(*key, methods, LENGTH))}
    signs = {sign for format_ in FORMATS.values() for sign in getattr(format_, "signs", ())}
    slow |= {sign: text for sign in signs if (text := is_slow(sign, re.DOTALL, {"search"}, BEGINNING))}
    assert len(library) > 50 and len(signs) > 15 and slow == {}


@pytest.mark.parametrize(
    ("pattern", "method"),
    [
        (r"\s*(.+?jpg)(?=\s|$)", "match"), (r"(\S.*?)(\s+-?\d+)+", "fullmatch"), (r"-?(\d+\.?\d*|\.\d+)", "fullmatch"),
        (r"\d(\s+(\d+\.?\d*)){4,}\s*", "fullmatch"), (rb'"(?:[^"\\]|\\.)*"|[{}]', "finditer"),
        (r"\s*([-_. ]*background\d*)?\s*", "fullmatch"), (r"^.*?[0-9a-f]{8}-(?=[^/]+$)", "sub"),
    ],
)  # fmt: skip
def test_a_slow_pattern_is_seen(pattern, method, timer):
    assert is_slow(pattern, 0, {method}, LENGTH)
