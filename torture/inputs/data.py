"""Readers of everything that a user may have made: data sets, results, pictures, tables, files of a run.

What there is of each kind, how it is changed and who reads it is told by the tests' own fuzz, `mutated_files.py`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

from tests.core.datasets.convert.formats.made import MAKERS
from tests.core.datasets.file_readers import KINDS
from tests.core.datasets.mutated_files import mutate, problem_of
from tests.core.datasets.mutations import mutated
from torture.inputs.inputs import Lost, Reader

COUNTS = {  # of inputs; kinds that are not named here are pictures, which share what is left
    "coco": 6000, "subset": 2000, "results": 3000, "yolo": 4000, "voc": 4000, "table": 2000, "files of a run": 2000,
    "files of ours": 2000, "known of images": 3000, **dict.fromkeys(MAKERS, 500),
}  # fmt: skip
PICTURES = 8000
ROWS = {
    "coco": "COCO data sets", "subset": "COCO data sets", "results": "results", "yolo": "YOLO folders",
    "voc": "VOC folders", "table": "detection tables", "files of a run": "files of runs and of ours",
    "files of ours": "files of runs and of ours",
    "known of images": "what is known of images", **dict.fromkeys(MAKERS, "folders of other tools"),
}  # fmt: skip


def readers() -> Sequence[Reader]:
    """Return a reader for every kind of file."""
    each = PICTURES // (len(KINDS) - len(COUNTS))
    return [
        Reader(ROWS.get(kind, "pictures"), kind, COUNTS.get(kind, each), partial(_make, kind), partial(_read, kind))
        for kind in KINDS
    ]


def _make(kind: str, folder: Path) -> Path:
    whole = folder / "whole"
    whole.mkdir()
    KINDS[kind].make(whole)
    return whole


def _read(kind: str, random: Random, whole: Path) -> None:
    folder = whole.parent / "x"
    shutil.copytree(whole, folder, symlinks=True)
    try:
        target = mutate(kind, random.getrandbits(32), folder)
        if problem := problem_of(kind, folder):
            raise Lost(f"{target.name}: {problem}")
    finally:
        shutil.rmtree(folder)


@dataclass(frozen=True)
class Files:
    """A sound folder, and those of its files that are mutated."""

    folder: Path
    sound: dict[Path, bytes]


def file_reader(
    row: str, count: int, make: Callable[[Path], object], pattern: str, read: Callable[[Path], None]
) -> Reader:
    """Return the reader of a folder of which one file is mutated at a time."""

    def begin(folder: Path) -> Files:
        make(folder)
        return Files(folder, {path: path.read_bytes() for path in sorted(folder.glob(pattern))})

    def read_mutated(random: Random, files: Files) -> None:
        path = random.choice(list(files.sound))
        path.write_bytes(mutated(files.sound[path], path.suffix, random))
        try:
            read(files.folder)
        finally:
            path.write_bytes(files.sound[path])

    return Reader(row, pattern, count, begin, read_mutated)
