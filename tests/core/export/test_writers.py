import contextlib
import io
import json
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from core import DataError, RunError
from core.datasets.pictures import read_picture
from core.datasets.split import CocoSplit, read_split
from core.evaluation.draw import draw_analysis
from core.evaluation.findings.label_errors import LabelErrorKind
from core.evaluation.threshold import image_rows
from core.evaluation.tide import detection_table
from core.export.bundle import Bundle
from core.export.writers import ExportFormat, ExportResult, write_export
from core.keep_result import KeepResult
from core.runs.marks import Mark
from tests.core.coco_cases import gt_of, result

CAR, DOG = (40, 20, 50, 40), (150, 5, 9, 9)
GT = gt_of((1, 1, CAR), (1, 1, (0, 60, 90, 40), {"iscrowd": 1}), (2, 2, DOG), images=3)
FOUND = [result(1, 1, CAR, 0.95), result(1, 2, CAR, 0.6), result(2, 1, (0, 0, 9, 9), 0.2)]
MARK = Mark(LabelErrorKind.IMAGE, 2)
KINDS = list(ExportFormat)


@pytest.fixture
def bundle_of(tmp_path):
    """Makes a bundle of images with the given file names, whose pictures lie in "set"; their colours differ."""

    def make(*names: str, score=0.5, **more) -> Bundle:
        names = names or ("1.jpg", "2.jpg", "3.jpg")
        gt = {**GT, "images": [image | {"file_name": n} for image, n in zip(GT["images"], names, strict=False)]}
        kept = {image["id"] for image in gt["images"]}
        gt["annotations"] = [a for a in GT["annotations"] if a["image_id"] in kept]
        found = [row for row in FOUND if row["image_id"] in kept]
        folder = tmp_path / "set"
        folder.mkdir(exist_ok=True)
        for image in gt["images"]:
            path = folder / image["file_name"]
            if path.resolve().is_relative_to(folder):
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (200, 100), (40 * image["id"], 90, 90)).save(path)
        split = CocoSplit("val", tmp_path / "gt.json", folder, **gt)
        return Bundle(split, detection_table(gt, found), tuple(sorted(kept)), score, **more)

    return make


def finish(bundle: Bundle, kind: ExportFormat, out) -> tuple[ExportResult, list[tuple[int, int]]]:
    work = KeepResult(write_export(bundle, kind, out))
    seen = list(work)
    return work.result, seen


def contents(path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def files_of(bundle: Bundle, kind: ExportFormat, out) -> dict[str, bytes]:
    return contents(finish(bundle, kind, out)[0].path)


def coco_of(labels: bytes, predictions: bytes, folder: Path) -> tuple[COCO, COCO]:
    """Both files as pycocotools reads them."""
    paths = folder / "their labels.json", folder / "their predictions.json"
    for path, text in zip(paths, (labels, predictions), strict=True):
        path.write_bytes(text)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(paths[0]))
        return truth, truth.loadRes(str(paths[1]))


# What there is


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (ExportFormat.COCO, {"labels.json", "predictions.json"}),
        (ExportFormat.PNG, {"1.png", "2.png", "3.png"}),
        (ExportFormat.FIFTYONE, {"data/1.jpg", "data/2.jpg", "data/3.jpg", "labels.json", "predictions.json",
                           "README.txt", "open_in_fiftyone.py"}),
    ],
)  # fmt: skip
def test_a_zip_has_its_files_and_says_how_far_it_is(bundle_of, tmp_path, kind, names):
    written, seen = finish(bundle_of(), kind, tmp_path / "new" / "out.zip")
    assert set(contents(written.path)) == names
    assert seen[:3] == [(1, 3), (2, 3), (3, 3)] and set(seen[3:]) <= {(3, 3)}
    assert (written.images, written.left_out, written.size) == (3, (), written.path.stat().st_size)
    assert written.sentence.startswith("3 images, ") and "left out" not in written.sentence
    assert os.listdir(tmp_path / "new") == ["out.zip"]


@pytest.mark.parametrize("kind", KINDS)
def test_one_image_is_enough(bundle_of, tmp_path, kind):
    written, _ = finish(replace(bundle_of(), image_ids=(3,)), kind, tmp_path / "out.zip")
    assert written.images == 1 and written.sentence.startswith("1 image, ")
    assert json.loads(contents(written.path).get("predictions.json", b"[]")) == []


def test_the_two_coco_files_go_together(bundle_of, tmp_path):
    files = files_of(bundle_of(score=0), ExportFormat.COCO, tmp_path / "out.zip")
    truth, results = coco_of(files["labels.json"], files["predictions.json"], tmp_path)
    assert (truth.getImgIds(), truth.getAnnIds(), truth.getAnnIds(iscrowd=1)) == ([1, 2, 3], [1, 2, 3], [2])
    said = results.loadAnns(results.getAnnIds())
    assert [(a["image_id"], a["score"], a["error"], a["iou"], a["query"]) for a in said] == [
        (1, np.float32(0.95), None, 1.0, 0), (1, np.float32(0.6), "classification", 1.0, 1),
        (2, np.float32(0.2), "background", 0.0, 0),
    ]  # fmt: skip


