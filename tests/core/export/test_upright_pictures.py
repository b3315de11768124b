"""A coloured rectangle in a picture that EXIF turns: under its box, everybody sees its colour.

Every orientation, of oblong and square pictures, in a YOLO, a VOC and a COCO folder; whoever shows or learns a picture.
"""

import io
import json
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from core.datasets.check import check_dataset
from core.datasets.convert.to_coco import convert
from core.datasets.pictures import read_picture
from core.datasets.problems import ProblemKind
from core.datasets.split import CocoSplit, examine_splits
from core.detr.input.dataset import DetectionDataset
from core.evaluation.draw import thumbnail
from core.evaluation.tide import detection_table
from core.export.bundle import Bundle
from core.export.writers import ExportFormat, write_export
from core.inference.own_pictures import prepare_picture
from core.keep_result import KeepResult
from tests.core.coco_cases import result

BLUE, GREY = np.array([20, 40, 230]), (150, 140, 130)
SIZES = {"oblong": (64, 48), "square": (56, 56)}  # as seen
BOX = (8, 24, 24, 40)  # xyxy, as seen: left of the middle and below it
CASES = [(shape, orientation) for shape in SIZES for orientation in range(1, 9)]
# how a picture as it is seen is stored, by the orientation that turns it back
STORED = {
    1: lambda p: p, 2: ImageOps.mirror, 3: lambda p: p.rotate(180), 4: ImageOps.flip,
    5: lambda p: p.transpose(Image.Transpose.TRANSPOSE), 6: lambda p: p.rotate(90, expand=True),
    7: lambda p: p.transpose(Image.Transpose.TRANSVERSE), 8: lambda p: p.rotate(270, expand=True),
}  # fmt: skip


def name_of(shape, orientation) -> str:
    return f"{shape}{orientation}.jpg"


def save_pictures(folder: Path) -> None:
    folder.mkdir(parents=True)
    for shape, orientation in CASES:
        seen = Image.new("RGB", SIZES[shape], GREY)
        seen.paste(tuple(BLUE.tolist()), BOX)
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = folder / name_of(shape, orientation)
        STORED[orientation](seen).save(path, exif=exif, quality=95, subsampling=0)
        with Image.open(path) as image:
            assert np.abs(np.asarray(ImageOps.exif_transpose(image), int) - np.asarray(seen)).max() < 9


def yolo(folder: Path) -> None:
    save_pictures(folder / "images")
    (folder / "labels").mkdir()
    for shape, orientation in CASES:
        (w, h), (x1, y1, x2, y2) = SIZES[shape], BOX
        line = f"0 {(x1 + x2) / 2 / w} {(y1 + y2) / 2 / h} {(x2 - x1) / w} {(y2 - y1) / h}\n"
        (folder / "labels" / name_of(shape, orientation)).with_suffix(".txt").write_text(line)
    (folder / "data.yaml").write_text("train: images\nnames: [thing]\n")


def voc(folder: Path) -> None:
    save_pictures(folder / "JPEGImages")
    (folder / "Annotations").mkdir()
    for shape, orientation in CASES:
        (w, h), (x1, y1, x2, y2) = SIZES[shape], BOX
        (folder / "Annotations" / name_of(shape, orientation)).with_suffix(".xml").write_text(
            f"<annotation><size><width>{w}</width><height>{h}</height></size><object><name>thing</name><bndbox><xmin>"
            f"{x1 + 1}</xmin><ymin>{y1 + 1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object></annotation>"
        )


def coco(folder: Path, stored=False) -> None:
    """A COCO folder whose sizes and boxes are of the pictures as seen, or as they are stored."""
    save_pictures(folder / "images")
    images, annotations = [], []
    for number, (shape, orientation) in enumerate(CASES, start=1):
        (w, h), (x1, y1, x2, y2) = SIZES[shape], BOX
        if stored and shape == "oblong" and orientation >= 5:
            marked = Image.new("L", (w, h))
            marked.paste(255, BOX)
            marked = STORED[orientation](marked)
            (w, h), (x1, y1, x2, y2) = marked.size, marked.getbbox()
        images.append({"id": number, "file_name": name_of(shape, orientation), "width": w, "height": h})
        annotations.append({"id": number, "image_id": number, "category_id": 1, "bbox": [x1, y1, x2 - x1, y2 - y1]})
    data = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "thing"}]}
    (folder / "annotations").mkdir()
    (folder / "annotations/instances.json").write_text(json.dumps(data))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """By name, data sets in COCO layout: two converted, one upright, one whose sizes tell that it is stored so."""
    made = {}
    for make in (yolo, voc):
        source = tmp_path_factory.mktemp(make.__name__) / "mine"
        source.mkdir()
        make(source)
        made[make.__name__] = source.parent / "out"
        list(convert(source, made[make.__name__]))
    for name, make in (("coco", coco), ("stored", partial(coco, stored=True))):
        made[name] = tmp_path_factory.mktemp(name) / "data"
        made[name].mkdir()
        make(made[name])
    return made


SETS = ("yolo", "voc", "coco", "stored")


def split_of(folder: Path) -> CocoSplit:
    train, val = (examine_splits(folder)[name] for name in ("train", "val"))
    return CocoSplit(
        "val", train.json_path, train.image_dir, train.images + val.images, train.annotations + val.annotations,
        train.categories,
    )  # fmt: skip


