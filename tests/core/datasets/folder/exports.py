"""COCO data sets as each exporter writes them: `EXPORTS` makes one by its name, with pictures of all parts."""

import json
from collections.abc import Callable
from pathlib import Path

from PIL import Image

SIZE = (40, 30)
CLASSES = ("car", "dog")


def coco(*names, first=1, classes=CLASSES, **more):
    """A COCO dict with an image for every name, each with one object of each class."""
    images = [{"id": i, "file_name": n, "width": SIZE[0], "height": SIZE[1]} for i, n in enumerate(names, first)]
    annotations = [
        {"id": 10 * image["id"] + k, "image_id": image["id"], "category_id": k, "bbox": [4, 4 + k, 20, 10],
         "area": 200, "iscrowd": 0}
        for image in images for k in range(1, len(classes) + 1)
    ]  # fmt: skip
    categories = [{"id": k, "name": name} for k, name in enumerate(classes, 1)]
    return {"images": images, "annotations": annotations, "categories": categories, **more}


def write(folder, files):
    """Write files: a dict as JSON; None is a picture, of which no two are alike."""
    for number, (name, content) in enumerate(files.items()):
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            Image.new("RGB", SIZE, (number % 256, 90, 200)).save(path.with_suffix(".png"))
            path.with_suffix(".png").rename(path)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content))
    return Path(folder)


def names_of(part, count=6):
    return [f"{part}_{i}.png" for i in range(count)]


TRAIN, VAL, TEST = (names_of(part) for part in ("a", "b", "c"))


def pictures(*names, inside=""):
    return dict.fromkeys(f"{inside}{name}" for name in names)


def cvat():
    return {"annotations/instances_default.json": coco(*TRAIN, *VAL)} | pictures(*TRAIN, *VAL, inside="images/")


def cvat_with_subsets():
    return {
        "annotations/instances_Train.json": coco(*TRAIN), "annotations/instances_Validation.json": coco(*VAL),
        "annotations/instances_Test.json": coco(*TEST),
    } | pictures(*TRAIN, inside="images/Train/") | pictures(*VAL, inside="images/Validation/") | pictures(
        *TEST, inside="images/Test/"
    )  # fmt: skip


def label_studio():
    prefixed = coco(*(f"images/{name}" for name in (*TRAIN, *VAL)), info={"contributor": "Label Studio"})
    return {"result.json": prefixed} | pictures(*TRAIN, *VAL, inside="images/")


def label_studio_on_windows():
    prefixed = coco(*(f"images\\{name}" for name in (*TRAIN, *VAL)))
    return {"result.json": prefixed} | pictures(*TRAIN, *VAL, inside="images/")


def roboflow():
    return (
        {"README.dataset.txt": "", "train/_annotations.coco.json": coco(*TRAIN)} | pictures(*TRAIN, inside="train/")
        | {"valid/_annotations.coco.json": coco(*VAL)} | pictures(*VAL, inside="valid/")
        | {"test/_annotations.coco.json": coco(*TEST)} | pictures(*TEST, inside="test/")
    )  # fmt: skip


def roboflow_without_valid():
    return {name: content for name, content in roboflow().items() if not name.startswith("valid")}


def labelme_converter():
    named = coco(*(f"JPEGImages/{name}" for name in (*TRAIN, *VAL)))
    named["categories"].insert(0, {"id": 0, "name": "_background_", "supercategory": None})
    return {"annotations.json": named} | pictures(*TRAIN, *VAL, inside="JPEGImages/")


def fiftyone():
    return {"labels.json": coco(*TRAIN, *VAL)} | pictures(*TRAIN, *VAL, inside="data/")


def fiftyone_by_split():
    return (
        {"train/labels.json": coco(*TRAIN), "validation/labels.json": coco(*VAL)}
        | pictures(*TRAIN, inside="train/data/") | pictures(*VAL, inside="validation/data/")
    )  # fmt: skip


def datumaro():
    files = {"annotations/instances_train.json": coco(*TRAIN), "annotations/instances_val.json": coco(*VAL)}
    files |= {"annotations/image_info_train.json": coco(*TRAIN) | {"annotations": []}}
    return files | pictures(*TRAIN, inside="images/train/") | pictures(*VAL, inside="images/val/")


