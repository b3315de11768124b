"""What detections are at higher IoUs, against pycocotools' matches and hotcoco's error types at each of them."""

import hotcoco
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.evaluation.at_iou.verdicts import CORRECT, IN_CROWD, verdicts
from core.evaluation.columns import rank_within_group
from core.evaluation.matching import THRESHOLDS
from core.evaluation.selection import associated_ground_truths, best_iou
from core.evaluation.table import ERROR_TYPES, flags, floats, indices, integers, is_detection, is_ground_truth
from core.evaluation.threshold import visible
from core.evaluation.tide import detection_table
from tests.core.coco_cases import cases, gt_of, judge, result
from tests.core.evaluation.test_tide import HOTCOCO, in_class_order


def whole(case: tuple[dict, list[dict]]) -> tuple[dict, list[dict]]:
    """The case in whole pixels, which a table keeps exactly."""
    gt, results = case
    rows = [
        [row | {"bbox": [round(100 * v) for v in row["bbox"]]} for row in part] for part in (gt["annotations"], results)
    ]
    return gt | {"annotations": [a | {"area": a["bbox"][2] * a["bbox"][3]} for a in rows[0]]}, rows[1]


def tide_at(gt: dict, results: list[dict], iou: float) -> dict[str, int]:
    """hotcoco's number of errors of each type with that IoU as the foreground."""
    truth = hotcoco.COCO(gt)
    run = hotcoco.COCOeval(truth, truth.load_res(results), "bbox")
    run.evaluate()
    return {HOTCOCO[name]: count for name, count in run.tide_errors(pos_thr=iou)["counts"].items()}


def matches(gt: dict, results: list[dict], level: int) -> dict[tuple[int, int], int | None]:
    """pycocotools' word on each detection, (image, query): the annotation that it finds, -1 for a crowd."""
    query = rank_within_group(np.array([row["image_id"] for row in results], dtype=int)).tolist()
    match_of = {}
    for cell in judge(gt, results).evalImgs:
        if cell and cell["aRng"] == [0, 1e10]:
            for number, match, ignored in zip(
                cell["dtIds"], cell["dtMatches"][level], cell["dtIgnore"][level], strict=True
            ):
                place = results[number - 1]["image_id"], query[number - 1]
                match_of[place] = -1 if ignored else int(match) or None
    return match_of


def of_table(table: pa.Table):
    return verdicts(table, table["image_id"].to_numpy())


@settings(max_examples=60, deadline=None)
@given(cases().map(whole))
def test_what_is_found_equals_pycocotools_pair_for_pair_at_every_iou(case):
    gt, results = case
    table = detection_table(gt, results)
    code, truth, _ = of_table(table)
    ids = integers(table, "gt_id")[is_ground_truth(table)]
    part = table.filter(pa.array(is_detection(table)))
    places = list(zip(part["image_id"].to_pylist(), part["query"].to_pylist(), strict=True))
    for level in range(len(THRESHOLDS)):
        answers = [
            int(ids[t]) if c == CORRECT else -1 if c == IN_CROWD else None
            for c, t in zip(code[level], truth[level], strict=True)
        ]
        assert dict(zip(places, answers, strict=True)) == matches(gt, results, level)


@settings(max_examples=60, deadline=None)
@given(cases().map(whole), st.integers(0, 9))
def test_error_types_equal_hotcoco_at_every_iou(case, level):
    gt, results = in_class_order(case[0]), case[1]
    code = of_table(detection_table(gt, results)).code[level]
    expected = tide_at(gt, results, float(THRESHOLDS[level]))
    assert {kind.value: int(np.sum(code == i)) for i, kind in enumerate(ERROR_TYPES)} == expected | {"missed": 0}


@settings(max_examples=60, deadline=None)
@given(cases().map(whole), st.sampled_from([0.0, 0.25, 0.6]))
def test_the_first_iou_is_the_tables_also_without_the_lowest_scores(case, lowest):
    table = detection_table(*case)
    part = table.filter(pa.array(visible(table, lowest)))
    code, truth, iou = of_table(part)
    rows = part.filter(pa.array(is_detection(part)))
    error = indices(rows, "error", ERROR_TYPES)
    assert (
        code[0].tolist() == np.where(error >= 0, error, np.where(flags(rows, "crowd_only"), IN_CROWD, CORRECT)).tolist()
    )
    ids, has_one = associated_ground_truths(rows)
    gt_ids = np.append(integers(part, "gt_id")[is_ground_truth(part)], 0)[truth[0]]
    assert (truth[0] >= 0).tolist() == has_one.tolist() and gt_ids[has_one].tolist() == ids[has_one].tolist()
    assert iou[0] == pytest.approx(best_iou(rows), nan_ok=True) and len(floats(rows, "score")) == len(error)


def test_at_a_higher_iou_a_lower_score_may_take_the_object_of_a_higher_one():
    gt = gt_of((1, 1, (0, 0, 100, 100)), (1, 1, (0, 30, 100, 100)))
    results = [result(1, 1, (0, 20, 100, 100), 0.9), result(1, 1, (0, 30, 100, 96), 0.8)]
    code, truth, iou = of_table(detection_table(gt, results))
    assert (code[0].tolist(), truth[0].tolist()) == ([CORRECT, CORRECT], [1, 0])
    names = [ERROR_TYPES[c].value if c < CORRECT else c for c in code[8]]
    assert (names, truth[8].tolist()) == (["localization", CORRECT], [1, 1])
    assert iou[8].tolist() == [pytest.approx(90 / 110), pytest.approx(0.96)]


def test_without_boxes_there_is_nothing():
    code, truth, iou = of_table(detection_table(gt_of(), []))
    assert code.shape == truth.shape == iou.shape == (10, 0)
