import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import RunError
from core.datasets.split import SIZES
from core.evaluation.findings.bootstrap import bootstrap
from core.evaluation.findings.changes import (
    FIXED_OR_BROKEN,
    OBJECT_CHANGES,
    Change,
    ap_changes,
    changed_images,
    changed_objects,
    changes,
    ground_truth_digest,
    require_same_ground_truth,
    verdict,
)
from core.evaluation.findings.curves import class_figures
from core.evaluation.tide import detection_table
from tests.core.coco_cases import boxes, cases, gt_of, result, rows

CAR, DOG = (1, 1, (0, 0, 10, 10)), (2, 2, (50, 0, 40, 40))
CROWD = (1, 1, (0, 0, 10, 10), {"iscrowd": 1})
thresholds = st.sampled_from([0.0, 0.25, 0.3, 0.75, 1.0, 1.1])


@st.composite
def pairs(draw):
    """(COCO dict, one model's results, another's): the other keeps some, moves some in score or place, adds some."""
    gt, before = draw(cases())
    after = [row for row in copy.deepcopy(before) if draw(st.booleans())]
    for row in after:
        row["score"] = draw(st.sampled_from([row["score"], 0.25, 0.75]))
        row["bbox"][0] += draw(st.sampled_from([0, 0, 1]))
    for _ in range(draw(st.integers(0, 3))):
        image, category = (draw(st.sampled_from(gt[part]))["id"] for part in ("images", "categories"))
        after.append(result(image, category, draw(boxes()), draw(st.sampled_from([0.3, 0.6]))))
    return gt, before, after


def found(case, score=0.5, of_before=None):
    gt, before, after = case
    scores = (score if of_before is None else of_before, score)
    return changes(detection_table(gt, before), detection_table(gt, after), scores)


# Against a plain count


def right_ids(table, score) -> set:
    """Ids of the objects that a detection from the score on found: told by the detections, not by the objects."""
    return {row["gt_id"] for row in rows(table) if row["gt_id"] is not None and row["score"] >= np.float32(score)}


@settings(max_examples=150, deadline=None)
@given(pairs(), thresholds, thresholds)
def test_every_object_is_what_the_detections_of_both_tables_say(case, score, of_before):
    gone = found(case, score, of_before)
    was, is_now = right_ids(gone.before, of_before), right_ids(gone.after, score)
    kinds = {
        (False, True): Change.FIXED, (True, False): Change.BROKEN, (True, True): Change.STILL_RIGHT,
        (False, False): Change.STILL_WRONG,
    }  # fmt: skip
    expected = {change: [] for change in OBJECT_CHANGES}
    for a in case[0]["annotations"]:
        if not a["iscrowd"]:
            expected[kinds[a["id"] in was, a["id"] in is_now]].append(a["id"])
    for change, ids in expected.items():
        here = gone.after.take(gone.rows[change])
        assert sorted(here["gt_id"].to_pylist()) == sorted(ids)
        table = here.to_pylist()
        counts = [[sum((r["class_name"], r["size"]) == (c, s) for r in table) for s in SIZES] for c in gone.classes]
        assert gone.counts[change].tolist() == counts


def plain_iou(a, b) -> float:
    if all(a[side] == b[side] for side in ("x1", "y1", "x2", "y2")):
        return 1.0
    width = min(a["x2"], b["x2"]) - max(a["x1"], b["x1"])
    height = min(a["y2"], b["y2"]) - max(a["y1"], b["y1"])
    inter = max(width, 0) * max(height, 0)
    union = sum(max(r["x2"] - r["x1"], 0) * max(r["y2"] - r["y1"], 0) for r in (a, b)) - inter
    return float(np.float32(inter) / np.float32(union)) if union > 0 else 0.0


def plain_alarms(table, score) -> list[tuple[int, dict]]:
    table = enumerate(table.to_pylist())
    return [(i, r) for i, r in table if r["error"] and r["score"] >= np.float32(score)]


