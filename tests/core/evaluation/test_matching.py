import numpy as np
import pytest
from hypothesis import given, settings

from core.evaluation import matching
from core.evaluation.columns import rank_within_group
from core.evaluation.matching import AREA_RANGES, THRESHOLDS
from core.evaluation.table import RANGES
from core.evaluation.tide import detection_table
from tests.core.coco_cases import cases, gt_of, judge, result, rows


def verdicts(gt: dict, results: list[dict]) -> dict:
    """pycocotools' word on each detection: (place in the list, area range) to its (hits, ignored) as bits."""
    run, found = judge(gt, results), {}
    for cell in filter(None, run.evalImgs):
        name = next(name for name, limits in AREA_RANGES.items() if list(limits) == cell["aRng"])
        for column, detection in enumerate(cell["dtIds"]):
            ignored = cell["dtIgnore"][:, column].astype(bool)
            hits = (cell["dtMatches"][:, column] > 0) & ~ignored
            found[detection - 1, name] = tuple(int(bits @ (1 << np.arange(10))) for bits in (hits, ignored))
    return found


def test_thresholds_and_ranges_are_pycocotools_own():
    params = judge(gt_of((1, 1, (0, 0, 9, 9))), []).params
    assert THRESHOLDS.tolist() == params.iouThrs.tolist()
    assert [list(limits) for limits in AREA_RANGES.values()] == params.areaRng
    assert tuple(AREA_RANGES) == RANGES


@settings(max_examples=150, deadline=None)
@given(cases())
def test_hits_and_ignored_equal_pycocotools_at_every_iou_and_size(case):
    gt, results = case
    expected = verdicts(gt, results)
    query = rank_within_group(np.array([row["image_id"] for row in results], dtype=int))
    number = {(row["image_id"], q): i for i, (row, q) in enumerate(zip(results, query, strict=True))}
    for row in rows(detection_table(gt, results)):
        for name in RANGES:
            own = row[f"hits_{name}"], row[f"ignored_{name}"]
            assert own == expected[number[row["image_id"], row["query"]], name]


@pytest.mark.parametrize("side, counts_in", [(32, {"small", "medium"}), (96, {"medium", "large"}), (33, {"medium"})])
def test_an_area_on_a_border_counts_on_both_sides(side, counts_in):
    (truth,) = rows(detection_table(gt_of((1, 1, (0, 0, side, side))), []), "ground_truth")
    assert {name for i, name in enumerate(RANGES) if truth["ranges"] >> i & 1} == {"all"} | counts_in


def test_a_crowd_counts_in_no_range():
    (truth,) = rows(detection_table(gt_of((1, 1, (0, 0, 9, 9), {"iscrowd": 1})), []), "ground_truth")
    assert truth["ranges"] == 0


def test_ranks_follow_the_score_and_among_equals_the_image():
    gt = gt_of((1, 1, (0, 0, 9, 9)), images=3)
    results = [result(3, 1, (0, 0, 9, 9), 0.5), result(1, 1, (0, 0, 9, 9), 0.5), result(2, 1, (0, 0, 9, 9), 0.9)]
    assert {row["image_id"]: row["rank"] for row in rows(detection_table(gt, results))} == {2: 0, 1: 1, 3: 2}


def test_ranks_tell_scores_apart_that_float32_does_not():
    gt = gt_of((1, 1, (0, 0, 9, 9)), images=2)
    results = [result(1, 1, (0, 0, 9, 9), 0.5), result(2, 1, (0, 0, 9, 9), 0.5 + 1e-12)]
    assert {row["image_id"]: row["rank"] for row in rows(detection_table(gt, results))} == {2: 0, 1: 1}


def test_where_classes_do_not_count_a_dog_box_finds_a_cat():
    gt = gt_of((1, 1, (0, 0, 10, 10)), (1, 2, (50, 0, 10, 10)), categories=("cat", "dog"))
    results = [result(1, 2, (0, 0, 10, 10), 0.9), result(1, 1, (0, 0, 10, 10), 0.8), result(1, 1, (90, 0, 9, 9), 0.7)]
    table = detection_table(gt, results)
    assert [row["any_gt"] for row in rows(table)] == [1, None, None]
    assert [row["any_score"] for row in rows(table, "ground_truth")] == [pytest.approx(0.9), None]


def test_a_crowd_is_nobodys_where_classes_do_not_count():
    gt = gt_of((1, 1, (0, 0, 10, 10), {"iscrowd": 1}))
    table = detection_table(gt, [result(1, 1, (0, 0, 10, 10))])
    assert [row["any_gt"] for row in rows(table)] == [None]
    assert [row["any_score"] for row in rows(table, "ground_truth")] == [None]


def test_the_hundred_highest_of_a_class_are_matched_in_turn():
    boxes = [(20 * (i % 10), 20 * (i // 10), 10, 10) for i in range(100)]
    gt = gt_of(*((1, 1, box) for box in boxes))
    found = [result(1, 1, box, (i + 1) / 200) for i, box in enumerate(boxes * 2)]
    table = rows(detection_table(gt, found))
    assert len(table) == 100 and all(row["gt_id"] for row in table)


@pytest.mark.parametrize("pairs_at_once", [1, 3, 10])
def test_working_in_parts_changes_nothing(monkeypatch, pairs_at_once):
    rng = np.random.default_rng(0)
    gt = gt_of(
        *((int(rng.integers(1, 4)), int(rng.integers(1, 3)), rng.integers(1, 9, 4).tolist()) for _ in range(30)),
        images=4,
    )
    results = [
        result(int(rng.integers(1, 5)), int(rng.integers(1, 3)), rng.integers(1, 9, 4), rng.random()) for _ in range(60)
    ]
    whole = detection_table(gt, results)
    monkeypatch.setattr(matching, "PAIRS_AT_ONCE", pairs_at_once)
    assert detection_table(gt, results).equals(whole)
