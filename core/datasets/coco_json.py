"""Reading COCO files: JSON to plain dicts whose structure is checked, in seconds also where it is half a gigabyte.

In: a ground truth. Out: `CocoFile`, its images, annotations and categories, with whole numbers as ids that refer to
each other, and what was wrong (`problems.Problem`). This is the one reader of such files: a check, a training, an
evaluation, an import and a subset see the same images and annotations. Boxes are checked in `sound_boxes.py`. Apart
from `split.py` because ground truths of other tools, which are no data sets, are read here too.

msgspec decodes only the fields that the project reads, so polygons, nine tenths of such a file, are never made but
for annotations without a box or an area.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import msgspec

from core import DataError
from core.datasets.coco.annotations import Repair, renumber, with_references
from core.datasets.coco.areas import complete
from core.datasets.coco.entries import Entries, Entry, add_names, clean_categories, clean_images
from core.datasets.coco.ids import EXACT_LIMIT, ID_LIMIT, to_id
from core.datasets.json_reader import PythonOnlyJson, decode, decode_with_python
from core.datasets.problems import Problem, merged

CocoDict = dict[str, list[Entry]]  # the COCO_LISTS by name

COCO_LISTS = ("images", "annotations", "categories")

Id = Annotated[int, msgspec.Meta(gt=-ID_LIMIT, lt=ID_LIMIT)]
Area = Annotated[float, msgspec.Meta(gt=-EXACT_LIMIT, lt=EXACT_LIMIT)]
Box = Annotated[list[float], msgspec.Meta(min_length=4, max_length=4)]


class _Annotation(TypedDict):
    """An annotation as it should be; a file with any other is read again, to say what is wrong with it."""

    id: Id
    image_id: Id
    category_id: Id
    bbox: Box
    area: NotRequired[Area]
    iscrowd: NotRequired[Literal[0, 1]]


class _AnyAnnotation(TypedDict, total=False):
    id: Any
    image_id: Any
    category_id: Any
    bbox: Any
    area: Any
    iscrowd: Any


class _File(TypedDict):
    images: list[Any]
    annotations: list[_Annotation]
    categories: list[Any]
    info: NotRequired[Any]


class _AnyFile(TypedDict):
    images: list[Any]
    annotations: list[_AnyAnnotation | list[Any] | str | float | bool | None]
    categories: list[Any]
    info: NotRequired[Any]


@dataclass(frozen=True)
class CocoFile:
    """What a COCO file holds.

    images       each with an id of its own; `file_name` "" and `width`, `height` None where the file has none
    categories   one for each name
    annotations  dicts of the ANNOTATION_FIELDS and no others: an image and a category that are kept, an `iscrowd` of 0
                 or 1 and an area; `bbox` is as the file has it, or None
    problems     what was left out or repaired
    info         the file's own "info", an empty dict where it has none
    """

    images: Entries
    categories: Entries
    annotations: list[Entry]
    problems: list[Problem]
    info: dict[str, Any]

    def to_dict(self) -> CocoDict:
        """Return the COCO_LISTS."""
        return {"images": self.images.kept, "annotations": self.annotations, "categories": self.categories.kept}


def read_coco(path: str | Path, split: str = "") -> CocoFile:
    """Read a COCO file; whatever is wrong with an entry costs this entry, and is among the problems.

    Raises DataError if the file is missing, truncated or no COCO annotation file.
    """
    data, is_clean = _decode_lists(Path(path))
    raw: list[Any] = data["annotations"]
    images = clean_images(data["images"])
    used = map(itemgetter("category_id"), raw) if is_clean else (_category_id(row) for row in raw)
    categories = clean_categories(data["categories"], set(used))
    references = {"image_id": images, "category_id": categories}
    repair = Repair(references)
    rows = raw
    if not is_clean:
        add_names(images)
        rows = [repair.plain(row, place) for place, row in enumerate(raw)]
    annotations = rows if is_clean else [row for row in rows if row is not None]
    problems = [*images.listed(split), *categories.listed(split), *repair.listed(split)]
    if not is_clean or len(set(map(itemgetter("id"), annotations))) < len(annotations):
        problems += renumber(annotations, split)
    for annotation in annotations:
        annotation.setdefault("iscrowd", 0)
    annotations, more = with_references(annotations, references, repair.stated, split)
    problems += [*more, *complete(Path(path), rows, raw, annotations, split)]
    info = data.get("info")
    return CocoFile(images, categories, annotations, merged(problems), info if isinstance(info, dict) else {})


def examine_ground_truth(path: str | Path, split: str = "") -> tuple[CocoDict, list[Problem]]:
    """Read a COCO file as `read_coco` does; return its COCO_LISTS, and what was wrong with them."""
    file = read_coco(path, split)
    return file.to_dict(), file.problems


def _category_id(row: Any) -> int | None:
    return to_id(row.get("category_id")) if isinstance(row, dict) else None


def _decode_lists(path: Path) -> tuple[dict[str, Any], bool]:
    """Return the file's COCO_LISTS and its "info", and whether each annotation is as it should be."""
    try:
        return decode(path, _File), True
    except msgspec.ValidationError:
        pass
    try:
        return decode(path, _AnyFile), False
    except PythonOnlyJson:
        data = decode_with_python(path)
        if isinstance(data, dict) and all(isinstance(data.get(name), list) for name in COCO_LISTS):
            return {name: data.get(name) for name in (*COCO_LISTS, "info")}, False
    except msgspec.ValidationError:
        pass
    raise DataError(
        f"{path} is not a COCO annotation file: it should hold the lists {', '.join(COCO_LISTS)}{_lacking(path)}."
    )


def _lacking(path: Path) -> str:
    """Return which of the COCO_LISTS a JSON file lacks, in words; "" where it is no object, or Python's own JSON."""
    try:
        data = decode(path, dict[str, Any])
    except msgspec.ValidationError:
        return ""
    lacking = [name for name in COCO_LISTS if not isinstance(data.get(name), list)]
    return f", but {lacking[0]} is {'no list' if lacking[0] in data else 'missing'}" if lacking else ""
