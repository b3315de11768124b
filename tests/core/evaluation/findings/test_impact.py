import hotcoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import DataError
from core.datasets.split import SIZES
from core.evaluation.coco_eval import evaluate
from core.evaluation.columns import rank_within_group
from core.evaluation.findings.impact import GroupImpact, impact
from core.evaluation.selection import Selection, selected_rows
from core.evaluation.table import ERROR_TYPES, ErrorType
from core.evaluation.tide import detection_table
from tests.core.coco_cases import cases, gt_of, judge, result

CAR, DOG = (1, 1, (0, 0, 10, 10)), (1, 2, (50, 0, 10, 10))
HOTCOCO = {ErrorType.DUPLICATE: "Dupe", ErrorType.BACKGROUND: "Bkg", ErrorType.BOTH: "Both"}
POINTERS = {ErrorType.LOCALIZATION: "best_same_gt", ErrorType.CLASSIFICATION: "best_other_gt"}


def impact_of(gt: dict, *results: dict, classes=None):
    return impact(detection_table(gt, list(results)), classes)


# Against independent judges


def mended(gt: dict, results: list[dict], kind: ErrorType, name: str | None, size: str | None) -> tuple[dict, list]:
    """The files in which every error of one type, and perhaps one class and size, is put right by hand."""
    table = detection_table(gt, results).to_pylist()
    annotations = {a["id"]: a for a in gt["annotations"]}
    found = {row["gt_id"] for row in table if row["kind"] == "detection"}
    first = {}  # the errors that are to find an object, by its id
    for row in sorted((row for row in table if row["error"] in POINTERS), key=lambda row: row["rank"]):
        gt_id = row[POINTERS[row["error"]]]
        if gt_id not in found and not annotations[gt_id]["iscrowd"]:
            first.setdefault(gt_id, row)
    pointed = {row[POINTERS[row["error"]]] for row in table if row["error"] in POINTERS}
    query = rank_within_group(np.array([row["image_id"] for row in results], dtype=int)).tolist()
    mended_results, gone = {(row["image_id"], q): dict(row) for row, q in zip(results, query, strict=True)}, set()
    for row in table:
        if name not in (None, row["class_name"]) or size not in (None, row["size"]):
            continue
        if row["kind"] == "ground_truth" and kind == ErrorType.MISSED:
            if row["gt_id"] not in found | pointed and not row["iscrowd"]:
                gone.add(row["gt_id"])
        elif row["kind"] == "detection" and row["error"] == kind:
            here = (row["image_id"], row["query"])
            truth = annotations.get(row[POINTERS[kind]]) if kind in POINTERS else None
            if truth and first.get(truth["id"]) is row:
                mended_results[here] |= {key: truth[key] for key in ("category_id", "bbox")}
            else:
                del mended_results[here]
    left = [a for a in gt["annotations"] if a["id"] not in gone]
    return gt | {"annotations": left}, list(mended_results.values())


def mean_ap50(gt: dict, results: list[dict], names: list[str]) -> float:
    """pycocotools' AP50 over some classes; of one without objects 0 if anything is predicted that counts, else 1."""
    run = judge(gt, results)
    ids = {c["name"]: c["id"] for c in gt["categories"]}
    values = []
    for name in names:
        value = run.eval["precision"][0, :, run.params.catIds.index(ids[name]), 0, 2].mean()
        cells = [c for c in run.evalImgs if c and c["category_id"] == ids[name] and c["aRng"] == [0, 1e10]]
        values.append(value if value > -1 else float(all(c["dtIgnore"][0].all() for c in cells)))
    return float(np.mean(values))


