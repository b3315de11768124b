import contextlib
import io
import json
import re

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from pycocotools.coco import COCO

from core.boxes import Detections, xywh_to_xyxy
from core.datasets.split import CocoSplit
from core.evaluation.findings.label_errors import LabelErrorKind
from core.evaluation.threshold import image_rows
from core.evaluation.tide import detection_table
from core.export.bundle import Bundle, bundle_title, coco_ground_truth, coco_results, safe_names
from core.labels import LabelMap
from core.runs.evaluated.imports import import_results
from core.runs.marks import Mark
from core.runs.store import RunStore
from core.system.names import LONGEST_NAME
from tests.core.coco_cases import cases, gt_of, judge, result, rows

CAR, TWIN, CROWD, DOG = (40, 20, 50, 40), (100, 20, 50, 40), (0, 60, 90, 40), (150, 5, 9, 9)
GT = gt_of(
    (1, 1, CAR, {"id": 71, "area": 1234.5}), (1, 1, CROWD, {"id": 5, "iscrowd": 1}), (3, 2, DOG), (3, 1, TWIN),
    images=4,
)  # fmt: skip
FOUND = [result(1, 1, CAR, 0.95), result(1, 2, CAR, 0.9), result(1, 1, (0, 60, 80, 40), 0.8),
         result(3, 1, (100, 20, 50, 18), 0.7), result(4, 2, (0, 0, 9, 9), 0.3)]  # fmt: skip


def split_of(gt: dict, **more) -> CocoSplit:
    return CocoSplit("val", **{"json_path": None, "image_dir": None, **more}, **gt)


def bundle_of(*image_ids, gt=GT, found=FOUND, **more) -> Bundle:
    return Bundle(split_of(gt), detection_table(gt, found), image_ids, **more)


