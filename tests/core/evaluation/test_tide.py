import copy
from collections import Counter

import hotcoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask

from core import DataError
from core.boxes import Detections
from core.datasets.split import read_split
from core.evaluation.coco_eval import to_results
from core.evaluation.columns import rank_within_group
from core.evaluation.table import SCHEMA, ErrorType
from core.evaluation.threshold import count_errors
from core.evaluation.tide import detection_table
from core.labels import LabelMap
from tests.core.coco_cases import cases, from_env, gt_of, judge, result, rows

HOTCOCO = {
    "Cls": "classification", "Loc": "localization", "Both": "both", "Dupe": "duplicate", "Bkg": "background",
    "Miss": "missed",
}  # fmt: skip


def tide(gt: dict, results: list[dict]) -> dict:
    truth = hotcoco.COCO(gt)
    run = hotcoco.COCOeval(truth, truth.load_res(results), "bbox")
    run.evaluate()
    return {HOTCOCO[name]: count for name, count in run.tide_errors()["counts"].items()}


def in_class_order(gt: dict) -> dict:
    """With its annotations by category id.

    Of two objects of other classes that a prediction overlaps alike, hotcoco means that with the smaller category id,
    TIDE's own tool the first in the file, as we do: in this order they are the same.
    """
    return gt | {"annotations": sorted(gt["annotations"], key=lambda a: a["category_id"])}


def error_of(gt: dict, *results: dict) -> str | None:
    """The error of the detection with the lowest score."""
    return min(rows(detection_table(gt, list(results))), key=lambda row: row["score"])["error"]


# Against independent judges


@settings(max_examples=120, deadline=None)
@given(cases(crowds=False), st.sampled_from([0.0, 0.25, 0.3, 0.75, 1.1]))
def test_counts_at_every_threshold_equal_hotcoco(case, threshold):
    gt, results = in_class_order(case[0]), case[1]
    there = [row for row in results if row["score"] >= threshold]
    assert count_errors(detection_table(gt, results), threshold) == tide(gt, there)


@settings(max_examples=120, deadline=None)
@given(cases(crowds=True))
def test_crowds_are_taken_as_hotcoco_takes_them(case):
    gt, results = in_class_order(case[0]), case[1]
    assert count_errors(detection_table(gt, results)) == tide(gt, results)


@settings(max_examples=120, deadline=None)
@given(cases())
def test_matches_equal_pycocotools_pair_for_pair(case):
    gt, results = case
    expected = {}
    for cell in judge(gt, results).evalImgs:
        if cell and cell["aRng"] == [0, 1e10]:
            for detection, match, ignored in zip(cell["dtIds"], cell["dtMatches"][0], cell["dtIgnore"][0], strict=True):
                expected[detection] = (None if ignored or not match else int(match), bool(ignored))
    query = rank_within_group(np.array([row["image_id"] for row in results], dtype=int))
    number = {(row["image_id"], q): i for i, (row, q) in enumerate(zip(results, query, strict=True), start=1)}
    table = detection_table(gt, results)
    assert {number[r["image_id"], r["query"]]: (r["gt_id"], r["crowd_only"]) for r in rows(table)} == expected


def test_among_equal_scores_the_first_in_the_list_leads():
    scores = np.random.default_rng(0).integers(1, 4, 90) / 4
    table = detection_table(gt_of((1, 1, (0, 0, 10, 10))), [result(1, 1, (0, 0, 10, 10), s) for s in scores])
    order = sorted(range(90), key=lambda i: -scores[i])
    assert [row["query"] for row in rows(table)] == order
    assert [row["query"] for row in rows(table) if row["gt_id"]] == order[:1]


def test_among_equal_ious_a_match_takes_the_last_object_and_an_error_points_to_the_first():
    twins = gt_of(*[(1, 1, (0, 0, 10, 10))] * 3)
    (row,) = rows(detection_table(twins, [result(1, 1, (0, 0, 10, 9))]))
    assert (row["gt_id"], row["best_same_gt"]) == (3, 1)
    others = gt_of((1, 2, (0, 0, 10, 10)), (1, 1, (0, 0, 10, 10)), categories=("a", "b", "c"))
    (row,) = rows(detection_table(others, [result(1, 3, (0, 0, 10, 9))]))
    assert row["best_other_gt"] == 1


def test_an_error_points_to_an_object_rather_than_to_a_crowd_of_the_same_iou():
    gt = gt_of((1, 1, (0, 0, 10, 10), {"iscrowd": 1}), (1, 1, (0, 0, 10, 10)))
    table = detection_table(gt, [result(1, 1, (0, 0, 10, 30))])  # a third of the prediction, and IoU 1/3
    (row,) = rows(table)
    assert (row["error"], row["best_same_gt"]) == ("localization", 2)
    assert count_errors(table)["missed"] == 0


