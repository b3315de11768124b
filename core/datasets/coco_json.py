"""Reading COCO files: JSON to plain dicts whose structure is checked, in seconds also where it is half a gigabyte.

In: a ground truth or a results list. Out: its images, annotations and categories, with whole numbers as ids that refer
to each other, and what was wrong (`problems.Problem`). Boxes are checked in `sound_boxes.py`. Apart from `split.py`
because ground truths of other tools, which are no data sets, are read here too.

msgspec decodes only the fields that the project reads, so polygons, nine tenths of such a file, are never made.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from pathlib import Path
from reprlib import repr as shortened
from typing import Annotated, Any, Literal, NotRequired, TypedDict, TypeGuard, cast

import msgspec

from core import DataError
from core.datasets.json_reader import PythonOnlyJson, decode, decode_with_python
from core.datasets.problems import Example, Problem, ProblemKind, problems_of

Entry = dict[str, Any]  # an image, an annotation or a category as the file has it
CocoDict = dict[str, list[Entry]]  # the COCO_LISTS by name

COCO_LISTS = ("images", "annotations", "categories")
EXACT_LIMIT = 2**53  # whole numbers below it are exact as float64
ANNOTATION_FIELDS = ("id", "image_id", "category_id", "bbox", "area", "iscrowd")

Id = Annotated[int, msgspec.Meta(gt=-EXACT_LIMIT, lt=EXACT_LIMIT)]
Area = Annotated[float, msgspec.Meta(gt=-EXACT_LIMIT, lt=EXACT_LIMIT)]
Box = Annotated[list[float], msgspec.Meta(min_length=4, max_length=4)]

REFERENCES = {"image_id": "images", "category_id": "categories"}
# with these no annotation can be assigned to its image and category
BROKEN = (ProblemKind.IMAGE_ID, ProblemKind.IMAGE_NAME, ProblemKind.IMAGE_STATED, ProblemKind.CATEGORY)
UNKNOWN = {"image_id": ProblemKind.UNKNOWN_IMAGE, "category_id": ProblemKind.UNKNOWN_CATEGORY}


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
    images: list[dict[str, Any]]
    annotations: list[_Annotation]
    categories: list[dict[str, Any]]


class _AnyFile(TypedDict):
    images: list[dict[str, Any]]
    annotations: list[_AnyAnnotation]
    categories: list[dict[str, Any]]


def examine_ground_truth(path: str | Path, split: str = "") -> tuple[CocoDict, list[Problem]]:
    """Read a ground truth's COCO_LISTS, and list what was wrong with them.

    Ids are ints, and every annotation has the ANNOTATION_FIELDS and no others: an image and a category that are
    listed, an `iscrowd` of 0 or 1 and an area; annotations for which that cannot be are left out. Its `bbox` is as
    the file has it, or None. With a FATAL problem that keeps annotations from being assigned, they are as in the file.
    Raises DataError if the file is missing, truncated or no COCO annotation file.
    """
    data, is_clean = _decode_lists(Path(path))
    problems = [*_check_images(data["images"], split), *_check_categories(data["categories"], split)]
    if any(problem.kind in BROKEN for problem in problems):
        return data, problems
    known = {key: {entry["id"] for entry in data[name]} for key, name in REFERENCES.items()}
    if not is_clean:
        data["annotations"] = [_repaired(annotation) for annotation in data["annotations"]]
    if not is_clean or len(set(map(itemgetter("id"), data["annotations"]))) < len(data["annotations"]):
        problems += _renumber(data["annotations"], split)
    data["annotations"], unknown = _with_references(data["annotations"], known, split)
    return data, problems + unknown


def _decode_lists(path: Path) -> tuple[CocoDict, bool]:
    """Return the file's COCO_LISTS, and whether each annotation is as it should be."""
    try:
        return cast(CocoDict, decode(path, _File)), True
    except msgspec.ValidationError:
        pass
    try:
        return cast(CocoDict, decode(path, _AnyFile)), False
    except PythonOnlyJson:
        data = decode_with_python(path)
        if isinstance(data, dict) and all(_is_list_of_dicts(data.get(name)) for name in COCO_LISTS):
            return {name: data[name] for name in COCO_LISTS}, False
    except msgspec.ValidationError:
        pass
    raise DataError(f"{path} is not a COCO annotation file: it should hold the lists {', '.join(COCO_LISTS)}.")


def read_ground_truth(path: str | Path) -> CocoDict:
    """Read a ground truth of any tool that can be evaluated on as it is: nothing was left out or given a new id.

    Raises DataError that names the first problem otherwise.
    """
    data, problems = examine_ground_truth(path)
    for problem in problems:
        if problem.kind is not ProblemKind.NO_AREA:
            example = f", as {problem.examples[0].detail}" if problem.examples else ""
            raise DataError(f"{path} has {problem.kind.counted(problem.count)}{example}: correct the file.")
    without_box = next((a["id"] for a in data["annotations"] if a["bbox"] is None), None)
    if without_box is not None:
        raise DataError(f"Annotation {without_box} in {path} has no bbox: the file is not for object detection.")
    return data


