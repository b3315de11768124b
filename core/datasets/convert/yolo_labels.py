"""Which label file of a YOLO folder belongs to which picture.

    images/train/a.jpg   labels/train/a.txt     "labels" in place of the last "images", also in train_images/
    train/a.jpg          train/a.txt            or beside it
    data/a.jpg           labels/1f2e3d4c-a.txt  or, if there is but one pair left with this name in a part, or in all

Names are compared whatever their case, Unicode form or "%20".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable

from core.datasets.convert.source import FolderFiles, splits_by_folder, strays
from core.datasets.names.name_index import spelling, without_ending

NO_LABELS = re.compile(r"(readme|license|licence|notes|requirements)\b.*", re.IGNORECASE)
PICTURES = re.compile(r"(?<![^\W_\d])(images?|imgs?|jpegimages|pictures)(?![^\W_\d])")  # a word of a folder's name
LABEL_FOLDERS = ("labels", "label", "labels_yolo", "annotations")
PREFIX = re.compile(r"^[0-9a-f]{8}-")  # that Label Studio puts before the names of uploaded files


def label_key(name: str) -> str:
    """Return the spelling of a picture's or label file's path without its ending."""
    return without_ending(spelling(name))


def match_labels(files: FolderFiles, others: Collection[str]) -> tuple[dict[str, str], list[str]]:
    """Return the label file of each picture that has one, and the label files of which no picture is there.

    others: text files that are no labels
    """
    texts = {name for name in files.ending(".txt") if name not in others}
    by_key = {label_key(name): name for name in sorted(texts)}
    labels: dict[str, str] = {}
    for picture in files.pictures:
        keys = _places(label_key(picture))
        label = next((by_key[key] for key in keys if key in by_key), None)
        if label is not None:
            labels[picture] = label
    for key_of in (_base, _base_without_prefix):
        for by_part in (True, False):
            _match_left(files, texts, labels, key_of, by_part)
    for picture in strays(labels):
        del labels[picture]
    claimed = set(labels.values())
    folders = {name.rpartition("/")[0] for name in claimed}
    alone = [
        name
        for name in sorted(texts - claimed)
        if (name.rpartition("/")[0] in folders or "/labels/" in f"/{name.lower()}")
        and not NO_LABELS.fullmatch(name.rpartition("/")[2])
    ]
    return labels, alone


def _places(key: str) -> list[str]:
    """Return the keys of the label files that a picture may have, the likeliest first."""
    *folders, base = key.split("/")
    keys = []
    for number in range(len(folders) - 1, -1, -1):
        if PICTURES.search(folders[number]):
            places = [PICTURES.sub(place, folders[number], count=1) for place in LABEL_FOLDERS]
            keys += ["/".join([*folders[:number], place, *folders[number + 1 :], base]) for place in places]
    keys.append(key)
    keys.append("/".join([*folders, "labels", base]))
    return keys


def _base(name: str) -> str:
    return label_key(name).rpartition("/")[2]


def _base_without_prefix(name: str) -> str:
    return PREFIX.sub("", _base(name))


def _match_left(
    files: FolderFiles, texts: set[str], labels: dict[str, str], key_of: Callable[[str], str], by_part: bool
) -> None:
    """Match pictures and labels that are still alone where their names leave one possibility, and no part differs.

    by_part: in each part on its own
    """
    parts = {**splits_by_folder(files.pictures), **splits_by_folder(texts)}

    def by_key(names: Iterable[str]) -> dict[tuple[str, str | None], list[str]]:
        groups: dict[tuple[str, str | None], list[str]] = {}
        for name in names:
            if name in parts or not by_part:
                groups.setdefault((key_of(name), parts[name] if by_part else None), []).append(name)
        return groups

    texts_left = by_key(texts - set(labels.values()))
    for key, pictures in by_key(name for name in files.pictures if name not in labels).items():
        if len(pictures) == len(texts_left.get(key, ())) == 1:
            picture, text = pictures[0], texts_left[key][0]
            if parts.get(picture) == parts.get(text) or None in (parts.get(picture), parts.get(text)):
                labels[picture] = text
