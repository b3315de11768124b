"""Data sets with problems, one of every kind at least, and what is to be found in each.

A case makes a folder and returns, by (kind, split), the image and annotation ids of each example; None where there is
no example.
"""

import json
import shutil

import numpy as np
from PIL import Image

from core.datasets.check import sound_splits
from core.datasets.problems import ProblemKind
from core.datasets.split import read_split
from core.keep_result import KeepResult
from tests.core.coco_cases import gt_of

FEW_KINDS = {ProblemKind.FEW_OBJECTS, ProblemKind.ONE_SPLIT}
SIZE = (64, 48)
BOX = (4, 4, 20, 20)


def picture(path, size=SIZE, color="teal", orientation=None):
    exif = Image.Exif()
    exif[0x010E] = f"{path.parent.name}/{path.name}"  # a description: no two are the same, whatever their colours
    if orientation:
        exif[0x0112] = orientation
    Image.new("RGB", size, color).save(path, exif=exif)


def dataset(folder, **gts):
    """A data set of one ground truth per split, all its pictures there, each of another colour."""
    (folder / "annotations").mkdir(parents=True)
    for split, gt in gts.items():
        (folder / split).mkdir()
        for number, image in enumerate(gt["images"], start=1):
            size = tuple(image.get(side) or 1 for side in ("width", "height"))
            name = image.get("file_name", "")
            if name and "/" not in name:
                picture(folder / split / name, size, (number, len(split), 99))
        write(folder, split, gt)
    return folder


def write(folder, split, gt):
    (folder / f"annotations/instances_{split}.json").write_text(json.dumps(gt))


def gt_small(*boxes, images=1, **more):
    gt = gt_of(*boxes, images=images, **more)
    for image in gt["images"]:
        image["width"], image["height"] = SIZE
    return gt


def labels_with_problems():
    """Annotations of which some are wrong; those on image 1 in each way that needs no picture."""
    nan, image = float("nan"), 1
    gt = gt_small(*((i, 1 + i % 2, BOX) for i in range(1, 9)), images=8)
    gt["categories"] = [
        {"id": 9, "name": "animals", "supercategory": "none"}, {"id": 1, "name": "cat", "supercategory": "animals"},
        {"id": 2, "name": "dog", "supercategory": "animals"}, {"id": 3, "name": "bird", "supercategory": "animals"},
    ]  # fmt: skip
    odd = [
        {"id": 10, "image_id": 77, "category_id": 1, "bbox": BOX, "area": 200},
        {"id": 11, "image_id": image, "category_id": 77, "bbox": BOX},
        {"id": 12, "image_id": image, "category_id": 1, "bbox": [1, nan, 2, 3]},
        {"id": 13, "image_id": image, "category_id": 1, "bbox": [1, 1, 2]},
        {"id": 14, "image_id": image, "category_id": 1, "bbox": [1, 1, 0, 5]},
        {"id": 15, "image_id": image, "category_id": 1, "bbox": [64, 1, 5, 5]},
        {"id": 16, "image_id": image, "category_id": 2, "bbox": BOX},
        {"id": 16, "image_id": image, "category_id": 3, "bbox": [0, 0, 6, 6]},
        {"id": 17, "image_id": image, "category_id": 3, "bbox": [50, 20, 25, 5]},
        {"id": 0, "image_id": image, "category_id": 3, "bbox": [30, 30, 1.5, 9]},
        {"id": 18, "image_id": image, "category_id": 3, "bbox": [30.05, 30, 1.5, 9]},
    ]
    gt["annotations"] += [{"area": 9, "iscrowd": 0} | annotation for annotation in odd]
    del gt["annotations"][-1]["area"]
    return gt