def read_results(path: str | Path) -> list[Entry]:
    """Read a COCO results file: its list, or the `annotations` of a dict. Its rows are checked on evaluation.

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


def is_number(value: object) -> TypeGuard[float]:
    """Check whether it is a number small enough to be exact as float64, so neither NaN nor infinite."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < EXACT_LIMIT


def _is_list_of_dicts(value: object) -> TypeGuard[list[Entry]]:
    return isinstance(value, list) and all(isinstance(entry, dict) for entry in value)


def _to_id(value: object) -> int | None:
    """Return an id as an int, also where a tool wrote 7.0; None for anything else."""
    if type(value) is int and -EXACT_LIMIT < value < EXACT_LIMIT:  # almost always
        return value
    return int(value) if is_number(value) and value == int(value) else None


def _convert_ids(entries: list[Entry]) -> list[tuple[Entry, Any]]:
    """Set each entry's id to an int or None; return those without a unique id, each with its id in the file."""
    strange, seen = [], set()
    for entry in entries:
        stated = entry.get("id")
        entry["id"] = number = _to_id(stated)
        if number is None or number in seen:
            strange.append((entry, stated))
        seen.add(number)
    return strange


def _check_images(images: list[Entry], split: str) -> list[Problem]:
    examples = {ProblemKind.IMAGE_ID: [Example(f"the id {shortened(stated)}") for _, stated in _convert_ids(images)]}
    examples |= {kind: [] for kind in (ProblemKind.IMAGE_NAME, ProblemKind.IMAGE_STATED)}
    for image in images:
        name, image_id = image.get("file_name"), image["id"]
        if not isinstance(name, str) or not name:
            examples[ProblemKind.IMAGE_NAME].append(Example(f"image {image_id}", image_id))
        if not (_is_side(image.get("width")) and _is_side(image.get("height"))):
            examples[ProblemKind.IMAGE_STATED].append(Example(f"image {image_id}", image_id))
    return [problem for kind, some in examples.items() for problem in problems_of(kind, split, some)]


def _is_side(value: object) -> bool:
    return is_number(value) and value > 0


def _check_categories(categories: list[Entry], split: str) -> list[Problem]:
    strange = {id(category): stated for category, stated in _convert_ids(categories)}
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


def _repaired(annotation: Entry) -> Entry:
    """Return the annotation's ANNOTATION_FIELDS with their types; ids that are none become None."""
    repaired = {key: annotation.get(key) for key in ANNOTATION_FIELDS}
    for key in REFERENCES:
        repaired[key] = _to_id(repaired[key])
    repaired["iscrowd"] = int(repaired["iscrowd"] in (1, "1"))  # 1.0 and True alike
    if not is_number(repaired["area"]):
        del repaired["area"]
    return repaired


def _with_references(
    annotations: list[Entry], known: Mapping[str, set[int]], split: str
) -> tuple[list[Entry], list[Problem]]:
    """Return the annotations whose image and category are listed, with `iscrowd` and `area`; the others as problems.

    `known` holds the ids that are listed, by the keys of REFERENCES.
    """
    problems = []
    for key, ids in known.items():
        if not ids.issuperset(map(itemgetter(key), annotations)):
            strange = [a for a in annotations if a[key] not in ids]
            examples = [Example(f"annotation {a['id']}: {key} {a[key]}", annotation_ids=(a["id"],)) for a in strange]
            problems += problems_of(UNKNOWN[key], split, examples)
            annotations = [a for a in annotations if a[key] in ids]
    without_area = []
    for annotation in annotations:
        if len(annotation) < len(ANNOTATION_FIELDS):
            annotation.setdefault("iscrowd", 0)
            if "area" not in annotation:
                box = annotation["bbox"]
                annotation["area"] = float(box[2] * box[3]) if is_box(box) else 0.0
                without_area.append(annotation)
    examples = [Example(f"annotation {a['id']}", a["image_id"], (a["id"],)) for a in without_area]
    return annotations, problems + problems_of(ProblemKind.NO_AREA, split, examples)


def is_box(bbox: object) -> TypeGuard[list[float]]:
    """Check whether it is a list of four numbers."""
    return isinstance(bbox, list) and len(bbox) == 4 and all(is_number(v) for v in bbox)


def _renumber(annotations: list[Entry], split: str) -> list[Problem]:
    """Give annotations without a unique id the next free ones."""
    strange = _convert_ids(annotations)
    free = 1 + max(0, max((a["id"] for a in annotations if a["id"] is not None), default=0))
    for number, (annotation, _) in enumerate(strange, start=free):
        annotation["id"] = number
    examples = [Example(f"the id {shortened(stated)}", a["image_id"], (a["id"],)) for a, stated in strange]
    return problems_of(ProblemKind.ANNOTATION_ID, split, examples)
