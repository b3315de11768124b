"""What FiftyOne gets of an image, compared with what it was made of."""

import numpy as np
import pytest

from core.datasets.attributes.attribute import Attribute, ImageAttributes
from core.datasets.split import CocoSplit
from core.evaluation.tide import detection_table
from core.export.bundle import Bundle
from core.export.fiftyone.fields import TAKEN, field_names, sample_values
from tests.core.coco_cases import gt_of, result

CAR, CROWD, DOG = (40, 20, 50, 40), (0, 60, 90, 40), (150.5, 5.25, 9, 9)
GT = gt_of((1, 1, CAR), (1, 1, CROWD, {"iscrowd": 1}), (2, 2, DOG), images=3)
FOUND = [result(1, 1, CAR, 0.9), result(1, 2, CAR, 0.8), result(2, 2, DOG, 0.2)]
NAMES = ("weather", "Weather!", "a.b", "$set", "_id", "tags", "filepath", "9 am", "*", "", "日本", "frames")


def attribute(name, *rows):
    members = np.array(rows, dtype=bool)
    return Attribute(name, "a.csv", tuple(f"value {i}" for i in range(len(rows))), members)


def known(*attributes):
    return ImageAttributes(np.array([1, 2, 3]), attributes)


@pytest.fixture(scope="module")
def samples():
    split = CocoSplit("val", "gt.json", "pictures", **GT)
    attributes = known(
        attribute("weather", (1, 0, 0), (0, 1, 0)), attribute("several", (1, 1, 0), (1, 0, 0)),
    )  # fmt: skip
    bundle = Bundle(split, detection_table(GT, FOUND), tuple(split.image_by_id), 0.5)
    return {values.image_id: values for values in sample_values(bundle, attributes)}


def test_boxes_are_shares_of_the_picture(samples):
    first, second = samples[1].ground_truth[0], samples[2].ground_truth[0]
    assert first["bounding_box"] == pytest.approx([40 / 200, 20 / 100, 50 / 200, 40 / 100])
    assert second["bounding_box"] == pytest.approx([150.5 / 200, 5.25 / 100, 9 / 200, 9 / 100])
    assert [box["iscrowd"] for box in samples[1].ground_truth] == [0, 1]


def test_predictions_have_class_score_error_iou_annotation_and_query(samples):
    right, wrong = samples[1].predictions
    assert (right["label"], right["confidence"], right["iou"], right["gt_id"]) == ("car", pytest.approx(0.9), 1.0, 1)
    assert "error" not in right and right["query"] >= 0
    assert (wrong["label"], wrong["error"]) == ("dog", "classification") and "gt_id" not in wrong


def test_below_the_score_there_is_no_prediction_and_its_object_is_missed(samples):
    assert samples[2].predictions == [] and samples[2].ground_truth[0]["error"] == "missed"
    assert samples[3].predictions == [] == samples[3].ground_truth


def test_what_is_known_of_an_image_is_a_word_or_a_list_of_words(samples):
    assert [samples[n].fields["weather"] for n in (1, 2, 3)] == ["value 0", "value 1", None]
    assert [samples[n].fields["several"] for n in (1, 2, 3)] == [["value 0", "value 1"], ["value 0"], []]


def test_every_attribute_has_a_field_of_its_own_whatever_it_is_called():
    names = field_names(known(*(attribute(name, (1, 0, 0)) for name in NAMES)))
    assert list(names) == list(NAMES) and len(set(names.values())) == len(NAMES)
    for name in names.values():
        assert name.isidentifier() and not name.startswith("_") and name not in TAKEN
