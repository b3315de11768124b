"""A data set of a few images that the tests change: `SmallData(folder)`."""

import json
from pathlib import Path

from PIL import Image

from core.datasets.fingerprint.fingerprint import Fingerprint, take_fingerprint
from core.datasets.split import read_split
from core.keep_result import KeepResult

CLASSES = {3: "car", 18: "dog"}


def draw(path: Path, color: tuple[int, int, int], size: tuple[int, int] = (64, 48)) -> None:
    """A picture of one colour; of all colours the file has the same length."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path, "BMP")


class SmallData:
    """Four training and three validation images, each with a car and a dog; `changed` edits a split's JSON."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, ids in (("train", range(1, 5)), ("val", range(11, 14))):
            images, annotations = [], []
            for i in ids:
                draw(self.picture(name, i), (i, 90, 160))
                images.append({"id": i, "file_name": f"{i:03}.bmp", "width": 64, "height": 48})
                for category in CLASSES:
                    box = [i, category, 20.0, 16.5]
                    annotations.append({"id": 100 * i + category, "image_id": i, "category_id": category, "bbox": box,
                                        "area": 330.0, "iscrowd": 0})  # fmt: skip
            categories = [{"id": i, "name": n} for i, n in CLASSES.items()]
            self.json(name).parent.mkdir(exist_ok=True)
            self.write(name, {"images": images, "annotations": annotations, "categories": categories})

    def json(self, split: str) -> Path:
        return self.folder / f"annotations/instances_{split}.json"

    def picture(self, split: str, image_id: int) -> Path:
        return self.folder / split / f"{image_id:03}.bmp"

    def write(self, split: str, data: dict) -> None:
        self.json(split).write_text(json.dumps(data))

    def change(self, edit, *splits: str) -> None:
        """Let `edit` change what the JSON of each split holds."""
        for split in splits or ("train", "val"):
            data = json.loads(self.json(split).read_text())
            edit(data)
            self.write(split, data)

    def fingerprint(self, folder: Path | None = None) -> Fingerprint:
        splits = [read_split(folder or self.folder, name) for name in ("train", "val")]
        work = KeepResult(take_fingerprint(splits[0].label_map(), splits))
        assert [total for _, total in work] and work.result
        return work.result


def move_a_box(data: dict) -> None:
    data["annotations"][0]["bbox"][0] += 1


def rename_dog(data: dict) -> None:
    data["categories"][1]["name"] = "hound"


def add_a_class(data: dict) -> None:
    data["categories"].append({"id": 20, "name": "sheep"})


def swap_names(data: dict) -> None:
    first, second = data["categories"]
    first["name"], second["name"] = second["name"], first["name"]


def list_backwards(name: str):
    def edit(data: dict) -> None:
        data[name].reverse()

    return edit


def give_other_ids(data: dict) -> None:
    for entry in data["categories"]:
        entry["id"] += 1
    for entry in data["annotations"]:
        entry["category_id"] += 1


def drop_a_class(data: dict) -> None:
    del data["categories"][1]
    data["annotations"] = [a for a in data["annotations"] if a["category_id"] == 3]


def drop_the_first_image(data: dict) -> None:
    gone = data["images"].pop(0)["id"]
    data["annotations"] = [a for a in data["annotations"] if a["image_id"] != gone]


def number_annotations_anew(data: dict) -> None:
    for i, entry in enumerate(data["annotations"], start=5000):
        entry["id"] = i