@settings(max_examples=100, deadline=None)
@given(cases(), st.sampled_from(ERROR_TYPES), st.data())
def test_what_errors_cost_is_what_pycocotools_says_of_files_put_right_by_hand(case, kind, data):
    gt, results = case
    names = [c["name"] for c in gt["categories"]]
    name, size = data.draw(st.none() | st.sampled_from(names)), data.draw(st.none() | st.sampled_from(SIZES))
    classes = data.draw(st.none() | st.lists(st.sampled_from(names), unique=True))
    found = impact(detection_table(gt, results), classes)
    objects = {name: found.objects[name] for name in (names if classes is None else classes) if found.objects[name]}
    if not objects:
        assert found.ap50 is None and set(found.total.values()) == {None} and not found.cells
        return
    by_hand = mean_ap50(*mended(gt, results, kind, name, size), list(objects)) - found.ap50
    key = (kind, *(part for part in (name, size) if part))
    entries = {(None, None): {}, (name, None): found.by_class, (None, size): found.by_size}.get(
        (name, size), found.cells
    )
    delta = found.total[kind] if key == (kind,) else entries.get(key, GroupImpact(0, 0)).delta
    assert found.ap50 == pytest.approx(mean_ap50(gt, results, list(objects)), abs=1e-12)
    assert delta == pytest.approx(by_hand, abs=1e-12)
    assert -1e-12 < delta <= 1 - found.ap50 + 1e-12


