"""COCO files: find them, read and check them, filter them to chosen classes, count what is in them.

In: a folder in COCO layout, or a single JSON file. Out: `CocoSplit`, one split's images, annotations and categories
as plain dicts, every field that the project reads checked and of the right type. Boxes here are COCO's `xywh`.

    folder/annotations/instances_train*.json   folder/train*/…jpg   (or folder/images/train*/, or folder/images/)
    folder/annotations/instances_val*.json     folder/val*/…jpg

Nothing in a file is trusted: a broken one gives a DataError, and a picture's path cannot leave its folder.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from core import DataError
from core.labels import LabelMap

SPLITS = ("train", "val")
SIZES = ("small", "medium", "large")
SIZE_LIMITS = (32**2, 96**2)  # px²: small < 32² ≤ medium < 96² ≤ large


@dataclass(frozen=True)
class CocoSplit:
    """One split of a data set, as its COCO file says it. The dicts are shared between splits: read, never write.

    images       id, file_name, width, height (pixels), and what else the file has
    annotations  id, image_id, category_id, bbox (xywh, pixels, w and h > 0), area (px²), iscrowd (0 or 1); no polygons
    categories   id, name
    dropped      how many annotations were left out because their box has no extent or is not four finite numbers
    """

    name: str
    json_path: Path
    image_dir: Path
    images: list[dict]
    annotations: list[dict]
    categories: list[dict]
    dropped: int = 0

    def label_map(self, chosen: list[str] | None = None) -> LabelMap:
        """The split's classes in the file's order, or those chosen; raises DataError for a class it does not have."""
        return LabelMap.from_categories(self.categories, chosen)

    @cached_property
    def by_image(self) -> dict[int, list[dict]]:
        """Image id to its annotations, for every image, also those without any."""
        found: dict[int, list[dict]] = {image["id"]: [] for image in self.images}
        for annotation in self.annotations:
            found[annotation["image_id"]].append(annotation)
        return found

    @cached_property
    def image_by_id(self) -> dict[int, dict]:
        return {image["id"]: image for image in self.images}

    def image_path(self, image: dict) -> Path:
        """Where the picture lies; whether it exists is not checked.

        Raises DataError if its file name leads out of the image folder: absolute, through "..", or by a link.
        """
        name = image["file_name"]
        try:
            path = (self.image_dir / name).resolve()
            inside = not Path(name).is_absolute() and self.image_dir.resolve() in path.parents
        except (OSError, RuntimeError, ValueError):  # a ring of links, a NUL byte
            inside = False
        if not inside:
            raise DataError(f"{self.json_path.name} names the picture {name!r}, which is not inside {self.image_dir}.")
        return path

    def to_dict(self) -> dict:
        """The split as a COCO dict, for evaluation; its lists are the split's own."""
        return {"images": self.images, "annotations": self.annotations, "categories": self.categories}


@dataclass(frozen=True)
class Statistics:
    """What is in a split; crowds are counted apart and nowhere else."""

    images: int
    empty_images: int
    objects: dict[str, int]  # by class name, in the file's order, 0 included
    sizes: dict[str, dict[str, int]]  # class name to {"small": n, "medium": n, "large": n}
    crowds: int
    dropped: int


def size_indices(areas) -> np.ndarray:
    """Areas (N,) in px² of the original image to indices into SIZES, (N,).

    >>> [SIZES[i] for i in size_indices([32**2 - 1, 32**2, 96**2])]
    ['small', 'medium', 'large']
    """
    return np.searchsorted(SIZE_LIMITS, np.asarray(areas, dtype=np.float64), side="right")


def list_datasets(data_dir) -> list[Path]:
    """The folders directly under `data_dir` that look like COCO data sets, by name; hidden ones are left out."""
    folders = sorted(path for path in Path(data_dir).glob("*") if not path.name.startswith("."))
    return [folder for folder in folders if any(_json_files(folder, split) for split in SPLITS)]


