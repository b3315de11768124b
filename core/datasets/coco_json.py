"""Reading COCO files: JSON to plain dicts whose structure is checked, in seconds also where it is half a gigabyte.

In: a ground truth or a results list. Out: its images, annotations and categories, ids as whole numbers that refer to
each other, and what was wrong (`problems.Problem`). Boxes are not judged here. Apart from `coco.py` because ground
truths of other tools come this way too.

msgspec decodes only the fields that the project reads, so polygons, nine tenths of such a file, are never made.
"""

from __future__ import annotations

import posixpath
from operator import itemgetter
from pathlib import Path
from reprlib import repr as shortened
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import msgspec

from core import DataError
from core.datasets.json_reader import PythonOnlyJson, decode, decode_with_python
from core.datasets.problems import Example, Problem, ProblemKind, problems_of

COCO_LISTS = ("images", "annotations", "categories")
EXACT_LIMIT = 2**53  # numbers below it are exact as float64
ANNOTATION_FIELDS = ("id", "image_id", "category_id", "bbox", "area", "iscrowd")  # of an annotation

Id = Annotated[int, msgspec.Meta(gt=-EXACT_LIMIT, lt=EXACT_LIMIT)]
Area = Annotated[float, msgspec.Meta(gt=-EXACT_LIMIT, lt=EXACT_LIMIT)]
Box = Annotated[list[float], msgspec.Meta(min_length=4, max_length=4)]

REFERENCES = {"image_id": "images", "category_id": "categories"}
BROKEN = (
    ProblemKind.IMAGE_ID,
    ProblemKind.IMAGE_NAME,
    ProblemKind.IMAGE_STATED,
    ProblemKind.CATEGORY,
)  # with these no annotation can be placed
UNKNOWN = {"image_id": ProblemKind.UNKNOWN_IMAGE, "category_id": ProblemKind.UNKNOWN_CATEGORY}


class _Annotation(TypedDict):
    """An annotation as it should be; a file with any other is read again, to say what it is."""

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
    images: list[dict[str, Any]]
    annotations: list[_Annotation]
    categories: list[dict[str, Any]]


class _AnyFile(TypedDict):
    images: list[dict[str, Any]]
    annotations: list[_AnyAnnotation]
    categories: list[dict[str, Any]]


def examine_ground_truth(path, split: str = "") -> tuple[dict, list[Problem]]:
    """A ground truth's `images`, `annotations` and `categories`, and what was wrong with them.

    Ids are ints, and every annotation has the FIELDS and no others: an image and a category that are listed, an
    `iscrowd` of 0 or 1 and an area; annotations for which that cannot be are left out. Its `bbox` is as the file has
    it, or None. Problems may be FATAL; where one stands in the way of placing annotations, these are as they are.
    Raises DataError if the file is missing, truncated or not such a file.
    """
    data, is_clean = _decode_parts(Path(path))
    problems = [*_check_images(data["images"], split), *_check_categories(data["categories"], split)]
    if any(p.kind in BROKEN for p in problems):
        return data, problems
    known = {key: {item["id"] for item in data[part]} for key, part in REFERENCES.items()}
    if not is_clean:
        data["annotations"] = [_mended(annotation) for annotation in data["annotations"]]
    if not is_clean or len(set(map(itemgetter("id"), data["annotations"]))) < len(data["annotations"]):
        problems += _number_anew(data["annotations"], split)
    data["annotations"], found = _with_references(data["annotations"], known, split)
    return data, problems + found


def _decode_parts(path: Path) -> tuple[dict, bool]:
    """The file's PARTS, each a list of dicts, and whether each annotation is as it should be."""
    try:
        return decode(path, _File), True
    except msgspec.ValidationError:
        pass
    try:
        return decode(path, _AnyFile), False
    except PythonOnlyJson:
        data = decode_with_python(path)
        if isinstance(data, dict) and all(_is_list_of_dicts(data.get(part)) for part in COCO_LISTS):
            return {part: data[part] for part in COCO_LISTS}, False
    except msgspec.ValidationError:
        pass
    raise DataError(f"{path} is not a COCO annotation file: it should hold the lists {', '.join(COCO_LISTS)}.")


def read_ground_truth(path) -> dict:
    """A ground truth in which nothing had to be left out or renumbered: any tool's, to be evaluated on as it is.

    Raises DataError that names the first problem otherwise.
    """
    data, problems = examine_ground_truth(path)
    for found in problems:
        if found.kind not in (ProblemKind.NO_AREA, ProblemKind.PATH):  # no boxes depend on a picture
            example = f", as {found.examples[0].detail}" if found.examples else ""
            raise DataError(f"{path} has {found.kind.counted(found.count)}{example}: correct the file.")
    bare = next((a["id"] for a in data["annotations"] if a["bbox"] is None), None)
    if bare is not None:
        raise DataError(f"Annotation {bare} in {path} has no bbox: the file is not for object detection.")
    return data


def read_results(path) -> list[dict]:
    """A COCO results file: its list, or the `annotations` of a dict. The rows are checked when they are evaluated.

    Raises DataError if the file is missing, truncated or something else.
    """
    try:
        data = decode(path, Any)
    except msgspec.ValidationError:
        data = decode_with_python(Path(path))
    rows = data.get("annotations") if isinstance(data, dict) else data
    if not _is_list_of_dicts(rows):
        raise DataError(f"{path} is not a COCO results file: it should hold a list of detections.")
    return rows


