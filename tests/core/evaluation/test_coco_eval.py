import copy
import json
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.boxes import Detections
from core.evaluation.coco_eval import CocoFigures, evaluate, to_results
from core.evaluation.coco_files import read_ground_truth, read_results
from core.labels import LabelMap
from tests.core.coco_cases import cases, from_env, gt_of, judge, result

NAMES = [field.name for field in fields(CocoFigures)][:12]
# Of the COCO API's fixture, as its README gives them.
FIXTURE = {
    "AP": 0.5045806987249628, "AP50": 0.6969727247299577, "AP75": 0.5729816669904824,
    "APs": 0.5856257209410443, "APm": 0.5193996948036719, "APl": 0.5013978986347466,
    "AR1": 0.38681277964578054, "AR10": 0.5936795762842003, "AR100": 0.595352982877607,
    "ARs": 0.6398109626113442, "ARm": 0.5664205978994309, "ARl": 0.5642905982905982,
}  # fmt: skip


def twelve(figures: CocoFigures) -> list:
    return [getattr(figures, name) for name in NAMES]


def judged(run) -> list:
    return [None if value == -1 else float(value) for value in run.stats]


def judged_class(run, category_id: int):
    precision = run.eval["precision"][:, :, run.params.catIds.index(category_id), 0, -1]
    return float(np.mean(precision[precision > -1])) if (precision > -1).any() else None


@settings(max_examples=100, deadline=None)
@given(cases())
def test_all_figures_equal_pycocotools_to_the_last_digit(case):
    gt, results = case
    run = judge(gt, results)
    figures = evaluate(gt, results)
    assert twelve(figures) == judged(run)
    assert figures.per_class == {c["name"]: judged_class(run, c["id"]) for c in gt["categories"]}


@settings(max_examples=50, deadline=None)
@given(cases(), st.data())
def test_a_label_map_in_any_order_counts_only_its_classes(case, data):
    gt, results = case
    chosen = data.draw(st.lists(st.sampled_from(gt["categories"]), min_size=1, unique_by=lambda c: c["id"]))
    label_map = LabelMap(tuple(c["name"] for c in chosen), tuple(c["id"] for c in chosen))
    figures = evaluate(gt, results, label_map)
    assert twelve(figures) == judged(judge(gt, results, sorted(label_map.category_ids)))
    assert list(figures.per_class) == list(label_map.names)


@pytest.mark.parametrize("seed", range(5))  # the order shows in the last digit of some
def test_many_classes_in_any_order_give_pycocotools_last_digit(seed):
    rng = np.random.default_rng(seed)
    rows = [(int(i), int(c), rng.integers(1, 40, 4).tolist()) for i, c in rng.integers(1, 13, (80, 2))]
    gt = gt_of(*rows, images=12, categories=[f"class {i}" for i in range(1, 13)])
    results = [result(i, c, box + rng.integers(-3, 4, 4).clip(0), rng.random()) for i, c, box in rows * 2]
    order = rng.permutation(12) + 1
    label_map = LabelMap(tuple(f"class {i}" for i in order), tuple(order))
    assert twelve(evaluate(gt, results, label_map)) == judged(judge(gt, results))


def test_detections_of_other_classes_are_no_false_positives():
    gt = gt_of((1, 1, (0, 0, 10, 10)), (1, 2, (50, 50, 10, 10)))
    results = [result(1, 1, (0, 0, 10, 10), 0.5), result(1, 2, (50, 50, 10, 10), 0.9)]
    assert twelve(evaluate(gt, results, LabelMap(("car",), (1,))))[0] == pytest.approx(1.0)


@settings(max_examples=30, deadline=None)
@given(cases())
def test_annotation_ids_from_0_give_what_ids_from_1_give(case):
    gt, results = case
    from_0 = gt | {"annotations": [a | {"id": a["id"] - 1} for a in gt["annotations"]]}
    assert twelve(evaluate(from_0, results)) == judged(judge(gt, results))


@settings(max_examples=30, deadline=None)
@given(cases())
def test_it_neither_prints_nor_writes_into_its_caller(case):
    before = copy.deepcopy(case)
    evaluate(*case)
    assert case == before


def test_it_is_silent(capfd):
    evaluate(gt_of((1, 1, (0, 0, 10, 10))), [result(1, 1, (0, 0, 10, 10))])
    assert capfd.readouterr() == ("", "")


def test_more_than_100_detections_are_cut_as_pycocotools_cuts_them():
    rng = np.random.default_rng(0)
    gt = gt_of(*((1, 1 + k % 2, (7 * k, 0, 6, 6)) for k in range(20)))
    near = [rng.integers(20) for _ in range(400)]
    results = [result(1, 1 + k % 2, (7 * k + rng.normal(0, 1), 0, 6, 6), rng.random()) for k in near]
    assert twelve(evaluate(gt, results)) == judged(judge(gt, results))


