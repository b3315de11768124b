"""Every kind of file that a user may have made or changed: how a whole one is made, and who reads it.

A reader returns the sentences that it has to say beside errors, such as the problems of a data set.
"""

import json
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.compute as pc
from PIL import Image

from core import DataError
from core.datasets import demo
from core.datasets.attributes.measured import measure_pictures, read_measured
from core.datasets.attributes.sources import image_attributes
from core.datasets.check import check_annotations, check_dataset, sound_splits
from core.datasets.coco2017.download import unfinished_downloads
from core.datasets.convert.to_coco import convert, is_current
from core.datasets.folder.totals import summarize_problems
from core.datasets.layouts import list_datasets
from core.datasets.part import save_subset
from core.datasets.picture_check import examine_picture
from core.datasets.pictures import read_picture
from core.datasets.split import examine_splits, read_split, require_usable
from core.datasets.statistics import dataset_statistics
from core.datasets.subset import Subset, choose_images, write_split
from core.evaluation.draw import thumbnail
from core.evaluation.findings.slices import take_slices
from core.evaluation.table import read_table, table_metadata, write_table
from core.evaluation.tide import detection_table
from core.inference.own_pictures import prepare_picture
from core.runs.evaluated.imports import import_results
from core.runs.store import RunStore
from tests.core.coco_cases import gt_of, result
from tests.core.datasets.convert.folders import voc, yolo
from tests.core.datasets.convert.formats.made import MAKERS
from ui.live.start import read_start
from ui.train import preflight, profiler

Sentences = Iterable[str] | None
SIZE = (40, 30)


@dataclass(frozen=True)
class Kind:
    """A kind of file: `make` writes whole ones into a folder, `targets` are the patterns of those that are mutated."""

    make: Callable[[Path], object]
    targets: tuple[str, ...]
    read: Callable[[Path], Sentences]


def drain(steps: Iterable[object]) -> object:
    """Run a generator to its end; return what it returns."""
    steps = iter(steps)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def picture(size: tuple[int, int] = SIZE) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3)).astype(np.uint8))


def ground_truth() -> dict:
    gt = gt_of(*((i, 1 + i % 2, (i, 2, 10, 12)) for i in range(1, 4)), (2, 1, (0, 0, 9, 9), {"iscrowd": 1}), images=3)
    for image in gt["images"]:
        image["width"], image["height"] = SIZE
    gt["annotations"][0]["segmentation"] = [[1, 2, 9, 9, 3, 4]]
    return gt | {"info": {"description": "x"}, "licenses": [{"id": 1}]}


def make_coco(folder: Path) -> None:
    (folder / "annotations").mkdir()
    for split in ("train", "val"):
        (folder / split).mkdir()
        for image in ground_truth()["images"]:
            picture().save(folder / split / image["file_name"])
        (folder / f"annotations/instances_{split}.json").write_text(json.dumps(ground_truth()))


def read_coco(folder: Path) -> Sentences:
    list_datasets(folder.parent)
    splits = examine_splits(folder)
    problems = check_annotations(splits)
    report = drain(check_dataset(folder))
    json.dumps(report.to_dict())
    sentences = [problem.sentence for problem in (*problems, *report.problems)]
    sentences += [example.detail for problem in report.problems for example in problem.examples]
    with suppress(DataError):
        dataset_statistics({name: require_usable(split) for name, split in splits.items()})
        detection_table(require_usable(splits["val"]).to_dict(), [])
    _, _, problems = drain(sound_splits(*(require_usable(splits[name]) for name in ("train", "val"))))
    return [*sentences, summarize_problems(problems)]


def read_subset(folder: Path) -> None:
    subset = Subset(("car",), max_train=2)
    path = folder / "annotations/instances_train.json"
    with suppress(DataError):
        save_subset(examine_splits(folder), subset, folder / "part")
        examine_splits(folder / "part")
    images = choose_images(path, subset, "train")
    write_split(path, folder / "written.json", [image.id for image in images], subset.classes, subset.to_dict())


def make_results(folder: Path) -> None:
    (folder / "gt.json").write_text(json.dumps(ground_truth()))
    results = [result(i, 1 + i % 2, (i, 2, 10, 11), 0.9 - i / 10) for i in range(1, 4)]
    (folder / "dt.json").write_text(json.dumps(results))


def read_results(folder: Path) -> None:
    import_results(RunStore(folder), folder / "gt.json", folder / "dt.json")


def make_yolo(folder: Path) -> None:
    yolo(folder, label="0 0.5 0.5 0.2 0.4\n1 .1 .1 .2 .1 .3 .3 .1 .2\n")
    (folder / "labels/classes.txt").write_text("car\nbus\n")


def make_voc(folder: Path) -> None:
    voc(folder, "a", "b")
    (folder / "ImageSets/Main").mkdir(parents=True)
    (folder / "ImageSets/Main/train.txt").write_text("a\n")
    (folder / "ImageSets/Main/val.txt").write_text("b\n")


def read_folder(folder: Path) -> None:
    out = folder.parent / f"{folder.name}.out"
    try:
        drain(convert(folder, out))
        examine_splits(out)
    finally:
        shutil.rmtree(out, ignore_errors=True)


def make_pictures(form: str, wide: bool = False, **how: object) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        image = picture()
        if form == "GIF":
            image = image.convert("P")
        if wide:
            image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 256)
        image.save(folder / "a.picture", form, **how)

    return make


