"""Whatever lies where a user's file is expected, nothing waits for it, and it costs no more than itself."""

import shutil
from pathlib import Path
from zipfile import ZipFile

import pytest

from core import DataError, RunError
from core.datasets import demo
from core.datasets.check import check_dataset, sound_splits
from core.datasets.coco2017.download import unfinished_downloads
from core.datasets.coco2017.worker import check_picture
from core.datasets.convert.to_coco import convert, default_target, detect_format, is_current
from core.datasets.folder.conversion_record import read_conversion
from core.datasets.layouts import annotation_files, list_datasets
from core.datasets.pictures import read_picture
from core.datasets.problems import ProblemKind
from core.datasets.split import examine_splits, read_split
from core.datasets.subset import Subset, choose_images, write_split
from core.detr.input.dataset import DetectionDataset
from core.evaluation.draw import thumbnail
from core.evaluation.table import read_table
from core.evaluation.tide import detection_table
from core.export.bundle import Bundle
from core.export.writers import LEFT_OUT, ExportFormat, write_export
from core.inference.own_pictures import picture_files, prepare_picture
from core.runs.evaluated.imports import import_results
from core.runs.store import RunStore
from tests.core.datasets.convert.folders import voc, yolo
from tests.core.datasets.file_readers import drain, make_coco, make_results, make_table
from tests.core.hostile_entries import ENTRIES, no_waiting, put

BAD_PICTURE = (ProblemKind.MISSING, ProblemKind.UNREADABLE, ProblemKind.PATH)


@pytest.fixture(params=ENTRIES)
def kind(request) -> str:
    return request.param


@pytest.fixture
def coco(tmp_path) -> Path:
    make_coco(tmp_path)
    return tmp_path


def says(raised: pytest.ExceptionInfo, path: Path) -> None:
    """It is one sentence about this file."""
    sentence = str(raised.value)
    name = "" if path.is_symlink() else path.name  # of a link that to which it leads may be named
    assert name in sentence and sentence.endswith(".") and len(sentence) < 400


def told(folder: Path, out: Path) -> str:
    """What a conversion tells: its refusal, or what it left out, each with the file."""
    try:
        drain(convert(folder, out))
    except DataError as error:
        return str(error) if len(str(error)) < 400 else "too long"
    conversion = read_conversion(out)
    assert conversion and conversion.pictures
    return "; ".join(example.detail for problem in conversion.problems for example in problem.examples)


@no_waiting()
def test_a_picture_of_a_data_set_costs_its_image_alone(coco, kind):
    path = put(kind, coco / "train/2.jpg")
    report = drain(check_dataset(coco))
    problems = [problem for problem in report.problems if problem.kind in BAD_PICTURE]
    assert [(problem.split, problem.count) for problem in problems] == [("train", 1)]
    splits = examine_splits(coco)
    if kind == "device":  # a link that leads out of the folder stops a training
        return
    train, _, _ = drain(sound_splits(splits["train"], splits["val"]))
    assert [image["id"] for image in train.images] == [1, 3]
    dataset = DetectionDataset(splits["train"], splits["train"].label_map(), 32, 64)
    assert dataset[0]["image_id"] == 1
    with pytest.raises(DataError) as raised:
        dataset[1]
    says(raised, path)
    for look in (lambda: read_picture(path, (40, 30)), lambda: thumbnail(path, 20)):
        with pytest.raises(DataError) as raised:
            look()
        says(raised, path)


@no_waiting()
def test_an_annotation_file_is_refused_in_one_sentence(coco, kind):
    path = put(kind, coco / "annotations/instances_train.json")
    list_datasets(coco.parent)
    annotation_files(coco)
    subset = Subset(("car",))
    for read in (
        lambda: read_split(coco, "train"), lambda: choose_images(path, subset, "train"),
        lambda: write_split(path, coco / "out.json", [1], ["car"], {}),
    ):  # fmt: skip
        with pytest.raises(DataError) as raised:
            read()
        assert len(str(raised.value)) < 400
    assert not (coco / "out.json").exists()
    assert not demo.is_complete(coco)
    put(kind, coco / "train")  # the folder of the pictures itself
    put(kind, coco / "annotations")
    with pytest.raises(DataError):
        examine_splits(coco)


