"""An area that no outline in its box can have is computed again; COCO's own areas stay."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.datasets.coco_json import examine_ground_truth
from core.datasets.problems import ProblemKind
from core.datasets.split import size_indices
from tests.core.coco_cases import from_env, gt_of


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("file") / "file.json"


def read(path, gt) -> tuple[list[dict], dict[ProblemKind, int]]:
    path.write_text(json.dumps(gt))
    data, problems = examine_ground_truth(path)
    return data["annotations"], {problem.kind: problem.count for problem in problems}


def many(area, **fields) -> dict:
    """Boxes of many sizes, all with this area; a function of width and height makes one for each."""
    sides = [(10 * i, 8 * i) for i in range(1, 13)]
    areas = [area(w, h) if callable(area) else area for w, h in sides]
    boxes = [(1, 1, (0, 0, w, h), {"area": a} | fields) for (w, h), a in zip(sides, areas, strict=True)]
    return gt_of(*boxes)


@pytest.mark.parametrize(
    "area",
    [1.0, 0, -1, 1, 0.02, 100, 5000, lambda w, h: w * h / (200 * 100), lambda w, h: 10 * w * h, lambda w, h: 1 / w],
)
def test_areas_that_mean_nothing_are_width_times_height(path, area):
    annotations, problems = read(path, many(area))
    products = [a["bbox"][2] * a["bbox"][3] for a in annotations]
    assert [a["area"] for a in annotations] == pytest.approx(products, rel=0.1)  # one of them may be nearly right
    assert set(problems) == {ProblemKind.AREA} and problems[ProblemKind.AREA] >= 11
    assert set(size_indices([a["area"] for a in annotations]).tolist()) == {0, 1, 2}


@pytest.mark.parametrize("area", [1.0, None, lambda w, h: 10 * w * h])
def test_where_there_is_an_outline_its_area_is_taken(path, area):
    gt = many(area)
    for annotation in gt["annotations"]:
        w, h = annotation["bbox"][2:]
        annotation["segmentation"] = [[0, 0, w, 0, w, h]]  # a triangle
    annotations, problems = read(path, gt)
    assert [a["area"] for a in annotations] == [a["bbox"][2] * a["bbox"][3] / 2 for a in annotations]
    assert problems == {ProblemKind.AREA if area else ProblemKind.NO_AREA: 12}


def test_an_outline_elsewhere_says_nothing_about_a_box(path):
    gt = many(lambda w, h: 0.1, segmentation=[[0, 0, 0.3, 0, 0.3, 0.3]])  # normalized, as its area
    annotations, _ = read(path, gt)
    assert [a["area"] for a in annotations] == [a["bbox"][2] * a["bbox"][3] for a in annotations]


@pytest.mark.parametrize(
    "segmentation",
    [[[5, 5, 25, 5, 25, 15, 5, 15]], {"size": [100, 200], "counts": [505, 10, 90, 10, 19385]}],
)
@pytest.mark.parametrize("bbox", [None, [], [0, 0, 0, 0], "MISSING", ["a"], [1, 2, 3]])
def test_an_annotation_without_a_box_gets_that_of_its_outline(path, bbox, segmentation):
    gt = gt_of((1, 1, (0, 0, 9, 9)), (1, 1, (0, 0, 9, 9), {"segmentation": segmentation, "area": 20}))
    gt["annotations"][1]["bbox"] = bbox
    if bbox == "MISSING":
        del gt["annotations"][1]["bbox"]
    annotations, problems = read(path, gt)
    expected = [5, 5, 20, 10] if isinstance(segmentation, list) else [5, 5, 2, 10]
    assert annotations[1]["bbox"] == expected and annotations[1]["area"] == 20
    assert problems == {ProblemKind.NO_BOX: 1}


def test_also_of_a_file_that_only_python_reads(path):
    gt = gt_of(
        (1, 1, (0, 0, 9, 9)), (1, 1, (0, 0, 9, 9), {"segmentation": [[5, 5, 25, 5, 25, 15]], "area": float("nan")})
    )
    gt["annotations"][1]["bbox"] = None
    annotations, _ = read(path, gt)
    assert (annotations[1]["bbox"], annotations[1]["area"]) == ([5, 5, 20, 10], 100)


sides = st.floats(1, 400)


@settings(deadline=None)
@given(st.lists(st.tuples(sides, sides, st.floats(0.3, 1)), min_size=1, max_size=20))
def test_areas_that_outlines_may_have_stay(path, boxes):
    gt = gt_of(*((1, 1, (0, 0, w, h), {"area": w * h * share}) for w, h, share in boxes))
    if len({a["area"] for a in gt["annotations"]}) < len(boxes):  # of hypothesis' making: one number for all
        return
    annotations, problems = read(path, gt)
    assert annotations == gt["annotations"] and not problems


def test_cocos_own_areas_stay():
    for path in from_env("DETR_LAB_COCO").glob("annotations/instances_*.json"):
        data, problems = examine_ground_truth(path)
        areas = {a["id"]: a["area"] for a in json.loads(path.read_text())["annotations"]}
        assert {a["id"]: a["area"] for a in data["annotations"]} == areas and not problems
