"""core/evaluation/of_files.py: what only the boxes tell, and the files that an error names."""

import json

import pytest

from core import DataError
from core.evaluation.coco_files import read_truth
from core.evaluation.of_files import evaluate_results
from tests.core.coco_cases import gt_of, result

NAMES = ("car", "dog", "cat", "bus")
PLACES = [(i, 1 + i % 4, (10 * i, 5, 20, 30)) for i in range(1, 21)]


@pytest.fixture
def evaluated(tmp_path):
    def evaluate(dt, gt=None):
        (tmp_path / "gt.json").write_text(json.dumps(gt or gt_of(*PLACES, images=20, categories=NAMES)))
        (tmp_path / "dt.json").write_text(json.dumps(dt))
        return evaluate_results(read_truth(tmp_path / "gt.json"), tmp_path / "gt.json", tmp_path / "dt.json")

    return evaluate


def called(name_of):
    return [result(i, name_of(category_id), (x + 1, y, w, h)) for i, category_id, (x, y, w, h) in PLACES]


def test_classes_that_are_numbered_otherwise_are_noticed(evaluated):
    shifted = evaluated(called(lambda c: c % 4 + 1))
    (note,) = shifted.notes
    assert shifted.figures.AP == 0
    assert note.startswith("dt.json: it seems to number the classes otherwise than the ground truth: 5 of 5 found obj")
    assert "5 of 5 found objects of car are called dog" in note and note.endswith(": compare both lists")


@pytest.mark.parametrize(
    "name_of",
    [
        lambda c: c,
        lambda c: 1,  # a model that calls everything a car
        lambda c: {1: 2, 2: 2}.get(c, c),  # one that takes two classes for the same
    ],
)
def test_a_model_that_errs_is_not_taken_for_one_of_another_numbering(evaluated, name_of):
    assert evaluated(called(name_of)).notes == []


def test_few_objects_tell_nothing(evaluated):
    assert evaluated(called(lambda c: c % 4 + 1)[:9]).notes == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"score": "87%"}, "The score of detection number 2 is '87%', but must be a number"),
        ({"score": None}, "The score of detection number 2 is missing, but must be a number"),
        ({"bbox": None}, "The bbox of detection number 2 is missing, but must be four numbers"),
    ],
)
def test_an_error_names_the_files_and_the_place_counted_from_1(evaluated, change, says):
    rows = called(lambda c: c)
    rows[1] |= change
    with pytest.raises(DataError, match=rf"dt\.json cannot be evaluated on .*gt\.json: {says}"):
        evaluated(rows)


def test_scores_that_are_no_probabilities_are_told(evaluated):
    rows = [row | {"score": 87.5} for row in called(lambda c: c)]
    assert evaluated(rows).notes == [
        "dt.json: its scores lie between 87.5 and 87.5, not between 0 and 1 as elsewhere here"
    ]
    assert evaluated(called(lambda c: c)).notes == evaluated([rows[0] | {"score": 1}]).notes == []