@pytest.mark.parametrize("name", ["images/train/train.png", "labels/train/train.txt", "data.yaml"])
@no_waiting()
def test_a_yolo_folder_names_the_file(tmp_path, kind, name):
    folder = yolo(tmp_path / "mine", yaml="names: [car]\n")
    put(kind, folder / name)
    detect_format(folder)
    sentence = told(folder, tmp_path / "out")
    is_known = name.removeprefix("images/").removeprefix("labels/").split(".")[0] in sentence  # its label tells of it
    assert is_known or (name == "data.yaml" and "cl" in sentence)
    is_current(folder, tmp_path / "out")


@pytest.mark.parametrize("name", ["Annotations/a.xml", "JPEGImages/a.png", "ImageSets/Main/train.txt"])
@no_waiting()
def test_a_voc_folder_names_the_file(tmp_path, kind, name):
    folder = voc(tmp_path / "mine", "a", "b")
    (folder / "ImageSets/Main").mkdir(parents=True)
    put(kind, folder / name)
    sentence = told(folder, tmp_path / "out")
    assert name.split("/")[1].split(".")[0] in sentence or name.startswith("ImageSets")
    is_current(folder, tmp_path / "out")


@no_waiting()
def test_what_a_conversion_and_a_download_left_is_taken_for_nothing(tmp_path, kind):
    folder = yolo(tmp_path / "mine")
    out = default_target(folder, tmp_path)
    drain(convert(folder, out))
    put(kind, out / "source.json")
    assert not is_current(folder, out)
    with pytest.raises(DataError, match="something else"):
        convert(folder, out)
    (tmp_path / ".coco.partial").mkdir()
    put(kind, tmp_path / ".coco.partial/subset.json")
    assert unfinished_downloads(tmp_path) == {}
    (tmp_path / "fetched").mkdir()
    if kind not in ("folder", "device"):
        assert check_picture(put(kind, tmp_path / "fetched/a.jpg"), 9, 9)[1]


@no_waiting()
def test_an_export_leaves_the_image_out_and_says_so(coco, kind, tmp_path):
    split = read_split(coco, "val")
    table = detection_table(split.to_dict(), [])
    put(kind, coco / "val/2.jpg")
    for form in (ExportFormat.PNG, ExportFormat.FIFTYONE):
        bundle = Bundle(split, table, (1, 2, 3))
        written = drain(write_export(bundle, form, tmp_path / f"{form}.zip"))
        assert written.images == 2 and len(written.left_out) == 1
        with ZipFile(written.path) as archive:
            assert "image 2" in archive.read(LEFT_OUT).decode()


@no_waiting()
def test_own_pictures_are_refused_one_by_one(coco, kind, tmp_path):
    path = put(kind, coco / "train/2.jpg")
    if kind == "folder":
        (path / "inside.jpg").mkdir()
    refused = []
    for file in picture_files([coco / "train"]):
        try:
            prepare_picture(file, tmp_path / "made.png")
        except DataError as error:
            refused.append(str(error))
    assert len(refused) == 1 and "2.jpg" in refused[0] and len(refused[0]) < 400


@no_waiting()
def test_results_and_tables_are_refused(tmp_path, kind):
    make_results(tmp_path)
    make_table(tmp_path)
    store = RunStore(tmp_path / "store")
    for name in ("dt.json", "gt.json"):
        copy = Path(shutil.copytree(tmp_path, tmp_path.parent / f"{tmp_path.name} {name[:2]}", symlinks=True))
        put(kind, copy / name)
        with pytest.raises(DataError) as raised:
            import_results(store, copy / "gt.json", copy / "dt.json")
        assert len(str(raised.value)) < 400
    with pytest.raises(RunError) as raised:
        read_table(put(kind, tmp_path / "t.parquet"))
    assert str(raised.value).startswith(("There is no detection table", "The detection table"))
    assert store.runs() == []