@settings(max_examples=150, deadline=None)
@given(pairs(), thresholds, thresholds)
def test_false_alarms_are_new_or_gone_as_taking_the_best_pair_again_and_again_says(case, score, of_before):
    gone = found(case, score, of_before)
    before, after = plain_alarms(gone.before, of_before), plain_alarms(gone.after, score)
    same = [
        (-plain_iou(b, a), i, j) for i, b in before for j, a in after
        if (b["image_id"], b["class_name"]) == (a["image_id"], a["class_name"]) and plain_iou(b, a) >= 0.5
    ]  # fmt: skip
    taken_before, taken_after = set(), set()
    for _, i, j in sorted((round(overlap, 5), i, j) for overlap, i, j in same):
        if i not in taken_before and j not in taken_after:
            taken_before.add(i)
            taken_after.add(j)
    assert gone.stayed == len(taken_after)
    assert len(gone.rows[Change.GONE]) == len(before) - gone.stayed
    assert len(gone.rows[Change.NEW]) == len(after) - gone.stayed
    ties = len({overlap for overlap, *_ in same}) < len(same)
    if not ties:  # else which of two equal pairs comes first is a choice
        assert set(gone.rows[Change.GONE].tolist()) == {i for i, _ in before} - taken_before
        assert set(gone.rows[Change.NEW].tolist()) == {j for j, _ in after} - taken_after


@settings(max_examples=60, deadline=None)
@given(pairs(), thresholds)
def test_the_other_way_round_what_was_fixed_is_broken(case, score):
    there = found(case, score)
    back = found((case[0], case[2], case[1]), score)
    for one, other in ((Change.FIXED, Change.BROKEN), (Change.STILL_RIGHT, Change.STILL_RIGHT)):
        ids = [sorted(c.after["gt_id"].take(c.rows[k]).to_pylist()) for c, k in ((there, one), (back, other))]
        assert ids[0] == ids[1]


@settings(max_examples=60, deadline=None)
@given(cases(), thresholds)
def test_between_a_model_and_itself_nothing_has_changed(case, score):
    same = found((case[0], case[1], case[1]), score)
    assert all(len(same.rows[change]) == 0 for change in (*FIXED_OR_BROKEN, Change.NEW, Change.GONE))
    assert not same.rises.any()
    assert changed_images(same, FIXED_OR_BROKEN) == []


@settings(max_examples=60, deadline=None)
@given(pairs(), thresholds)
def test_the_numbers_are_those_of_recall_and_add_up_to_all_objects(case, score):
    gone = found(case, score)
    for table, kinds in (
        (gone.before, (Change.STILL_RIGHT, Change.BROKEN)),
        (gone.after, (Change.STILL_RIGHT, Change.FIXED)),
    ):
        assert [f.found for f in class_figures(table, score)] == sum(gone.counts[k] for k in kinds).sum(axis=1).tolist()
    objects = [f.objects for f in class_figures(gone.after, score)]
    assert sum(gone.counts[change] for change in OBJECT_CHANGES).sum(axis=1).tolist() == objects


# Edges


def test_a_perfect_model_breaks_nothing_and_fixes_all_that_was_wrong():
    gt = gt_of(CAR, DOG, images=2)
    gone = found((gt, [result(*CAR)], [result(*CAR), result(*DOG)]))
    assert {change: gone.number(change) for change in OBJECT_CHANGES} == {
        Change.FIXED: 1, Change.BROKEN: 0, Change.STILL_RIGHT: 1, Change.STILL_WRONG: 0,
    }  # fmt: skip
    apart = found((gt, [result(*CAR, score=0.4)], [result(*CAR), result(*DOG)]), 0.5, of_before=0.3)
    assert verdict(apart).startswith("From score 0.5 (before: 0.3) on it finds 2 of 2 objects, before 1: 1 fixed")
    assert verdict(gone) == (
        "From score 0.5 on it finds 2 of 2 objects, before 1: 1 fixed, 0 broken. Of its 0 false alarms 0 are new; "
        "0 of before are gone."
    )


def test_without_detections_every_object_stays_wrong():
    gone = found((gt_of(CAR, DOG, images=2), [], []))
    assert gone.number(Change.STILL_WRONG) == 2 and gone.stayed == 0


@pytest.mark.parametrize("gt", [gt_of(), gt_of(images=0), gt_of(CROWD)])
def test_without_objects_there_is_nothing_to_find(gt):
    gone = found((gt, [], [result(*CAR[:3])] if gt["images"] else []))
    assert all(gone.number(change) == 0 for change in OBJECT_CHANGES)
    assert verdict(gone) == "There is no object to find."


def test_what_only_fits_a_crowd_is_no_false_alarm():
    assert len(found((gt_of(CROWD), [], [result(*CAR)])).rows[Change.NEW]) == 0


def test_the_threshold_decides_exactly_as_the_scores_are_kept():
    gt = gt_of(CAR)
    for score in (0.7, 0.1 + 0.2):
        assert found((gt, [], [result(*CAR, score)]), score).number(Change.FIXED) == 1
        assert found((gt, [], [result(*CAR, score)]), score + 1e-6).number(Change.FIXED) == 0


