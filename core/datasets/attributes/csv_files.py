"""Tables beside the data that say something of its images: CSV files with a column of file names or image ids.

    file_name,camera,weather
    a.jpg,front,rain

In: a split. Out: a `Known` for every other column, and sentences on what could not be used. Read are the CSV files in
the folders of the annotation file, of the pictures and of the data set; others than such tables lie there, too, so a
file without a column of KEYS is passed over in silence. What is wrong with a file costs that file.
"""

from __future__ import annotations

import csv
import io
import os
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from core.datasets.attributes.attribute import Known, Value
from core.datasets.coco.ids import to_id, to_number
from core.datasets.names.name_index import NameIndex
from core.datasets.names.part_names import part_of_folders
from core.datasets.split import CocoSplit
from core.files import FileRefused, read_bytes
from core.wording import short

NAME_KEYS = ("file_name", "filename", "file", "image", "image_name", "image_path", "path", "name")
ID_KEYS = ("image_id", "id", "image")
DELIMITERS = ",;\t"
MOST_BYTES = 100_000_000  # of a file
MOST_FILES, MOST_COLUMNS, MOST_ENTRIES = 20, 60, 200_000  # of a folder, of a file, of a folder's listing
BOXES = {"xmin", "x_min", "x1", "bbox", "bbox_x", "bx", "x_center"}  # columns of a table of objects, not of images
CODE = re.compile(r"[+-]?0\d")  # "007" is a name, not a number
COMMA = re.compile(r"[+-]?\d++,\d++")  # a number as it is written where the delimiter is ";"


def table_folders(split: CocoSplit) -> list[Path]:
    """Return the folders in which a table of the split's images may lie: of its file, its pictures, its data set."""
    beside = split.json_path.parent
    folders = [beside, split.image_dir, *([split.root] if split.root else [])]
    return list(dict.fromkeys(folders + ([beside.parent] if beside.name == "annotations" else [])))


def csv_paths(split: CocoSplit) -> list[Path]:
    """Return the CSV files that may say something of the split's images, by path."""
    paths: dict[str, Path] = {}
    for folder in table_folders(split):
        with suppress(OSError, ValueError), os.scandir(folder) as entries:
            first = [entry.name for entry in islice(entries, MOST_ENTRIES)]
            names = sorted(name for name in first if name.lower().endswith((".csv", ".tsv")) and name[0] != ".")
            paths |= {os.path.realpath(folder / name): folder / name for name in names[:MOST_FILES]}
    return [paths[path] for path in sorted(paths)]


def read_tables(split: CocoSplit) -> tuple[list[Known], list[str]]:
    """Return what the CSV files say of the split's images, and a sentence on each that could not be used as it is."""
    known: list[Known] = []
    notes: list[str] = []
    for path in csv_paths(split):
        try:
            text, encoding = _read_text(path)
            rows = _rows(text)
            header = [name.strip() for name in next(rows, [])]
            columns, more = _columns(split, header, rows, path)
        except OSError as error:
            reason = error.strerror if isinstance(error, FileRefused) else (error.strerror or "").lower()
            notes.append(f"{short(path.name)} cannot be read: {reason}.")
        except (csv.Error, UnicodeError) as error:
            notes.append(f"{short(path.name)} is not read as a table: {short(error)}.")
        else:
            known += columns
            notes += more
            if columns and encoding != "UTF-8":
                notes.append(f"{short(path.name)} is not UTF-8: it was read as {encoding}.")
    return known, notes


def _read_text(path: Path) -> tuple[str, str]:
    """Return a file's text, and the encoding that it was read by."""
    content = read_bytes(path, MOST_BYTES)
    if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return content.decode("utf-16"), "UTF-16"
    with suppress(UnicodeDecodeError):
        return content.removeprefix(BOM_UTF8).decode(), "UTF-8"
    return content.decode("cp1252", errors="replace"), "Windows-1252"


def _rows(text: str) -> Iterator[list[str]]:
    """Return the rows by the delimiter that gives the header a column of images, and most columns."""
    first = text[: text.find("\n") + 1 or len(text)]

    def fits(delimiter: str) -> tuple[bool, int]:
        header = next(csv.reader([first], delimiter=delimiter), [])
        return _key(header) is not None, len(header)

    delimiter = max(DELIMITERS, key=fits)
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)