def is_blue_under(picture, box) -> bool:
    """Whether the box holds the blue rectangle: blue inside its edge, grey outside."""
    pixels = np.asarray(picture).astype(int)
    x1, y1, x2, y2 = (round(v) for v in box)
    blue = np.abs(pixels - BLUE).max(axis=2) < 60
    around = blue.copy()
    around[y1:y2, x1:x2] = False
    return bool(blue[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2].all() and not around.any())


def boxes(split: CocoSplit):
    """Each image, its path, size and the box of its only object, xyxy."""
    assert len(split.images) == len(CASES)
    for image in split.images:
        ((x, y, w, h),) = (a["bbox"] for a in split.annotations_by_image[image["id"]])
        yield image, split.image_path(image), (image["width"], image["height"]), (x, y, x + w, y + h)


@pytest.mark.parametrize("name", SETS)
def test_the_gallery_sees_it(folders, name):
    for _, path, size, (x1, y1, x2, y2) in boxes(split_of(folders[name])):
        assert is_blue_under(read_picture(path, size), (x1, y1, x2, y2)), path.name
        for crop in (None, (2, 4, 42, 44)):
            shown = Image.open(io.BytesIO(thumbnail(path, 320, size, crop)))
            left, top = crop[:2] if crop else (0, 0)
            assert is_blue_under(shown, (x1 - left, y1 - top, x2 - left, y2 - top)), (path.name, crop)
            assert shown.getexif().get(0x0112, 1) == 1, "or the browser would turn it once more"
        small = Image.open(io.BytesIO(thumbnail(path, 32, size)))
        scale = 32 / max(size)
        middle = small.getpixel((round((x1 + x2) / 2 * scale), round((y1 + y2) / 2 * scale)))
        assert np.abs(np.array(middle) - BLUE).max() < 60, path.name


@pytest.mark.parametrize("name", SETS)
def test_the_training_sees_it(folders, name):
    split = split_of(folders[name])
    data = DetectionDataset(split, split.label_map(), 48, 96)
    for index, image in enumerate(split.images):
        sample = data[index]
        pixels = sample["pixel_values"].permute(1, 2, 0).numpy().astype(int)
        height, width = pixels.shape[:2]
        ((cx, cy, w, h),) = sample["labels"]["boxes"].tolist()
        box = (cx - w / 2) * width, (cy - h / 2) * height, (cx + w / 2) * width, (cy + h / 2) * height
        x1, y1, x2, y2 = (round(v) for v in box)
        inside = pixels[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2]
        assert np.abs(inside - BLUE).max() < 60, image["file_name"]


@pytest.mark.parametrize("name", SETS)
def test_who_opens_an_export_sees_it_whether_it_minds_exif_or_not(folders, tmp_path, name):
    split = split_of(folders[name])
    rows = [result(a["image_id"], a["category_id"], a["bbox"], 0.9) for a in split.annotations]
    bundle = Bundle(split, detection_table(split.to_dict(), rows), tuple(image["id"] for image in split.images))
    for kind in (ExportFormat.FIFTYONE, ExportFormat.PNG):
        list(work := KeepResult(write_export(bundle, kind, tmp_path / f"{kind.value}.zip")))
        assert not work.result.left_out
    with zipfile.ZipFile(tmp_path / "fiftyone.zip") as archive, zipfile.ZipFile(tmp_path / "png.zip") as drawn:
        for image, path, size, box in boxes(split):
            base = path.name
            with Image.open(archive.open(f"data/{base}")) as picture:
                assert picture.size == tuple(size)
                for seen in (picture.convert("RGB"), ImageOps.exif_transpose(picture).convert("RGB")):
                    assert is_blue_under(seen, box), image["file_name"]
            with Image.open(drawn.open(base.replace(".jpg", ".png"))) as picture:
                scale = picture.width / size[0]
                middle = picture.getpixel((round((box[0] + box[2]) / 2 * scale), round((box[1] + box[3]) / 2 * scale)))
                assert np.abs(np.array(middle) - BLUE).max() < 60, image["file_name"]


def test_predict_sees_it(folders, tmp_path):
    for _, path, size, box in boxes(split_of(folders["coco"])):
        prepared = prepare_picture(path, tmp_path / "made.png")
        assert prepared.size == tuple(size) and is_blue_under(read_picture(prepared.path, prepared.size), box)
        assert is_blue_under(Image.open(io.BytesIO(thumbnail(prepared.path, 320, prepared.size))), box)


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        # the four that only an oblong picture's size tells; every other is in doubt, unless it was converted
        ("coco", {ProblemKind.TURNED: 4, ProblemKind.ORIENTED: 10}),
        ("stored", {ProblemKind.AS_STORED: 4, ProblemKind.ORIENTED: 10}),
        ("yolo", {ProblemKind.TURNED: 14}),
        ("voc", {ProblemKind.TURNED: 14}),
    ],
)
def test_check_says_how_many_are_turned_and_where_that_is_a_guess(folders, name, counts):
    list(work := KeepResult(check_dataset(folders[name])))
    kinds = (ProblemKind.TURNED, ProblemKind.ORIENTED, ProblemKind.AS_STORED)
    told = {k: sum(p.count for p in work.result.problems if p.kind is k) for k in kinds}
    assert {k: n for k, n in told.items() if n} == counts
