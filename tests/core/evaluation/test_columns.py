"""What cannot be a ground truth or a detection is refused in one sentence; ranks within groups."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import DataError
from core.boxes import Detections
from core.evaluation.coco_eval import evaluate
from core.evaluation.columns import rank_within_group
from core.labels import LabelMap
from tests.core.coco_cases import gt_of, result

GOOD = result(1, 1, (0, 0, 10, 10))


@pytest.mark.parametrize(
    "row, says",
    [
        (GOOD | {"image_id": 5}, "image 5, which the ground truth does not list"),
        (GOOD | {"category_id": 9}, "category 9, which"),
        (GOOD | {"image_id": 1.5}, "image_id of detections must be whole numbers"),
        (GOOD | {"image_id": "1"}, "whole numbers"),
        (GOOD | {"image_id": None}, "whole numbers"),
        (GOOD | {"image_id": True}, "whole numbers"),
        (GOOD | {"image_id": [1]}, "whole numbers"),
        (GOOD | {"image_id": float("nan")}, "whole numbers"),
        ({k: v for k, v in GOOD.items() if k != "category_id"}, "number 1 has no category_id"),
        ({k: v for k, v in GOOD.items() if k != "bbox"}, "number 1 is missing, but must be four numbers"),
        ({k: v for k, v in GOOD.items() if k != "score"}, "score of detection number 1 is missing"),
        (GOOD | {"bbox": [1, 2, 3]}, "four numbers"),
        (GOOD | {"bbox": [1, 2, 3, float("inf")]}, "four numbers"),
        (GOOD | {"bbox": [1, 2, 3, 10**400]}, "four numbers"),
        (GOOD | {"bbox": "box"}, "four numbers"),
        (GOOD | {"score": float("nan")}, "is nan, but must be a number"),
        (GOOD | {"score": "high"}, "must be a number"),
        ([1, 1], "number 1 has no image_id"),
    ],
)
def test_a_broken_row_is_named_in_one_sentence(row, says):
    with pytest.raises(DataError, match=says):
        evaluate(gt_of((1, 1, (0, 0, 10, 10))), [row])


def test_a_list_as_one_of_several_ids_is_refused():
    with pytest.raises(DataError, match="whole numbers"):
        evaluate(gt_of(), [GOOD, GOOD | {"image_id": [1, 2]}])


@pytest.mark.parametrize(
    "found, says",
    [
        (Detections([5], [0], [0], [0.5], [[0, 0, 1, 1]]), "image 5"),
        (Detections([1], [0], [2], [0.5], [[0, 0, 1, 1]]), "class index outside 0 to 1"),
        (Detections([1], [0], [-1], [0.5], [[0, 0, 1, 1]]), "class index"),
        (Detections([1], [0], [0], [np.nan], [[0, 0, 1, 1]]), "score"),
        (Detections([1], [0], [0], [0.5], [[0, 0, 1, np.inf]]), "bbox"),
    ],
)
def test_broken_detections_are_refused(found, says):
    with pytest.raises(DataError, match=says):
        evaluate(gt_of((1, 1, (0, 0, 10, 10))), found)


@pytest.mark.parametrize(
    "gt, says",
    [
        ({"images": []}, "must hold the lists"),
        (gt_of(categories=("car", "car")), "same name"),
        (gt_of((9, 1, (0, 0, 1, 1))), "annotation is of image 9"),
        (gt_of((1, 1, (0, 0, 1, float("nan")))), "bbox of annotation number 1"),
    ],
)
def test_a_broken_ground_truth_is_refused(gt, says):
    with pytest.raises(DataError, match=says):
        evaluate(gt, [])


@pytest.mark.parametrize(
    "label_map, says",
    [
        (LabelMap(("cat",), (1,)), "'cat' is category 1 here, but the ground truth does not have it"),
        (LabelMap(("dog",), (1,)), "lists it as category 2"),
    ],
)
def test_a_label_map_of_another_data_set_is_refused(label_map, says):
    with pytest.raises(DataError, match=says):
        evaluate(gt_of(), [], label_map)


@given(st.lists(st.integers(-3, 3)))
def test_ranks_count_from_0_within_each_group(groups):
    assert rank_within_group(np.array(groups, dtype=int)).tolist() == [
        groups[:i].count(g) for i, g in enumerate(groups)
    ]