def _key(header: Sequence[str]) -> tuple[int, bool] | None:
    """Return the column that says which image a row is of, and whether by its id; None if there is none."""
    names = [name.strip().lower() for name in header]
    for keys, is_id in ((NAME_KEYS, False), (ID_KEYS, True)):
        for key in keys:
            if key in names and not (key == "name" and "id" in names):
                return names.index(key), is_id
    return None


def _columns(
    split: CocoSplit, header: list[str], rows: Iterator[list[str]], path: Path
) -> tuple[list[Known], list[str]]:
    """Return what each column says of the split's images, and what of the file could not be used."""
    key = _key(header)
    if key is None or len(header) < 2 or BOXES & {name.lower() for name in header}:
        return [], []
    place, by_id = key
    keys = {place, *(i for i, name in enumerate(header) if name.lower() in (*NAME_KEYS[:2], *ID_KEYS[:2]))}
    chosen = [i for i, name in enumerate(header) if i not in keys and name]
    if not chosen:
        return [], []
    images = {image["id"]: row for row, image in enumerate(split.images)}
    index = NameIndex(str(image["file_name"]) for image in split.images)
    by_name = {str(image["file_name"]): image["id"] for image in split.images}
    of_image: dict[int, list[str]] = {}
    twice: set[int] = set()
    unknown, total = [], 0
    for row in rows:
        if len(row) <= place or not any(row):
            continue
        total += 1
        image_id = _image_of(row[place], index, by_name, images, split.name, by_id)
        if image_id is None:
            unknown.append(row[place])
        elif of_image.setdefault(images[image_id], row) != row:
            twice.add(images[image_id])
    source = short(path.name)
    notes = _notes(source, len(images), len(of_image), total, unknown, len(twice))
    if not of_image or 2 * len(twice) > len(of_image):
        return [], notes
    rows_of = [None if i in twice else of_image.get(i) for i in range(len(images))]
    if len(chosen) > MOST_COLUMNS:
        notes.append(f"{source} has {len(chosen):,} columns: the first {MOST_COLUMNS} are used.")
    columns = [[row[i].strip() if row and i < len(row) else "" for row in rows_of] for i in chosen[:MOST_COLUMNS]]
    return [Known(header[i], source, typed(column)) for i, column in zip(chosen, columns, strict=False)], notes


def _image_of(
    cell: str, index: NameIndex, by_name: dict[str, int], images: dict[int, int], part: str, by_id: bool
) -> int | None:
    """Return the id of the image that a cell means; None for none, or if it may be several."""
    if not by_id:
        if cell in by_name:
            return by_name[cell]
        if part_of_folders(cell.replace("\\", "/")) in (None, part):
            matches = index.find(cell)
            if len(matches) == 1:
                return by_name[matches[0]]
        return None
    image_id = to_id(cell)
    return image_id if image_id in images else None


def typed(cells: Sequence[str]) -> list[Value]:
    """Return a column's cells as numbers if all are, else as words; None for an empty one.

    >>> typed(["1", "2,5", ""]), typed(["007", "8"])
    ([1.0, 2.5, None], ['007', '8'])
    """
    numbers = [to_number(c.replace(",", ".") if COMMA.fullmatch(c) else c) for c in cells]
    if all(n is not None and not CODE.match(c) for n, c in zip(numbers, cells, strict=True) if c):
        return [None if n is None else float(n) for n in numbers]
    return [cell or None for cell in cells]


def _notes(source: str, images: int, matched: int, rows: int, unknown: Sequence[str], twice: int) -> list[str]:
    """Return sentences on what could not be matched."""
    notes = []
    if not matched:
        return [f"{source}: none of its {rows:,} rows names an image of this part."] if rows else []
    if matched < images:
        notes.append(f"{source} says nothing of {images - matched:,} of {images:,} images.")
    if unknown:
        names, example = len(unknown), Counter(unknown).most_common(1)[0][0]
        notes.append(f"{source}: {names:,} of {rows:,} rows name no image of this part, as {short(repr(example), 60)}.")
    if twice:
        rest = "the file is left out" if 2 * twice > matched else "they are left out"
        notes.append(f"{source} has several different rows for {twice:,} image{'s' * (twice > 1)}: {rest}.")
    return notes
