"""Many small picture files of a data set: checking them, their fingerprint, and looking again for changes."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import numpy as np

from bench.table import Bench, Figures, Row, once, take_turns
from core.datasets.check import check_pictures
from core.datasets.fingerprint.fingerprint import Fingerprint, picture_paths, take_fingerprint
from core.datasets.fingerprint.pictures import look_again
from core.datasets.split import CocoSplit, read_split
from core.datasets.street.scenery import draw_scene
from core.keep_result import KeepResult
from core.labels import COCO_TEN

COUNT, SCENES, SIZE = 5000, 20, (256, 192)


def write_pictures(folder: Path, count: int) -> Path:
    """Write a data set of so many pictures to train on, an object in each, if it is not there; return its folder.

    They show a few scenes; bytes at a file's end, which no decoder reads, tell each from the others.
    """
    if folder.exists():
        return folder
    rng, scenes = np.random.default_rng(0), []
    for _ in range(SCENES):
        file = io.BytesIO()
        draw_scene(rng, SIZE).image.save(file, "JPEG", quality=88)
        scenes.append(file.getvalue())
    for name, number_of in (("train", count), ("val", 1)):
        (folder / name).mkdir(parents=True)
        numbers = range(1, number_of + 1)
        for number in numbers:
            (folder / name / f"{number}.jpg").write_bytes(scenes[number % SCENES] + f"{name} {number:9}".encode())
        images = [{"id": i, "file_name": f"{i}.jpg", "width": SIZE[0], "height": SIZE[1]} for i in numbers]
        annotations = [
            {"id": i, "image_id": i, "category_id": 1, "bbox": [8, 8, 40, 60], "area": 2400, "iscrowd": 0}
            for i in numbers
        ]
        categories = [{"id": i, "name": name} for name, i in COCO_TEN.items()]
        (folder / "annotations").mkdir(exist_ok=True)
        text = json.dumps({"images": images, "annotations": annotations, "categories": categories})
        (folder / f"annotations/instances_{name}.json").write_text(text, encoding="utf-8")
    return folder


@once
def many(bench: Bench) -> CocoSplit:
    return read_split(write_pictures(bench.folder / "many", COUNT), "train")


def fingerprint_of(split: CocoSplit) -> Fingerprint:
    work = KeepResult(take_fingerprint(split.label_map(), (split,)))
    for _ in work:
        pass
    return work.result


def check(split: CocoSplit) -> list:
    work = KeepResult(check_pictures({split.name: split}))
    for _ in work:
        pass
    return work.result


def measure_check(bench: Bench) -> Figures:
    return take_turns(lambda _: check(many(bench)), rounds=bench.rounds)


def measure_fingerprint(bench: Bench) -> Figures:
    return take_turns(lambda _: fingerprint_of(many(bench)), rounds=bench.rounds)


def measure_look(all_new: bool, bench: Bench) -> Figures:
    split = many(bench)
    pictures, paths = fingerprint_of(split).splits["train"].pictures, picture_paths(split, split.images)
    for path in paths if all_new else ():
        os.utime(path)
    return take_turns(lambda _: look_again(pictures, paths, {}), rounds=bench.rounds)


ROWS = [
    Row("pictures-check", f"{COUNT:,} pictures of a data set, checked before a training", measure_check),
    Row("pictures-fingerprint", "… their fingerprint", measure_fingerprint),
    Row("pictures-same", "… the look for changes when a page loads", lambda bench: measure_look(False, bench)),
    Row("pictures-new", "… where each has a new time", lambda bench: measure_look(True, bench)),
]
