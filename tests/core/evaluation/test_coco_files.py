"""A results list is matched with its ground truth where only one thing can be meant, and refused by its first value."""

import copy
import json
import unicodedata

import pytest

from core import DataError
from core.evaluation.coco_eval import evaluate
from core.evaluation.coco_files import read_matched, read_truth, truth_notes
from tests.core.coco_cases import from_env, gt_of, judge, result

GT = gt_of(*((i, 1 + i % 3, (10 * i, 5, 20, 30)) for i in range(1, 6)), images=5, categories=("car", "dog", "Cat"))
for number, one in enumerate(GT["images"]):
    one["file_name"] = f"val/{139 + number:012d}.jpg"
DT = [result(i, 1 + i % 3, (10 * i + 1, 5, 20, 30), 0.5 + i / 10) for i in range(1, 6)]


def named(row):
    return f"{138 + row['image_id']:012d}"


def odd(change) -> list[dict]:
    rows = copy.deepcopy(DT)
    for row in rows:
        change(row)
    return rows


def update(**fields):
    return lambda row: row.update({key: value(row) for key, value in fields.items()})


def matched(tmp_path, dt, gt=GT):
    (tmp_path / "gt.json").write_text(json.dumps(gt))
    (tmp_path / "dt.json").write_text(json.dumps(dt))
    truth = read_truth(tmp_path / "gt.json")
    return truth, read_matched(tmp_path / "dt.json", truth)


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (update(), None),
        (update(image_id=lambda r: str(r["image_id"])), None),
        (update(image_id=lambda r: float(r["image_id"]), category_id=lambda r: str(r["category_id"])), None),
        (update(image_id=lambda r: named(r)[3:]), "numbers that are the names"),
        (update(image_id=lambda r: f"{named(r)}.jpg"), "names of their pictures"),
        (update(image_id=lambda r: f"val/{named(r)}.jpg"), "names of their pictures"),
        (update(image_id=lambda r: f"C:\\data\\{named(r)}.JPG"), "names of their pictures"),
        (update(image_id=lambda r: 138 + r["image_id"]), "numbers that are the names"),  # Ultralytics
        (update(file_name=named, image_id=lambda r: r["image_id"] - 1), "as their ids are others"),
        (update(image_name=named, image_id=lambda r: 5 - r["image_id"]), "as their ids are others"),
        (update(file_name=lambda r: f"{named(r)}.jpg"), None),
        (lambda row: row.update(file_name=f"{named(row)}.jpg") or row.pop("image_id"), "as their ids are others"),
        (update(category_id=lambda r: ["car", "dog", "Cat"][r["category_id"] - 1]), "matched by their names"),
        (update(category_id=lambda r: ["CAR", "Dog", "cat"][r["category_id"] - 1]), "matched by their names"),
        (update(category_id=lambda r: r["category_id"] - 1), "count from 0: 0 is car"),
        (update(bbox=lambda r: [str(side) for side in r["bbox"]], score=lambda r: str(r["score"])), None),
    ],
)  # fmt: skip
def test_an_odd_list_gives_the_figures_of_its_clean_twin(tmp_path, change, note):
    truth, results = matched(tmp_path, odd(change))
    assert [(row["image_id"], row["category_id"]) for row in results.rows] == [
        (row["image_id"], row["category_id"]) for row in DT
    ]
    assert [one.startswith("dt.json: ") and note in one for one in results.notes] == [True] * (note is not None)
    assert evaluate(truth.to_dict(), results.rows) == evaluate(GT, DT)


@pytest.mark.parametrize("key", ["annotations", "predictions", "detections", "results"])
def test_a_dict_may_have_images_of_its_own(tmp_path, key):
    images = [{"id": 10 + i, "file_name": f"{138 + i:012d}.jpg"} for i in range(1, 6)]
    rows = odd(update(image_id=lambda r: 10 + r["image_id"]))
    _, results = matched(tmp_path, {"images": images, key: rows})
    assert [row["image_id"] for row in results.rows] == [row["image_id"] for row in DT]


