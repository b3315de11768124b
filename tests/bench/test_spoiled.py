"""Spoiled labels are what they say, and a model that is always right has all of them on its list."""

import shutil

import pytest

from bench.spoiled import REMOVED, SHIFTED, SWAPPED, Suspect, hits, ours, spoil
from core.boxes import iou, xywh_to_xyxy
from core.datasets.split import read_split
from core.evaluation.tide import detection_table


@pytest.fixture
def spoiled(drawn, tmp_path):
    """What was spoiled of a copy of the drawn street's validation images; what is true of it, and what it says now."""
    shutil.copytree(drawn, tmp_path / "street")
    before = read_split(tmp_path / "street", "val")
    some = spoil(tmp_path / "street/annotations/instances_val.json", 0.2, 0)
    return some, before, read_split(tmp_path / "street", "val")


def test_a_third_of_the_share_each_is_removed_swapped_and_shifted(spoiled):
    some, before, after = spoiled
    assert len(some) == round(0.2 * len(before.annotations))
    old, new = ({a["id"]: a for a in split.annotations} for split in (before, after))
    assert {one.gt_id for one in some if one.how == REMOVED} == set(old) - set(new)
    for one in some:
        assert xywh_to_xyxy([old[one.gt_id]["bbox"]])[0].tolist() == list(one.box)
        if one.how == SWAPPED:
            assert new[one.gt_id]["category_id"] != old[one.gt_id]["category_id"]
        if one.how == SHIFTED:
            assert iou([one.box], xywh_to_xyxy([new[one.gt_id]["bbox"]]))[0, 0] < 0.5
    untouched = old.keys() - {one.gt_id for one in some}
    assert all(new[i]["bbox"] == old[i]["bbox"] for i in untouched)


def test_what_is_true_contradicts_them_all(spoiled):
    some, before, after = spoiled
    truth = [
        {"image_id": a["image_id"], "category_id": a["category_id"], "bbox": a["bbox"], "score": 0.99}
        for a in before.annotations
    ]
    suspects = ours(detection_table(after.to_dict(), truth))
    counts = hits(suspects, some, len(suspects))
    assert sum(counts.values()) >= 0.9 * len(some)  # one of another class may lie over a label that was swapped
    assert len(suspects) <= 1.5 * len(some)


def test_a_suspect_counts_for_what_it_is_about():
    from bench.spoiled import Spoiled

    removed, swapped = Spoiled(REMOVED, 1, 5, (0, 0, 10, 10)), Spoiled(SWAPPED, 1, 6, (50, 0, 60, 10))
    suspects = [Suspect(1, None, (50, 0, 60, 10)), Suspect(2, None, (0, 0, 10, 10)), Suspect(1, 6, (0, 0, 1, 1))]
    assert hits(suspects, [removed, swapped], 2) == {REMOVED: 0, SWAPPED: 0, SHIFTED: 0}
    assert hits([*suspects, Suspect(1, None, (0, 0, 10, 9))], [removed, swapped], 4) == {
        REMOVED: 1, SWAPPED: 1, SHIFTED: 0,
    }  # fmt: skip
