"""Which label file of a YOLO folder belongs to which picture.

    images/train/a.jpg   labels/train/a.txt     "labels" in place of the last "images"
    train/a.jpg          train/a.txt            or beside it
    data/a.jpg           labels/1f2e3d4c-a.txt  or, if there is but one pair left with this name, anywhere

Names are compared whatever their case, Unicode form or "%20".
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection

from core.datasets.convert.source import FolderFiles, splits_by_folder
from core.datasets.names.name_index import spelling, without_ending

NO_LABELS = re.compile(r"(readme|license|licence|notes|requirements)\b.*", re.IGNORECASE)
PICTURE_FOLDERS = ("images", "image", "imgs", "img", "jpegimages", "pictures")
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
        _match_left(files, texts, labels, key_of)
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
        if folders[number] in PICTURE_FOLDERS:
            below = folders[number + 1 :]
            keys += ["/".join([*folders[:number], place, *below, base]) for place in LABEL_FOLDERS]
    keys.append(key)
    keys.append("/".join([*folders, "labels", base]))
    return keys


def _base(name: str) -> str:
    return label_key(name).rpartition("/")[2]


def _base_without_prefix(name: str) -> str:
    return PREFIX.sub("", _base(name))


def _match_left(files: FolderFiles, texts: set[str], labels: dict[str, str], key_of: Callable[[str], str]) -> None:
    """Match pictures and labels that are still alone where their names leave one possibility, and no part differs."""
    claimed = set(labels.values())
    pictures_left, texts_left = defaultdict(list), defaultdict(list)
    for name in files.pictures:
        if name not in labels:
            pictures_left[key_of(name)].append(name)
    for name in texts - claimed:
        texts_left[key_of(name)].append(name)
    splits = {**splits_by_folder(files.pictures), **splits_by_folder(texts)}
    for key, (picture, *more) in pictures_left.items():
        if not more and len(texts_left[key]) == 1:
            text = texts_left[key][0]
            if splits.get(picture) == splits.get(text) or None in (splits.get(picture), splits.get(text)):
                labels[picture] = text
