"""How each file of a checkpoint's folder is changed at random: its bytes, its numbers, its structure."""

from __future__ import annotations

import copy
import io
import json
import random
import zipfile
from collections.abc import Callable
from typing import Any

import torch

from core.detr.sources.image_processor import PROCESSOR
from core.training.checkpoint_folder import STATE_FILE
from tests.core.datasets.mutations import VALUES, flip, json_value, mutated

HUGE = (0, -1, 1, 3, 64, 65, 4096, 200_000, 10**9, 2**31, 2**63 - 1, 2**63, 10**30)


def as_text(data: bytes, rng: random.Random) -> bytes:
    """Change JSON as text and as a document."""
    return mutated(data, ".json", rng)


def as_bytes(data: bytes, rng: random.Random) -> bytes:
    """Change bytes without regard to what they mean."""
    return mutated(data, "", rng)


def sizes(data: bytes, rng: random.Random) -> bytes:
    """Make numbers of a JSON document huge, nothing or negative."""
    document = json.loads(data)
    places: list[tuple[Any, Any]] = []

    def visit(node: Any) -> None:
        for key in list(node) if isinstance(node, dict) else range(len(node)):
            if isinstance(node[key], dict | list):
                visit(node[key])
            elif isinstance(node[key], int | float):
                places.append((node, key))

    visit(document)
    for node, key in rng.sample(places, min(len(places), rng.choice((1, 1, 2, 5)))):
        node[key] = rng.choice(HUGE)
    return json.dumps(document).encode()


def header(data: bytes, rng: random.Random) -> bytes:
    """Change the header of a safetensors file, and state its length rightly."""
    length = int.from_bytes(data[:8], "little")
    changed = rng.choice((json_value, sizes, flip, dtypes, renamed))(data[8 : 8 + length], rng)
    return len(changed).to_bytes(8, "little") + changed + data[8 + length :]


def dtypes(head: bytes, rng: random.Random) -> bytes:
    """Change the type of a tensor."""
    document = json.loads(head)
    name = rng.choice([name for name in document if name != "__metadata__"])
    document[name]["dtype"] = rng.choice(("F64", "F32", "F16", "BF16", "I32", "U8", "BOOL", "F8_E4M3", "X", ""))
    return json.dumps(document).encode()


def renamed(head: bytes, rng: random.Random) -> bytes:
    """Rename a tensor, or two that change places."""
    document = json.loads(head)
    one, other = rng.sample([name for name in document if name != "__metadata__"], 2)
    changed = {one: other, other: one} if rng.random() < 0.5 else {one: "model." + one}
    return json.dumps({changed.get(name, name): value for name, value in document.items()}).encode()


def length_of_header(data: bytes, rng: random.Random) -> bytes:
    """State another length of the header."""
    return min(rng.choice(HUGE) % 2**64, 2**64 - 1).to_bytes(8, "little") + data[8:]


def values(data: bytes, rng: random.Random) -> bytes:
    """Change values of a state as somebody might who can save one."""
    state = torch.load(io.BytesIO(data), weights_only=True)
    for _ in range(rng.choice((1, 1, 2))):
        node: Any = state
        while True:
            key = rng.choice(list(node) if isinstance(node, dict) else range(len(node)))
            inner = node[key]
            if not (isinstance(inner, dict | list) and inner) or rng.random() < 0.3:
                break
            node = inner
        if isinstance(inner, torch.Tensor) and rng.random() < 0.7:
            node[key] = rng.choice(TENSORS)(inner)
        elif isinstance(node, dict) and rng.random() < 0.2:
            del node[key]
        else:
            node[key] = copy.deepcopy(rng.choice((*HUGE[:-2], *STRANGE)))
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def pickle(data: bytes, rng: random.Random) -> bytes:
    """Change the structure inside a state file, with check sums that are right, or pack it."""
    file = io.BytesIO()
    packing = rng.choice((zipfile.ZIP_STORED,) * 6 + (zipfile.ZIP_DEFLATED,))
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w", packing) as new:
        for entry in old.infolist():
            content = old.read(entry)
            new.writestr(entry.filename, flip(content, rng) if entry.filename.endswith("data.pkl") else content)
    return file.getvalue()


def older_format(data: bytes, rng: random.Random) -> bytes:
    """Write the state as earlier versions of torch did."""
    file = io.BytesIO()
    torch.save(torch.load(io.BytesIO(data), weights_only=True), file, _use_new_zipfile_serialization=False)
    return mutated(file.getvalue(), "", rng) if rng.random() < 0.5 else file.getvalue()


STRANGE = [value for value in VALUES if isinstance(value, str | float | list | dict | bool | None)]
TENSORS: tuple[Callable[[torch.Tensor], Any], ...] = (
    lambda tensor: tensor.flatten(), lambda tensor: tensor.to(torch.int64), lambda tensor: tensor.to(torch.complex64),
    lambda tensor: tensor.flatten()[:1], lambda tensor: tensor.to_sparse(), lambda tensor: -tensor - 1,
    lambda tensor: tensor.flatten()[:1].expand(10**12), lambda tensor: torch.zeros(0), lambda tensor: tensor * 1e38,
    lambda tensor: tensor[None], lambda tensor: torch.full_like(tensor, float("nan")), lambda tensor: tensor.to("meta"),
    lambda tensor: tensor.tolist(),
)  # fmt: skip
WAYS: dict[str, tuple[Callable[[bytes, random.Random], bytes], ...]] = {
    "config.json": (as_text, sizes, json_value),
    "label_map.json": (as_text, sizes, json_value),
    PROCESSOR: (as_text, sizes, json_value),
    "model.safetensors": (as_bytes, header, header, length_of_header),
    STATE_FILE: (as_bytes, values, values, pickle, older_format),
}