def supervisely():
    return {"train/annotations/instances.json": coco(*TRAIN), "val/annotations/instances.json": coco(*VAL)} | (
        pictures(*TRAIN, inside="train/images/") | pictures(*VAL, inside="val/images/")
    )


def via():
    return {"via.json": coco(*TRAIN, *VAL)} | pictures(*TRAIN, *VAL)


def coco_2017():
    return (
        {"annotations/instances_train2017.json": coco(*TRAIN), "annotations/instances_val2017.json": coco(*VAL)}
        | {"annotations/captions_train2017.json": {"images": [], "annotations": []}}
        | {"annotations/person_keypoints_train2017.json": coco(*TRAIN, classes=("person",))}
        | pictures(*TRAIN, inside="train2017/") | pictures(*VAL, inside="val2017/")
    )  # fmt: skip


def plain_json_and_numbered_folders():
    return (
        {"annotations/instances_train.json": coco(*TRAIN), "annotations/instances_val.json": coco(*VAL)}
        | pictures(*TRAIN, inside="train2017/") | pictures(*VAL, inside="val2017/")
    )  # fmt: skip


def custom_names():
    return {"custom_train.json": coco(*TRAIN), "custom_val.json": coco(*VAL)} | pictures(*TRAIN, *VAL, inside="pics/")


def one_json_for_all_parts():
    names = [f"{part}/{name}" for part, some in (("train", TRAIN), ("val", VAL), ("test", TEST)) for name in some]
    return {"all.json": coco(*names)} | pictures(*names)


def paths_of_another_machine():
    return {"dataset.json": coco(*(f"/home/me/project 1/{name}" for name in (*TRAIN, *VAL)))} | pictures(
        *TRAIN, *VAL, inside="photos/"
    )


def in_a_folder_more():
    return {f"project/{name}": content for name, content in cvat_with_subsets().items()}


def unpacked_twice():
    return {f"project/export 1/{name}": content for name, content in roboflow().items()}


def unpacked_by_a_mac():
    return in_a_folder_more() | {"__MACOSX/project/annotations/._instances_Train.json": "", ".DS_Store": ""}


def roboflow_unpacked_by_a_mac():
    files = {f"project/{name}": content for name, content in roboflow().items()}
    return files | {"__MACOSX/project/train/._a_0.png": "", "Thumbs.db": ""}


def bdd100k():
    files = {f"labels/det_20/det_{part}_cocofmt.json": coco(*some) for part, some in (("train", TRAIN), ("val", VAL))}
    return files | pictures(*TRAIN, inside="images/100k/train/") | pictures(*VAL, inside="images/100k/val/")


def darwin():
    item = {"version": "2.0", "item": {"name": TRAIN[0]}, "annotations": [{"name": "car", "bounding_box": {"x": 1}}]}
    files = {"releases/latest/other_formats/coco/output.json": coco(*TRAIN, *VAL)}
    return files | {"releases/latest/annotations/a_0.json": item} | pictures(*TRAIN, *VAL, inside="images/")


def datumaro_without_parts():
    return {"annotations/instances_default.json": coco(*TRAIN, *VAL)} | pictures(*TRAIN, *VAL, inside="images/default/")


EXPORTS: dict[str, Callable[[], dict]] = {
    make.__name__: make
    for make in (
        cvat, cvat_with_subsets, label_studio, label_studio_on_windows, roboflow, roboflow_without_valid,
        labelme_converter, fiftyone, fiftyone_by_split, datumaro, supervisely, via, coco_2017,
        plain_json_and_numbered_folders, custom_names, one_json_for_all_parts, paths_of_another_machine,
        in_a_folder_more, unpacked_twice, unpacked_by_a_mac, roboflow_unpacked_by_a_mac, bdd100k, darwin,
        datumaro_without_parts,
    )
}  # fmt: skip
BY_PART = {
    "cvat_with_subsets", "roboflow", "fiftyone_by_split", "datumaro", "supervisely", "coco_2017",
    "plain_json_and_numbered_folders", "custom_names", "one_json_for_all_parts", "in_a_folder_more", "unpacked_twice",
    "unpacked_by_a_mac", "roboflow_unpacked_by_a_mac", "bdd100k",
}  # fmt: skip
