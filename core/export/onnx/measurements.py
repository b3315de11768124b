"""What exporting has cost, in measurements.json beside the ONNX files: AP, time and size of each, and which were kept.

In: what `measure.py` found. Out: the file, and the lines of its table, for the command line and the page alike.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from core import ModelError
from core.files import read_bytes
from core.typed_json import decode
from core.wording import short, size_text

MEASUREMENTS = "measurements.json"
MOST_BYTES = 1_000_000
HEADINGS = ("Model", "File", "Size", "AP", "Fall", "Time per image", "Speed", "Largest difference", "Kept")
Text = Annotated[str, Meta(max_length=2000)]


class Row(msgspec.Struct, frozen=True):
    """A model that was measured.

    file        its name; "" for PyTorch
    bytes       on disk
    ap          in [0, 1]; None without objects, or if it was not measured
    seconds     the median of an image, one at a time; None if it was not measured
    difference  the largest of a box's share of the picture, or of a score, from PyTorch's
    refused     why its file is not kept; "" if it is
    """

    label: Text
    file: Text
    bytes: int
    ap: float | None = None
    seconds: float | None = None
    difference: float | None = None
    refused: Text = ""


class Measurements(msgspec.Struct, frozen=True):
    """What was measured: the rows, PyTorch's first, on how many validation images, and how.

    most_fall  AP of a variant that is kept falls by no more than it from PyTorch's, in [0, 1]
    threads    of the CPU, for each of them
    """

    rows: tuple[Row, ...]
    images: int
    of_images: int
    threads: int
    most_fall: float
    epoch: int | None = None

    @property
    def sentence(self) -> str:
        """How it was measured."""
        part = f"{self.images:,} of {self.of_images:,}" if self.images < self.of_images else f"all {self.images:,}"
        return (
            f"Measured on {part} validation images, each by every model in turn, one at a time in float32 pixels, on "
            f"the CPU with {self.threads} thread{'s' * (self.threads != 1)}; times are medians. A smaller variant is "
            f"kept if its AP falls by no more than {100 * self.most_fall:.1f} points."
        )


def read_measurements(folder: Path) -> Measurements | None:
    """Read the measurements of an export; None if there is none. Raises ModelError if they cannot be read."""
    path = folder / MEASUREMENTS
    try:
        return decode(read_bytes(path, MOST_BYTES), Measurements)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or "it is not as it was written"
        raise ModelError(f"{short(path, 120)} cannot be read ({reason}): export again.") from None


def write_measurements(folder: Path, measurements: Measurements) -> None:
    """Write the measurements into a folder; raises OSError."""
    (folder / MEASUREMENTS).write_bytes(msgspec.json.format(msgspec.json.encode(measurements), indent=1))


def cells(measurements: Measurements) -> list[tuple[str, ...]]:
    """Return the rows as texts under HEADINGS."""
    first = measurements.rows[0]
    return [
        (
            row.label, row.file or "–", size_text(row.bytes), _points(row.ap), _fall(first, row), _time(row.seconds),
            _speed(first, row), "–" if row.difference is None else f"{row.difference:.1g}",
            f"no: {row.refused}" if row.refused else "yes",
        )
        for row in measurements.rows
    ]  # fmt: skip


def table_lines(measurements: Measurements) -> list[str]:
    """Return the table as lines of text of one width, and how it was measured."""
    rows = [HEADINGS, *cells(measurements)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS) - 1)]
    lines = ["  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[-1]]) for row in rows]
    return [*lines, measurements.sentence]


def fall(first: Row, row: Row) -> float | None:
    """Return by how much a row's AP lies below the first's; None where one is not defined."""
    return None if first.ap is None or row.ap is None else first.ap - row.ap


def _points(ap: float | None) -> str:
    return "–" if ap is None else f"{100 * ap:.1f}"


def _fall(first: Row, row: Row) -> str:
    lost = fall(first, row)
    return "–" if lost is None or row is first else f"{100 * lost:.2f}"


def _time(seconds: float | None) -> str:
    return "–" if seconds is None else f"{1000 * seconds:.1f} ms"


def _speed(first: Row, row: Row) -> str:
    return f"× {first.seconds / row.seconds:.2f}" if first.seconds and row.seconds else "–"
