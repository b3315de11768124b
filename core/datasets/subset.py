"""A subset of a COCO split: which images belong to it, and its annotation file.

In: an annotation file as large as COCO's own, chosen classes, how many images, a seed. Out: the chosen images, and a
COCO file with every annotation of the chosen classes on them. The same settings choose the same images and write the
same bytes, and what is kept is kept byte for byte: ids, polygons, crowds.

Apart from `download.py` because nothing here needs a network. Polygons are never made into objects.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import mmap
from codecs import BOM_UTF8
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import msgspec

from core import DataError
from core.datasets.json_reader import decode
from core.disk import atomic_file

MOST_SEED = 2**63 - 1
WORDS = {"max_train": "number of training images", "max_val": "number of validation images", "seed": "seed"}


@dataclass(frozen=True)
class Subset:
    """What is chosen of a data set. Raises DataError if a setting is wrong.

    classes      names; images with any of them are chosen, and only their annotations are kept
    max_train    at most so many training images; 0 for all there are
    max_val      the same of validation
    empty_share  share of the images that are without any of the classes, from 0 to below 1
    seed         another one chooses other images
    """

    classes: tuple[str, ...]
    max_train: int = 0
    max_val: int = 0
    empty_share: float = 0.0
    seed: int = 0

    def __post_init__(self):
        if isinstance(self.classes, str) or not all(isinstance(name, str) and name for name in self.classes):
            raise DataError(f"The classes are {self.classes!r}, but must be a list of names.")
        object.__setattr__(self, "classes", tuple(dict.fromkeys(self.classes)))
        if not self.classes:
            raise DataError("No class is chosen: choose at least one.")
        for name, most in (("max_train", 10**9), ("max_val", 10**9), ("seed", MOST_SEED)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
                raise DataError(f"The {WORDS[name]} is {value!r}, but must be a whole number from 0 on.")
        share = self.empty_share
        if not isinstance(share, int | float) or not 0 <= share < 1:
            raise DataError(f"The share of images without a chosen class is {share!r}, but must be from 0 to below 1.")
        object.__setattr__(self, "empty_share", float(share))

    def max_images(self, split: str) -> int:
        """The most images of "train" or "val"; 0 for all."""
        return self.max_train if split == "train" else self.max_val

    def to_dict(self) -> dict:
        """For JSON; two subsets with equal dicts are the same one, so the classes are sorted."""
        return {
            "classes": sorted(self.classes), "max_train": self.max_train, "max_val": self.max_val,
            "empty_share": self.empty_share, "seed": self.seed,
        }  # fmt: skip


class ImageEntry(msgspec.Struct, frozen=True, gc=False):
    """An image as an annotation file states it: its file's name, width and height in pixels."""

    id: int
    file_name: str
    width: int
    height: int


class _Place(msgspec.Struct, gc=False):
    """Of an annotation only where it belongs."""

    image_id: int | float  # some tools write 7.0, which is 7
    category_id: int | float


_read_place = msgspec.json.Decoder(_Place).decode


class _Category(msgspec.Struct):
    id: int | float
    name: str


class AnnotationIndex(msgspec.Struct):
    """What an annotation file holds, as far as it decides which images are chosen."""

    images: list[ImageEntry]
    annotations: list[_Place]
    categories: list[_Category]


class _Parts(msgspec.Struct):
    """A file in which every entry is still the bytes it stands there with."""

    images: list[msgspec.Raw]
    annotations: list[msgspec.Raw]
    categories: list[msgspec.Raw]
    info: msgspec.Raw = msgspec.Raw(b"{}")
    licenses: msgspec.Raw = msgspec.Raw(b"[]")


class _Id(msgspec.Struct):
    id: int | float


def choose_images(path, subset: Subset, split: str) -> list[ImageEntry]:
    """The images of the annotation file at `path` ("train" or "val" of its data set) that the subset holds.

    In the file's order, at least one. Raises DataError if the file is broken, has no class of a chosen name, or no
    image shows one, and if a file name leads anywhere but into the picture folder.
    """
    index = read_index(path)
    chosen = set(find_category_ids(((c.name, c.id) for c in index.categories), subset.classes, path).values())
    with_a_class = {a.image_id for a in index.annotations if a.category_id in chosen}
    del index.annotations
    ids = [picture.id for picture in index.images]
    wanted = set(choose_image_ids(ids, with_a_class, subset.max_images(split), subset.empty_share, subset.seed))
    pictures = [picture for picture in index.images if picture.id in wanted]
    if not pictures:
        raise DataError(f"No image of {path} shows {' or '.join(subset.classes)}: choose more classes.")
    _check_names(pictures, path)
    return pictures


def read_index(path) -> AnnotationIndex:
    """An annotation file without its boxes and polygons; raises DataError if it is broken."""
    try:
        return decode(path, AnnotationIndex)
    except msgspec.ValidationError as error:
        raise DataError(f"{path} is not a COCO annotation file: {error}.") from None


