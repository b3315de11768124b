"""YOLO folders as each tool exports them open as they are: the right pictures, boxes, classes and parts."""

import json

import pytest

from core.datasets.convert.to_coco import detect_format
from tests.core.datasets.convert.folders import BOX, boxes, converted, names, picture, text, told

BOX_2 = "1 0.5 0.5 0.2 0.4\n"  # of a class of its own, so that a label of another picture would show


def both(folder, picture_name, label_name=None, label=BOX):
    picture(folder / picture_name)
    text(folder / (label_name or picture_name.rpartition(".")[0] + ".txt"), label)


def cvat_yolo(folder):
    for part in ("Train", "Validation", "test"):
        both(folder, f"obj_{part}_data/frame 1 {part}.PNG")
        text(folder / f"{part}.txt", f"data/obj_{part}_data/frame 1 {part}.PNG\n")
    text(folder / "obj.names", "cat\r\ndog\r\n")
    text(folder / "obj.data", "classes = 2\nTrain = data/Train.txt\nValidation = data/Validation.txt\n"
                              "names = data/obj.names\nbackup = backup/\n")  # fmt: skip
    return {"train": ["obj_Train_data/frame 1 Train.PNG"], "val": ["obj_Validation_data/frame 1 Validation.PNG"]}, 1


def cvat_yolo_of_one_part(folder):
    both(folder, "obj_train_data/sub/a.jpg")
    text(folder / "train.txt", "data/obj_train_data/sub/a.jpg\n")
    text(folder / "obj.names", "\ufeffcat\r\ndog")
    text(folder / "obj.data", "classes = 2\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n")
    return {"": ["obj_train_data/sub/a.jpg"]}, 0


def cvat_ultralytics(folder):
    for part in ("Train", "val", "Test"):
        both(folder, f"images/{part}/a.png", f"labels/{part}/a.txt")
        text(folder / f"{part}.txt", f"data/images/{part}/a.png\n")
    text(folder / "data.yaml", "Test: Test.txt\nTrain: Train.txt\nval: val.txt\nnames:\n  0: cat\n  1: dog\npath: .\n")
    return {"train": ["images/Train/a.png"], "val": ["images/val/a.png"]}, 1


def label_studio(folder):
    both(folder, "images/1f2e3d4c-a.jpg", "labels/1f2e3d4c-a.txt")
    both(folder, "images/b%20c.jpg", "labels/b c.txt", BOX_2)
    text(folder / "classes.txt", "cat\ndog\n")
    text(folder / "notes.json", json.dumps({"categories": [{"id": 0, "name": "cat"}], "info": {"year": 2026}}))
    return {"": ["images/1f2e3d4c-a.jpg", "images/b%20c.jpg"]}, 0


def label_studio_with_pictures_of_ones_own(folder):
    both(folder, "images/A.JPG", "labels/1f2e3d4c-a.txt")
    text(folder / "notes.json", json.dumps({"categories": [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}]}))
    return {"": ["images/A.JPG"]}, 0


def roboflow(folder):
    for part in ("train", "valid", "test"):
        both(folder, f"{part}/images/a_jpg.rf.{part}.jpg", f"{part}/labels/a_jpg.rf.{part}.txt")
    text(folder / "data.yaml", "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\nnc: 2\n"
                               "names: ['cat', 'dog']\n\nroboflow:\n  workspace: me\n  version: 1\n")  # fmt: skip
    text(folder / "README.dataset.txt", "# mine\n")
    text(folder / "README.roboflow.txt", "\nmine - v1\n")
    return {"train": ["train/images/a_jpg.rf.train.jpg"], "val": ["valid/images/a_jpg.rf.valid.jpg"]}, 1


def roboflow_without_valid(folder):
    both(folder, "train/images/a_jpg.rf.1.jpg", "train/labels/a_jpg.rf.1.txt")
    text(folder / "data.yaml", "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\nnc: 2\n"
                               "names: ['cat', 'dog']\n")  # fmt: skip
    return {"": ["train/images/a_jpg.rf.1.jpg"]}, 0


def roboflow_darknet(folder):
    for part in ("train", "valid", "test"):
        both(folder, f"{part}/a_jpg.rf.{part}.jpg")
        text(folder / part / "_darknet.labels", "cat\ndog\n")
    return {"train": ["train/a_jpg.rf.train.jpg"], "val": ["valid/a_jpg.rf.valid.jpg"]}, 1


def roboflow_yolov6(folder):
    for part in ("train", "valid", "test"):
        both(folder, f"images/{part}/a.jpg", f"labels/{part}/a.txt")
    text(folder / "data.yaml", "train: ./images/train\nval: ./images/valid\ntest: ./images/test\nnames: [cat, dog]\n")
    return {"train": ["images/train/a.jpg"], "val": ["images/valid/a.jpg"]}, 1


def fiftyone_yolov5(folder):
    for part in ("train", "val"):
        both(folder, f"images/{part}/a.jpg", f"labels/{part}/a.txt")
    text(folder / "dataset.yaml", "names:\n  0: cat\n  1: dog\npath: /home/me/fiftyone/mine\n"
                                  "train: ./images/train/\nval: ./images/val/\n")  # fmt: skip
    return {"train": ["images/train/a.jpg"], "val": ["images/val/a.jpg"]}, 0


def fiftyone_of_one_part(folder):
    both(folder, "images/val/a.jpg", "labels/val/a.txt")
    text(folder / "dataset.yaml", "names:\n  0: cat\n  1: dog\npath: /home/me/mine\nval: ./images/val/\n")
    return {"": ["images/val/a.jpg"]}, 0


