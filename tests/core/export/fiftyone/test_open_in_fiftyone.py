"""The script of a FiftyOne bundle, run for real where there is a mongod."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from core.datasets.split import CocoSplit
from core.evaluation.tide import detection_table
from core.export.bundle import Bundle
from core.export.writers import ExportFormat, write_export
from tests.core.coco_cases import gt_of, result

CAR, CROWD, DOG = (40, 20, 50, 40), (0, 60, 90, 40), (150.5, 5.25, 9, 9)
GT = gt_of((1, 1, CAR), (1, 1, CROWD, {"iscrowd": 1}), (2, 2, DOG), images=3)
FOUND = [result(1, 1, CAR, 0.9), result(1, 2, CAR, 0.8), result(2, 1, (3.5, 0, 9, 9), 0.7), result(2, 2, DOG, 0.2)]
ASK = """
import json, sys
from some.open_in_fiftyone import load
from fiftyone import ViewField as F

def boxes(data, field):
    told = []
    for sample in data.sort_by("coco_id"):
        size = (sample.metadata.width, sample.metadata.height) * 2
        for box in sample[field].detections if sample[field] else []:
            told.append([sample.coco_id, box.label, [a * b for a, b in zip(box.bounding_box, size)], box.confidence])
    return told

def told(data):
    kinds = {}
    for name in ("classification", "background", "localization"):
        kinds[name] = data.filter_labels("predictions", F("error") == name).count("predictions.detections")
    missed = data.filter_labels("ground_truth", F("error") == "missed")
    return {
        "files": sorted(path.rsplit("/", 1)[1] for path in data.values("filepath")),
        "ids": sorted(data.values("coco_id")),
        "truths": boxes(data, "ground_truth"), "found": boxes(data, "predictions"),
        "crowds": data.filter_labels("ground_truth", F("iscrowd") == 1).count("ground_truth.detections"),
        "kinds": kinds, "missed": missed.count("ground_truth.detections"),
        "fields": sorted(data.get_field_schema(flat=True)),
    }

print("ANSWER" + json.dumps({name: told(load(name)) for name in sys.argv[1:]}))
"""


def pack(gt: dict, found: list[dict], folder: Path) -> None:
    """The bundle of these boxes, unpacked in `folder`."""
    pictures = folder / "pictures"
    pictures.mkdir(parents=True)
    for image in gt["images"]:
        Image.new("RGB", (200, 100)).save(pictures / image["file_name"])
    split = CocoSplit("val", folder / "gt.json", pictures, **gt)
    bundle = Bundle(split, detection_table(gt, found), tuple(split.image_by_id), 0.5)
    for _ in write_export(bundle, ExportFormat.FIFTYONE, folder / "out.zip"):
        pass
    with zipfile.ZipFile(folder / "out.zip") as archive:
        archive.extractall(folder)


@pytest.fixture(scope="module")
def answer(tmp_path_factory, database) -> dict:
    """What FiftyOne says of a bundle of some boxes, and of one without any."""
    folder = tmp_path_factory.mktemp("bundles")
    pack(GT, FOUND, folder / "some")
    pack(gt_of(images=1), [], folder / "none")
    done = subprocess.run(
        [sys.executable, "-c", ASK, "some", "none"], cwd=folder, env=database, capture_output=True, text=True,
        timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.split("ANSWER")[1])


def test_fiftyone_loads_all_of_it(answer):
    said = answer["some"]
    assert said["files"] == ["1.jpg", "2.jpg", "3.jpg"] and said["ids"] == [1, 2, 3]
    for told, boxes in (
        (said["truths"], [(1, "car", CAR, None), (1, "car", CROWD, None), (2, "dog", DOG, None)]),
        (said["found"], [(1, "car", CAR, 0.9), (1, "dog", CAR, 0.8), (2, "car", (3.5, 0, 9, 9), 0.7)]),
    ):
        for (image_id, label, box, score), expected in zip(told, boxes, strict=True):
            assert (image_id, label) == expected[:2]
            assert box == pytest.approx(expected[2], abs=1e-4) and score == pytest.approx(expected[3])


def test_error_types_are_attributes_to_filter_by(answer):
    said = answer["some"]
    assert said["crowds"] == said["missed"] == 1
    assert said["kinds"] == {"classification": 1, "background": 1, "localization": 0}
    attributes = {f"predictions.detections.{name}" for name in ("error", "iou", "gt_id", "query")}
    assert attributes <= set(said["fields"]), "the sidebar cannot filter by them"


def test_a_bundle_without_any_box_loads_too(answer):
    said = answer["none"]
    assert (said["ids"], said["truths"], said["found"], said["missed"]) == ([1], [], [], 0)