def find_splits(folder) -> dict[str, tuple[Path, Path]]:
    """The splits of a data set, each name with (its JSON file, its image folder); at least one.

    Raises DataError that says what was looked for.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"There is no data set folder {folder}.")
    splits = {name: _find_split(folder, name) for name in SPLITS if _json_files(folder, name)}
    if not splits:
        raise DataError(f"{folder} has no annotations/instances_train*.json and no annotations/instances_val*.json.")
    return splits


def _json_files(folder: Path, split: str) -> list[Path]:
    """The annotation files that may be the split's: the plain name alone if it is there, else all with a suffix."""
    plain = folder / "annotations" / f"instances_{split}.json"
    return [plain] if plain.is_file() else sorted((folder / "annotations").glob(f"instances_{split}*.json"))


def _find_split(folder: Path, split: str) -> tuple[Path, Path]:
    files = _json_files(folder, split)
    if len(files) > 1:
        names = " and ".join(path.name for path in files)
        raise DataError(f"{folder}/annotations holds {names}: keep one, so that the {split} split is clear.")
    own = files[0].stem.removeprefix("instances_")  # "train2017"
    places = [folder / own, folder / "images" / own, folder / split, folder / "images" / split, folder / "images"]
    for place in places:
        if place.is_dir():
            return files[0], place
    tried = ", ".join(f"{place.relative_to(folder).as_posix()}/" for place in dict.fromkeys(places))
    raise DataError(f"{folder} has no picture folder for {files[0].name}; looked for {tried}.")


def read_split(folder, split: str) -> CocoSplit:
    """One split ("train" or "val") of the data set in `folder`, boxes without extent left out and counted.

    Raises DataError if it is not there or its file is broken.
    """
    splits = find_splits(folder)
    if split not in splits:
        raise DataError(f"The data set {folder} has no {split} split; it has: {', '.join(splits)}.")
    json_path, image_dir = splits[split]
    data = read_json(json_path)
    kept = [a for a in data["annotations"] if _is_box(a["bbox"]) and min(a["bbox"][2:]) > 0]
    dropped = len(data["annotations"]) - len(kept)
    return CocoSplit(split, json_path, image_dir, data["images"], kept, data["categories"], dropped)


def _is_list_of_dicts(part) -> bool:
    return isinstance(part, list) and all(isinstance(item, dict) for item in part)


def _is_box(bbox) -> bool:
    return isinstance(bbox, list) and len(bbox) == 4 and all(_is_number(v) for v in bbox)


