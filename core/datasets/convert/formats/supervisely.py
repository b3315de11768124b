"""Supervisely: a folder for each data set, with a JSON of every picture's objects in pixels.

    meta.json   ds/img/a.jpg   ds/ann/a.jpg.json   {"size": {"height": 50, "width": 100}, "objects": [{"classTitle":
      "car", "geometryType": "rectangle", "points": {"exterior": [[1, 2], [3, 4]], "interior": []}}]}

A rectangle's and a mask's last pixel is part of it, so the border is one further. Source: Supervisely's documentation
of its annotation format, and `Rectangle.width` of its SDK.
"""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import msgspec

from core.datasets.convert.format import LabelledObject
from core.datasets.convert.formats.documents import BadObject, Documents, Entry, Source
from core.datasets.convert.formats.shapes import from_pairs, from_xywh, size_of

PNG_HEAD = 24  # bytes: the signature, and the first block with width and height


class _File(msgspec.Struct):
    objects: list[Any]
    size: dict[str, Any] = {}


def _parse(source: Source) -> Iterable[Entry]:
    data = source.json(_File)
    name = source.name.rpartition("/")[2].rpartition(".")[0]
    entry = Entry(f"../img/{name}", stated=size_of(data.size.get("width"), data.size.get("height")))
    yield entry.add(data.objects, _object)


def _object(value: Any) -> LabelledObject:
    kind, name = value.get("geometryType", "polygon"), value["classTitle"]
    if kind in ("rectangle", "polygon"):
        one = from_pairs(name, value["points"]["exterior"])
        x1, y1, x2, y2 = one.corners
        return replace(one, corners=(x1, y1, x2 + 1, y2 + 1)) if kind == "rectangle" else one
    if kind == "bitmap":
        x, y = value["bitmap"]["origin"]
        return from_xywh(name, x, y, *_mask_size(value["bitmap"]["data"]))
    raise BadObject(f"is a {kind[:40]}, which has no box")


def _mask_size(data: str) -> tuple[int, int]:
    """Return width and height of a mask, a compressed PNG as text; of it only the beginning is unpacked."""
    try:
        head = zlib.decompressobj().decompress(base64.b64decode(data), PNG_HEAD)
        width, height = struct.unpack(">II", head[16:PNG_HEAD])
    except (binascii.Error, zlib.error, struct.error):
        raise BadObject("has a mask that cannot be read") from None
    return width, height


SIGNS = (r'"objects"\s*:\s*\[', r'"size"\s*:\s*\{')
SUPERVISELY = Documents("Supervisely", (".json",), SIGNS, _parse, each=True)
