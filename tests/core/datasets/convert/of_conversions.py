"""Folders of other formats with problems of every kind that only a conversion can have, and what is used of them."""

import os

from core.datasets.problems import ProblemKind
from tests.core.datasets.convert.folders import BOX, picture, text, voc, xml, yolo

# by kind: how many; in each of these folders
OF_YOLO = {
    ProblemKind.TEST_PART: 1, ProblemKind.UNLISTED: 1, ProblemKind.LISTED_MISSING: 2, ProblemKind.LABEL_ALONE: 2,
    ProblemKind.LABEL_FILE: 1, ProblemKind.LABEL_LINE: 1, ProblemKind.NO_NAME: 1, ProblemKind.LEADS_OUT: 1,
    ProblemKind.SAME_NAME: 1, ProblemKind.BACKGROUND: 1, ProblemKind.NO_FOLDER: 1, ProblemKind.MORE_NUMBERS: 1,
    ProblemKind.UNREADABLE: 1, ProblemKind.FILE_NAME: 1, ProblemKind.BEYOND: 1, ProblemKind.OUTSIDE: 1,
}  # fmt: skip
OF_VOC = {
    ProblemKind.TEST_PART: 2, ProblemKind.UNLABELLED: 1, ProblemKind.LABEL_ALONE: 2, ProblemKind.SIZE_STATED: 1,
    ProblemKind.OTHER_SIZE: 1,
}  # fmt: skip
ALSO_OF_COCO = {
    ProblemKind.TEST_PART, ProblemKind.UNREADABLE, ProblemKind.OTHER_SIZE, ProblemKind.BEYOND, ProblemKind.OUTSIDE,
}  # fmt: skip
OF_CONVERSIONS = {*OF_YOLO, *OF_VOC} - ALSO_OF_COCO


def bad_yolo(folder):
    """Return the folder with (used, all) of its pictures, and of its boxes."""
    yolo(folder, BOX * 2, "train: train.txt\nval: images/val\ntest: nowhere\nnames: [car, bus, car]\n")
    for name in ("background", "empty", "no text", "test", "spare"):
        picture(folder / f"images/train/{name}.png")
    text(folder / "images/train/empty.png", "")
    (folder / "labels/train/no text.txt").write_bytes(b"0 .5 \xff")
    text(folder / "labels/train/empty.txt", BOX)
    text(folder / "labels/train/test.txt", BOX)
    text(folder / "labels/train/spare.txt", BOX)
    for name in ("alone", "lonely"):
        text(folder / f"labels/train/{name}.txt", BOX)
    os.rename(picture(folder / "images/val/name.png"), os.fsencode(folder) + b"/images/val/\xff.png")
    (folder / "images/val/out.png").symlink_to(picture(folder.parent / "outside.png"))
    lines = [BOX, "0 1.03 .5 .1 .1\n", "0 1.5 .5 .1 .1\n", "0 .5 .5 .1\n", "3 .5 .5 .1 .1\n", "1 .4 .5 .1 .1 .93\n"]
    text(folder / "labels/val/val.txt", "".join(lines))
    listed = ("train", "background", "empty", "no text", "gone", "Tset")
    text(folder / "train.txt", "".join(f"data\\images\\train\\{name}.png\n" for name in listed))
    text(folder / "Test.txt", "C:/me/images/train/TEST.PNG\n")
    return folder, (3, 8), (5, 13)


def bad_voc(folder):
    """Return the folder with (used, all) of its pictures, and of its boxes."""
    voc(folder, "a", "b", "c", "d", "e")
    text(folder / "ImageSets/Main/Test.txt", "C\nimages/d.jpg\n")
    text(folder / "Annotations/b.xml", xml(size=None))
    text(folder / "Annotations/e.xml", xml(size=(640, 480)))
    for name in ("alone", "lonely"):
        text(folder / f"Annotations/{name}.xml", xml([("car", (1, 1, 9, 9))] * 2, filename=f"{name}.jpg"))
    picture(folder / "JPEGImages/unlabelled.png")
    return folder, (2, 6), (2, 9)