@settings(max_examples=60, deadline=None)
@given(cases())
def test_highest_ious_equal_pycocotools(case):
    gt, results = case
    for row in rows(detection_table(gt, results)):
        box = [row["x1"], row["y1"], row["x2"] - row["x1"], row["y2"] - row["y1"]]
        there = [a for a in gt["annotations"] if a["image_id"] == row["image_id"]]
        name = {c["id"]: c["name"] for c in gt["categories"]}
        same = {a["id"]: a for a in there if name[a["category_id"]] == row["class_name"]}
        other = {a["id"]: a for a in there if a["id"] not in same and not a["iscrowd"]}
        for found, iou, gt_id in (
            (same, row["best_same_iou"], row["best_same_gt"]),
            (other, row["best_other_iou"], row["best_other_gt"]),
        ):
            ious = mask.iou([box], [a["bbox"] for a in found.values()], [a["iscrowd"] for a in found.values()])
            expected = dict(zip(found, np.ravel(ious), strict=True))
            assert (iou, gt_id) == (None, None) or iou == pytest.approx(max(expected.values()), abs=1e-5)
            assert gt_id is None or expected[gt_id] == pytest.approx(iou, abs=1e-5)
            assert (iou is None) == (gt_id is None) == (not found)


def test_real_annotations_with_their_crowds_equal_hotcoco():
    split = read_split(from_env("DETR_LAB_COCO"), "val")
    rng = np.random.default_rng(0)
    results = [
        result(
            a["image_id"],
            rng.choice([a["category_id"], 1, 44]),
            np.abs(a["bbox"] * rng.normal(1, 0.2, 4)),
            rng.random(),
        )
        for a in split.annotations * 3
    ]
    counts = count_errors(detection_table(split.to_dict(), results), 0.2)
    assert counts == tide(split.to_dict(), [row for row in results if row["score"] >= 0.2])
    assert all(counts.values())


# The cascade, test by test

CAR, DOG = (1, 1, (0, 0, 10, 10)), (1, 2, (0, 0, 10, 10))


@pytest.mark.parametrize(
    "gt, found, error",
    [
        (gt_of(CAR), [result(1, 1, (0, 0, 10, 10))], None),
        (gt_of(CAR), [result(1, 1, (0, 0, 10, 5))], None),  # IoU exactly 0.5 matches
        (gt_of(CAR), [result(1, 1, (0, 0, 10, 4.9))], "localization"),
        (gt_of(CAR), [result(1, 1, (0, 0, 10, 1))], "localization"),  # IoU exactly 0.1 touches
        (gt_of(CAR), [result(1, 1, (0, 0, 10, 0.99))], "background"),
        (gt_of(CAR), [result(1, 1, (0, 0, 10, 10)), result(1, 1, (0, 0, 10, 9), 0.5)], "duplicate"),
        (gt_of(CAR), [result(1, 1, (0, 0, 10, 10)), result(1, 1, (0, 0, 10, 5), 0.5)], "localization"),  # exactly 0.5
        (gt_of(CAR), [result(1, 2, (0, 0, 10, 5))], "classification"),  # exactly 0.5
        (gt_of(CAR), [result(1, 2, (0, 0, 10, 4.9))], "both"),
        (gt_of(CAR), [result(1, 2, (0, 0, 10, 1))], "background"),  # exactly 0.1
        (gt_of(CAR, DOG), [result(1, 1, (0, 0, 10, 4))], "localization"),
        (gt_of((1, 1, (0, 9, 10, 10)), DOG), [result(1, 1, (0, 0, 10, 10))], "classification"),  # same class: below 0.1
        (gt_of((1, 1, (0, 8, 10, 10)), DOG), [result(1, 1, (0, 0, 10, 10))], "localization"),  # it comes first
        (gt_of(CAR, DOG), [result(1, 1, (0, 0, 10, 10)), result(1, 1, (0, 0, 10, 9), 0.5)], "classification"),
        (gt_of(), [result(1, 1, (0, 0, 10, 10))], "background"),
        (gt_of(CAR, images=2), [result(2, 1, (0, 0, 10, 10))], "background"),  # another image's
        (gt_of((1, 1, (0, 0, 0, 10))), [result(1, 1, (0, 0, 0, 10))], "background"),  # empty boxes overlap nothing
    ],
)
def test_each_detection_takes_the_first_type_that_fits(gt, found, error):
    assert error_of(gt, *found) == error


def test_borders_are_decided_in_float64():
    # 3 x 0.1 is 0.30000000000000004: IoU a hair below 0.5 in float64, 0.5 in float32.
    gt = gt_of((1, 1, (0, 0, 0.1 * 3 * 2 + 1e-12, 1)))
    assert error_of(gt, result(1, 1, (0, 0, 0.3, 1))) == "localization"
    assert error_of(gt_of((1, 1, (0, 0, 0.6, 1))), result(1, 1, (0, 0, 0.3, 1))) is None


CROWD = (1, 1, (0, 0, 100, 100), {"iscrowd": 1})