@pytest.mark.parametrize("ids", [(2, 3, 1), (0, 1, 2), (7, 8, 9), (2, 1, 3)])
def test_a_dict_may_number_the_categories_its_own_way(tmp_path, ids):
    """As FiftyOne does, which counts the classes of the data set that it exports."""
    categories = [{"id": i, "name": name} for i, name in zip(ids, ("CAR", "dog", "cat"), strict=True)]
    rows = odd(update(category_id=lambda r: ids[r["category_id"] - 1]))
    truth, results = matched(tmp_path, {"categories": categories, "annotations": rows})
    assert [row["category_id"] for row in results.rows] == [row["category_id"] for row in DT]
    assert results.notes == ["dt.json: the categories are matched by their names, as their ids are others"]
    named = odd(update(category_name=lambda r: ["car", "dog", "Cat"][r["category_id"] - 1], category_id=lambda r: 1))
    assert evaluate(truth.to_dict(), matched(tmp_path, named)[1].rows) == evaluate(GT, DT)


def test_names_that_the_ground_truth_has_not_leave_ids_as_they_are_unless_others_contradict(tmp_path):
    names = {1: "automobile", 2: "dog", 3: "cat"}
    categories = [{"id": i, "name": name} for i, name in names.items()]
    _, results = matched(tmp_path, {"categories": categories, "annotations": DT})
    assert (results.rows, results.notes) == (DT, [])
    categories[0]["name"], categories[1]["name"] = "dog", "bird"
    with pytest.raises(
        DataError, match=r"names the category 'bird' of detection 2, which is no single category .* 1 of"
    ):
        matched(tmp_path, {"categories": categories, "annotations": DT[2:]})
    images = [{"id": 6 - i, "file_name": f"{138 + i:012d}.jpg"} for i in range(1, 5)] + [
        {"id": 1, "file_name": "x.jpg"}
    ]
    with pytest.raises(DataError, match=r"names the picture 'x\.jpg' of detection 1, which is no single picture"):
        matched(tmp_path, {"images": images, "annotations": DT})


def test_no_detections_at_all_is_said(tmp_path):
    assert matched(tmp_path, {"annotations": []})[1].notes == ["dt.json: it holds no detections"]


def boxes(change, count=12):
    rows = [result(1 + i % 5, 1, (300 + 7 * i, 200 + 9 * i, 120, 90), 0.5) for i in range(count)]
    return [row | {"bbox": change(*row["bbox"])} for row in rows]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda x, y, w, h: [x, y, x + w, y + h], "12 of 12 fit as xyxy, 12 end far outside as xywh"),
        (lambda x, y, w, h: [x / 640, y / 480, w / 640, h / 480], "12 of 12 boxes lie between 0 and 1"),
    ],
)
def test_boxes_of_another_format_than_cocos_are_refused(tmp_path, change, says):
    gt = copy.deepcopy(GT)
    for image in gt["images"]:
        image |= {"width": 640, "height": 480}
    with pytest.raises(DataError, match=f"dt.json are not x, y, width, height in pixels: {says}: write them so"):
        matched(tmp_path, boxes(change), gt)
    _, results = matched(tmp_path, boxes(change, 2), gt)
    assert len(results.notes) == 1 and "may not be x, y, width, height in pixels: 2 of 2" in results.notes[0]
    assert matched(tmp_path, boxes(lambda *box: list(box)), gt)[1].notes == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            update(image_id=lambda r: r["image_id"] - 1),
            "Detection 1 in .*dt.json has the image_id 0, which is no image",
        ),
        (update(image_id=lambda r: "other.jpg"), "has the image_id 'other.jpg', .*; so have 5 of 5"),
        (update(image_id=lambda r: True), "has the image_id True"),
        (lambda row: row.pop("image_id"), "Detection 1 in .* has no image_id"),
        (
            update(category_id=lambda r: 1 if r["image_id"] < 4 else 9),
            r"Detection 4 .* category_id 9, .*\(ids 1 to 3\)",
        ),
        (update(category_id=lambda r: "bird"), "category_id 'bird', which is no category"),
        (lambda row: row.pop("category_id"), "has no category_id"),
    ],
)
def test_what_may_mean_several_things_is_refused_by_its_first_value(tmp_path, change, says):
    with pytest.raises(DataError, match=says):
        matched(tmp_path, odd(change))


