"""An odd ground truth gives the figures that pycocotools gives of its clean twin."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.evaluation.coco_eval import evaluate
from core.evaluation.coco_files import read_matched, read_truth
from tests.core.coco_cases import cases, judge


def as_text(gt, dt):
    for row in (*gt["annotations"], *dt):
        row |= {key: str(row[key]) for key in ("image_id", "category_id")} | {
            "bbox": [str(side) for side in row["bbox"]]
        }
    for annotation in gt["annotations"]:
        annotation["iscrowd"] = str(annotation["iscrowd"])


def as_names(gt, dt):
    names = {image["id"]: f"frame-{image['id']}" for image in gt["images"]}
    for image in gt["images"]:
        image["file_name"] = f"images\\{names[image['id']]}.png"
    for row in (*gt["annotations"], *dt):
        row["image_id"] = names[row["image_id"]]


def as_uuids(gt, dt):
    for image in gt["images"]:
        image["id"] = f"4f1c-{image['id']}"
    for row in (*gt["annotations"], *dt):
        row["image_id"] = f"4f1c-{row['image_id']}"


def beyond_floats(gt, dt):
    for image in gt["images"]:
        image["id"] += 2**60
    for row in (*gt["annotations"], *dt):
        row["image_id"] += 2**60


def with_bad_entries(gt, dt):
    gt["images"] += [None, {"file_name": "a.jpg"}, copy.deepcopy(gt["images"][0])]
    gt["annotations"] += [7, {"id": 999, "image_id": 10**6, "category_id": 1, "bbox": [1, 1, 5, 5]}]
    gt["categories"] += [[], {"name": "no id"}]


def ids_alone(gt, dt):
    gt["images"] = [{"id": image["id"]} for image in gt["images"]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


@settings(max_examples=25, deadline=None)
@given(cases(), st.sampled_from([as_text, as_names, as_uuids, beyond_floats, with_bad_entries, ids_alone]))
def test_an_odd_file_gives_its_clean_twins_figures(folder, case, make_odd):
    for place, row in enumerate(case[1]):  # of equal scores the order of ids decides, and a new id has another place
        row["score"] += place / 1000
    expected = [None if value == -1 else float(value) for value in judge(*case).stats]
    gt, dt = copy.deepcopy(case)
    make_odd(gt, dt)
    for name, data in (("gt.json", gt), ("dt.json", dt)):
        (folder / name).write_text(json.dumps(data))
    truth = read_truth(folder / "gt.json")
    figures = evaluate(truth.to_dict(), read_matched(folder / "dt.json", truth).rows)
    assert list(figures.to_dict().values())[:12] == pytest.approx(expected)