def test_the_ending_json_gives_the_same_as_files_side_by_side(bundle_of, tmp_path):
    bundle = bundle_of(score=0, marks=(MARK,))
    written, _ = finish(bundle, ExportFormat.COCO, tmp_path / "to/out.json")
    zipped = files_of(bundle, ExportFormat.COCO, tmp_path / "out.zip")
    names = {"labels.json": "out.json", "predictions.json": "out-predictions.json", "marks.json": "out-marks.json"}
    assert {name: (tmp_path / "to" / own).read_bytes() for name, own in names.items()} == zipped
    assert set(os.listdir(tmp_path / "to")) == set(names.values()) and written.path.name == "out.json"


@pytest.mark.parametrize("kind", [ExportFormat.COCO, ExportFormat.FIFTYONE])
def test_marks_on_the_images_go_along(bundle_of, tmp_path, kind):
    bundle = bundle_of(marks=(MARK, Mark(LabelErrorKind.IMAGE, 3), Mark(LabelErrorKind.WRONG, 1, "dog", CAR, 1, 0.6)))
    files = files_of(replace(bundle, image_ids=(1, 2)), kind, tmp_path / "out.zip")
    marks = json.loads(files["marks.json"])
    assert {image["id"]: image.get("mark") for image in marks["images"]} == {1: None, 2: "image"}
    assert [a["id"] for a in marks["annotations"]] == [1]
    assert "marks.json" not in files_of(replace(bundle, marks=()), kind, tmp_path / "out.zip")


@pytest.mark.parametrize("score", [0.0, 0.5, 0.9])
def test_a_png_is_what_analyze_draws_at_the_score(bundle_of, tmp_path, score):
    bundle = bundle_of("a.png", "b.png", "c.png", score=score)
    files = files_of(bundle, ExportFormat.PNG, tmp_path / "out.zip")
    for image, name in zip(bundle.images, ("a.png", "b.png", "c.png"), strict=True):
        stored = read_picture(bundle.split.image_path(image))
        expected = draw_analysis(stored, image_rows(bundle.table, image["id"], score))
        assert np.array_equal(Image.open(io.BytesIO(files[name])), expected)


def test_pictures_for_fiftyone_are_copied_byte_for_byte_and_named_in_the_labels(bundle_of, tmp_path):
    bundle = bundle_of("a/1.jpg", "b/1.jpg", "c/d e.jpg")
    files = files_of(bundle, ExportFormat.FIFTYONE, tmp_path / "out.zip")
    images = json.loads(files["labels.json"])["images"]
    assert [image["file_name"] for image in images] == ["1.jpg", "1_2.jpg", "d_e.jpg"]
    assert [image["original_file_name"] for image in images] == ["a/1.jpg", "b/1.jpg", "c/d e.jpg"]
    for image in images:
        original = bundle.split.image_dir / image["original_file_name"]
        assert files[f"data/{image['file_name']}"] == original.read_bytes()


def test_the_readme_says_whose_boxes_they_are(bundle_of, tmp_path):
    files = files_of(bundle_of(title="run {x}, epoch 3", score=0.25), ExportFormat.FIFTYONE, tmp_path / "out.zip")
    text = files["README.txt"].decode()
    assert text.startswith("run {x}, epoch 3\n") and "3 images, predictions from score 0.25." in text


def test_a_picture_from_before_1980_can_be_zipped(bundle_of, tmp_path):
    bundle = bundle_of()
    os.utime(bundle.split.image_dir / "1.jpg", (0, 0))
    assert "data/1.jpg" in files_of(bundle, ExportFormat.FIFTYONE, tmp_path / "out.zip")


def test_the_demos_data_set_is_read_as_it_is_after_it_went_out_and_came_back(street, tmp_path):
    split = read_split(street, "val")
    bundle = Bundle(split, detection_table(split.to_dict(), []), tuple(split.image_by_id))
    files = files_of(bundle, ExportFormat.FIFTYONE, tmp_path / "out.zip")
    (tmp_path / "back/annotations").mkdir(parents=True)
    (tmp_path / "back/val").mkdir()
    (tmp_path / "back/annotations/instances_val.json").write_bytes(files["labels.json"])
    for name, data in files.items():
        if name.startswith("data/"):
            (tmp_path / "back/val" / Path(name).name).write_bytes(data)
    back = read_split(tmp_path / "back", "val")
    assert not back.problems and back.annotations == sorted(split.annotations, key=lambda a: a["image_id"])
    assert [i["file_name"] for i in back.images] == [i["file_name"] for i in split.images]


# What cannot be had


def spoil(bundle: Bundle, number: int, how: str) -> None:
    path = bundle.split.image_path(bundle.images[number])
    if how == "missing":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "none":
        path.write_bytes(b"no picture")
    elif how == "a folder":
        path.unlink()
        path.mkdir()
    else:
        Image.new("RGB", (30, 20)).save(path)


