"""Data sets in COCO layout whose images are some of another data set's: nothing is copied, pictures are linked.

    out/annotations/instances_train.json, instances_val.json
    out/images/train, out/images/val    links to the folder in which the pictures of both parts lie

In: the parts of a data set, and which of their images are for training and which for validation. Images, annotations
and categories keep their ids, unless both parts use the same id for different ones: the validation part's images or
annotations then get new ids. Outlines are left out: nothing here learns from them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import DataError
from core.datasets.coco.entries import Entry
from core.datasets.layouts import SPLITS
from core.datasets.split import CocoSplit
from core.disk import atomic_folder
from core.files import common_folder
from core.system.moves import link_folder
from core.wording import short

Lists = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Pool:
    """All images of a data set's parts as one list, each with the path of its picture below `pictures`.

    images, annotations, categories  as in a COCO file; ids are unique
    rows                             for each part, the place of its first image in `images`
    """

    pictures: Path
    images: list[Entry]
    annotations: list[Entry]
    categories: list[Entry]
    rows: dict[str, int]

    def ids(self, rows: Collection[int]) -> set[int]:
        """Return the ids of the images at these places."""
        return {self.images[row]["id"] for row in rows}


def pool_of(splits: Mapping[str, CocoSplit]) -> Pool:
    """Return the images of all splits as one list. Raises DataError for a picture that is outside all folders."""
    paths = {(name, image["id"]): split.image_path(image) for name, split in splits.items() for image in split.images}
    if not paths:
        raise DataError("The data set has no image: there is nothing to divide.")
    pictures = common_folder(paths.values())
    images: list[Entry] = []
    annotations: list[Entry] = []
    categories: list[Entry] = []
    rows = {}
    for name, split in splits.items():
        rows[name] = len(images)
        category_ids = _add_categories(categories, split)
        image_ids = _new_ids([image["id"] for image in images], [image["id"] for image in split.images])
        annotation_ids = _new_ids([a["id"] for a in annotations], [a["id"] for a in split.annotations])
        images += [
            image
            | {"id": image_ids[image["id"]], "file_name": paths[name, image["id"]].relative_to(pictures).as_posix()}
            for image in split.images
        ]
        annotations += [
            annotation
            | {
                "id": annotation_ids[annotation["id"]],
                "image_id": image_ids[annotation["image_id"]],
                "category_id": category_ids[annotation["category_id"]],
            }
            for annotation in split.annotations
        ]
    return Pool(pictures, images, annotations, categories, rows)


def _add_categories(categories: list[Entry], split: CocoSplit) -> dict[int, int]:
    """Add what is new of the split's categories, known by name; return the new id of each of its ids."""
    known = {category["name"]: category["id"] for category in categories}
    ids = {}
    for category in split.categories:
        if category["name"] not in known:
            taken = set(known.values())
            fresh = category["id"] if category["id"] not in taken else max(taken) + 1
            known[category["name"]] = fresh
            categories.append(category | {"id": fresh})
        ids[category["id"]] = known[category["name"]]
    return ids


def _new_ids(taken: Collection[int], ids: Collection[int]) -> dict[int, int]:
    """Return for each id itself, or where that is taken a number above all."""
    used, following = set(taken), max([0, *taken, *ids]) + 1
    answer = {}
    for one in ids:
        if one in used:
            answer[one], following = following, following + 1
        else:
            answer[one] = one
    return answer


def write_dataset(pool: Pool, parts: Mapping[str, set[int]], out: Path, description: dict[str, Any]) -> None:
    """Write a data set with these image ids in each part, in the pool's order, as the new folder `out`.

    description  what it is, for `info`

    Raises DataError if a part has no image, or the folder cannot be written.
    """
    for part in SPLITS:
        if not parts[part]:
            raise DataError(f"The part {part} of {short(out)} would have no image: take more images or fewer parts.")
    try:
        with atomic_folder(out, durable=True) as partial:
            for inner in ("annotations", "images"):
                (partial / inner).mkdir()
            for part in SPLITS:
                content = _part(pool, parts[part]) | {"info": {"detr_lab": description}}
                target = partial / "annotations" / f"instances_{part}.json"
                target.write_text(json.dumps(content), encoding="utf-8")
                link_folder(pool.pictures, partial / "images" / part, [i["file_name"] for i in content["images"]])
    except OSError as error:
        raise DataError(f"{out} cannot be written: {error.strerror or error}.") from error


def _part(pool: Pool, ids: set[int]) -> dict[str, Any]:
    return {
        "images": [image for image in pool.images if image["id"] in ids],
        "annotations": [annotation for annotation in pool.annotations if annotation["image_id"] in ids],
        "categories": pool.categories,
    }