def in_the_labels(folder):
    dataset(folder, train=labels_with_problems(), val=gt_small((1, 1, BOX), (1, 2, BOX), categories=("cat", "dog")))
    examples = {
        ProblemKind.UNKNOWN_IMAGE: [(None, (10,))], ProblemKind.UNKNOWN_CATEGORY: [(None, (11,))],
        ProblemKind.NO_NUMBERS: [(1, (12,)), (1, (13,))], ProblemKind.NO_EXTENT: [(1, (14,))],
        ProblemKind.OUTSIDE: [(1, (15,))],
        ProblemKind.SAME_ANNOTATION: [(1, (16,))], ProblemKind.PLACEHOLDER: [(None, ())],
        ProblemKind.ANNOTATION_ID: [(1, (19,))],
        ProblemKind.NO_AREA: [(1, (18,))], ProblemKind.BEYOND: [(1, (17,))],
        ProblemKind.ZERO_ID: [(1, (0,))], ProblemKind.TWICE: [(1, (0, 18))],
        ProblemKind.TINY: [(1, (0,)), (1, (18,))],
    }  # fmt: skip
    expected = {(kind, "train"): some for kind, some in examples.items()}
    return expected | {
        (ProblemKind.FEW_OBJECTS, "train"): [(None, ())] * 3, (ProblemKind.FEW_OBJECTS, "val"): [(None, ())] * 2,
        (ProblemKind.ONE_SPLIT, ""): [(None, ())],
    }  # fmt: skip


def in_the_pictures(folder):
    boxes = [(i, k, (4 * j, 4, 20, 20)) for i in range(1, 10) for j, k in enumerate((1, 1, 1, 2, 2, 2))]
    dataset(folder, train=gt_small(*boxes, images=9), val=gt_small(*boxes, images=9))
    train = folder / "train"
    (train / "1.jpg").unlink()
    (train / "2.jpg").write_text("not a picture")
    picture(train / "3.jpg", (65, 48))
    picture(train / "4.jpg", SIZE[::-1], orientation=6)
    picture(train / "5.jpg", orientation=3)
    shutil.copy(train / "6.jpg", folder / "val/8.jpg")
    shutil.copy(train / "7.jpg", train / "9.jpg")
    val = folder / "val"
    picture(val / "1.jpg", orientation=6)
    Image.new("I;16", SIZE).save(val / "2.jpg", "PNG")
    Image.new("RGBA", SIZE, "teal").save(val / "3.jpg", "PNG")
    Image.new("L", SIZE, 9).save(val / "4.jpg", "TIFF", save_all=True, append_images=[Image.new("L", SIZE)])
    in_train = (
        ProblemKind.MISSING, ProblemKind.UNREADABLE, ProblemKind.OTHER_SIZE, ProblemKind.TURNED, ProblemKind.ORIENTED,
    )  # fmt: skip
    in_val = ProblemKind.AS_STORED, ProblemKind.DEEP, ProblemKind.TRANSPARENT, ProblemKind.FRAMES
    expected = {(kind, "train"): [(image, ())] for image, kind in enumerate(in_train, start=1)}
    expected |= {(kind, "val"): [(image, ())] for image, kind in enumerate(in_val, start=1)}
    return expected | {(ProblemKind.LEAK, ""): [(8, ())], (ProblemKind.REPEATED, "train"): [(9, ())]}


