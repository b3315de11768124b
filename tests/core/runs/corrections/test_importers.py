"""Revisions read by the importers of the tools that they go to: FiftyOne's own, CVAT's (datumaro), Label Studio's.

The last two are not among the project's packages: DETR_LAB_IMPORTERS names the folder of an environment's programs.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from core.datasets.convert.to_coco import convert
from core.datasets.split import CocoSplit, read_split
from core.runs.corrections.journal import CorrectionKind
from core.runs.corrections.mend import Mender
from core.runs.corrections.revision import save_revision
from tests.core.coco_cases import from_env

DATUMARO = """
import json, sys
import datumaro
data = datumaro.Dataset.import_from(sys.argv[1], "coco_instances")
names = [label.name for label in data.categories()[datumaro.AnnotationType.label]]
print(json.dumps([[i.subset, i.id, bool(i.media.data is not None), sorted(
    [names[a.label], *(round(side) for side in a.get_bbox())]
    for a in i.annotations if a.type is datumaro.AnnotationType.bbox)] for i in data]))
"""


@pytest.fixture
def revision(store) -> tuple[Path, CocoSplit]:
    """A revision of real pictures of cells, with a label deleted, one of another class, one moved and a new one."""
    out = store.data_dir / "cells"
    for _ in convert(from_env("DETR_LAB_COCO").parent / "bccd", out):
        pass
    mender = Mender(store, read_split(out, "val"))
    image = next(i for i in mender.split.images if len(mender.split.annotations_by_image[i["id"]]) > 4)["id"]
    first, second, third = mender.split.annotations_by_image[image][:3]
    mender.delete(image, first["id"])
    mender.change(image, second["id"], CorrectionKind.CLASS, class_name="Platelets")
    mender.change(image, third["id"], CorrectionKind.BOX, box=(1, 2, 33.5, 44))
    mender.draw(image, "WBC", (100, 100, 180, 190))
    folder, _ = save_revision(store, str(out))
    return folder, read_split(folder, "val")


def boxes_of(split: CocoSplit) -> dict[str, list]:
    """Of each picture's name, without its ending, the boxes with their classes, to a pixel."""
    names = {c["id"]: c["name"] for c in split.categories}
    return {
        Path(image["file_name"]).stem: sorted(
            [names[a["category_id"]], *map(round, a["bbox"])] for a in split.annotations_by_image[image["id"]]
        )
        for image in split.images
    }


def importers() -> Path:
    if not os.environ.get("DETR_LAB_IMPORTERS"):
        pytest.skip("set DETR_LAB_IMPORTERS to the programs of an environment with datumaro and label-studio-sdk")
    return Path(os.environ["DETR_LAB_IMPORTERS"])


@pytest.mark.ci
def test_fiftyone_reads_a_revision(revision):
    """In a process of its own: it imports for seconds and leaves threads."""
    folder, split = revision
    program = (
        "import json, os, sys\nfrom fiftyone.utils.coco import COCODetectionDatasetImporter as Importer\n"
        "importer = Importer(data_path=sys.argv[1] + '/images/val', label_types='detections',\n"
        "                    labels_path=sys.argv[1] + '/annotations/instances_val.json')\n"
        "counts = {}\n"
        "with importer:\n"
        "    for path, _, label in importer:\n"
        "        label = label.get('detections') if isinstance(label, dict) else label\n"
        "        assert os.path.isfile(path), path\n"
        "        counts[os.path.basename(path)] = sorted(one.label for one in label.detections) if label else []\n"
        "print(json.dumps(counts))\n"
    )
    environment = os.environ | {"FIFTYONE_DO_NOT_TRACK": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program, folder],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    read = json.loads(done.stdout.splitlines()[-1])
    expected = {name: sorted(label for label, *_ in boxes) for name, boxes in boxes_of(split).items()}
    assert {Path(name).stem: labels for name, labels in read.items()} == expected, done.stderr


def test_cvats_importer_reads_a_revision(revision):
    folder, split = revision
    command = [importers() / "python", "-c", DATUMARO, folder]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    items = json.loads(done.stdout.splitlines()[-1])
    assert Counter(subset for subset, *_ in items) == {"train": 205, "val": 87, "test": 72}
    assert all(has_pixels for _, _, has_pixels, _ in items)
    assert {Path(name).name: boxes for part, name, _, boxes in items if part == "val"} == boxes_of(split)


def test_label_studios_importer_reads_a_revision(revision, tmp_path):
    folder, split = revision
    file, out = folder / "annotations/instances_val.json", tmp_path / "tasks.json"
    command = [importers() / "label-studio-converter", "import", "coco", "-i", file, "-o", out]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    read = {}
    for task in json.loads(out.read_text()):
        boxes = []
        for one in task["annotations"][0]["result"]:
            width, height, value = one["original_width"] / 100, one["original_height"] / 100, one["value"]
            box = value["x"] * width, value["y"] * height, value["width"] * width, value["height"] * height
            boxes.append([value["rectanglelabels"][0], *map(round, box)])
        read[Path(task["data"]["image"]).stem] = sorted(boxes)
    assert read == {name: boxes for name, boxes in boxes_of(split).items() if boxes}
