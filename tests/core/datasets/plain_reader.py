"""Odd COCO annotations, and a reader of them in plain Python that `core.datasets.coco_json` must agree with."""

import copy
import json
from collections import Counter

from hypothesis import strategies as st

from core.datasets.coco.ids import EXACT_LIMIT, to_id
from core.datasets.problems import ProblemKind
from tests.core.coco_cases import gt_of

MISSING = object()
NAN, INFINITE = float("nan"), float("inf")
GT = gt_of((1, 1, (0, 0, 10, 10)), (1, 2, (0, 0, 50, 50), {"iscrowd": 1}), (2, 2, (5, 5, 99, 99)), images=4)


def write(path, gt):
    path.write_text(json.dumps(gt))
    return path


def changed(part: str, place: int, **fields) -> dict:
    gt = copy.deepcopy(GT)
    gt[part][place].update(fields)
    return gt | {part: [{k: v for k, v in item.items() if v is not MISSING} for item in gt[part]]}


def same(one, other) -> bool:
    """Equal, with NaN equal to itself."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def is_number(value):
    return type(value) in (int, float) and value == value and -EXACT_LIMIT < value < EXACT_LIMIT


def as_number(value):
    try:
        return value if is_number(value) else float(value) if isinstance(value, str) else None
    except ValueError:
        return None


def as_id(value):
    """An id as a whole number; what `to_id` makes of a text or a number beyond int64 is taken as it is."""
    if isinstance(value, str) or (type(value) is int and abs(value) >= EXACT_LIMIT):
        return to_id(value)
    return int(value) if is_number(value) and value == int(value) else None


def plainly(gt) -> tuple[list[dict], dict[ProblemKind, int]]:
    """The annotations, and how many problems of each kind, of a file whose images and categories are in order."""
    images, categories = {image["id"] for image in gt["images"]}, {c["id"] for c in gt["categories"]}
    used = [as_id(a.get("id")) for a in gt["annotations"]]
    free = max([0, *(i for i in used if i is not None)]) + 1
    kept, problems = [], Counter()
    for row, annotation in enumerate(gt["annotations"]):
        box, area = annotation.get("bbox"), annotation.get("area")
        read = {"id": used[row], "bbox": box, "iscrowd": 0}
        is_text = any(
            isinstance(annotation.get(k), str) and as_id(annotation[k]) == 1 for k in ("image_id", "category_id")
        )
        if isinstance(box, list) and len(box) == 4:
            read["bbox"] = [as_number(v) if isinstance(v, str) else v for v in box]
            is_text |= any(isinstance(v, str) for v in box)
        problems[ProblemKind.TEXT_NUMBER] += is_text or (isinstance(area, str) and as_number(area) is not None)
        if read["id"] is None or read["id"] in used[:row]:
            read["id"], free = free, free + 1
            problems[ProblemKind.ANNOTATION_ID] += 1
        elif isinstance(annotation["id"], str):
            problems[ProblemKind.TEXT_ID] += 1
        for key, known, kind in (
            ("image_id", images, ProblemKind.UNKNOWN_IMAGE),
            ("category_id", categories, ProblemKind.UNKNOWN_CATEGORY),
        ):
            read[key] = as_id(annotation.get(key))
            if read[key] not in known:
                problems[kind] += 1
                break
        else:
            if annotation.get("iscrowd") in (1, "1"):
                read["iscrowd"] = 1
            read["area"] = as_number(area)
            if read["area"] is None:
                problems[ProblemKind.NO_AREA] += 1
                box = read["bbox"]
                is_box = isinstance(box, list) and len(box) == 4 and all(map(is_number, box))
                read["area"] = box[2] * box[3] if is_box else 0
            kept.append(read)
    return kept, {kind: count for kind, count in problems.items() if count}


ids = st.sampled_from(
    [1, 2, 3, 1.0, 2.0, 0, -4, 7, 2.5, EXACT_LIMIT - 1, EXACT_LIMIT, 10**30, True, None, "1", [1], {}, MISSING]
)
sides = st.sampled_from([0, 4, 9.5, -3, 1e-300, 1e300, NAN, INFINITE, -INFINITE, 10**400, "5", None, True, [1]])
bboxes = st.lists(st.sampled_from([0, 4, 9.5]), min_size=4, max_size=4) | st.lists(sides, max_size=6)


def with_area(fields: dict) -> dict:
    """The annotation with an area that its box may have, where that is asked for; MISSING fields are left out."""
    box = fields["bbox"]
    good = isinstance(box, list) and len(box) == 4 and all(map(is_number, box)) and min(box[2:]) > 0
    area = {"own": 0.6 * box[2] * box[3] if good else 30, "text": str(0.6 * box[2] * box[3]) if good else "30"}
    given = fields.get("area", MISSING)
    fields["area"] = area.get(given, given) if isinstance(given, str) else given
    return {key: value for key, value in fields.items() if value is not MISSING}


odd_one = st.fixed_dictionaries(
    {
        "id": st.integers(1, 8) | ids,
        "image_id": st.integers(1, 3) | ids,
        "category_id": st.integers(1, 2) | ids,
        "bbox": bboxes | st.sampled_from([MISSING, None, "box", 7, {}]),
        "area": st.sampled_from(["own", "own", "text", MISSING, MISSING, None, True, NAN, [2]]),
        "iscrowd": st.sampled_from([0, 1, MISSING, MISSING, True, False, 1.0, "1", "0", None, NAN, [1]]),
        "segmentation": st.sampled_from([MISSING, [[1, 2, 3, 4]], {"counts": "abc", "size": [1, 2]}, [[NAN, 1]]]),
        "attributes": st.sampled_from([MISSING, MISSING, {"occluded": True}]),
    }
).map(with_area)
clean_one = st.fixed_dictionaries(
    {
        "id": st.integers(-3, 8),
        "image_id": st.integers(1, 4),
        "category_id": st.integers(1, 3),
        "bbox": st.lists(st.sampled_from([0, 4, -9.5, 1e300]), min_size=4, max_size=4),
        "segmentation": st.just([[1, 2, 3, 4]]),
        "area": st.sampled_from(["own", MISSING]),
    },
    optional={"iscrowd": st.integers(0, 1), "caption": st.text()},
).map(with_area)
