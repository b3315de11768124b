"""A label file whose picture is missing is no other folder's picture of that name: its boxes would be wrong there."""

import pytest

from core.datasets.convert.source import strays
from core.datasets.convert.to_coco import convert
from core.datasets.split import examine_splits
from tests.core.datasets.convert.folders import BOX, picture, text, told, xml
from tests.core.datasets.convert.formats.made import dump

SHAPE = {"label": "car", "shape_type": "rectangle", "points": [[1, 2], [30, 40]]}


def yolo_label(folder, number):
    text(folder / f"labels/{number}.txt", BOX)
    text(folder.parent / "classes.txt", "car\n")


def voc_label(folder, number):
    text(folder / f"xml/{number}.xml", xml(filename=f"{number}.png"))


def labelme_label(folder, number):
    dump(folder / f"json/{number}.json", {"version": "5", "shapes": [SHAPE], "imagePath": f"{number}.png"})


@pytest.mark.parametrize("make_label", [yolo_label, voc_label, labelme_label])
def test_it_is_left_out_and_told(tmp_path, make_label):
    for folder, pictures, labels in (("a", "12", "1"), ("b", "13", "123")):
        for number in pictures:
            picture(tmp_path / "mine" / folder / f"images/{number}.png")
        for number in labels:
            make_label(tmp_path / "mine" / folder, number)
    list(convert(tmp_path / "mine", tmp_path / "out"))
    splits = examine_splits(tmp_path / "out").values()
    names = {image["id"]: image["file_name"] for split in splits for image in split.images}
    labelled = sorted(names[a["image_id"]] for split in splits for a in split.annotations)
    assert labelled == ["a/images/1.png", "b/images/1.png", "b/images/3.png"]
    assert told(tmp_path / "out")["label-alone"] == 1


def test_labels_of_names_that_occur_once_may_lie_anywhere():
    assert not strays({"a/1.jpg": "x/1.txt", "a/2.jpg": "y/2.txt", "b/3.jpg": "y/3.txt", "b/4.jpg": "x/4.txt"})
    assert not strays({"a/1.jpg": "labels/1.txt", "b/1.jpg": "labels/b 1.txt", "b/2.jpg": "labels/2.txt"})
    assert not strays({})