def is_number(value) -> bool:
    """Whether it is a number small enough to be exact as float64, so neither NaN nor infinite."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < EXACT_LIMIT


def _is_list_of_dicts(part) -> bool:
    return isinstance(part, list) and all(isinstance(item, dict) for item in part)


def _to_id(value) -> int | None:
    """An id as an int, also where a tool wrote 7.0; None for anything else."""
    if type(value) is int and -EXACT_LIMIT < value < EXACT_LIMIT:  # almost always
        return value
    return int(value) if is_number(value) and value == int(value) else None


def _take_ids(items: list[dict]) -> list[tuple[dict, Any]]:
    """Gives each item its id as an int, or None; the items whose id is none or another one's, with what they say."""
    strange, seen = [], set()
    for item in items:
        said = item.get("id")
        item["id"] = own = _to_id(said)
        if own is None or own in seen:
            strange.append((item, said))
        seen.add(own)
    return strange


def _check_images(images: list[dict], split: str) -> list[Problem]:
    found = {ProblemKind.IMAGE_ID: [Example(f"the id {shortened(said)}") for _, said in _take_ids(images)]}
    found |= {kind: [] for kind in (ProblemKind.IMAGE_NAME, ProblemKind.IMAGE_STATED, ProblemKind.PATH)}
    for image in images:
        name, own = image.get("file_name"), image["id"]
        if not isinstance(name, str) or not name:
            found[ProblemKind.IMAGE_NAME].append(Example(f"image {own}", own))
        elif "\0" in name or name[0] == "/" or (".." in name and posixpath.normpath(name).split("/")[0] == ".."):
            found[ProblemKind.PATH].append(Example(shortened(name), own))
        if not (_is_side(image.get("width")) and _is_side(image.get("height"))):
            found[ProblemKind.IMAGE_STATED].append(Example(f"image {own}", own))
    return [one for kind, examples in found.items() for one in problems_of(kind, split, examples)]


def _is_side(value) -> bool:
    return is_number(value) and value > 0


def _check_categories(categories: list[dict], split: str) -> list[Problem]:
    strange = {id(category): said for category, said in _take_ids(categories)}
    examples, names = [], set()
    for category in categories:
        name = category.get("name")
        if id(category) in strange:
            examples.append(Example(f"the id {shortened(strange[id(category)])}"))
        elif not isinstance(name, str) or not name:
            examples.append(Example(f"category {category['id']}, which has no name"))
        elif name in names:
            examples.append(Example(f"the name {shortened(name)} twice"))
        else:
            names.add(name)
    return problems_of(ProblemKind.CATEGORY, split, examples)


def _mended(annotation: dict) -> dict:
    """The annotation's FIELDS with their types; references that are none become None."""
    mended = {key: annotation.get(key) for key in ANNOTATION_FIELDS}
    for key in REFERENCES:
        mended[key] = _to_id(mended[key])
    mended["iscrowd"] = int(mended["iscrowd"] in (1, "1"))  # 1.0 and True alike
    if not is_number(mended["area"]):
        del mended["area"]
    return mended


def _with_references(annotations: list[dict], known: dict[str, set], split: str) -> tuple[list[dict], list[Problem]]:
    """The annotations whose image and category are listed, crowds and areas filled in, and the others as problems."""
    problems = []
    for key, ids in known.items():
        if not ids.issuperset(map(itemgetter(key), annotations)):
            strange = [a for a in annotations if a[key] not in ids]
            examples = [Example(f"annotation {a['id']}: {key} {a[key]}", annotation_ids=(a["id"],)) for a in strange]
            problems += problems_of(UNKNOWN[key], split, examples)
            annotations = [a for a in annotations if a[key] in ids]
    without = []
    for annotation in annotations:
        if len(annotation) < len(ANNOTATION_FIELDS):
            annotation.setdefault("iscrowd", 0)
            if "area" not in annotation:
                box = annotation["bbox"]
                annotation["area"] = float(box[2] * box[3]) if is_box(box) else 0.0
                without.append(annotation)
    examples = [Example(f"annotation {a['id']}", a["image_id"], (a["id"],)) for a in without]
    return annotations, problems + problems_of(ProblemKind.NO_AREA, split, examples)


def is_box(bbox) -> bool:
    """Whether it is a list of four numbers."""
    return isinstance(bbox, list) and len(bbox) == 4 and all(is_number(v) for v in bbox)


def _number_anew(annotations: list[dict], split: str) -> list[Problem]:
    """Gives annotations without an id of their own the next free ones."""
    strange = _take_ids(annotations)
    free = 1 + max(0, max((a["id"] for a in annotations if a["id"] is not None), default=0))
    for number, (annotation, _) in enumerate(strange, start=free):
        annotation["id"] = number
    examples = [Example(f"the id {shortened(said)}", a["image_id"], (a["id"],)) for a, said in strange]
    return problems_of(ProblemKind.ANNOTATION_ID, split, examples)
