import pytest

from core import DataError, RunError
from core.evaluation.findings.label_errors import LabelErrorKind, label_errors
from core.evaluation.tide import detection_table
from core.runs.corrections.corrected import corrected_table
from core.runs.corrections.journal import CorrectionKind
from core.runs.corrections.mend import Mender, label_to_mend
from tests.core.coco_cases import gt_of, result, rows
from tests.core.runs.corrections.test_corrected import split_of

BOX = (10, 10, 40, 40)
GT = gt_of((1, 1, BOX, {"area": 700}), (1, 2, (100, 10, 40, 40)), images=2)


@pytest.fixture
def mender(store, tmp_path) -> Mender:
    return Mender(store, split_of(GT, json_path=tmp_path / "val.json"))


def boxes_of(mender: Mender, results=()) -> list[dict]:
    return rows(corrected_table(detection_table(GT, list(results)), mender.journal.all()), "ground_truth")


def prediction(mender: Mender, category: int, box) -> dict:
    [row] = rows(corrected_table(detection_table(GT, [result(1, category, box)]), mender.journal.all()))
    return row


@pytest.mark.parametrize(("category", "box", "label_id", "now"), [
    (1, (100, 60, 40, 30), None, ("car", 100, 60, 140, 90)),  # on nothing
    (2, BOX, 1, ("dog", 10, 10, 50, 50)),  # of another class: the label's own box stays
    (2, (100, 30, 40, 40), 2, ("dog", 100, 30, 140, 70)),  # of its class, but elsewhere
    (1, (100, 35, 40, 40), None, ("car", 100, 35, 140, 75)),  # both: nobody can tell
])  # fmt: skip
def test_labels_come_to_agree_with_a_prediction(mender, category, box, label_id, now):
    row = prediction(mender, category, box)
    assert label_to_mend(row) == label_id
    made = mender.accept(1, row)
    assert made.kind is CorrectionKind.ACCEPTED and made.label_id == (label_id or 3)
    [label] = [one for one in boxes_of(mender) if one["gt_id"] == made.label_id]
    assert tuple(label[name] for name in ("class_name", "x1", "y1", "x2", "y2")) == now
    assert prediction(mender, category, box)["error"] is None


def test_a_prediction_can_become_a_label_of_its_own(mender):
    made = mender.accept(1, prediction(mender, 2, BOX), as_own=True)
    assert made.label_id == 3 and len(boxes_of(mender)) == 3


def test_every_likely_label_error_can_be_mended(store, tmp_path):
    gt = gt_of(
        (1, 1, BOX), (2, 1, BOX), (3, 1, (10, 10, 40, 40)), (4, 1, BOX), (4, 1, (10, 10, 40, 39)),
        *((n, 1, BOX) for n in range(5, 30)), images=30,
    )  # fmt: skip
    results = [result(1, 1, BOX, 0.9), result(1, 1, (100, 10, 40, 40), 0.9), result(2, 2, BOX, 0.9),
             result(3, 1, (22, 22, 40, 40), 0.9), result(4, 1, BOX, 0.9)]  # fmt: skip
    results += [result(n, 1, BOX, 0.9) for n in range(5, 30)]
    mender, table = Mender(store, split_of(gt, json_path=tmp_path / "val.json")), detection_table(gt, results)
    errors = label_errors(table)
    assert {error.kind for error in errors} == {*LabelErrorKind} - {LabelErrorKind.IMAGE}
    for error in errors:
        mender.mend(error)
    assert label_errors(corrected_table(table, mender.journal.all())) == []


def test_class_box_and_crowd_change_alone_and_a_moved_label_loses_its_outline(mender):
    mender.change(1, 1, CorrectionKind.CLASS, class_name="dog")
    assert (mender.label(1, 1).area, mender.label(1, 1).class_name) == (700, "dog")
    mender.change(1, 1, CorrectionKind.CROWD, crowd=True)
    mender.change(1, 1, CorrectionKind.BOX, box=(0.004, -20, 500, 50.006))
    label = mender.label(1, 1)
    assert label.box == (0, 0, 200, 50.01) and label.area is None and label.crowd


@pytest.mark.parametrize(("box", "words"), [
    ((10, 10, 10.5, 40), "smaller than a pixel"), ((300, 10, 400, 40), "lies beside it"), ((40, 40, 10, 10), "smaller"),
    ((float("nan"), 0, 9, 9), "no number"),
])  # fmt: skip
def test_what_cannot_be_a_label_is_refused(mender, box, words):
    with pytest.raises(DataError, match=words):
        mender.draw(1, "car", box)
    assert mender.journal.all() == []


def test_what_is_not_there_is_refused(mender):
    with pytest.raises(DataError, match="no class 'bird'"):
        mender.draw(1, "bird", (1, 1, 9, 9))
    with pytest.raises(DataError, match="no image 9"):
        mender.draw(9, "car", (1, 1, 9, 9))
    mender.delete(1, 1)
    for again in (lambda: mender.delete(1, 1), lambda: mender.change(1, 1, CorrectionKind.CROWD, crowd=True)):
        with pytest.raises(DataError, match="no label 1 any more"):
            again()
    with pytest.raises(RunError, match="like that already"):
        mender.change(1, 2, CorrectionKind.CLASS, class_name="dog")
    assert len(mender.journal.all()) == 1
