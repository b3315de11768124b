"""A subset of a data set, `Subset`: which images belong to it, and how its annotation file is written.

In: an annotation file as large as COCO's own, chosen classes, how many images, a seed. Out: the chosen images, and a
COCO file with every annotation of the chosen classes on them. The same settings choose the same images and write the
same bytes, and annotations are kept byte for byte, with ids, polygons and crowds.

Apart from `coco2017` because nothing here needs a network. Polygons are never made into Python objects.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from core import DataError
from core.datasets.coco.entries import Entries, add_names, clean_categories, clean_images, resolve
from core.datasets.coco.ids import to_id
from core.datasets.coco_json import read_coco
from core.datasets.json_reader import decode
from core.disk import atomic_file
from core.typed_json import decoder
from core.wording import short

Id = TypeVar("Id")

MOST_SEED = 2**63 - 1
WORDS = {"max_train": "number of training images", "max_val": "number of validation images", "seed": "seed"}


@dataclass(frozen=True)
class Subset:
    """Which classes and how many images of a data set are taken. Raises DataError if a setting is wrong.

    classes      names; images with any of them are chosen, and only their annotations are kept
    max_train    largest number of training images; 0 for all
    max_val      largest number of validation images; 0 for all
    empty_share  share of the images that have none of the classes, from 0 to below 1
    seed         another one chooses other images
    """

    classes: tuple[str, ...]
    max_train: int = 0
    max_val: int = 0
    empty_share: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        classes: Any = self.classes  # of the command line and of requests, so it may be anything
        if isinstance(classes, str) or not all(isinstance(name, str) and name for name in classes):
            raise DataError(f"The classes are {short(repr(classes))}, but must be a list of names.")
        object.__setattr__(self, "classes", tuple(dict.fromkeys(self.classes)))
        if not self.classes:
            raise DataError("No class is chosen: choose at least one.")
        for name, most in (("max_train", 10**9), ("max_val", 10**9), ("seed", MOST_SEED)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
                raise DataError(f"The {WORDS[name]} is {short(repr(value))}, but must be a whole number from 0 on.")
        share: Any = self.empty_share
        if not isinstance(share, int | float) or not 0 <= share < 1:
            raise DataError(
                f"The share of images without a chosen class is {short(repr(share))}, but must be from 0 to below 1."
            )
        object.__setattr__(self, "empty_share", float(share))

    def max_images(self, split: str) -> int:
        """Return the largest number of images of a split, "train" or "val"; 0 for all."""
        return self.max_train if split == "train" else self.max_val

    def to_dict(self) -> dict[str, Any]:
        """Return the settings for JSON; the classes are sorted, so that equal subsets have equal dicts."""
        return {
            "classes": sorted(self.classes), "max_train": self.max_train, "max_val": self.max_val,
            "empty_share": self.empty_share, "seed": self.seed,
        }  # fmt: skip


class ImageEntry(msgspec.Struct, frozen=True, gc=False):
    """An image of an annotation file: the name of its picture, width and height in pixels."""

    id: int
    file_name: str
    width: int
    height: int


class _References(msgspec.Struct, gc=False):
    """The image and the category of an annotation, without its box."""

    image_id: Any = None
    category_id: Any = None


_read_references = decoder(_References).decode


class RawFile(msgspec.Struct):
    """An annotation file in which every annotation is still bytes."""

    images: list[msgspec.Raw]
    annotations: list[msgspec.Raw]
    categories: list[msgspec.Raw]
    info: msgspec.Raw = msgspec.Raw(b"{}")
    licenses: msgspec.Raw = msgspec.Raw(b"[]")


def choose_images(path: str | Path, subset: Subset, split: str) -> list[ImageEntry]:
    """Return the images of the annotation file at `path` that the subset holds, at least one, in the file's order.

    `split` is "train" or "val". Raises DataError if the file is broken, has no class of a chosen name, or no image
    shows one, and if the name of a picture is not a plain file name.
    """
    file = read_coco(path)
    chosen = set(find_category_ids(_names(file.categories), subset.classes, path).values())
    with_a_class = {a["image_id"] for a in file.annotations if a["category_id"] in chosen}
    ids = [image["id"] for image in file.images.kept]
    chosen_ids = set(choose_image_ids(ids, with_a_class, subset.max_images(split), subset.empty_share, subset.seed))
    images = [_entry(image, path) for image in file.images.kept if image["id"] in chosen_ids]
    if not images:
        raise DataError(f"No image of {path} shows {short(' or '.join(subset.classes))}: choose more classes.")
    _check_names(images, path)
    return images


def _entry(image: dict[str, Any], path: str | Path) -> ImageEntry:
    if image["width"] is None:
        raise DataError(f"{path} states no size of image {image['id']}: it is not COCO's own file.")
    return ImageEntry(image["id"], image["file_name"], int(image["width"]), int(image["height"]))


def _names(categories: Entries) -> list[tuple[str, int]]:
    return [(category["name"], category["id"]) for category in categories.kept]


def find_category_ids(categories: Iterable[tuple[str, Id]], names: Iterable[str], source: str | Path) -> dict[str, Id]:
    """Return the category ids of the chosen names, by name; `categories` are the (name, id) that `source` has.

    Raises DataError for an unknown name, with the names that may have been meant.
    """
    known = dict(categories)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
            advice = f"did you mean {short(' or '.join(near))}?" if near else f"it has: {short(', '.join(known), 160)}."
            raise DataError(f"{source} has no class {short(repr(name))}; {advice}")
    return {name: known[name] for name in names}


def choose_image_ids(
    image_ids: Iterable[int], ids_with_a_class: Iterable[int | float], most: int, empty_share: float, seed: int
) -> list[int]:
    """Return which of `image_ids` to take, in their order: at most `most` of them, 0 for all.

    Images without a chosen class make up `empty_share`, rounded down, or less if there are fewer of them. The rank of
    an image is made of the seed and its id alone, so a larger `most` takes the images of a smaller one and more.

    >>> choose_image_ids([1, 2, 3, 4, 5, 6], {2, 4, 6}, 0, 0.25, seed=0)
    [2, 3, 4, 6]
    """
    image_ids, with_a_class = list(image_ids), set(ids_with_a_class)
    ranked = sorted(set(image_ids), key=lambda i: (hashlib.blake2b(f"{seed}:{i}".encode(), digest_size=8).digest(), i))
    filled = iter([i for i in ranked if i in with_a_class])
    empty = iter([i for i in ranked if i not in with_a_class])
    share = Fraction(str(empty_share))  # in whole numbers, since 100 times the float 0.29 is less than 29
    chosen: set[int] = set()
    while not most or len(chosen) < most:
        before, after = (number * share.numerator // share.denominator for number in (len(chosen), len(chosen) + 1))
        image_id = next(empty, None) if after > before else None
        if image_id is None:
            image_id = next(filled, None)
        if image_id is None:
            break
        chosen.add(image_id)
    return [i for i in image_ids if i in chosen]


def write_split(
    source: str | Path, target: str | Path, ids: Iterable[int], classes: Iterable[str], settings: dict[str, Any]
) -> None:
    """Write the images `ids` of the annotation file `source`, with all their annotations of `classes`, to `target`.

    Entries keep their bytes and their order; `info` gains `settings` under "subset". The file appears when it is
    whole. Raises DataError for an unknown class or a file of another kind, and OSError if it cannot be written.
    """
    source, target = Path(source), Path(target)
    try:
        raw_file = decode(source, RawFile)
        images = clean_images([msgspec.json.decode(raw) for raw in raw_file.images])
        categories = clean_categories([msgspec.json.decode(raw) for raw in raw_file.categories], ())
        chosen = set(find_category_ids(_names(categories), classes, source).values())
        add_names(images)
        references = (images, set(ids)), (categories, chosen)
        annotations = [raw for raw in raw_file.annotations if _belongs(raw, *references)]
        lists = {
            "images": _kept(raw_file.images, *references[0]), "annotations": annotations,
            "categories": _kept(raw_file.categories, *references[1]),
        }  # fmt: skip
        info = msgspec.json.decode(raw_file.info)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DataError(f"{source} is not a COCO annotation file: {error}.") from None
    info = (info if isinstance(info, dict) else {}) | {"subset": settings}
    with atomic_file(target, durable=True) as unfinished:
        write_lists(unfinished, lists, info, bytes(raw_file.licenses))


def write_lists(
    target: Path, lists: Mapping[str, Iterable[bytes | msgspec.Raw]], info: object, licenses: bytes
) -> None:
    """Write a COCO file of entries that are JSON already, by the name of their list; raises OSError."""
    with target.open("wb") as out:
        out.write(b'{"info":' + json.dumps(info).encode() + b',"licenses":' + licenses)
        for name, entries in lists.items():
            out.write(b',"' + name.encode() + b'":[')
            for number, raw in enumerate(entries):
                out.write(b",\n" if number else b"\n")
                out.write(raw)
            out.write(b"]")
        out.write(b"}\n")


def _kept(raws: list[msgspec.Raw], entries: Entries, ids: set[int]) -> list[msgspec.Raw]:
    """Return the entries that are one of these, or stand for the same."""
    every = ids | {other for other, kept in entries.same.items() if kept in ids}
    kept = []
    for raw in raws:
        entry = msgspec.json.decode(raw)
        if isinstance(entry, dict) and to_id(entry.get("id")) in every:
            kept.append(raw)
    return kept


def _belongs(raw: msgspec.Raw, images: tuple[Entries, set[int]], categories: tuple[Entries, set[int]]) -> bool:
    """Check whether an annotation is of one of these images and categories; one that names none is not."""
    try:
        references = _read_references(raw)
    except msgspec.ValidationError:
        return False
    return all(
        resolve(value, entries) in ids
        for value, (entries, ids) in ((references.category_id, categories), (references.image_id, images))
    )


def _check_names(images: list[ImageEntry], path: str | Path) -> None:
    """Raise DataError unless every image has a plain file name of its own."""
    seen = set()
    for image in images:
        name = image.file_name
        if name in ("", ".", "..") or any(char in name for char in "/\\:\0") or len(name) > 200:
            raise DataError(
                f"{path} names the picture {short(repr(name))}, no plain file name: it is not COCO's own file."
            )
        if name.lower() in seen:
            raise DataError(f"{path} names the picture {short(repr(name))} twice: it is not COCO's own file.")
        seen.add(name.lower())
