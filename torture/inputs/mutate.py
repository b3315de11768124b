"""Mutations of JSON values that are given to readers without a file; each is drawn by a `Random`, to be repeated."""

from __future__ import annotations

import copy
from random import Random
from typing import Any

ATOMS: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 2**31, 2**63 - 1, 2**63, 2**64, -(2**70), 10**30, 0.5, -0.0, 1e308, -1e308, 1e-320,
    float("nan"), float("inf"), float("-inf"), "", " ", "0", "-1", "nan", "person", "a" * 5000, "\0", "a\nb",
    "\u202egnp.x", "../../../etc/passwd", "/etc/passwd", "C:\\x", "![x](https://example.com)", "<script>", "\x1b[2J",
    "\ud800", "é" * 300, [], {}, [[]], [None], {"": None}, [0, 0, 0, 0], [1e308] * 4, ["a"] * 4, list(range(300)),
)  # fmt: skip


def mutate_value(random: Random, value: Any) -> Any:
    """Return a copy of a JSON value in which one to three places are something else, gone, doubled or renamed."""
    value = copy.deepcopy(value)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        value = _mutate_one(random, value)
    return value


def _mutate_one(random: Random, value: Any) -> Any:
    places: list[tuple[Any, Any]] = []
    queue = [value]
    while queue and len(places) < 2000:
        node = queue.pop()
        keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
        for key in keys:
            places.append((node, key))
            queue.append(node[key])
    if not places or random.random() < 0.02:
        return copy.deepcopy(random.choice(ATOMS))
    node, key = random.choice(places)
    kind = random.randrange(6)
    if kind == 0:
        del node[key]
    elif kind == 1 and isinstance(node, dict):
        node[random.choice(("", "x", "id", "name", "bbox", "\ud800", "a" * 900))] = node.pop(key)
    elif kind == 2 and isinstance(node, list):
        node.insert(key, copy.deepcopy(node[key]))
    elif kind == 3:
        node[key] = copy.deepcopy(random.choice(places)[0]) if len(places) < 200 else [node[key]]
    else:
        node[key] = copy.deepcopy(random.choice(ATOMS))
    return value