def test_a_detection_in_a_crowd_is_ignored_and_a_crowd_takes_any_number():
    table = detection_table(gt_of(CROWD), [result(1, 1, (i, 0, 10, 10), 0.5) for i in range(3)])
    assert [(r["error"], r["crowd_only"], r["gt_id"], r["iou"]) for r in rows(table)] == [(None, True, None, None)] * 3
    assert count_errors(table) == dict.fromkeys(ErrorType, 0)


@pytest.mark.parametrize(("inside", "error"), [(6, None), (3, "localization"), (0.9, "background")])
def test_a_detection_partly_in_a_crowd_of_its_class_is_judged_as_hotcoco_does(inside, error):
    assert error_of(gt_of(CROWD), result(1, 1, (-10 + inside, 0, 10, 10))) == error


def test_an_object_in_a_crowd_is_found_before_the_crowd():
    table = detection_table(gt_of(CROWD, (1, 1, (0, 0, 10, 6))), [result(1, 1, (0, 0, 10, 10))])
    (row,) = rows(table)
    assert (row["gt_id"], row["crowd_only"], row["error"]) == (2, False, None)


def test_a_crowd_of_another_class_is_nothing():
    assert error_of(gt_of(CROWD), result(1, 2, (0, 0, 10, 10))) == "background"


def test_a_poor_box_or_a_wrong_class_points_to_its_object_so_it_is_not_missed():
    gt = gt_of((1, 1, (0, 0, 10, 10)), (1, 1, (50, 50, 10, 10)), (1, 2, (100, 50, 10, 10)))
    poor, wrong = result(1, 1, (0, 0, 10, 4), 0.6), result(1, 1, (100, 50, 10, 9), 0.8)
    table = detection_table(gt, [poor, wrong])
    assert {r["gt_id"]: r["pointed_score"] for r in rows(table, "ground_truth")} == {
        1: pytest.approx(0.6), 2: None, 3: pytest.approx(0.8),
    }  # fmt: skip
    assert [count_errors(table, t)["missed"] for t in (0.0, 0.7, 0.9)] == [1, 2, 3]


# The table


@pytest.mark.parametrize(
    "box, truncated",
    [
        ((0, 20, 9, 9), True),
        ((20, 0.9, 9, 9), True),
        ((180, 20, 19.5, 9), True),
        ((20, 90, 9, 9.5), True),
        ((1, 1, 198, 98), False),
    ],
)
def test_an_object_at_the_border_is_truncated(box, truncated):
    (row,) = rows(detection_table(gt_of((1, 1, box)), []), "ground_truth")
    assert row["truncated"] is truncated


def test_without_a_picture_size_truncated_is_unknown():
    (row,) = rows(detection_table(gt_of(CAR, images=0) | {"images": [{"id": 1}]}, []), "ground_truth")
    assert row["truncated"] is None


@pytest.mark.parametrize("gt", [gt_of(), gt_of(images=0), gt_of(CAR)])
def test_without_detections_there_is_a_table_all_the_same(gt):
    table = detection_table(gt, [])
    assert table.schema.equals(SCHEMA)
    assert len(table) == count_errors(table)["missed"] == len(gt["annotations"])


def test_only_the_100_best_of_a_class_in_an_image_are_looked_at():
    results = [result(1, 1 + i % 2, (0, 0, 5, 5), i / 300) for i in range(300)]
    table = detection_table(gt_of(CAR), results)
    assert Counter(r["class_name"] for r in rows(table)) == {"car": 100, "dog": 100}
    assert min(r["score"] for r in rows(table)) == pytest.approx(100 / 300)


def test_a_label_map_restricts_truths_and_detections():
    table = detection_table(
        gt_of(CAR, DOG), [result(1, 1, (0, 0, 10, 10)), result(1, 2, (0, 0, 10, 10))], LabelMap(("dog",), (2,))
    )
    assert {row["class_name"] for row in table.to_pylist()} == {"dog"}
    assert len(table) == 2


def test_detections_and_their_results_list_give_one_table():
    rng = np.random.default_rng(0)
    corner, side = rng.random((2, 40, 2)) * 30
    found = Detections(
        np.repeat([1, 2], 20),
        np.tile(np.arange(20), 2),
        rng.integers(0, 2, 40),
        rng.random(40),
        np.c_[corner, corner + side],
    )
    gt = gt_of(*((int(i), 1, (*c.tolist(), 20, 20)) for i, c in zip(found.image_id, corner, strict=True)), images=2)
    label_map = LabelMap(("dog", "car"), (2, 1))
    assert detection_table(gt, found, label_map).equals(detection_table(gt, to_results(found, label_map), label_map))


@settings(max_examples=30, deadline=None)
@given(cases())
def test_nothing_of_the_callers_is_written_to(case):
    before = copy.deepcopy(case)
    detection_table(*case)
    assert case == before


def test_broken_results_are_refused():
    with pytest.raises(DataError, match="image 9"):
        detection_table(gt_of(CAR), [result(9, 1, (0, 0, 1, 1))])
