"""Random ground truths with detections, and pycocotools as the judge of them."""

import contextlib
import copy
import io
import os
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def from_env(name: str) -> Path:
    """The folder an environment variable names; skips the test where it is unset."""
    if not os.environ.get(name):
        pytest.skip(f"set {name} to its folder to run this test")
    return Path(os.environ[name])


@st.composite
def boxes(draw):
    """`xywh` on a coarse grid, so that IoUs of exactly 0.5 and 0.1 and empty boxes are common; all three sizes."""
    x, y, w, h = (draw(st.integers(0, most)) for most in (6, 6, 5, 5))
    scale = draw(st.sampled_from([1, 1, 20, 0.37]))
    return [x * scale, y * scale, w * scale, h * scale]


@st.composite
def cases(draw, crowds: bool = True):
    """(COCO dict, results list): few images and classes, ids in any order with gaps, many ties in score."""
    ids = st.lists(st.integers(1, 40), min_size=1, max_size=3, unique=True)
    images, categories = draw(ids), draw(ids)
    where = st.tuples(st.sampled_from(images), st.sampled_from(categories))
    annotations, results = [], []
    for number, (image_id, category_id) in enumerate(draw(st.lists(where, max_size=10)), start=1):
        box = draw(boxes())
        if annotations and draw(st.integers(0, 3)) == 0:  # two objects in one place: equal IoUs
            twin = draw(st.sampled_from(annotations))
            image_id, box = twin["image_id"], twin["bbox"]
            category_id = draw(st.sampled_from([twin["category_id"], category_id]))
        share = draw(st.sampled_from([1, 0.5]))
        crowd = int(crowds and draw(st.integers(0, 3)) == 0)
        common = {"id": number, "image_id": image_id, "category_id": category_id}
        annotations.append(common | {"bbox": box, "area": box[2] * box[3] * share, "iscrowd": crowd})
    for image_id, category_id in draw(st.lists(where, max_size=16)):
        box = draw(boxes())
        if annotations and draw(st.booleans()):
            near = draw(st.sampled_from(annotations))
            image_id, box = near["image_id"], [v + d for v, d in zip(near["bbox"], draw(shifts), strict=True)]
            category_id = draw(st.sampled_from([near["category_id"], category_id]))
            box[2:] = [max(side, 0) for side in box[2:]]
        score = draw(st.integers(0, 4)) / 4
        results.append({"image_id": image_id, "category_id": category_id, "bbox": box, "score": score})
    gt = {
        "images": [{"id": i, "file_name": f"{i}.jpg", "width": 200, "height": 200} for i in images],
        "annotations": annotations,
        "categories": [{"id": i, "name": f"class {i}"} for i in categories],
    }
    return gt, results


shifts = st.sampled_from([(0, 0, 0, 0), (0, 0, 0, 0), (1, 0, 0, 0), (0, 0, 1, 0), (0, 1, 0, -1), (-1, 0, 0, 1)])


def gt_of(*boxes_, images=1, categories=("car", "dog"), **more) -> dict:
    """A ground truth of `images` images, 1, 2, …, with one annotation per (image id, category id, bbox[, fields])."""
    annotations = []
    for number, (image_id, category_id, bbox, *fields) in enumerate(boxes_, start=1):
        annotation = {"id": number, "image_id": image_id, "category_id": category_id, "bbox": list(bbox), "iscrowd": 0}
        annotations.append(annotation | {"area": bbox[2] * bbox[3]} | (fields[0] if fields else {}))
    return {
        "images": [{"id": i, "file_name": f"{i}.jpg", "width": 200, "height": 100} for i in range(1, images + 1)],
        "annotations": annotations,
        "categories": [{"id": i, "name": name} for i, name in enumerate(categories, start=1)],
    } | more


def result(image_id, category_id, bbox, score=0.9) -> dict:
    return {"image_id": image_id, "category_id": category_id, "bbox": list(bbox), "score": score}


def rows(table: pa.Table, kind: str = "detection") -> list[dict]:
    """The rows of one kind of a detection table."""
    return [row for row in table.to_pylist() if row["kind"] == kind]


def judge(gt: dict, results: list[dict], category_ids=None) -> COCOeval:
    """pycocotools' finished evaluation, on copies and in silence."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth, found = COCO(), COCO()
        truth.dataset = copy.deepcopy(gt)
        truth.createIndex()
        if results:
            found = truth.loadRes(copy.deepcopy(results))
        else:  # loadRes looks at the first row
            found.dataset = copy.deepcopy(gt) | {"annotations": []}
            found.createIndex()
        run = COCOeval(truth, found, "bbox")
        if category_ids:
            run.params.catIds = list(category_ids)
        run.evaluate()
        run.accumulate()
        run.summarize()
    return run
