"""The COCO files that a folder holds, told from other JSON files by what is in them, and the part that each is for.

In: a folder. Out: its COCO files with their parts, also damaged ones if their name is COCO's own. They lie in
`annotations/`, in the folder itself, or in folders of it, each with its own pictures: the first of these places that
names a part counts, else the first that has a file.
"""

from __future__ import annotations

import os
import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from core.datasets.names.part_names import part_of
from core.files import open_file
from core.wording import is_utf8

MOST_FILES, MOST_FOLDERS = 200, 200  # that are looked at in one place
MOST_WRAPS = 3  # folders in folders that hold nothing else
BEGINNINGS = (4096, 2**16, 8 * 2**20)  # bytes of a file that are looked at, until it is clear what it is
TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]]')
TOP_LISTS = ("images", "annotations")  # what no other JSON has as lists of its own; others have categories too
COCO_NAMES = re.compile(r"instances_.*\.json|_annotations\.coco\.json", re.IGNORECASE)  # whatever is in them
OTHER_TASKS = re.compile("(person_keypoints|captions|stuff|panoptic|image_info|labels)_", re.IGNORECASE)


class AnnotationFile(NamedTuple):
    """A COCO file, and its part by its name or that of its folder: "train", "val", "test", or None if none says it."""

    path: Path
    part: str | None


def coco_files(folder: Path) -> list[AnnotationFile]:
    """Return the folder's COCO files, all of one place, by path; of several tasks of one part those with boxes."""
    first: list[AnnotationFile] = []
    for place in _places(folder):
        files = _files_of(folder, place)
        if any(file.part in ("train", "val") for file in files):
            return files
        first = first or files
    return first


def json_paths(folder: Path) -> list[Path]:
    """Return every JSON file that may be one of the folder's COCO files, whatever is in it, by path."""
    return sorted({path for place in _places(folder) for directory in place for path in _json_in(directory)})


def is_coco(path: Path) -> bool:
    """Check whether a file begins as a COCO file does; of a small one that is whole all is looked at."""
    try:
        with open_file(path) as file:
            size, data = os.fstat(file.fileno()).st_size, b""
            for length in BEGINNINGS:
                data += file.read(length - len(data))
                if any(top_level(data).get(name) == b"[" for name in TOP_LISTS):
                    return True
                if len(data) >= size or not data.removeprefix(BOM_UTF8).lstrip().startswith(b"{"):
                    return False
    except OSError:
        return False
    return False


def top_level(data: bytes) -> dict[str, bytes]:
    """Return the keys of a JSON object, or of the beginning of one, with the first byte of what each holds.

    >>> top_level(b'{"info": {"a": []}, "images": [')
    {'info': b'{', 'images': b'['}
    """
    keys: dict[str, bytes] = {}
    depth = 0
    for token in TOKENS.finditer(data):
        word = token[0]
        if word in b"{[":
            depth += 1
        elif word in b"}]":
            depth -= 1
        elif depth == 1 and (value := re.match(rb"\s*:\s*(.)", data[token.end() : token.end() + 100], re.DOTALL)):
            keys[word[1:-1].decode(errors="replace")] = value[1]
    return keys


def is_annotation_folder(path: Path) -> bool:
    """Check whether a folder is named as one of annotation files beside the pictures: annotations/ in any case."""
    return path.name.lower() in ("annotations", "annotation")


def _places(folder: Path, most_wraps: int = MOST_WRAPS) -> Iterator[list[Path]]:
    """Yield the folders of each place where annotation files may be, the usual ones first.

    What an archive was unpacked into often holds one folder and nothing else: its places follow.
    """
    inner = _folders_in(folder)
    yield [path for path in inner if is_annotation_folder(path)]
    yield [folder]
    others = [path for path in inner if not is_annotation_folder(path)]
    yield [*others, *(deeper for path in others for deeper in _folders_in(path) if is_annotation_folder(deeper))]
    if len(inner) == 1 and most_wraps and not _json_in(folder):
        yield from _places(inner[0], most_wraps - 1)


def _folders_in(folder: Path) -> list[Path]:
    # os.path, since a link in a circle makes an entry's own methods raise
    return [folder / entry.name for entry in _entries(folder) if os.path.isdir(entry.path)][:MOST_FOLDERS]


def _json_in(folder: Path) -> list[Path]:
    """Return a folder's JSON files, of very many those whose names say a part."""
    names = [entry.name for entry in _entries(folder) if entry.name.lower().endswith(".json")]
    names = [name for name in names if os.path.isfile(folder / name)]
    names.sort(key=lambda name: part_of(name) is None)
    return [folder / name for name in names[:MOST_FILES]]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """Return what a folder holds, by name, without what is hidden or has a name that no setting could hold."""
    with os.scandir(folder) as entries:
        visible = [entry for entry in entries if not entry.name.startswith(".") and is_utf8(entry.name)]
    return sorted(visible, key=lambda entry: entry.name)


def _files_of(folder: Path, place: list[Path]) -> list[AnnotationFile]:
    """Return the COCO files in a place; of each part the likeliest by name, several if they are alike."""
    files = [AnnotationFile(path, _part(folder, path)) for directory in place for path in _json_in(directory)]
    files = [file for file in files if COCO_NAMES.fullmatch(file.path.name) or is_coco(file.path)]
    best = {file.part: min(_unlikely(other) for other in files if other.part == file.part) for file in files}
    return sorted(file for file in files if _unlikely(file) == best[file.part])


def _part(folder: Path, path: Path) -> str | None:
    """Return the part that the file's name means, else the innermost of the folders between it and `folder`."""
    names = [path.name, *reversed(path.relative_to(folder).parts[:-1])]
    return next((part for name in names if (part := part_of(name))), None)


def _unlikely(file: AnnotationFile) -> int:
    """Return how unlikely it is by its name that a file holds the boxes: 0 of COCO's own name, 3 of another task's."""
    name = file.path.name.lower()
    if name == f"instances_{file.part}.json":
        return 0
    return 1 if name.startswith("instances") else 3 if OTHER_TASKS.match(name) else 2
