"""Files of more than eight bits a colour, written by hand: Pillow writes few of the kinds that others do."""

import struct
import zlib
from pathlib import Path

import numpy as np

from tests.core.datasets.picture_cases import chunk

COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # of a PNG, by channels
FORMATS = {"u": 1, "i": 2, "f": 3}  # a TIFF's SampleFormat, by the kind of a NumPy type
NONE, DEFLATE = 1, 8  # a TIFF's compressions
INK, RGB, WHITE_IS_ZERO = 5, 2, 0  # its colour models


def write_png(path: Path, values: np.ndarray) -> Path:
    """A PNG of 16 bits a colour; values (height, width) or (height, width, channels)."""
    height, width = values.shape[:2]
    channels = values.shape[2] if values.ndim == 3 else 1
    header = struct.pack(">IIBBBBB", width, height, 16, COLOUR_TYPES[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
    return path


def write_tiff(
    path: Path, values: np.ndarray, order="<", compression=NONE, planar=False, photometric=None, alpha=False
) -> Path:
    """A TIFF of any type of numbers, in one strip, or with `planar` one for each channel."""
    height, width = values.shape[:2]
    channels = values.shape[2] if values.ndim == 3 else 1
    if photometric is None:
        photometric = RGB if channels >= 3 else 1
    kind = values.dtype.newbyteorder(order)
    strips = [values[..., c] for c in range(channels)] if planar and channels > 1 else [values]
    data = [strip.astype(kind).tobytes() for strip in strips]
    if compression == DEFLATE:
        data = [zlib.compress(strip) for strip in data]
    bits = values.dtype.itemsize * 8
    entries = [
        (256, "L", [width]), (257, "L", [height]), (258, "H", [bits] * channels), (259, "H", [compression]),
        (262, "H", [photometric]), (273, "L", None), (277, "H", [channels]), (278, "L", [height]),
        (279, "L", [len(strip) for strip in data]), (284, "H", [1 + planar]),
        *([(338, "H", [2])] if alpha else []), (339, "H", [FORMATS[values.dtype.kind]] * channels),
    ]  # fmt: skip
    sizes = {"H": (3, 2), "L": (4, 4)}
    place = 8 + 2 + 12 * len(entries) + 4
    starts = [place + sum(map(len, data[:i])) for i in range(len(data))]
    behind = place + sum(map(len, data))
    directory, more = struct.pack(order + "H", len(entries)), b""
    for tag, code, numbers in entries:
        numbers = starts if numbers is None else numbers
        packed = struct.pack(f"{order}{len(numbers)}{code}", *numbers)
        if len(packed) > 4:
            more, packed = more + packed, struct.pack(order + "L", behind + len(more))
        directory += struct.pack(order + "HHL", tag, sizes[code][0], len(numbers)) + packed.ljust(4, b"\0")
    mark = b"II*\0" if order == "<" else b"MM\0*"
    path.write_bytes(mark + struct.pack(order + "L", 8) + directory + bytes(4) + b"".join(data) + more)
    return path
