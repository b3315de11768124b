"""The metrics of a model as text: percent, classes, errors and their impact."""

import pytest

from core.evaluation.coco_eval import evaluate
from core.evaluation.tide import detection_table
from core.export.text import evaluation_text, percent
from tests.core.coco_cases import gt_of, result


@pytest.mark.parametrize(
    ("value", "sign", "said"),
    [
        (None, False, "–"), (None, True, "–"), (0.0, False, "0.0"), (1.0, False, "100.0"), (0.39949, False, "39.9"),
        (0.001, True, "+0.1"), (-0.25, True, "-25.0"), (-0.0004, True, "+0.0"), (0.0, True, "+0.0"),
    ],
)  # fmt: skip
def test_a_figure_is_percent_with_one_decimal(value, sign, said):
    assert percent(value, sign) == said


GT = gt_of((1, 1, (0, 0, 40, 40)), (1, 1, (60, 0, 40, 40)), (1, 2, (0, 50, 20, 20), {"iscrowd": 1}))


def told(*models, score=0.0):
    """`evaluation_text` of results lists, the last being the model's, as lines of words."""
    figures = {f"model {i}": evaluate(GT, model).to_dict() for i, model in enumerate(models)}
    lines = evaluation_text(figures, detection_table(GT, models[-1]), score).splitlines()
    return {line.split("  ")[0]: line.split() for line in lines if line}


def test_the_summary_of_one_model_has_its_figures_classes_and_errors():
    lines = told([result(1, 1, (0, 0, 40, 40)), result(1, 2, (150, 50, 9, 9), 0.3)])
    assert lines["AP50"] == ["AP50", "50.5"] and lines["APl"] == ["APl", "–"]
    assert lines["class"] == ["class", "objects", "AP50", "AP"]
    assert lines["car"] == ["car", "2", "50.5", "50.5"] and lines["dog"] == ["dog", "0", "–", "–"]
    assert lines["Missed"] == ["Missed", "1", "+49.5"] and lines["Background"] == ["Background", "1", "+0.0"]


def test_the_summary_of_a_trained_model_says_how_it_differs_from_the_baseline():
    found = result(1, 1, (0, 0, 40, 40))
    lines = told([found, result(1, 1, (60, 0, 40, 40))], [found])
    assert lines["percent"] == ["percent", "model", "0", "model", "1", "change"]
    assert lines["AP50"] == ["AP50", "100.0", "50.5", "-49.5"] and lines["APl"] == ["APl", "–", "–", "–"]
    assert lines["class"] == ["class", "objects", "AP50", "baseline", "AP", "change"]
    assert lines["car"] == ["car", "2", "50.5", "100.0", "50.5", "-49.5"]


def test_errors_are_counted_from_the_score_and_their_cost_at_any():
    model = [result(1, 1, (0, 0, 40, 40)), result(1, 1, (150, 50, 9, 9), 0.95)]
    low, high = told(model), told(model, score=0.96)
    assert (low["Background"][1], high["Background"][1]) == ("1", "0")
    assert low["Background"][2] == high["Background"][2] and low["Background"][2] > "+0.0"


def test_no_detections_give_zeros_and_no_objects_give_dashes():
    lines = told([])
    assert lines["AP"] == ["AP", "0.0"] and lines["Missed"] == ["Missed", "2", "+100.0"]
    gt = gt_of(images=1)
    text = evaluation_text({"results": evaluate(gt, []).to_dict()}, detection_table(gt, []), 0.5)
    assert text.startswith("1 image, 0 objects, 0 predictions\n")
    assert {line.split()[1] for line in text.splitlines() if line.startswith("A")} == {"–"}