@settings(max_examples=100, deadline=None)
@given(cases())
def test_ap50_and_what_just_goes_equal_hotcoco(case):
    gt, results = case
    truth = hotcoco.COCO(gt)
    run = hotcoco.COCOeval(truth, truth.load_res(results), "bbox")
    run.evaluate()
    judged, found = run.tide_errors(), impact(detection_table(gt, results))
    assert (found.ap50 or 0) == pytest.approx(judged["ap_base"], abs=1e-9)
    for kind, name in HOTCOCO.items():
        assert (found.total[kind] or 0) == pytest.approx(judged["delta_ap"][name], abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(cases(), st.data())
def test_every_entry_counts_the_boxes_that_its_link_opens(case, data):
    gt, results = case
    table = detection_table(gt, results)
    names = tuple(c["name"] for c in gt["categories"])
    classes = data.draw(st.none() | st.lists(st.sampled_from(names), unique=True, min_size=1).map(tuple))
    found = impact(table, classes)

    def boxes(**what) -> int:
        return int(selected_rows(table, Selection(0.0, **what)).sum())

    for kind in ERROR_TYPES:
        assert found.boxes[kind] == boxes(error=kind, classes=classes or ())
    if found.ap50 is None:
        return
    for name in names:
        for kind in ERROR_TYPES:
            n = boxes(error=kind, classes=(name,))
            entry = found.by_class.get((kind, name))
            assert (entry.boxes if entry else 0) == n or name not in found.classes
            for size in SIZES:
                n = boxes(error=kind, classes=(name,), sizes=(size,))
                entry = found.cells.get((kind, name, size))
                assert entry.boxes == n if entry else n == 0 or name not in found.classes
    for (kind, size), entry in found.by_size.items():
        assert entry.boxes == boxes(error=kind, sizes=(size,), classes=classes or ())


# Edges


@pytest.mark.parametrize("gt", [gt_of(), gt_of(images=0), gt_of((1, 1, (0, 0, 9, 9), {"iscrowd": 1}))])
@pytest.mark.parametrize("shown", [False, True])
def test_without_objects_nothing_has_a_cost(gt, shown):
    found = impact_of(gt, *[result(1, 1, (50, 50, 10, 10))] * (shown and bool(gt["images"])))
    assert found.ap50 is None and set(found.total.values()) == {None}
    assert not (found.cells or found.by_class or found.by_size)
    assert set(found.objects.values()) == {0}


def test_perfect_predictions_cost_nothing():
    found = impact_of(gt_of(CAR, DOG), result(1, 1, CAR[2]), result(1, 2, DOG[2]))
    assert found.ap50 == pytest.approx(1)
    assert set(found.total.values()) == {0} and not found.cells


def test_without_predictions_everything_is_missed():
    found = impact_of(gt_of(CAR, DOG))
    assert found.ap50 == 0
    assert found.total == dict.fromkeys(ERROR_TYPES, 0) | {ErrorType.MISSED: 1}
    assert found.by_class == {(ErrorType.MISSED, name): GroupImpact(0.5, 1) for name in ("car", "dog")}


def test_a_class_of_which_all_is_missed_stays_at_zero_while_something_else_is_taken_for_it():
    found = impact_of(gt_of(CAR, images=2), result(2, 1, (0, 0, 10, 10)))
    assert found.total[ErrorType.MISSED] == 0


def test_a_class_without_objects_is_not_in_the_mean():
    found = impact_of(gt_of(CAR, images=2), result(1, 1, CAR[2], 0.5), *[result(2, c, CAR[2]) for c in (1, 2)])
    assert found.ap50 == pytest.approx(0.5)
    assert found.total[ErrorType.BACKGROUND] == pytest.approx(0.5)
    assert found.by_class[ErrorType.BACKGROUND, "dog"] == GroupImpact(0, 1)


def test_of_two_poor_boxes_of_one_object_the_more_confident_becomes_right_and_the_other_goes():
    poor = [result(1, 1, (0, 0, 10, 4), score) for score in (0.3, 0.6)]
    assert impact_of(gt_of(CAR), *poor).total[ErrorType.LOCALIZATION] == pytest.approx(1)


def test_an_object_that_was_found_gains_nothing_by_another_poor_box_of_it():
    gt = gt_of(CAR, (1, 1, (50, 0, 10, 10)))
    found = impact_of(gt, result(1, 1, CAR[2], 0.5), result(1, 1, (0, 0, 10, 4), 0.9))
    assert found.ap50 == pytest.approx(51 / 101 / 2)
    assert found.total[ErrorType.LOCALIZATION] == pytest.approx(51 / 101 / 2)  # it goes


def test_a_poor_box_behind_a_more_confident_wrong_class_does_not_become_right():
    found = impact_of(gt_of(CAR), result(1, 2, CAR[2], 0.9), result(1, 1, (0, 0, 10, 4), 0.5))
    assert (found.total[ErrorType.CLASSIFICATION], found.total[ErrorType.LOCALIZATION]) == (pytest.approx(1), 0)


def test_a_poor_box_of_a_crowd_goes():
    crowd, missed = (1, 1, (50, 0, 40, 40), {"iscrowd": 1}), (1, 1, (150, 0, 10, 10))
    found = impact_of(gt_of(CAR, crowd, missed), result(1, 1, CAR[2], 0.5), result(1, 1, (40, 0, 13, 10)))
    assert found.boxes[ErrorType.LOCALIZATION] == 1
    assert found.total[ErrorType.LOCALIZATION] == pytest.approx(51 / 101 / 2)


def test_a_wrong_class_takes_its_place_by_score_in_the_class_of_its_object():
    gt = gt_of(CAR, (1, 1, (50, 0, 10, 10)), images=2)
    others = [result(1, 1, (50, 0, 10, 10), 0.9), result(2, 1, CAR[2], 0.5)]
    before, after = (impact_of(gt, *others, result(1, 2, CAR[2], score)) for score in (0.6, 0.4))
    assert before.ap50 + before.total[ErrorType.CLASSIFICATION] == pytest.approx(1)
    assert after.ap50 + after.total[ErrorType.CLASSIFICATION] == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_with_one_class_only_a_box_of_another_class_on_it_counts():
    gt = gt_of(CAR, DOG)
    found = impact_of(gt, result(1, 1, DOG[2]), classes=["dog"])
    assert (found.ap50, found.total[ErrorType.CLASSIFICATION]) == (0, pytest.approx(1))
    assert found.by_class == {(ErrorType.CLASSIFICATION, "car"): GroupImpact(pytest.approx(1), 1)}
    assert found.by_size == {(ErrorType.CLASSIFICATION, "small"): GroupImpact(pytest.approx(1), 0)}
    assert found.boxes == dict.fromkeys(ERROR_TYPES, 0)


def test_scores_below_zero_count_too():
    found = impact_of(gt_of(CAR), result(1, 1, (0, 0, 10, 4), -0.5))
    assert found.total == dict.fromkeys(ERROR_TYPES, 0) | {ErrorType.LOCALIZATION: pytest.approx(1)}


def test_ap50_is_the_evaluations():
    gt = gt_of(CAR, DOG, (1, 1, (20, 0, 10, 10)))
    results = [result(1, 1, CAR[2], 0.5), result(1, 1, DOG[2], 0.8), result(1, 2, DOG[2], 0.2)]
    assert impact_of(gt, *results).ap50 == pytest.approx(evaluate(gt, results).AP50, abs=1e-12)


def test_an_unknown_class_is_refused():
    with pytest.raises(DataError, match="no class 'bus' in this evaluation: choose from car, dog"):
        impact_of(gt_of(CAR), classes=["car", "bus"])