def _is_number(value) -> bool:
    """Whether it is a number small enough to be exact as float64, so neither NaN nor infinite."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 2**53


def read_results(path) -> list[dict]:
    """A COCO results file: its list, or the `annotations` of a dict. The rows are checked when they are evaluated.

    Raises DataError if the file is missing, truncated or something else.
    """
    data = _load(Path(path))
    rows = data.get("annotations") if isinstance(data, dict) else data
    if not _is_list_of_dicts(rows):
        raise DataError(f"{path} is not a COCO results file: it should hold a list of detections.")
    return rows


def read_json(path) -> dict:
    """A COCO ground-truth file with its `images`, `annotations` and `categories` checked.

    Ids become ints, a missing `iscrowd` 0, a missing `area` width times height. Polygons are left out: nothing here
    uses them and they are nine tenths of the file.
    Raises DataError if the file is missing, truncated or not such a file.
    """
    data = _load(Path(path))
    parts = ("images", "annotations", "categories")
    if not isinstance(data, dict) or not all(_is_list_of_dicts(data.get(part)) for part in parts):
        raise DataError(f"{path} is not a COCO annotation file: it should hold the lists {', '.join(parts)}.")
    for image in data["images"]:
        _check_image(image, path)
    for category in data["categories"]:
        _check_named(category, "a category", "name", path)
    image_ids, category_ids = (_unique(data, part, "id", path) for part in ("images", "categories"))
    _unique(data, "categories", "name", path)
    for annotation in data["annotations"]:
        _check_annotation(annotation, image_ids, category_ids, path)
    _unique(data, "annotations", "id", path)
    return data


def _without_polygons(values: dict) -> dict:
    values.pop("segmentation", None)
    return values


def _load(path: Path):
    try:
        with path.open(encoding="utf-8") as file:
            return json.load(file, object_hook=_without_polygons)
    except FileNotFoundError:
        raise DataError(f"There is no file {path}.") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError):  # not JSON, not UTF-8, nested without end
        raise DataError(f"{path} is not valid JSON: it may be cut off or damaged; fetch or export it again.") from None


def _as_id(value, what: str, path) -> int:
    """An id as an int, also where a tool wrote 7.0; raises DataError for anything else."""
    if not _is_number(value) or value != int(value):
        raise DataError(f"{what} in {path} is {value!r}, but must be a whole number.")
    return int(value)


def _unique(data: dict, part: str, key: str, path) -> set:
    counts = Counter(item[key] for item in data[part])
    for value, count in counts.most_common(1):
        if count > 1:
            raise DataError(f"The {key} {value!r} occurs twice among the {part} of {path}.")
    return set(counts)


def _check_image(image: dict, path) -> None:
    _check_named(image, "an image", "file_name", path)
    for side in ("width", "height"):
        if not _is_number(image.get(side)) or image[side] <= 0:
            raise DataError(f"The image {image['id']} in {path} has no {side} in pixels.")


def _check_named(item: dict, what: str, key: str, path) -> None:
    item["id"] = _as_id(item.get("id"), f"The id of {what}", path)
    if not isinstance(item.get(key), str) or not item[key]:
        raise DataError(f"{path} has {what} ({item['id']}) without {key}.")


def _check_annotation(annotation: dict, image_ids: set[int], category_ids: set[int], path) -> None:
    annotation["id"] = own = _as_id(annotation.get("id"), "The id of an annotation", path)
    for key, known in (("image_id", image_ids), ("category_id", category_ids)):
        annotation[key] = _as_id(annotation.get(key), f"The {key} of annotation {own}", path)
        if annotation[key] not in known:
            raise DataError(f"Annotation {own} in {path} has the {key} {annotation[key]}, which is not listed there.")
    if "bbox" not in annotation:
        raise DataError(f"Annotation {own} in {path} has no bbox: the file is not for object detection.")
    annotation["iscrowd"] = int(bool(annotation.get("iscrowd", 0)))
    if not _is_number(annotation.get("area")):
        annotation["area"] = (
            float(annotation["bbox"][2] * annotation["bbox"][3]) if _is_box(annotation["bbox"]) else 0.0
        )


def filter_to_classes(split: CocoSplit, names, empty_share: float | None = 0.0, seed: int = 0) -> CocoSplit:
    """The split with the classes in `names` only, all ids and crowds kept, images in the file's order.

    Of the images without any of these classes, as many are drawn as make up `empty_share` (0 to below 1) of the
    result, or all there are; None keeps every one.
    Raises DataError for a class the split does not have.
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


def statistics(split: CocoSplit) -> Statistics:
    """Counts of a split's images, objects per class and size, and crowds."""
    names = {c["id"]: c["name"] for c in split.categories}
    sizes = {name: dict.fromkeys(SIZES, 0) for name in names.values()}
    objects = [a for a in split.annotations if not a["iscrowd"]]
    for annotation, index in zip(objects, size_indices([a["area"] for a in objects]), strict=True):
        sizes[names[annotation["category_id"]]][SIZES[index]] += 1
    empty = sum(not annotations for annotations in split.by_image.values())
    counts = {name: sum(by_size.values()) for name, by_size in sizes.items()}
    return Statistics(len(split.images), empty, counts, sizes, len(split.annotations) - len(objects), split.dropped)