def in_the_entries(folder):
    """Images and categories of which some are wrong, each costing itself and its annotations."""
    gt = gt_small(*((i, 1, BOX) for i in range(1, 10)), images=9, categories=("car", "car", "dog"))
    images, annotations = gt["images"], gt["annotations"]
    images[0]["id"] = None
    images[1]["id"] = images[2]["id"] = 3
    del images[3]["file_name"], images[4]["width"], images[5]["height"]
    images[6]["width"] = "64"
    images[7]["id"] = annotations[7]["image_id"] = "h"
    images += [images[8] | {}, 7]
    annotations[8] |= {"image_id": "9.jpg", "bbox": None, "segmentation": [[4, 4, 24, 4, 24, 24, 4, 24]], "area": 9999}
    annotations[8]["category_id"] = 2
    annotations[6]["area"] = 9999
    del gt["categories"][2]["name"]
    gt["categories"] += [{"id": 4, "name": "a"}, {"id": 4, "name": "b"}]
    dataset(folder, train=gt_small() | {"images": []}, val=gt_small((1, 1, BOX)))
    for number in (5, 7, 8, 9):
        picture(folder / f"train/{number}.jpg", color=(number, 9, 99))
    write(folder, "train", gt)
    expected = {
        ProblemKind.NO_ENTRY: [(None, ())], ProblemKind.IMAGE_ID: [(None, ())], ProblemKind.IMAGE_NAME: [(4, ())],
        ProblemKind.SHARED_ID: [(None, ())] * 2, ProblemKind.NO_SIZE: [(6, ())],
        ProblemKind.CATEGORY_ID: [(None, ())] * 2, ProblemKind.LOST: [(None, (i,)) for i in (3, 4, 6)],
        ProblemKind.UNKNOWN_IMAGE: [(None, (1,)), (None, (2,))], ProblemKind.IMAGE_AGAIN: [(9, ())],
        ProblemKind.IMAGE_STATED: [(5, ())], ProblemKind.CATEGORY_NAME: [(None, ())],
        ProblemKind.CATEGORY_AGAIN: [(None, ())], ProblemKind.TEXT_ID: [(None, ())],
        ProblemKind.TEXT_NUMBER: [(7, ())], ProblemKind.BY_NAME: [(9, ())], ProblemKind.NO_BOX: [(9, (9,))],
        ProblemKind.AREA: [(7, (7,))], ProblemKind.FEW_OBJECTS: [(None, ())],
    }  # fmt: skip
    return {(kind, "train"): some for kind, some in expected.items()} | {(ProblemKind.FEW_OBJECTS, "val"): [(None, ())]}


def fatal_box_format(folder):
    corners = [(i, 1, (30 + j % 3, 24 + j % 2, 60, 40), {"area": 99}) for i in (1, 2) for j in range(6)]
    shares = [(1, 1, (0.1, 0.2, 0.3, 0.4), {"area": 0.12})]
    dataset(folder, train=gt_small(*corners, images=2), val=gt_small(*shares))
    expected = {
        ProblemKind.BOXES_LOOK: [(None, ())], ProblemKind.TINY: [(1, (1,))], ProblemKind.FEW_OBJECTS: [(None, ())],
    }  # fmt: skip
    return {(kind, "val"): some for kind, some in expected.items()} | {(ProblemKind.BOX_FORMAT, "train"): [(None, ())]}


def in_the_paths(folder):
    gt = gt_small((1, 1, BOX), (3, 1, BOX), images=8)
    dataset(folder, train=gt, val=gt)
    (folder / "secret.jpg").write_text("")
    (folder / "train/1.jpg").unlink()
    (folder / "train/1.jpg").symlink_to(folder / "secret.jpg")
    shutil.rmtree(folder / "val")
    (folder / "val").symlink_to(folder / "train")  # which is the picture folder itself: fine
    (folder / "train/4.jpg").rename(folder / "train/4.JPG")
    gt["images"][1]["file_name"] = "/etc/passwd"
    write(folder, "val", gt)
    return {
        (ProblemKind.PATH, "train"): [(1, ())], (ProblemKind.PATH, "val"): [(1, ()), (2, ())],
        (ProblemKind.ELSEWHERE, "train"): [(4, ())], (ProblemKind.ELSEWHERE, "val"): [(4, ())],
        (ProblemKind.LEAK, ""): [(i, ()) for i in (3, 4, 5, 6, 7, 8)],
        (ProblemKind.FEW_OBJECTS, "train"): [(None, ())], (ProblemKind.FEW_OBJECTS, "val"): [(None, ())],
    }  # fmt: skip


