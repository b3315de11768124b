"""YOLO folders: every layout and label of theirs, round trips, and FiftyOne as a second reader."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import given

from core.datasets.convert.to_coco import detect_format
from tests.core.datasets.convert.folders import (
    BOX,
    NAMES,
    YAML,
    boxes,
    converted,
    names,
    only,
    picture,
    refused,
    text,
    told,
    yolo,
)
from tests.core.datasets.convert.round_trips import assert_same, datasets, quick, thin_picture

# Layouts


def test_ultralytics_layout_with_a_path_of_another_machine(tmp_path):
    folder = yolo(tmp_path / "mine", yaml="path: ../datasets/mine\n" + YAML)
    parts = converted(folder, tmp_path / "out")
    assert set(parts) == {"instances_train", "instances_val"}
    assert names(parts["instances_train"]) == ["images/train/train.png"]
    assert names(parts["instances_val"]) == ["images/val/val.png"]
    assert [c["name"] for c in parts["instances_val"]["categories"]] == ["car", "bus"]
    assert boxes(parts["instances_val"]) == [[40, 15, 20, 20]]
    assert (tmp_path / "out/train").is_symlink() and (tmp_path / "out/train").resolve() == folder


@pytest.mark.parametrize("root", ["C:\\Users\\me\\mine", "..\\test\\mine", "data\\named\\mine"])
def test_windows_paths_in_double_quotes_are_no_signs(tmp_path, root):
    yaml = f'path: "{root}"\ntrain: "..\\train\\images"\nval: ["..\\valid\\images"]\nnames:\n  0: "K\\u00e4se"\n'
    folder = tmp_path / "mine"
    for part in ("train", "valid"):
        picture(folder / part / "images" / f"{part}.png")
        text(folder / part / "labels" / f"{part}.txt", BOX)
    text(folder / "data.yaml", yaml)
    parts = converted(folder, tmp_path / "out")
    assert {name: [i["file_name"] for i in data["images"]] for name, data in parts.items()} == {
        "instances_train": ["train/images/train.png"],
        "instances_val": ["valid/images/valid.png"],
    }
    assert parts["instances_train"]["categories"][0]["name"] == "Käse"


def test_roboflows_yolo_layout(tmp_path):
    folder = tmp_path / "mine"
    for part in ("train", "valid", "test"):
        picture(folder / part / "images/a_jpg.rf.1.jpg")
        text(folder / part / "labels/a_jpg.rf.1.txt", BOX)
    text(folder / "README.roboflow.txt", "exported")
    text(folder / "data.yaml", "train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnames: ['car']\n")
    parts = converted(folder, tmp_path / "out")
    assert names(parts["instances_train"]) == ["train/images/a_jpg.rf.1.jpg"]
    assert names(parts["instances_val"]) == ["valid/images/a_jpg.rf.1.jpg"]
    assert told(tmp_path / "out") == {"test-part": 1}


def test_a_validation_folder_that_is_not_there_makes_one_part(tmp_path):
    folder = yolo(tmp_path / "mine", yaml="train: ../images/train\nval: ../valid/images\nnames: [car]")
    (folder / "images/val/val.png").unlink()
    (folder / "labels/val/val.txt").unlink()
    assert names(only(folder, tmp_path / "out")) == ["images/train/train.png"]
    assert told(tmp_path / "out") == {"no-folder": 1}


def test_the_same_pictures_in_both_parts_are_one_part(tmp_path):
    folder = yolo(tmp_path / "mine", yaml="train: images/train\nval: images/train\nnames: [car]")
    assert set(converted(folder, tmp_path / "out")) == {"instances"}


@pytest.mark.parametrize("train, val", [("images/train", "images/val"), ("train/images", "valid/images"),
                                        ("images/train2017", "images/val2017"), ("train", "val")])  # fmt: skip
def test_parts_are_known_by_their_folders_without_a_yaml_file(tmp_path, train, val):
    folder = tmp_path / "mine"
    for place in (train, val):
        picture(folder / place / "a.png")
        text(folder / place.replace("images", "labels") / "a.txt", BOX)
    text(folder / "classes.txt", "car\nbus\n")
    parts = converted(folder, tmp_path / "out")
    assert names(parts["instances_train"]) == [f"{train}/a.png"] and names(parts["instances_val"]) == [f"{val}/a.png"]
    assert boxes(parts["instances_val"]) == [[40, 15, 20, 20]]


def test_one_folder_is_one_part(tmp_path):
    for where, labels, classes in (("", "", ""), ("images/", "labels/", "labels/"), ("images/", "labels/", "")):
        folder = tmp_path / f"mine{len(list(tmp_path.iterdir()))}"
        picture(folder / f"{where}a.png")
        text(folder / f"{labels}a.txt", BOX)
        text(folder / f"{classes}classes.txt", "car\n")
        assert detect_format(folder) == "yolo"
        data = only(folder, tmp_path / f"out{folder.name}")
        assert names(data) == [f"{where}a.png"] and boxes(data) == [[40, 15, 20, 20]]
        assert (tmp_path / f"out{folder.name}" / "images").resolve() == folder
        assert told(tmp_path / f"out{folder.name}") == {}


def test_lists_of_pictures_are_followed(tmp_path):
    folder = yolo(tmp_path / "mine", yaml="train: train.txt\nval: [images/val]\nnames: [car]")
    text(folder / "train.txt", "./images/train/train.png\n\nimages/train/gone.png\n")
    assert names(converted(folder, tmp_path / "out")["instances_train"]) == ["images/train/train.png"]
    assert told(tmp_path / "out") == {"listed-missing": 1}


def test_a_yaml_file_of_another_name_is_found_by_its_class_names(tmp_path):
    folder = yolo(tmp_path / "mine", yaml=None)
    text(folder / "coco8.yaml", YAML)
    text(folder / "training.yaml", "epochs: 3")
    assert set(converted(folder, tmp_path / "out")) == {"instances_train", "instances_val"}
    text(folder / "mine.yml", YAML)
    assert detect_format(folder) == "yolo", "both say the same"
    text(folder / "mine.yml", YAML.replace("bus", "tram"))
    refused(folder, "coco8.yaml and mine.yml, both with class names: keep one")


@pytest.mark.parametrize(
    "yaml", ["names: {1: bus, 0: car}", "names: {'0': car, '1': bus}", "names:\n  0: car\n  1: bus"]
)
def test_names_may_be_a_dict(tmp_path, yaml):
    data = converted(yolo(tmp_path / "mine", "1 .5 .5 .1 .1", yaml), tmp_path / "out")["instances_train"]
    assert data["categories"] == [{"id": 1, "name": "car"}, {"id": 2, "name": "bus"}]
    assert {a["category_id"] for a in data["annotations"]} == {2}


# Labels


def test_a_picture_without_label_file_or_objects_is_kept(tmp_path):
    folder = yolo(tmp_path / "mine", "\n \n")
    picture(folder / "images/train/background.png")
    text(folder / "labels/train/spare.txt", BOX)
    text(folder / "labels/train/classes.txt", "car")
    train = converted(folder, tmp_path / "out")["instances_train"]
    assert names(train) == ["images/train/background.png", "images/train/train.png"] and boxes(train) == []
    assert told(tmp_path / "out") == {"label-alone": 1, "background": 1}


def test_polygons_become_their_bounding_boxes_beside_boxes(tmp_path):
    label = "1 0.1 0.2 0.3 0.2 0.2 0.9\r\n0 .5 .5 .2 .2\n0.0 .1 .1 .2 .1 .2 .2 .1 .2\n"
    train = converted(yolo(tmp_path / "mine", label), tmp_path / "out")["instances_train"]
    assert boxes(train) == [[10, 10, 20, 35], [40, 20, 20, 10], [10, 5, 10, 5]]
    assert [a["category_id"] for a in train["annotations"]] == [2, 1, 1]
    assert [a["area"] for a in train["annotations"]] == [700, 200, 50]


def test_of_a_pose_the_box_is_taken(tmp_path):
    folder = yolo(tmp_path / "mine", "0 .5 .5 .2 .2 .1 .1 2 .9 .9 2", YAML + "kpt_shape: [2, 3]")
    assert boxes(converted(folder, tmp_path / "out")["instances_val"]) == [[40, 20, 20, 10]]


@pytest.mark.parametrize(
    "orientation, size", [(1, (100, 50)), (3, (100, 50)), (5, (50, 100)), (6, (50, 100)), (8, (50, 100))]
)
def test_turned_pictures_have_their_upright_size(tmp_path, orientation, size):
    folder = tmp_path / "mine"
    picture(folder / "a.jpg", orientation=orientation)
    text(folder / "a.txt", BOX)
    text(folder / "classes.txt", "car")
    data = only(folder, tmp_path / "out")
    assert (data["images"][0]["width"], data["images"][0]["height"]) == size
    assert boxes(data) == [[0.4 * size[0], 0.3 * size[1], 0.2 * size[0], 0.4 * size[1]]]


def test_numbers_run_through_both_parts_in_the_order_of_paths(tmp_path):
    folder = yolo(tmp_path / "mine", BOX * 2)
    for name in ("z", "b"):
        picture(folder / f"images/train/{name}.png")
    parts = converted(folder, tmp_path / "out")
    ids = {i["file_name"]: i["id"] for part in parts.values() for i in part["images"]}
    assert [ids[name] for name in sorted(ids)] == [1, 2, 3, 4]
    assert sorted(a["id"] for part in parts.values() for a in part["annotations"]) == [1, 2, 3, 4]


# Round trips and a second reader


@quick
@given(data=datasets)
def test_boxes_written_as_yolo_come_back(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("yolo") / "mine"
    text(folder / "data.yaml", json.dumps({"names": NAMES, "train": "images"}))
    for number, (size, objects) in enumerate(data):
        thin_picture(folder / f"images/{number}.png", size)
        lines = [f"{k} {(x1 + x2) / 2!r} {(y1 + y2) / 2!r} {x2 - x1!r} {y2 - y1!r}" for k, (x1, y1, x2, y2) in objects]
        text(folder / f"labels/{number}.txt", "\n".join(lines))
    expected = [(size, [(k, [v * size[i % 2] for i, v in enumerate(c)]) for k, c in objects]) for size, objects in data]
    assert_same(only(folder, folder.parent / "out"), expected, within=0.0101)


def test_fiftyone_reads_the_same_from_a_yolo_folder(tmp_path):
    fiftyone_yolo = pytest.importorskip("fiftyone.utils.yolo")
    draw, folder = random.Random(0), tmp_path / "mine"
    text(folder / "data.yaml", json.dumps({"train": "images/", "names": NAMES}))
    for number in range(20):
        picture(folder / f"images/{number:02}.png", (draw.randint(20, 400), draw.randint(20, 400)))
        lines = []
        for _ in range(draw.randint(0, 5)):
            count = draw.choice((4, 6, 10))
            lines.append(" ".join([str(draw.randrange(3)), *(f"{draw.uniform(0.2, 0.4):.6f}" for _ in range(count))]))
        text(folder / f"labels/{number:02}.txt", "\n".join(lines))
    data = only(folder, tmp_path / "out")
    by_id = {c["id"]: c["name"] for c in data["categories"]}
    importer = fiftyone_yolo.YOLOv5DatasetImporter(
        yaml_path=str(folder / "data.yaml"), split="train", include_all_data=True
    )
    with importer:
        read = {Path(path).name: label.detections if label else [] for path, _, label in importer}
    assert len(read) == 20
    for image in data["images"]:
        annotations = [a for a in data["annotations"] if a["image_id"] == image["id"]]
        theirs = read[Path(image["file_name"]).name]
        assert [by_id[a["category_id"]] for a in annotations] == [one.label for one in theirs]
        for annotation, one in zip(annotations, theirs, strict=True):
            scale = [image["width"], image["height"]] * 2
            expected = [v * s for v, s in zip(one.bounding_box, scale, strict=True)]
            assert annotation["bbox"] == pytest.approx(expected, abs=0.0101)