def fiftyone_yolov4(folder):
    both(folder, "data/a.jpg")
    text(folder / "obj.names", "cat\ndog")
    text(folder / "images.txt", "data/a.jpg")
    return {"": ["data/a.jpg"]}, 0


def datumaro_yolo(folder):
    for part in ("train", "valid"):
        both(folder, f"obj_{part}_data/a.jpg")
        text(folder / f"{part}.txt", f"data/obj_{part}_data/a.jpg\n")
    text(folder / "obj.names", "cat\ndog\n")
    text(folder / "obj.data", "classes = 2\ntrain = data/train.txt\nvalid = data/valid.txt\nnames = data/obj.names\n")
    return {"train": ["obj_train_data/a.jpg"], "val": ["obj_valid_data/a.jpg"]}, 0


def datumaro_ultralytics(folder):
    for part in ("train", "val", "test"):
        both(folder, f"images/{part}/a.jpg", f"labels/{part}/a.txt")
        text(folder / f"{part}.txt", f"images/{part}/a.jpg\n")
    text(folder / "data.yaml", "train: train.txt\nval: val.txt\ntest: test.txt\nnames: [cat, dog]\n")
    return {"train": ["images/train/a.jpg"], "val": ["images/val/a.jpg"]}, 1


def supervisely(folder):
    for part in ("train", "val"):
        both(folder, f"images/{part}/a.jpeg", f"labels/{part}/a.txt")
    text(folder / "data_config.yaml", "colors:\n- [208, 2, 27]\n- [1, 2, 3]\nnames: [cat, dog]\nnc: 2\n"
                                      "train: ../mine/images/train\nval: ../mine/images/val\n")  # fmt: skip
    return {"train": ["images/train/a.jpeg"], "val": ["images/val/a.jpeg"]}, 0


def darknet_on_windows(folder):
    both(folder, "img/a.JPG", "img/a.TXT")
    both(folder, "img/b.jpg")
    text(folder / "classes.names", "cat\ndog")
    text(folder / "train.txt", "C:\\Users\\me\\data\\img\\A.jpg\r\n")
    text(folder / "TEST.txt", "D:\\img\\B.JPG\r\n")
    text(folder / "my.data", "train=C:\\Users\\me\\train.txt\nvalid=C:\\me\\TEST.txt\nnames=classes.names")
    return {"train": ["img/a.JPG"], "val": ["img/b.jpg"]}, 0


def in_a_folder_of_its_own(folder):
    expected, _ = roboflow(folder / "my project")
    return {part: [f"my project/{name}" for name in some] for part, some in expected.items()}, 1


def openimages(folder):
    both(folder, "apple/images/a.jpg", "apple/darknet/a.txt")
    both(folder, "pear/images/b.jpg", "pear/darknet/b.txt")
    text(folder / "darknet_obj_names.txt", "cat\ndog\n")
    return {"": ["apple/images/a.jpg", "pear/images/b.jpg"]}, 0


def folders_named_for_parts_and_pictures(folder):
    for part in ("train", "val", "test"):
        both(folder, f"{part}_images/1.jpg", f"{part}_labels/1.txt")
    text(folder / "my_classes.txt", "cat\ndog\n")
    return {"train": ["train_images/1.jpg"], "val": ["val_images/1.jpg"]}, 1


def folders_of_any_names_in_parts(folder):
    for part in ("train", "val", "test"):
        both(folder, f"{part}/frames/1.jpg", f"{part}/yolo/1.txt")
    text(folder / "data.yaml", "train: train/frames\nval: val/frames\ntest: test/frames\nnames: [cat, dog]\n")
    return {"train": ["train/frames/1.jpg"], "val": ["val/frames/1.jpg"]}, 1


def numbered_folders_of_two_cameras(folder):
    for camera in (2, 3):
        both(folder, f"image_{camera}/000001.png", f"label_{camera}/000001.txt")
    text(folder / "classes.txt", "cat\ndog\n")
    return {"": ["image_2/000001.png", "image_3/000001.png"]}, 0


EXPORTS = [
    cvat_yolo, cvat_yolo_of_one_part, cvat_ultralytics, label_studio, label_studio_with_pictures_of_ones_own, roboflow,
    roboflow_without_valid, roboflow_darknet, roboflow_yolov6, fiftyone_yolov5, fiftyone_of_one_part, fiftyone_yolov4,
    datumaro_yolo, datumaro_ultralytics, supervisely, darknet_on_windows, in_a_folder_of_its_own,
    openimages, folders_named_for_parts_and_pictures, folders_of_any_names_in_parts, numbered_folders_of_two_cameras,
]  # fmt: skip


@pytest.mark.parametrize("export", EXPORTS)
def test_an_export_opens_as_it_is(tmp_path, export):
    expected, of_testing = export(tmp_path / "mine")
    text(tmp_path / "mine/config.xml", "<settings/>")
    assert detect_format(tmp_path / "mine") == "yolo"
    parts = converted(tmp_path / "mine", tmp_path / "out")
    assert {stem[len("instances_") :]: names(data) for stem, data in parts.items()} == expected
    for data in parts.values():
        assert [c["name"] for c in data["categories"]] == ["cat", "dog"]
        assert boxes(data) == [[40, 15, 20, 20]] * len(data["images"])
    assert told(tmp_path / "out").get("test-part", 0) == of_testing
    assert set(told(tmp_path / "out")) <= {"test-part", "no-folder"}