def test_names_that_several_pictures_have_match_none(tmp_path):
    gt = copy.deepcopy(GT)
    for image in gt["images"]:
        image["file_name"] = f"{image['id']}/image.jpg"
    _, results = matched(tmp_path, odd(update(file_name=lambda r: f"{r['image_id']}/image.jpg")), gt)
    assert results.notes == []
    with pytest.raises(DataError, match=r"'image\.jpg'"):
        matched(tmp_path, odd(update(image_id=lambda r: "image.jpg")), gt)


def test_names_match_in_every_spelling(tmp_path):
    gt = copy.deepcopy(GT)
    for image in gt["images"]:
        image["file_name"] = f"val/Ä {image['id']}.jpg"
    ways = [
        "C:\\data\\val\\ä 1.JPG",
        unicodedata.normalize("NFD", "Ä 2.jpg"),
        "val/%C3%84%203",
        "https://h/val/Ä%204.jpg?v=1",
        "Ä 5",
    ]
    _, results = matched(tmp_path, odd(update(image_id=lambda r: ways[r["image_id"] - 1])), gt)
    assert [row["image_id"] for row in results.rows] == [row["image_id"] for row in DT]


def test_detections_on_what_the_ground_truth_has_lost_are_left_out_and_counted(tmp_path):
    gt = copy.deepcopy(GT)
    gt["images"][1]["id"] = 1
    truth, results = matched(tmp_path, [row for row in DT if row["image_id"] != 2], gt)
    assert len(truth.annotations) == 3 and {row["image_id"] for row in results.rows} == {3, 4, 5}
    notes = [*truth_notes(truth.problems, "gt.json"), *results.notes]
    assert any("2 images sharing an id" in note for note in notes)


def test_images_need_nothing_but_an_id(tmp_path):
    gt = GT | {"images": [{"id": image["id"]} for image in GT["images"]]}
    truth, results = matched(tmp_path, DT, gt)
    assert truth.problems == [] and judge(gt, DT).stats[0] == evaluate(truth.to_dict(), results.rows).AP


def test_all_crowd_is_said(tmp_path):
    gt = copy.deepcopy(GT)
    for annotation in gt["annotations"]:
        annotation["iscrowd"] = "1"
    truth, _ = matched(tmp_path, DT, gt)
    assert any("all marked as crowds (iscrowd 1)" in note for note in truth_notes(truth.problems, "gt.json"))


def test_ids_beyond_what_floats_hold_are_exact(tmp_path):
    big = 2**53 + 1
    gt, dt = copy.deepcopy((GT, DT))
    for row in (*gt["images"], *gt["annotations"], *dt):
        key = "id" if "file_name" in row else "image_id"
        row[key] += big
    truth, results = matched(tmp_path, dt, gt)
    assert [row["image_id"] for row in results.rows] == [row["image_id"] for row in dt]
    assert evaluate(truth.to_dict(), results.rows) == evaluate(GT, DT)


def test_cocos_results_are_taken_as_they_are(tmp_path):
    folder = next(from_env("DETR_LAB_EVAL_FIXTURE").rglob("instances_val2014_100.json")).parent
    truth = read_truth(folder / "instances_val2014_100.json")
    results = read_matched(folder / "instances_val2014_fakebbox100_results.json", truth)
    assert results.notes == [] and truth.problems == []