def test_a_perfect_prediction_gives_1():
    gt = gt_of((1, 1, (0, 0, 10, 10)), (1, 2, (20, 20, 50, 50)), (2, 2, (0, 0, 100, 99)), images=2)
    figures = evaluate(gt, [result(a["image_id"], a["category_id"], a["bbox"]) for a in gt["annotations"]])
    assert twelve(figures) == pytest.approx([1.0] * 12, abs=1e-12)
    assert figures.per_class == pytest.approx({"car": 1.0, "dog": 1.0}, abs=1e-12)


@pytest.mark.parametrize(
    "gt",
    [gt_of(), gt_of(images=0), gt_of((1, 1, (0, 0, 10, 10), {"iscrowd": 1}))],
    ids=["no annotations", "no images", "crowds only"],
)
def test_without_ground_truth_every_figure_is_none(gt):
    results = [result(1, 1, (0, 0, 10, 10))] if gt["images"] else []
    figures = evaluate(gt, results)
    assert twelve(figures) == [None] * 12
    assert figures.per_class == {"car": None, "dog": None}


def test_without_detections_the_defined_figures_are_0():
    figures = evaluate(gt_of((1, 1, (0, 0, 10, 10))), [])
    assert figures.AP == figures.APs == figures.AR100 == 0.0
    assert figures.APm is figures.APl is None
    assert figures.per_class == {"car": 0.0, "dog": None}


def test_figures_survive_json():
    figures = evaluate(gt_of((1, 1, (0, 0, 10, 10))), [])
    assert CocoFigures(**json.loads(json.dumps(figures.to_dict()))) == figures


def test_a_missing_area_is_the_box_and_a_missing_iscrowd_is_0():
    gt = gt_of((1, 1, (0, 0, 40, 40)))
    bare = gt | {
        "annotations": [{k: v for k, v in a.items() if k not in ("area", "iscrowd")} for a in gt["annotations"]]
    }
    results = [result(1, 1, (0, 0, 40, 30))]
    assert evaluate(bare, results) == evaluate(gt, results)


def test_whole_float_negative_and_huge_ids_are_ids_like_any_other():
    odd = {1: -3, 2: 2**53 - 1}
    gt = gt_of((1, 1, (0, 0, 10, 10)), (2, 1, (0, 0, 10, 10)), images=2)
    results = [result(1, 1, (0, 0, 10, 9), 0.5), result(2, 1, (0, 0, 10, 6), 0.5)]
    other = gt | {
        "images": [image | {"id": odd[image["id"]]} for image in gt["images"]],
        "annotations": [a | {"image_id": odd[a["image_id"]]} for a in gt["annotations"]],
    }
    renamed = [row | {"image_id": float(odd[row["image_id"]]), "category_id": 1.0} for row in results]
    assert evaluate(other, renamed) == evaluate(gt, results)


def test_detections_and_their_results_list_give_the_same():
    rng = np.random.default_rng(1)
    corner, side = rng.random((2, 60, 2)) * 50
    found = Detections(
        rng.integers(1, 4, 60), np.arange(60), rng.integers(0, 2, 60), rng.random(60), np.c_[corner, corner + side]
    )
    gt = gt_of(*((int(i), 1, (*c.tolist(), 20.5, 20.1)) for i, c in zip(found.image_id, corner, strict=True)), images=3)
    label_map = LabelMap(("dog", "car"), (2, 1))
    rows = to_results(found, label_map)
    assert evaluate(gt, found, label_map) == evaluate(gt, rows, label_map)
    assert twelve(evaluate(gt, found, label_map)) == judged(judge(gt, rows))


def test_results_are_xywh_with_category_ids_and_plain_numbers():
    found = Detections([7], [3], [1], [0.5], [[10, 20, 40, 60]])
    rows = to_results(found, LabelMap(("dog", "cat"), (18, 17)))
    assert rows == [{"image_id": 7, "category_id": 17, "bbox": [10.0, 20.0, 30.0, 40.0], "score": 0.5}]
    assert json.loads(json.dumps(rows)) == rows
    assert to_results(Detections.empty(), LabelMap(("dog",), (18,))) == []


def test_the_coco_apis_fixture_gives_its_published_figures():
    folder = next(from_env("DETR_LAB_EVAL_FIXTURE").rglob("instances_val2014_100.json")).parent
    gt = read_ground_truth(folder / "instances_val2014_100.json")
    results = read_results(folder / "instances_val2014_fakebbox100_results.json")
    figures = evaluate(gt, results)
    assert dict(zip(NAMES, twelve(figures), strict=True)) == pytest.approx(FIXTURE, abs=1e-10, rel=0)
    run = judge(gt, results)
    assert twelve(figures) == judged(run)
    assert figures.per_class == {c["name"]: judged_class(run, c["id"]) for c in gt["categories"]}