def load(bundle: Bundle) -> tuple[COCO, list[dict]]:
    """The ground truth as pycocotools reads it, and all predictions."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = json.loads(json.dumps(coco_ground_truth(bundle)))
        truth.createIndex()
    return truth, [row for image in coco_results(bundle) for row in image]


# The ground truth


def test_annotations_keep_their_ids_areas_and_crowds_and_images_their_order():
    truth, _ = load(bundle_of(3, 1))
    assert [image["id"] for image in truth.dataset["images"]] == [3, 1]
    assert truth.loadImgs([1]) == [{"id": 1, "file_name": "1.jpg", "width": 200, "height": 100}]
    kept = {a["id"]: {k: v for k, v in a.items() if k != "error"} for a in truth.loadAnns(truth.getAnnIds())}
    assert kept == {a["id"]: a for a in GT["annotations"]}
    assert truth.getAnnIds(iscrowd=1) == [5]
    assert {c["id"]: c["name"] for c in truth.loadCats(truth.getCatIds())} == {1: "car", 2: "dog"}


@pytest.mark.parametrize("score", [0, 0.7, 0.71, 0.95, 1])
def test_what_is_missed_at_the_score_is_what_pictures_show_as_missed(score):
    bundle = bundle_of(1, 2, 3, 4, score=score)
    said = {a["id"] for a in coco_ground_truth(bundle)["annotations"] if a["error"] == "missed"}
    shown = [row for i in range(1, 5) for row in image_rows(bundle.table, i, score)]
    assert said == {row["gt_id"] for row in shown if row["error"] == "missed"}


def test_classes_that_were_not_evaluated_do_not_go_out():
    only_cars = LabelMap(("car",), (1,))
    found = Detections([1], [0], [0], [0.9], [[40, 20, 90, 60]])
    bundle = Bundle(split_of(GT), detection_table(GT, found, only_cars), (1, 3))
    coco = coco_ground_truth(bundle)
    assert {a["category_id"] for a in coco["annotations"]} == {1} and coco["categories"] == [{"id": 1, "name": "car"}]


def test_images_that_left_the_data_set_are_gone_and_no_image_goes_twice():
    bundle = bundle_of(9, 3, 3, 1, 9)
    assert [image["id"] for image in bundle.images] == [3, 1] and bundle.missing_ids == [9]


def test_only_marks_on_these_images_go_along():
    marks = [Mark(LabelErrorKind.IMAGE, 1), Mark(LabelErrorKind.IMAGE, 2), Mark(LabelErrorKind.WRONG, 3, "car", DOG, 3)]
    assert bundle_of(3, 2, marks=tuple(marks)).image_marks == marks[1:]


def test_nothing_of_the_data_set_is_changed():
    before = json.dumps(GT)
    load(bundle_of(1, 3))
    coco_ground_truth(bundle_of(1), {1: "other.jpg"})
    assert json.dumps(GT) == before


# Predictions


def test_predictions_say_what_the_table_says():
    bundle = bundle_of(1, 2, 3, 4, score=0)
    truth, found = load(bundle)
    for said, row in zip(found, rows(bundle.table), strict=True):
        for name in ("image_id", "score", "error", "gt_id", "query"):
            assert said[name] == row[name], name
        assert truth.loadCats([said["category_id"]])[0]["name"] == row["class_name"]
    assert [said["error"] for said in found] == [None, "classification", None, "localization", "background"]
    assert [said["gt_id"] for said in found] == [71, None, None, None, None]
    assert [said["iou"] for said in found] == [1.0, 1.0, 1.0, 0.45, None]


def test_pycocotools_takes_them_as_results():
    truth, found = load(bundle_of(1, 3))
    with contextlib.redirect_stdout(io.StringIO()):
        results = truth.loadRes(found)
    assert [a["error"] for a in results.loadAnns(results.getAnnIds())] == [row["error"] for row in found]


@pytest.mark.parametrize("score, count", [(0, 5), (0.3, 5), (0.7, 4), (0.70001, 3), (1, 0)])
def test_predictions_count_from_the_score_exactly(score, count):
    assert len(load(bundle_of(1, 2, 3, 4, score=score))[1]) == count


def test_each_image_has_a_list_of_its_own_also_an_empty_one():
    assert [len(image) for image in coco_results(bundle_of(4, 2, 1, 3, score=0))] == [1, 0, 3, 1]


@pytest.mark.parametrize("gt, found", [(GT, []), (gt_of(images=1), []), (gt_of(images=1), [result(1, 1, CAR)])])
def test_no_boxes_are_no_problem(gt, found):
    bundle = bundle_of(1, gt=gt, found=found, score=0)
    assert len(coco_ground_truth(bundle)["annotations"]) == sum(a["image_id"] == 1 for a in gt["annotations"])
    assert [len(image) for image in coco_results(bundle)] == [len(found)]


@given(cases())
def test_all_images_at_every_score_have_the_figures_of_the_originals(case):
    gt, results = case
    assume(all(v == int(v) for item in (*gt["annotations"], *results) for v in item["bbox"]))  # exact as float32
    bundle = bundle_of(*(image["id"] for image in gt["images"]), gt=gt, found=results, score=0)
    truth, found = load(bundle)
    assert judge(truth.dataset, found).stats.tolist() == judge(gt, results).stats.tolist()


corner = st.floats(0, 4000, width=32)
side = st.floats(0.015625, 4000, width=32)


@given(st.lists(st.tuples(corner, corner, side, side), max_size=8))
@example([(1e-3, 3999.9, 0.1, 0.1)])
def test_boxes_come_back_from_xywh(boxes):
    xyxy = xywh_to_xyxy(boxes)
    label_map = LabelMap(("car", "dog"), (1, 2))
    n = len(boxes)
    found = Detections([1] * n, range(n), [0] * n, np.linspace(1, 0, n), xyxy)
    bundle = Bundle(split_of(GT), detection_table(GT, found, label_map), (1,), 0.0)
    said = {row["query"]: row["bbox"] for row in next(coco_results(bundle))}
    back = xywh_to_xyxy([said[i] for i in range(n)])
    assert np.array_equal(back[:, :2], xyxy[:, :2])
    assert np.allclose(back, xyxy, rtol=1e-6, atol=1e-6)


# Names


def named(*names, ending=None) -> list[str]:
    images = [{"id": i, "file_name": name} for i, name in enumerate(names, start=1)]
    return list(safe_names(images, ending).values())


def test_ordinary_names_stay():
    assert named("000000000139.jpg", "a b.png", "Straße-2.JPEG", "日本.webp", "x.tar.gz") == [
        "000000000139.jpg", "a_b.png", "Straße-2.JPEG", "日本.webp", "x.tar.gz"
    ]  # fmt: skip


def test_one_name_in_two_folders_becomes_two():
    assert named("a/1.jpg", "b/1.jpg", "1.JPG", "1_2.jpg") == ["1.jpg", "1_2.jpg", "1_3.JPG", "1_2_4.jpg"]
    assert named("1.jpg", "1.png", ending=".png") == ["1.png", "1_2.png"]


@pytest.mark.parametrize(
    "name, safe",
    [("../../etc/passwd", "passwd"), ("C:\\Windows\\x.jpg", "x.jpg"), ("..", "image"), ("/", "image"),
     (".hidden.jpg", "hidden.jpg"), ("-rf.jpg", "rf.jpg"), ("CON.jpg", "_CON.jpg"), ("a\0b\n.jpg", "a_b_.jpg"),
     ("\ud800.jpg", "_.jpg"), ("a.", "a"), ("<b>.jpg", "_b_.jpg")],
)  # fmt: skip
def test_odd_names_become_safe(name, safe):
    assert named(name) == [safe]


@given(
    st.lists(st.text(max_size=300) | st.text("aA.\\/_-12jpg", max_size=9), max_size=12), st.sampled_from([None, ".png"])
)
def test_names_are_safe_and_unlike(names, ending):
    made = named(*names, ending=ending)
    assert len({name.casefold() for name in made}) == len(names)
    for name in made:
        assert not re.search(r'[/\\:*?"<>|\x00-\x1f]', name) and name[0] not in ".-" and name[-1] not in ". "
        assert len(name.encode()) <= 255 and len(name) <= LONGEST_NAME + 60


def test_a_title_names_the_run_and_its_epoch(tmp_path):
    (tmp_path / "gt.json").write_text(json.dumps(GT))
    (tmp_path / "dt.json").write_text(json.dumps(FOUND))
    with contextlib.closing(RunStore(tmp_path)) as store:
        run = import_results(store, tmp_path / "gt.json", tmp_path / "dt.json", name="YOLO")
        assert bundle_title(run, store.evaluations(run.id)[0]) == "YOLO, imported results"
