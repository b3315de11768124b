"""A folder of each tool's own format: two pictures of 100 × 50, in the one a car at 10, 5, 40, 30, in the other two."""

import base64
import io
import json
import zlib
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from tests.core.datasets.convert.folders import picture, text

A, B = [("car", (10, 5, 40, 30))], [("car", (10, 5, 40, 30)), ("bus", (50, 20, 90, 45))]


def dump(path: Path, value: object) -> None:
    text(path, json.dumps(value))


def labelme(folder: Path) -> None:
    for stem, objects in (("a", A), ("b", B)):
        picture(folder / f"{stem}.png")
        shapes = [
            {"label": name, "points": [[x2, y1], [x1, y2]], "group_id": None, "shape_type": "rectangle", "flags": {}}
            for name, (x1, y1, x2, y2) in objects
        ]
        size = {"imageHeight": 50, "imageWidth": 100}
        data = {"version": "5.2.1", "flags": {}, "shapes": shapes, "imagePath": f"{stem}.png", "imageData": "iVBOR"}
        dump(folder / f"{stem}.json", data | size)


def cvat(folder: Path) -> None:
    images = ""
    for number, (stem, objects) in enumerate((("a", A), ("b", B))):
        picture(folder / f"images/{stem}.png")
        boxes = "".join(
            f'<box label="{name}" source="manual" occluded="0" xtl="{x1}" ytl="{y1}" xbr="{x2}" ybr="{y2}" z_order="0">'
            '<attribute name="color">red</attribute></box>'
            for name, (x1, y1, x2, y2) in objects
        )
        images += f'<image id="{number}" name="{stem}.png" width="100" height="50">{boxes}</image>'
    text(
        folder / "annotations.xml",
        f'<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version>{images}</annotations>',
    )


def createml(folder: Path) -> None:
    images = []
    for stem, objects in (("a", A), ("b", B)):
        picture(folder / f"train/{stem}.png")
        annotations = []
        for name, (x1, y1, x2, y2) in objects:
            box = {"x": (x1 + x2) / 2, "y": (y1 + y2) / 2, "width": x2 - x1, "height": y2 - y1}
            annotations.append({"label": name, "coordinates": box})
        images.append({"image": f"{stem}.png", "annotations": annotations})
    dump(folder / "train/_annotations.createml.json", images)


def rows() -> list[tuple[str, str, tuple]]:
    return [(f"{stem}.png", name, box) for stem, objects in (("a", A), ("b", B)) for name, box in objects]


def tensorflow(folder: Path) -> None:
    lines = [f"{file},100,50,{name},{','.join(map(str, box))}" for file, name, box in rows()]
    for stem in "ab":
        picture(folder / f"train/{stem}.png")
    text(folder / "train/_annotations.csv", "\n".join(["filename,width,height,class,xmin,ymin,xmax,ymax", *lines]))


def retinanet(folder: Path) -> None:
    lines = [f"{file},{','.join(map(str, box))},{name}" for file, name, box in rows()]
    for stem in "abc":
        picture(folder / f"train/{stem}.png")
    text(folder / "train/_annotations.csv", "\n".join([*lines, "c.png,,,,,"]))
    text(folder / "train/_classes.csv", "car,0\nbus,1\n")


def yolo_list(folder: Path) -> None:
    for stem in ("a", "b b"):
        picture(folder / f"train/{stem}.png")
    text(folder / "train/_annotations.txt", "a.png 10,5,40,30,1\nb b.png 10,5,40,30,1 50,20,90,45,0\n")
    text(folder / "train/_classes.txt", "bus\ncar\n")


def label_studio(folder: Path) -> None:
    tasks = []
    for number, (stem, objects) in enumerate((("a", A), ("b", B)), start=1):
        picture(folder / f"images/{stem}.png")
        results = [
            {"original_width": 100, "original_height": 50, "image_rotation": 0, "id": "x", "from_name": "label",
             "to_name": "image", "type": "rectanglelabels", "value": {
                 "x": x1, "y": 2 * y1, "width": x2 - x1, "height": 2 * (y2 - y1), "rotation": 0,
                 "rectanglelabels": [name]}}
            for name, (x1, y1, x2, y2) in objects
        ]  # fmt: skip
        annotations = [{"id": 1, "was_cancelled": True, "result": []}, {"id": 2, "result": results}]
        image = f"/data/upload/1/0a1b2c3d-{stem}.png"
        tasks.append({"id": number, "annotations": annotations, "predictions": [], "data": {"image": image}})
    dump(folder / "project-1.json", tasks)