def test_of_two_false_alarms_in_one_place_one_is_new():
    there = result(1, 1, (60, 60, 10, 10))
    gone = found((gt_of(CAR), [there], [there, there | {"score": 0.8}]))
    assert (gone.stayed, gone.number(Change.NEW), gone.number(Change.GONE)) == (1, 1, 0)


def test_a_false_alarm_of_another_class_or_image_is_another():
    places = [(1, 1, (60, 60, 10, 10)), (1, 2, (60, 60, 10, 10)), (2, 1, (60, 60, 10, 10))]
    for one, other in ((0, 1), (0, 2)):
        gone = found((gt_of(CAR, images=2), [result(*places[one])], [result(*places[other])]))
        assert (gone.stayed, gone.number(Change.NEW), gone.number(Change.GONE)) == (0, 1, 1)


# What cannot be compared


def test_the_order_of_annotations_and_classes_does_not_matter():
    gt = gt_of(CAR, DOG, images=2)
    other = gt | {part: gt[part][::-1] for part in ("annotations", "categories")}
    assert ground_truth_digest(detection_table(gt, [])) == ground_truth_digest(detection_table(other, []))
    gone = changes(detection_table(gt, [result(*CAR)]), detection_table(other, [result(*CAR), result(*DOG)]))
    assert (gone.number(Change.FIXED), gone.number(Change.STILL_RIGHT)) == (1, 1)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (gt_of(CAR, images=3), "on different images"),
        (gt_of(CAR, images=2, categories=("car", "cat")), "for different classes"),
        (gt_of((1, 1, (0, 0, 10, 11)), images=2), "against different annotations"),
        (gt_of(CAR, DOG, images=2), "against different annotations"),
        (gt_of(CROWD, images=2), "against different annotations"),
    ],
)
def test_other_data_is_refused_in_a_sentence(other, said):
    tables = detection_table(gt_of(CAR, images=2), []), detection_table(other, [])
    with pytest.raises(RunError, match=said):
        require_same_ground_truth(*tables)
    with pytest.raises(RunError, match=said):
        changes(*tables)
    assert ground_truth_digest(tables[0]) != ground_truth_digest(tables[1])


# What to look at


@settings(max_examples=80, deadline=None)
@given(pairs(), thresholds, st.data())
def test_the_gallery_lists_what_was_counted(case, score, data):
    gone = found(case, score)
    classes = data.draw(st.lists(st.sampled_from(gone.classes), unique=True))
    sizes = data.draw(st.lists(st.sampled_from(SIZES), unique=True))
    asked = data.draw(st.sampled_from([FIXED_OR_BROKEN, *((change,) for change in Change)]))
    table = gone.table_of(asked[0])
    objects = changed_objects(gone, asked, classes, sizes)
    assert len(objects) == sum(gone.number(change, classes, sizes) for change in asked)
    shown = table.take(objects.rows).to_pylist()
    assert all((not classes or r["class_name"] in classes) and (not sizes or r["size"] in sizes) for r in shown)
    ids = changed_images(gone, asked, classes, sizes)
    on = [r["image_id"] for r in shown]
    assert ids == sorted(set(on), key=lambda image: (-on.count(image), image))


def test_the_object_that_lost_the_most_score_comes_first():
    gt = gt_of(CAR, DOG, images=2)
    before = [result(*CAR, 0.6), result(*DOG, 0.9)]
    objects = changed_objects(found((gt, before, [])), (Change.BROKEN,))
    assert [one.lit for one in objects] == [("truth", 2), ("truth", 1)]
    assert [one.image_id for one in objects] == [2, 1]


def test_gone_false_alarms_are_of_the_table_before():
    gt, stray = gt_of(CAR), result(1, 2, (60, 60, 10, 10))
    objects = changed_objects(found((gt, [stray], [])), (Change.GONE,))
    assert [(one.image_id, one.lit) for one in objects] == [(1, ("query", 0))]


# AP by class and size


def test_ap_changes_are_the_bootstraps_of_that_class_alone():
    spots = [(i, 1 + i % 2, (10, 10, 20, 20)) for i in range(1, 21)]
    gt = gt_of(*spots, images=20)
    before, after = (detection_table(gt, [result(*s) for s in spots[::step]]) for step in (2, 1))
    for name in ("car", "dog"):
        whole = bootstrap(after, before, [name]).differences
        own = ap_changes(before, after, name)
        assert own == {"all": whole["AP"], "small": whole["APs"], "medium": whole["APm"], "large": whole["APl"]}
        assert own["large"].value is None and not own["large"].is_clear
    assert ap_changes(before, after, "car")["all"].value != ap_changes(before, after, "dog")["all"].value