def find_category_ids(categories: Iterable[tuple[str, int]], names: Iterable[str], where) -> dict[str, int]:
    """Category ids by name, for the chosen names; raises DataError that tells what one may have meant."""
    known = dict(categories)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
            advice = f"did you mean {' or '.join(near)}?" if near else f"it has: {', '.join(known)}."
            raise DataError(f"{where} has no class {name!r}; {advice}")
    return {name: known[name] for name in names}


def choose_image_ids(image_ids, ids_with_a_class, most: int, empty_share: float, seed: int) -> list[int]:
    """Which of `image_ids` to take, in their order: at most `most` (0 for all) with a class, and empty ones among them.

    Every image has a rank of its own, made of the seed and its id alone, so a larger `max_images` takes the images of a
    smaller one and more. Empty ones make up `empty_share`, rounded down, or less if there are fewer of them.

    >>> choose_image_ids([1, 2, 3, 4, 5, 6], {2, 4, 6}, 0, 0.25, seed=0)
    [2, 3, 4, 6]
    """
    with_a_class = set(ids_with_a_class)
    ranked = sorted(set(image_ids), key=lambda i: (hashlib.blake2b(f"{seed}:{i}".encode(), digest_size=8).digest(), i))
    shown = iter([i for i in ranked if i in with_a_class])
    empty = iter([i for i in ranked if i not in with_a_class])
    share = Fraction(str(empty_share))  # in whole numbers, since 100 times the float 0.29 is less than 29
    wanted: set[int] = set()
    while not most or len(wanted) < most:
        before, after = (number * share.numerator // share.denominator for number in (len(wanted), len(wanted) + 1))
        one = next(empty, None) if after > before else None
        if one is None:
            one = next(shown, None)
        if one is None:
            break
        wanted.add(one)
    return [i for i in image_ids if i in wanted]


def write_split(source, target, ids: Iterable[int], classes: Iterable[str], settings: dict) -> None:
    """Writes the images `ids` of the annotation file `source`, with all annotations of the classes, to `target`.

    Entries keep their bytes and their order; `info` gains `settings` under "subset". The file appears when it is
    whole. Raises DataError for an unknown class or a file of another kind, and OSError if it cannot be written.
    """
    source, target = Path(source), Path(target)
    with source.open("rb") as file:
        # Not closed by hand: the raw entries are views into it, and it goes with the last of them.
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    try:
        begin = len(BOM_UTF8) if content[: len(BOM_UTF8)] == BOM_UTF8 else 0
        parts = msgspec.json.decode(memoryview(content)[begin:], type=_Parts)
        categories = [(msgspec.json.decode(raw, type=_Category), raw) for raw in parts.categories]
        chosen = set(find_category_ids(((c.name, c.id) for c, _ in categories), classes, source).values())
        ids = set(ids)
        read_id = msgspec.json.Decoder(_Id).decode
        images = [raw for raw in parts.images if read_id(raw).id in ids]
        annotations = [raw for raw in parts.annotations if _belongs(raw, ids, chosen)]
        info = msgspec.json.decode(parts.info)
    except msgspec.ValidationError as error:
        raise DataError(f"{source} is not a COCO annotation file: {error}.") from None
    except msgspec.DecodeError as error:
        raise DataError(f"{source} cannot be cut down, {error}: export it again.") from None
    info = (info if isinstance(info, dict) else {}) | {"subset": settings}
    lists = {"images": images, "annotations": annotations, "categories": [r for c, r in categories if c.id in chosen]}
    with atomic_file(target, durable=True) as unfinished, unfinished.open("wb") as out:
        out.write(b'{"info":' + json.dumps(info).encode() + b',"licenses":' + bytes(parts.licenses))
        for name, entries in lists.items():
            out.write(b',"' + name.encode() + b'":[')
            for number, raw in enumerate(entries):
                out.write(b",\n" if number else b"\n")
                out.write(raw)
            out.write(b"]")
        out.write(b"}\n")


def _belongs(raw: msgspec.Raw, ids: set, categories: set) -> bool:
    """Whether an annotation is of one of these images and categories; one that names none is of none."""
    try:
        place = _read_place(raw)
    except msgspec.ValidationError:
        return False
    return place.category_id in categories and place.image_id in ids


def _check_names(pictures: list[ImageEntry], path) -> None:
    """Raises DataError unless every picture has a plain file name of its own."""
    seen = set()
    for picture in pictures:
        name = picture.file_name
        if name in ("", ".", "..") or any(char in name for char in "/\\:\0") or len(name) > 200:
            raise DataError(f"{path} names the picture {name[:80]!r}, no plain file name: it is not COCO's own file.")
        if name.lower() in seen:
            raise DataError(f"{path} names the picture {name!r} twice: it is not COCO's own file.")
        seen.add(name.lower())