def supervisely(folder: Path) -> None:
    dump(folder / "meta.json", {"classes": [{"title": "car", "shape": "rectangle"}], "tags": []})
    for stem, objects in (("a", A), ("b", B)):
        picture(folder / f"ds/img/{stem}.png")
        values = [
            {"classTitle": name, "geometryType": "rectangle",
             "points": {"exterior": [[x1, y1], [x2 - 1, y2 - 1]], "interior": []}}
            for name, (x1, y1, x2, y2) in objects
        ]  # fmt: skip
        size = {"height": 50, "width": 100}
        dump(folder / f"ds/ann/{stem}.png.json", {"description": "", "tags": [], "size": size, "objects": values})


def datumaro(folder: Path) -> None:
    items = []
    for stem, objects in (("a", A), ("b", B)):
        picture(folder / f"images/train/{stem}.png")
        annotations = [
            {"id": 0, "type": "bbox", "attributes": {}, "label_id": ["car", "bus"].index(name),
             "bbox": [x1, y1, x2 - x1, y2 - y1]}
            for name, (x1, y1, x2, y2) in objects
        ]  # fmt: skip
        items.append({"id": stem, "annotations": annotations, "image": {"path": f"{stem}.png", "size": [50, 100]}})
    labels = [{"name": name, "parent": "", "attributes": []} for name in ("car", "bus")]
    dump(folder / "annotations/train.json", {"info": {}, "categories": {"label": {"labels": labels}}, "items": items})


def shares(box: tuple) -> list[float]:
    x1, y1, x2, y2 = box
    return [x1 / 100, y1 / 50, (x2 - x1) / 100, (y2 - y1) / 50]


def fiftyone_labels(folder: Path) -> None:
    labels = {}
    for stem, objects in (("a", A), ("b", B)):
        picture(folder / f"data/{stem}.png")
        labels[stem] = [{"label": ["bus", "car"].index(name), "bounding_box": shares(box)} for name, box in objects]
    dump(folder / "labels.json", {"classes": ["bus", "car"], "labels": labels})


def fiftyone(folder: Path) -> None:
    samples = []
    for stem, objects in (("a", A), ("b", B)):
        picture(folder / f"data/{stem}.png")
        detections = [{"_cls": "Detection", "label": name, "bounding_box": shares(box)} for name, box in objects]
        truth = {"_cls": "Detections", "detections": detections}
        samples.append({"filepath": f"data/{stem}.png", "tags": [], "_media_type": "image", "ground_truth": truth})
    dump(folder / "samples.json", {"samples": samples})
    dump(folder / "metadata.json", {"name": "mine", "media_type": "image"})


def via(folder: Path) -> None:
    images = {}
    for stem, objects in (("a", A), ("b", B)):
        picture(folder / f"{stem}.png")
        regions = [
            {"shape_attributes": {"name": "rect", "x": x1, "y": y1, "width": x2 - x1, "height": y2 - y1},
             "region_attributes": {"class": name}}
            for name, (x1, y1, x2, y2) in objects
        ]  # fmt: skip
        images[f"{stem}.png99"] = {"filename": f"{stem}.png", "size": 99, "regions": regions, "file_attributes": {}}
    dump(folder / "via_project.json", {"_via_settings": {"ui": {}}, "_via_img_metadata": images})


def mask(width: int, height: int) -> str:
    """Return a mask as Supervisely writes it."""
    file = io.BytesIO()
    Image.new("1", (width, height), 1).save(file, "PNG")
    return base64.b64encode(zlib.compress(file.getvalue())).decode()


MAKERS: dict[str, tuple[Callable[[Path], None], tuple[str, ...]]] = {  # and the files that hold the labels
    "labelme": (labelme, ("*.json",)),
    "cvat": (cvat, ("*.xml",)),
    "createml": (createml, ("train/*.json",)),
    "tensorflow": (tensorflow, ("train/*.csv",)),
    "retinanet": (retinanet, ("train/_annotations.csv",)),
    "yolo list": (yolo_list, ("train/*.txt",)),
    "label studio": (label_studio, ("*.json",)),
    "supervisely": (supervisely, ("ds/ann/*.json",)),
    "datumaro": (datumaro, ("annotations/*.json",)),
    "fiftyone labels": (fiftyone_labels, ("*.json",)),
    "fiftyone": (fiftyone, ("samples.json",)),
    "via": (via, ("*.json",)),
}
