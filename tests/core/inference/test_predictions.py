"""What becomes of predictions on pictures of one's own: JSON that COCO's tools read, a table, drawings, names."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pycocotools.coco import COCO

from core.boxes import Detections
from core.evaluation.coco_eval import evaluate
from core.evaluation.coco_files import read_results
from core.evaluation.draw import RED
from core.evaluation.table import table_metadata
from core.evaluation.threshold import image_rows
from core.inference.own_pictures import OwnPicture
from core.inference.predictions import (
    Prediction,
    above_score,
    draw_predictions,
    prediction_table,
    predictions_to_coco,
    safe_file_names,
)
from core.labels import LabelMap

CLASSES = LabelMap(("car", "dog"), (3, 18))
PICTURES = {4: OwnPicture("a.jpg", "a.jpg", (100, 50)), 7: OwnPicture("b.jpg", "b.jpg", (200, 80))}


def prediction(image_id, scores, boxes=None, labels=None):
    count = len(scores)
    boxes = [(10, 10, 30, 40)] * count if boxes is None else boxes
    labels = [0] * count if labels is None else labels
    return Prediction(Detections([image_id] * count, range(count), labels, scores, boxes), 0.01, 0.02)


def test_a_prediction_survives_json():
    one = prediction(4, [0.1, 0.7], [(1.5, -2, 3, 4), (0, 0, 9, 9)], [1, 0])
    again = Prediction.from_dict(json.loads(json.dumps(one.to_dict())), 4)
    for name in ("image_id", "query", "label", "score", "boxes"):
        assert np.array_equal(getattr(again.detections, name), getattr(one.detections, name))
    assert (again.model_seconds, again.whole_seconds) == (0.01, 0.02)
    nothing = Prediction.from_dict(prediction(4, []).to_dict(), 4)
    assert len(nothing.detections) == 0 and nothing.detections.boxes.shape == (0, 4)


def test_the_highest_scores_come_first_and_a_score_at_the_threshold_counts():
    found = above_score(prediction(4, [0.2, 0.7, 0.9, 0.69]).detections, 0.7)
    assert found.score.tolist() == pytest.approx([0.9, 0.7])


def test_the_json_is_a_coco_file_with_scores(tmp_path):
    predictions = {
        4: prediction(4, [0.9, 0.3, 0.6], [(-5, 10, 30, 60), (0, 0, 9, 9), (20, 5, 60, 25)], [1, 0, 0]),
        7: prediction(7, []),
    }
    (tmp_path / "p.json").write_text(json.dumps(predictions_to_coco(PICTURES, predictions, CLASSES, 0.5, "best of x")))
    coco = COCO(tmp_path / "p.json")
    assert [i["file_name"] for i in coco.loadImgs(coco.getImgIds())] == ["a.jpg", "b.jpg"]
    rows = coco.loadAnns(coco.getAnnIds(imgIds=[4]))
    assert [(r["category_id"], r["bbox"], round(r["score"], 3)) for r in rows] == [
        (18, [0, 10, 30, 40], 0.9), (3, [20, 5, 40, 20], 0.6),
    ]  # fmt: skip
    assert [r["area"] for r in rows] == [1200, 800] and not coco.getAnnIds(imgIds=[7])
    assert {c["id"]: c["name"] for c in coco.loadCats([3, 18])} == {3: "car", 18: "dog"}


def test_the_json_is_read_again_as_results(tmp_path):
    coco = predictions_to_coco(
        PICTURES, {4: prediction(4, [0.9]), 7: prediction(7, [0.8], labels=[1])}, CLASSES, 0, "m"
    )
    (tmp_path / "p.json").write_text(json.dumps(coco))
    truths = {**coco, "annotations": [{k: v for k, v in a.items() if k != "score"} for a in coco["annotations"]]}
    ap = evaluate(truths, read_results(tmp_path / "p.json")).AP
    assert ap == pytest.approx(1)


def test_only_pictures_that_the_model_has_seen_are_in_the_json():
    coco = predictions_to_coco(PICTURES, {7: prediction(7, [0.9]), 9: prediction(9, [0.9])}, CLASSES, 0.5, "m")
    assert [i["id"] for i in coco["images"]] == [7] and {a["image_id"] for a in coco["annotations"]} == {7}


def test_the_table_has_every_picture_and_no_truths():
    table = prediction_table(PICTURES, {4: prediction(4, [0.9, 0.1]), 5: prediction(5, [0.9])}, CLASSES)
    assert table_metadata(table).image_ids == (4, 7) and table_metadata(table).classes == CLASSES.names
    assert [row["score"] for row in image_rows(table, 4, 0.5)] == pytest.approx([0.9])
    assert set(table["kind"].to_pylist()) == {"detection"} and not image_rows(table, 7)
    assert table_metadata(prediction_table(PICTURES, {}, CLASSES)).sizes == ((100, 50), (200, 80))


def test_the_drawing_has_the_boxes_from_the_score_on_and_no_word_of_errors():
    table = prediction_table(PICTURES, {4: prediction(4, [0.9])}, CLASSES)
    picture = Image.new("RGB", (100, 50), "white")

    def red(score):
        drawn = draw_predictions(picture, table, 4, score)
        assert drawn.size == (640, 320)
        return int((np.asarray(drawn) == RED).all(axis=2).sum())

    assert red(0.5) > 500 and red(0.95) == 0


@given(st.lists(st.text(max_size=12), max_size=8))
def test_names_are_safe_and_never_twice(names):
    made = safe_file_names([f"{name}.jpg" for name in names], ".png")
    assert len({name.lower() for name in made}) == len(names)
    for name in made:
        assert name.endswith(".png") and not set(name) & set('/\\:*?"<>|\0\n ') and not name.startswith(".")


def test_a_name_keeps_what_is_safe_of_it():
    assert safe_file_names(["Straße 1.tar.jpg", "C:\\pics\\a.png", "noending", "..", "A.PNG"], ".png") == [
        "Straße_1.tar.png", "a.png", "noending.png", "picture.png", "A-2.png",
    ]  # fmt: skip
