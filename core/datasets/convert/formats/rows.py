"""Boxes as rows of text, many pictures in one file: TensorFlow's and RetinaNet's CSV, and the lists of Keras' YOLO.

    filename,width,height,class,xmin,ymin,xmax,ymax      _annotations.csv       TensorFlow Object Detection
    a.jpg,1,2,3,4,car                                    _annotations.csv       RetinaNet; "a.jpg,,,,," has no objects
    a.jpg 1,2,3,4,0 5,6,7,8,1                            _annotations.txt       YOLO v3 of Keras, YOLO v4 of PyTorch

All in pixels; the last one's classes are the lines of _classes.txt. Roboflow writes all three, a file for each part.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from typing import Any

from core.datasets.convert.format import LabelledObject
from core.datasets.convert.formats.documents import BadObject, Documents, Entry, Source
from core.datasets.convert.formats.shapes import from_corners, size_of
from core.datasets.convert.source import LabelFileError, decode, lines_of
from core.datasets.names.name_index import SUFFIXES

COLUMNS = ("filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax")
PICTURE = re.compile(
    rf"\s*+(.+?({'|'.join(map(re.escape, sorted(SUFFIXES)))}))(?=\s|$)", re.IGNORECASE
)  # its name may hold spaces
MOST_LINES = 2_000_000  # of a file, each a picture or an object: with "\r\n" they count twice
NUMBER = r"-?\d+(\.\d*)?"


def _lines(source: Source) -> list[str]:
    text = decode(source.bytes())
    if (count := text.count("\n") + text.count("\r")) > MOST_LINES:
        raise LabelFileError(f"{count:,} lines, more than the {MOST_LINES:,} that are read")
    return lines_of(text)


def _rows(source: Source) -> list[list[str]]:
    try:
        return [row for row in csv.reader(_lines(source)) if any(row)]
    except csv.Error as error:
        raise LabelFileError(f"no table ({error})") from None


def _parse_tensorflow(source: Source) -> Iterable[Entry]:
    head, *rows = _rows(source)
    places = {name.strip().lower(): i for i, name in enumerate(head)}
    if missing := [name for name in COLUMNS if name not in places and name not in ("width", "height")]:
        raise LabelFileError(f"no column {missing[0]}")

    def value(row: list[str], name: str) -> str:
        return row[places[name]] if name in places and places[name] < len(row) else ""

    entries: dict[str, Entry] = {}
    for row in rows:
        name = value(row, "filename")
        stated = size_of(value(row, "width"), value(row, "height"))
        entry = entries.setdefault(name, Entry(name, stated=stated))
        values = [value(row, column) for column in COLUMNS[3:]]
        if any(values):
            entry.add([values], _from_row)
    return entries.values()


def _parse_retinanet(source: Source) -> Iterable[Entry]:
    entries: dict[str, Entry] = {}
    for name, *values in _rows(source):
        entry = entries.setdefault(name, Entry(name))
        if any(values):
            entry.add([[values[-1], *values[:-1]]], _from_row)
    return entries.values()


def _from_row(values: Any) -> LabelledObject:
    if len(values) != 5:
        raise BadObject("has not one class and four numbers")
    return from_corners(*values)


def _parse_keras(source: Source) -> Iterable[Entry]:
    names = [name.strip() for name in _lines(source.beside("_classes.txt")) if name.strip()]

    def to_object(word: Any) -> LabelledObject:
        *corners, number = word.split(",")
        if len(corners) != 4 or not number.isdecimal() or int(number[:9]) >= len(names):
            raise BadObject("has not four numbers and the number of a class in _classes.txt")
        return from_corners(names[int(number[:9])], *corners)

    for line in _lines(source):
        if words := PICTURE.match(line):
            yield Entry(words[1]).add(line[words.end() :].split(), to_object)
        elif line.strip():
            yield Entry(line.strip())


TENSORFLOW = Documents("TensorFlow's CSV", (".csv",), (r"^\W*filename,.*?xmin.*?ymin",), _parse_tensorflow)
RETINANET = Documents(
    "RetinaNet's CSV", (".csv",), (rf"(^|\n)[^,\n]+\.\w+(,{NUMBER}){{4}},[^,\n]+(\r?\n|$)",), _parse_retinanet
)
KERAS_YOLO = Documents(
    "YOLO's list",
    (".txt",),
    (rf"(^|\n)[^\n]+\.\w+\s+({NUMBER},){{4}}\d+(\s|$)",),
    _parse_keras,
    r"(?i)_annotations\.txt",
)
