"""A part of a data set that has been read, by its classes or a `Subset`: smaller splits, or a data set of its own.

In: the splits of a data set, and classes or a `Subset`. Out: smaller splits; or a folder in COCO layout whose picture
folders are links to those of the data set, so that no picture is copied:

    out/annotations/instances_train.json, instances_val.json    out/train, out/val   links
"""

from __future__ import annotations

import json
import random
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from core import DataError
from core.datasets.split import CocoSplit, require_usable
from core.datasets.subset import Subset, choose_image_ids, find_category_ids, write_split
from core.disk import atomic_folder
from core.files import real_path
from core.system.moves import link_folder
from core.wording import short


def filter_to_classes(
    split: CocoSplit, names: Iterable[str], empty_share: float | None = 0.0, seed: int = 0
) -> CocoSplit:
    """Return the split with the classes in `names` only, all ids and crowds kept, images in the file's order.

    As many images without any of these classes are drawn as make up `empty_share` (0 to below 1) of the result, or
    all if there are fewer; None keeps every one. Raises DataError for a class that the split does not have.
    """
    if empty_share is not None and not 0 <= empty_share < 1:
        raise DataError(f"The share of images without a chosen class is {empty_share}, but must be from 0 to below 1.")
    chosen = set(split.label_map(list(names)).category_ids)
    annotations = [a for a in split.annotations if a["category_id"] in chosen]
    categories = [c for c in split.categories if c["id"] in chosen]
    keep = {a["image_id"] for a in annotations}
    empty = [image["id"] for image in split.images if image["id"] not in keep]
    wanted = len(empty) if empty_share is None else round(len(keep) * empty_share / (1 - empty_share))
    keep.update(random.Random(seed).sample(empty, min(wanted, len(empty))))
    images = [image for image in split.images if image["id"] in keep]
    return replace(split, images=images, annotations=annotations, categories=categories)


def only_images(split: CocoSplit, image_ids: Collection[int]) -> CocoSplit:
    """Return the split with these images alone."""
    images = [image for image in split.images if image["id"] in image_ids]
    return replace(split, images=images, annotations=[a for a in split.annotations if a["image_id"] in image_ids])


def subset_image_ids(split: CocoSplit, subset: Subset) -> list[int]:
    """Return the ids of the split's images that the subset holds, in the file's order.

    A split may lack some of the subset's classes, as exports list only those that they hold.
    Raises DataError for a split that has none of the classes or cannot be used.
    """
    categories = set(require_usable(split).label_map(classes_in_split(split, subset)).category_ids)
    ids = np.array([image["id"] for image in split.images], dtype=np.int64)
    is_chosen = np.array([c["id"] in categories for c in split.categories], dtype=bool)
    with_a_class = ids[np.unique(split.columns.image[is_chosen[split.columns.category]])]
    most = subset.max_images(split.name)
    return choose_image_ids(ids.tolist(), with_a_class.tolist(), most, subset.empty_share, subset.seed)


def classes_in_split(split: CocoSplit, subset: Subset) -> list[str]:
    """Return those of the subset's classes that the split has, or all of them if it has none."""
    return [c["name"] for c in split.categories if c["name"] in subset.classes] or list(subset.classes)


def take_subset(split: CocoSplit, subset: Subset) -> CocoSplit:
    """Return the split with the subset's images and classes alone.

    Raises DataError for a split that has none of the classes or cannot be used.
    """
    ids = set(subset_image_ids(split, subset))
    categories = [c for c in split.categories if c["name"] in subset.classes]
    category_ids = {c["id"] for c in categories}
    return replace(
        split,
        images=[image for image in split.images if image["id"] in ids],
        annotations=[a for a in split.annotations if a["image_id"] in ids and a["category_id"] in category_ids],
        categories=categories,
    )


def save_subset(splits: Mapping[str, CocoSplit], subset: Subset, out: str | Path) -> None:
    """Save the subset as the data set `out`, a folder that must not exist; annotations keep their bytes and ids.

    Of a file that only Python reads, with NaN in it, the boxes are kept, but no polygons.
    Raises DataError if `out` exists or cannot be written, if a split would have no image, or if one cannot be used.
    """
    out = real_path(out)
    try:
        if out.exists():
            raise DataError(f"{out} is there already: choose another name.")
        known = {c["name"]: c["id"] for split in splits.values() for c in require_usable(split).categories}
        find_category_ids(known.items(), subset.classes, "The data set")
        with atomic_folder(out) as partial:
            (partial / "annotations").mkdir()
            for name, split in splits.items():
                ids = subset_image_ids(split, subset)
                if not ids:
                    raise DataError(
                        f"No {name} image shows {short(' or '.join(subset.classes))}: choose other classes."
                    )
                target = partial / "annotations" / f"instances_{name}.json"
                try:
                    write_split(split.json_path, target, ids, classes_in_split(split, subset), subset.to_dict())
                except DataError:  # as with NaN in it: what could be read of it is kept, without polygons
                    rest = take_subset(split, subset).to_dict() | {"info": {"subset": subset.to_dict()}}
                    target.write_text(json.dumps(rest), encoding="utf-8")
                elsewhere = not split.located.paths.keys().isdisjoint(ids)
                pictures = real_path(split.root) if elsewhere and split.root else split.resolved_dir
                link_folder(pictures, partial / name)
    except OSError as error:
        raise DataError(f"{out} cannot be written: {error.strerror or error}.") from error