def in_folders_of_parts(folder):
    names = [f"{part}/{i}.jpg" for part in ("train", "val", "test") for i in range(2)]
    gt = gt_small(*((i, 1, BOX) for i in range(1, 6)), images=6)
    for number, (image, name) in enumerate(zip(gt["images"], names, strict=True)):
        image["file_name"] = name
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        picture(folder / name, SIZE, (40 * number, 9, 99))
    (folder / "all.json").write_text(json.dumps(gt))
    return {
        (ProblemKind.TEST_PART, "train"): [(5, ()), (6, ())], (ProblemKind.TEST_BOX, "train"): None,
        (ProblemKind.FEW_OBJECTS, "train"): [(None, ())], (ProblemKind.FEW_OBJECTS, "val"): [(None, ())],
    }  # fmt: skip


def fatal_between_splits(folder):
    dataset(folder, train=gt_small((1, 1, BOX)), val=gt_small((1, 1, BOX), categories=("dog", "car")))
    return {
        (ProblemKind.OTHER_ID, ""): [(None, ())] * 2, (ProblemKind.ONE_SPLIT, ""): [(None, ())] * 2,
        (ProblemKind.FEW_OBJECTS, "train"): [(None, ())], (ProblemKind.FEW_OBJECTS, "val"): [(None, ())],
    }  # fmt: skip


def fatal_emptiness(folder):
    crowd = (1, 1, BOX, {"iscrowd": 1})
    dataset(folder, train=gt_small(crowd, images=3), val=gt_small(images=0))
    for name in ("1.jpg", "3.jpg"):
        (folder / "train" / name).unlink()
    return {
        (ProblemKind.NO_PICTURES, "train"): [(None, ())], (ProblemKind.MISSING, "train"): [(1, ()), (3, ())],
        (ProblemKind.ALL_CROWD, "train"): [(None, ())], (ProblemKind.NO_IMAGES, "val"): None,
    }  # fmt: skip


def fatal_half(folder):
    dataset(folder, val=gt_small(images=1))
    write(folder, "test", gt_small((1, 1, BOX)))
    write(folder, "old", gt_small((1, 1, BOX)))
    return {
        (ProblemKind.NO_SPLIT, "train"): None, (ProblemKind.TEST_PART, "val"): [(None, ())],
        (ProblemKind.TEST_BOX, "val"): None, (ProblemKind.UNUSED_FILE, "val"): [(None, ())],
        (ProblemKind.NO_OBJECTS, "val"): None,
    }  # fmt: skip


def nearly_the_same(folder):
    """Scenes of which one is in both splits, saved anew, and one stands twice, a little cut."""
    boxes = [(i, 1, BOX) for i in range(1, 4)]
    dataset(folder, train=gt_small(*boxes, images=3), val=gt_small(*boxes, images=3))
    for number, path in enumerate(sorted(folder.glob("*/*.jpg"))):
        scene(number).save(path)
    scene(0).save(folder / "val/2.jpg", quality=30)
    shutil.copy(folder / "train/2.jpg", folder / "val/3.jpg")  # the same bytes are another problem
    w, h = SIZE
    scene(1).crop((1, 1, w - 1, h - 1)).resize(SIZE).save(folder / "train/3.jpg")
    return {
        (ProblemKind.NEAR_LEAK, ""): [(2, ())], (ProblemKind.NEAR_REPEATED, "train"): [(3, ())],
        (ProblemKind.LEAK, ""): [(3, ())],
        (ProblemKind.FEW_OBJECTS, "train"): [(None, ())], (ProblemKind.FEW_OBJECTS, "val"): [(None, ())],
    }  # fmt: skip


def scene(seed, size=SIZE):
    """A picture of large spots, which no other seed has."""
    spots = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(spots).resize(size, Image.Resampling.BICUBIC)


CASES = [
    nearly_the_same, in_the_labels, in_the_pictures, in_the_paths, in_folders_of_parts, in_the_entries,
    fatal_box_format, fatal_between_splits, fatal_emptiness, fatal_half,
]  # fmt: skip


def finish(check):
    """What a generator of progress returns, and its progress."""
    work = KeepResult(check)
    steps = list(work)
    return work.result, steps


def sound(folder):
    """The splits that a training gets, and the problems that it is told of."""
    return finish(sound_splits(*(read_split(folder, name) for name in ("train", "val"))))[0]