def read_one_picture(folder: Path) -> Sentences:
    path = folder / "a.picture"
    sentences = [why for whole in (False, True) for _, why in examine_picture(path, SIZE, whole)]
    for look in (
        lambda: read_picture(path, SIZE), lambda: read_picture(path), lambda: thumbnail(path, 20, SIZE),
        lambda: thumbnail(path, 16, SIZE, (1, 1, 20, 20)), lambda: prepare_picture(path, folder / "made.png"),
    ):  # fmt: skip
        try:
            look()
        except DataError as error:
            sentences.append(str(error))
    return sentences


def make_table(folder: Path) -> None:
    results = [result(i, 1 + i % 2, (i, 2, 10, 11), 0.9 - i / 10) for i in range(1, 4)]
    write_table(detection_table(ground_truth(), results), folder / "t.parquet")


def read_one_table(folder: Path) -> None:
    table = read_table(folder / "t.parquet")
    table_metadata(table).label_map.to_dict()
    table.to_pylist()
    read_table(folder / "t.parquet", ["image_id", "class_name"], pc.field("image_id") == 2)


def make_run_files(folder: Path) -> None:
    run = folder / "runs/r"
    run.mkdir(parents=True)
    (run / "preflight.json").write_text(json.dumps({"checks": [{"name": "n", "ok": True, "evidence": "e"}] * 2}))
    operators = [{"name": "op", "calls": 3, "cpu_ms": 1.5, "gpu_ms": None}] * 3
    (run / "profile.json").write_text(json.dumps({"steps": 3, "operators": operators}))
    done = [{"name": "Disk", "ok": True, "evidence": "e"}] * 2
    (run / "start.json").write_text(json.dumps({"started": 1.5, "resumes": False, "done": done, "picture": True}))


def read_run_files(folder: Path) -> None:
    run = folder / "runs/r"
    store = SimpleNamespace(
        preflight_path=lambda _: run / "preflight.json", profile_path=lambda _: run / "profile.json",
        start_path=lambda _: run / "start.json",
    )  # fmt: skip
    before, preflight.services.store = preflight.services.store, lambda: store
    try:
        json.dumps(preflight.read_checks(SimpleNamespace(id="r")))
        json.dumps(profiler.read_profile(SimpleNamespace(id="r")))
        json.dumps(read_start(SimpleNamespace(id="r", started=1.5)))
    finally:
        preflight.services.store = before


def make_known(folder: Path) -> None:
    """A COCO data set of whose images is known what a table, the annotation file and the pictures say."""
    make_coco(folder)
    path = folder / "annotations/instances_val.json"
    gt = json.loads(path.read_text())
    for image, weather in zip(gt["images"], ("rain", "sun", "rain"), strict=True):
        image |= {"weather": weather, "tags": ["a", weather], "attributes": {"night": True, "altitude": 1.5}}
    path.write_text(json.dumps(gt))
    rows = "".join(f"{image['file_name']};{image['id'] / 2};left\n" for image in gt["images"])
    (folder / "cameras.csv").write_text("file_name;speed;camera\n" + rows)
    drain(measure_pictures(read_split(folder, "val"), folder / "measured.parquet"))


def read_known(folder: Path) -> Sentences:
    split = read_split(folder, "val")
    attributes = image_attributes(split, ("car",), read_measured(split, folder / "measured.parquet"))
    table = detection_table(split.to_dict(), [])
    drain(take_slices(table, attributes, resamples=2))
    drain(measure_pictures(split, folder / "measured.parquet"))
    names = [word for one in attributes.attributes for word in (one.name, one.source, *one.values)]
    return [*attributes.notes, *names]


def make_own(folder: Path) -> None:
    drain(demo.draw_dataset(folder / "demo", "day", train=1, val=1, seed=3, size=64))
    make_yolo(folder / "mine")
    drain(convert(folder / "mine", folder / "converted"))
    (folder / ".coco.partial").mkdir()
    (folder / ".coco.partial/subset.json").write_text(json.dumps(Subset(("car",)).to_dict()))


def read_own(folder: Path) -> None:
    demo.is_complete(folder / "demo")
    is_current(folder / "mine", folder / "converted")
    unfinished_downloads(folder)


KINDS = {
    "coco": Kind(make_coco, ("annotations/*.json",), read_coco),
    "subset": Kind(make_coco, ("annotations/*.json",), read_subset),
    "results": Kind(make_results, ("*.json",), read_results),
    "yolo": Kind(make_yolo, ("*.yaml", "labels/*/*.txt", "labels/*.txt"), read_folder),
    "voc": Kind(make_voc, ("Annotations/*.xml", "ImageSets/*/*.txt"), read_folder),
    **{key: Kind(maker, targets, read_folder) for key, (maker, targets) in MAKERS.items()},
    **{
        form: Kind(make_pictures(form), ("*.picture",), read_one_picture)
        for form in ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF")
    },
    "progressive JPEG": Kind(make_pictures("JPEG", progressive=True), ("*.picture",), read_one_picture),
    "wide PNG": Kind(make_pictures("PNG", wide=True), ("*.picture",), read_one_picture),
    "packed TIFF": Kind(make_pictures("TIFF", compression="tiff_lzw"), ("*.picture",), read_one_picture),
    "known of images": Kind(
        make_known, ("cameras.csv", "annotations/instances_val.json", "measured.parquet"), read_known
    ),
    "table": Kind(make_table, ("*.parquet",), read_one_table),
    "files of a run": Kind(make_run_files, ("runs/r/*.json",), read_run_files),
    "files of ours": Kind(
        make_own, ("*/annotations/*.json", "converted/source.json", ".coco.partial/*.json"), read_own
    ),
}
