"""Small data folders such as users have, in the usual layouts. Pictures differ, unless they are to be alike."""

import json
from pathlib import Path

from PIL import Image

WIDTH, HEIGHT = 240, 180
LAYOUTS = {  # the annotation file and the picture folder of "train" and "val"
    "coco": ("annotations/instances_{}.json", "{}"),
    "coco 2017": ("annotations/instances_{}2017.json", "{}2017"),
    "under images": ("annotations/instances_{}.json", "images/{}"),
    "roboflow": ("{}/_annotations.coco.json", "{}"),
}


def labels(first: int, count: int, classes=("car", "dog"), objects: int = 3, **more) -> dict:
    """A COCO dict of `count` images from id `first` on; image i has i % (objects + 1) objects, of the classes in turn.

    Widths and heights of the boxes differ, so that there are small and medium ones. `more` goes into every image.
    """
    data = {"images": [], "annotations": [], "categories": [{"id": i, "name": n} for i, n in enumerate(classes, 1)]}
    for i in range(count):
        image_id = first + i
        data["images"].append(
            {"id": image_id, "file_name": f"{image_id:06d}.png", "width": WIDTH, "height": HEIGHT, **more}
        )
        for k in range(i % (objects + 1)):
            number = len(data["annotations"])
            add(data, image_id, 1 + number % len(classes), (4 + 70 * k, 5 + number % 40, 12 + 13 * (number % 5), 30))
    return data


def spotless(first: int, classes=("car", "dog")) -> dict:
    """One image with 20 objects of each class: nothing to find fault with."""
    data = labels(first, 1, classes)
    for i in range(20 * len(classes)):
        add(data, first, 1 + i % len(classes), (2 + 23 * (i % 10), 2 + 23 * (i // 10), 19, 19))
    return data


def add(data: dict, image_id: int, category_id: int, bbox, **more) -> None:
    number = max((a["id"] for a in data["annotations"]), default=1000 * image_id) + 1
    data["annotations"].append(
        {"id": number, "image_id": image_id, "category_id": category_id, "bbox": list(bbox),
         "area": bbox[2] * bbox[3], "iscrowd": 0, **more}
    )  # fmt: skip


def write(folder: Path, splits: dict[str, dict], layout: str = "coco") -> Path:
    """The splits ("train", "val", or of Roboflow "valid") with their pictures."""
    for name, data in splits.items():
        json_path, image_dir = (folder / part.format(name) for part in LAYOUTS[layout])
        image_dir.mkdir(parents=True, exist_ok=True)
        write_json(json_path, data)
        write_pictures(image_dir, data)
    return folder


def write_single(folder: Path, data: dict, json_name: str = "labels.json", image_dir: str = "pictures") -> Path:
    """One annotation file beside a folder of pictures."""
    (folder / image_dir).mkdir(parents=True)
    write_json(folder / json_name, data)
    write_pictures(folder / image_dir, data)
    return folder


def write_json(path: Path, data: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data), encoding="utf-8")


def write_pictures(folder: Path, data: dict) -> None:
    for image in data["images"]:
        path = folder / str(image.get("file_name"))
        number = image["id"] if isinstance(image["id"], int) else 0
        path.parent.mkdir(parents=True, exist_ok=True)
        colour = (number % 251, number // 251 % 251, 90)
        Image.new("RGB", (image.get("width", WIDTH), image.get("height", HEIGHT)), colour).save(path)


def mine(folder: Path, layout: str = "coco", train: int = 9, val: int = 5, **how) -> Path:
    """A folder with two classes."""
    name = "valid" if layout == "roboflow" else "val"
    return write(folder, {"train": labels(1, train, **how), name: labels(101, val, **how)}, layout)