@pytest.mark.parametrize("kind", [ExportFormat.PNG, ExportFormat.FIFTYONE])
@pytest.mark.parametrize("how", ["missing", "empty", "none", "a folder", "another size"])
def test_a_picture_that_cannot_be_had_is_told_inside_and_the_others_are_there(bundle_of, tmp_path, kind, how):
    bundle = bundle_of(score=0)
    spoil(bundle, 1, how)
    written, _ = finish(bundle, kind, tmp_path / "out.zip")
    files = contents(written.path)
    (line,) = files["left_out.txt"].decode().splitlines()
    assert line.startswith("image 2, 2.jpg: ") and written.left_out == (line,) and str(tmp_path) not in line
    assert written.images == 2 and written.sentence.endswith("; 1 left out: left_out.txt inside says why")
    assert {Path(name).stem for name in files if name.endswith(("jpg", "png"))} == {"1", "3"}
    if kind is ExportFormat.FIFTYONE:
        coco = json.loads(files["labels.json"])
        assert [image["id"] for image in coco["images"]] == [1, 3]
        assert {row["image_id"] for row in json.loads(files["predictions.json"])} == {1}


def test_coco_json_needs_no_pictures(bundle_of, tmp_path):
    bundle = bundle_of()
    for i in range(3):
        spoil(bundle, i, "missing")
    assert finish(bundle, ExportFormat.COCO, tmp_path / "out.zip")[0].images == 3


@pytest.mark.parametrize("kind", [ExportFormat.PNG, ExportFormat.FIFTYONE])
def test_without_any_picture_there_is_a_sentence_and_no_file(bundle_of, tmp_path, kind):
    bundle = bundle_of()
    for i in range(3):
        spoil(bundle, i, "missing")
    with pytest.raises(
        DataError, match=r"^None of the 3 pictures .* image 1, 1\.jpg: .* COCO JSON, which needs none\.$"
    ):
        finish(bundle, kind, tmp_path / "to/out.zip")
    assert os.listdir(tmp_path / "to") == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["../secret.jpg", "/etc/passwd", "a/../../secret.jpg", "x\n../\u202esecret.jpg"])
def test_a_name_from_a_file_leads_nowhere(bundle_of, tmp_path, kind, name):
    Image.new("RGB", (200, 100)).save(tmp_path / "secret.jpg")
    written, _ = finish(bundle_of(name, "ok.jpg"), kind, tmp_path / "out.zip")
    with zipfile.ZipFile(written.path) as archive:
        for entry in archive.namelist():
            assert not entry.startswith("/") and ".." not in entry and entry.isprintable()
        archive.extractall(tmp_path / "unpacked")
        told = archive.read("left_out.txt").decode() if "left_out.txt" in archive.namelist() else ""
    inside = [p for p in (tmp_path / "unpacked").rglob("*") if p.is_file()]
    assert len(inside) == len(zipfile.ZipFile(written.path).namelist())
    assert len(told.splitlines()) == len(written.left_out) == (kind is not ExportFormat.COCO and name[0] != "x")


@pytest.mark.parametrize("kind", KINDS)
def test_images_that_left_the_data_set_are_told_too(bundle_of, tmp_path, kind):
    written, _ = finish(replace(bundle_of(), image_ids=(7, 1)), kind, tmp_path / "out.zip")
    assert contents(written.path)["left_out.txt"] == b"image 7: it left the data set\n"
    assert written.images == 1
    with pytest.raises(DataError, match="does not have the chosen images any more"):
        finish(replace(bundle_of(), image_ids=(7, 8)), kind, tmp_path / "none.zip")
    with pytest.raises(DataError, match="There is no image to export"):
        finish(replace(bundle_of(), image_ids=()), kind, tmp_path / "none.zip")
    assert not (tmp_path / "none.zip").exists()


# Whole or not at all


@pytest.mark.parametrize("name, kind", [*((f"{kind}.zip", kind) for kind in KINDS), ("out.json", ExportFormat.COCO)])
def test_what_is_stopped_leaves_nothing_and_an_older_file_as_it_was(bundle_of, tmp_path, name, kind):
    out = tmp_path / "to" / name
    out.parent.mkdir()
    out.write_bytes(b"older")
    steps = write_export(bundle_of(marks=(MARK,)), kind, out)
    next(steps)
    assert out.read_bytes() == b"older" and len(os.listdir(out.parent)) > 1
    steps.close()
    assert out.read_bytes() == b"older" and os.listdir(out.parent) == [name]


def test_where_nothing_can_be_written_a_sentence_says_so(bundle_of, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"^.*out\.zip cannot be written: .*\.$"):
        finish(bundle_of(), ExportFormat.COCO, tmp_path / "file" / "out.zip")


def test_what_runs_into_the_disks_end_is_told_and_leaves_nothing(bundle_of, tmp_path):
    resource = pytest.importorskip("resource")
    bundle, limits = bundle_of(), resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1500, limits[1]))
        with pytest.raises(RunError, match=r"out\.zip cannot be written: File too large\.$"):
            finish(bundle, ExportFormat.FIFTYONE, tmp_path / "to/out.zip")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert os.listdir(tmp_path / "to") == []
