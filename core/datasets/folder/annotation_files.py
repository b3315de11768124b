"""The COCO files that a folder holds, told from other JSON files by what is in them, and the part that each is for.

In: a folder. Out: its COCO files with their parts, also damaged ones if their name is COCO's own. They lie in
`annotations/`, in the folder itself, or in folders of it, each with its own pictures: the first of these usual places
that names a part counts, else the first that has a file. Only where none has, deeper folders are looked through.
"""

from __future__ import annotations

import errno
import os
import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from core.datasets.names.part_names import part_of
from core.files import open_file
from core.wording import is_utf8

MOST_FILES, MOST_FOLDERS = 200, 200  # of a folder, and of a place, that are looked at
MOST_OF_PLACE = 2000  # files
MOST_DEPTH = 4  # of folders in folders: an archive was unpacked into them, or a tool wrote its export far below
USUAL = 3  # places
BEGINNINGS = (4096, 2**16, 8 * 2**20)  # bytes of a file that are looked at, until it is clear what it is
TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[{}\[\]]', re.DOTALL)  # one without an end goes to the end
COCO_NAMES = re.compile(r"instances_.*\.json|_annotations\.coco\.json", re.IGNORECASE)  # whatever is in them
OTHER_TASKS = re.compile("(person_keypoints|captions|stuff|panoptic|image_info|labels)_", re.IGNORECASE)


class AnnotationFile(NamedTuple):
    """A COCO file, and its part by its name or that of its folder: "train", "val", "test", or None if none says it."""

    path: Path
    part: str | None


def coco_files(folder: Path) -> list[AnnotationFile]:
    """Return the folder's COCO files, all of one place, by path; of several tasks of one part those with boxes."""
    return _search(folder)[0]


def json_paths(folder: Path) -> list[Path]:
    """Return every JSON file that may be one of the folder's COCO files, whatever is in it, by path."""
    places = _search(folder)[1]
    return sorted({path for place in places for directory in place for path in _json_in(directory)})


def usual_coco_files(folder: Path) -> list[AnnotationFile]:
    """Return the folder's COCO files if they lie in a usual place; else none."""
    files, places = _search(folder)
    return files if len(places) <= USUAL else []


def _search(folder: Path) -> tuple[list[AnnotationFile], list[list[Path]]]:
    """Return the folder's COCO files, and the places that were looked at for them."""
    first: list[AnnotationFile] = []
    places: list[list[Path]] = []
    for place in _places(folder):
        if first and len(places) >= USUAL:
            break
        places.append(place)
        files = _files_of(folder, place)
        if any(file.part in ("train", "val") for file in files):
            return files, places
        first = first or files
    return first, places


def is_coco(path: Path) -> bool:
    """Check whether a file begins as a COCO file does, with its list of images or annotations; a whole one has images.

    Other tools' files have categories too, or the annotations of one picture.
    """
    try:
        with open_file(path) as file:
            size, data = os.fstat(file.fileno()).st_size, b""
            for length in BEGINNINGS:
                data += file.read(length - len(data))
                is_whole, keys = len(data) >= size, top_level(data)
                is_large = not is_whole and length > BEGINNINGS[0]
                if keys.get("images") == b"[" or (is_large and keys.get("annotations") == b"["):
                    return True
                if is_whole or not data.removeprefix(BOM_UTF8).lstrip().startswith(b"{"):
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


def _places(folder: Path) -> Iterator[list[Path]]:
    """Yield the folders of each place where annotation files may be: the USUAL ones, then those of each depth."""
    inner = _folders_in(folder)
    yield [path for path in inner if is_annotation_folder(path)]
    yield [folder]
    for _ in range(MOST_DEPTH):
        deeper = [path for one in inner for path in _folders_in(one)][:MOST_FOLDERS]
        others = [path for path in inner if not is_annotation_folder(path)]
        yield [*others, *(path for path in deeper if is_annotation_folder(path))]
        inner = deeper


def _folders_in(folder: Path) -> list[Path]:
    # os.path, since a link in a circle makes an entry's own methods raise
    names = [one.name for one in _entries(folder) if (os.path.isdir(one.path) if one.is_symlink() else one.is_dir())]
    return [folder / name for name in names if name != "__MACOSX"][:MOST_FOLDERS]


def _json_in(folder: Path) -> list[Path]:
    """Return a folder's JSON files, of very many those whose names say a part."""
    names = [entry.name for entry in _entries(folder) if entry.name.lower().endswith(".json")]
    names = [name for name in names if os.path.isfile(folder / name)]
    names.sort(key=lambda name: part_of(name) is None)
    return [folder / name for name in names[:MOST_FILES]]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """Return what a folder holds, by name, without what is hidden or has a name that no setting could hold."""
    try:
        with os.scandir(folder) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(".") and is_utf8(entry.name)]
    except ValueError:  # a NUL
        raise FileNotFoundError(errno.ENOENT, "no folder can have such a name", repr(folder)) from None
    return sorted(visible, key=lambda entry: entry.name)


def _files_of(folder: Path, place: list[Path]) -> list[AnnotationFile]:
    """Return the COCO files in a place; of each part the likeliest by name, several if they are alike."""
    paths = [path for directory in place for path in _json_in(directory)][:MOST_OF_PLACE]
    files = [AnnotationFile(path, _part(folder, path)) for path in paths]
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
