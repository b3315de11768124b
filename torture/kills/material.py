"""The folders from which the tasks of `commands.py` begin: of YOLO, of VOC, and results of another tool."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from PIL import Image


def make_yolo(folder: Path) -> None:
    """Make a YOLO folder of three pictures in each part."""
    for split in ("train", "val"):
        (folder / "images" / split).mkdir(parents=True)
        (folder / "labels" / split).mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (64, 48), (20 * number, 90, 60)).save(folder / "images" / split / f"{number}.jpg")
            (folder / "labels" / split / f"{number}.txt").write_text(f"{number % 2} 0.5 0.5 0.25 0.5\n")
    (folder / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [car, dog]\n")


def make_voc(folder: Path) -> None:
    """Make a VOC folder of four pictures."""
    for name in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / name).mkdir(parents=True)
    for number in range(4):
        Image.new("RGB", (64, 48), (20 * number, 90, 60)).save(folder / "JPEGImages" / f"{number}.jpg")
        (folder / "Annotations" / f"{number}.xml").write_text(
            f"<annotation><filename>{number}.jpg</filename><size><width>64</width><height>48</height></size><object>"
            "<name>car</name><bndbox><xmin>3</xmin><ymin>4</ymin><xmax>30</xmax><ymax>40</ymax></bndbox></object>"
            "</annotation>"
        )
    for split, numbers in (("train", "0\n1\n"), ("val", "2\n3\n")):
        (folder / "ImageSets/Main" / f"{split}.txt").write_text(numbers)


def make_results(street: Path, folder: Path) -> None:
    """Make results that find every object of the drawn validation images, beside their ground truth."""
    shutil.copytree(street / "val", folder / "images")  # where pictures are looked for beside such a file
    gt = json.loads((street / "annotations" / "instances_val.json").read_text())
    rows = [
        {"image_id": a["image_id"], "category_id": a["category_id"], "bbox": a["bbox"], "score": 0.5 + 0.4 * (i % 2)}
        for i, a in enumerate(gt["annotations"]) if not a.get("iscrowd")
    ]  # fmt: skip
    (folder / "gt.json").write_text(json.dumps(gt))
    (folder / "dt.json").write_text(json.dumps(rows))
