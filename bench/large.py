"""A made-up annotation file as large as COCO's own, and how long reading it takes, beside pycocotools.

In: a seed, in the code. Out: `instances_train2017.json`'s size and build, 118,000 images with 860,000 annotations, in
about ten seconds. Each reader works in a process of its own, so that its peak of memory is its own:

    python -m bench.large pycocotools | ours FILE
"""

from __future__ import annotations

import contextlib
import io
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from bench.table import Bench, Figures, Row, once
from core.datasets.check import check_annotations
from core.datasets.layouts import SplitLocation
from core.datasets.part import filter_to_classes
from core.datasets.split import examine_split
from core.detr.pretrained import COCO_CLASSES
from core.labels import COCO_TEN

TRAIN, VAL = (118_000, 860_000), (5_000, 36_500)  # images, annotations
GAPS = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}  # ids that COCO left out
SIDES = ((640, 480), (480, 640), (640, 427), (500, 375), (427, 640))  # COCO's commonest
SHAPES = 20_000  # different ones: to write each number of each polygon anew would take minutes
CROWDS = 1 / 85
AT_ONCE = 50_000  # annotations that are written together


def category_ids() -> list[int]:
    return [i for i in range(1, 91) if i not in GAPS]


def write_annotations(path: Path, images: int, annotations: int, seed: int = 0) -> None:
    """Write a COCO file: classes with a long tail, images with 0 to many objects, polygons, some crowds."""
    rng = np.random.default_rng(seed)
    size = rng.integers(0, len(SIDES), images)
    commonness = rng.gamma(1.0, size=images)
    image_of = np.sort(rng.choice(images, annotations, p=commonness / commonness.sum()))
    rarity = 1 / np.arange(1, len(COCO_CLASSES) + 1)
    rarity[0] *= 1.5
    class_of = rng.choice(len(COCO_CLASSES), annotations, p=rarity / rarity.sum())
    shape_of = np.where(
        rng.random(annotations) < CROWDS, -1 - rng.integers(0, SHAPES // 20, annotations),
        rng.integers(0, SHAPES, annotations),
    )  # fmt: skip
    shapes, crowds = [shape(rng) for _ in range(SHAPES)], [crowd(rng) for _ in range(SHAPES // 20)]
    ids = category_ids()
    with path.open("w", encoding="ascii") as file:
        file.write('{"info": {"description": "made up"},"licenses": [],"images": [')
        file.write(",".join(map(image, range(1, images + 1), size.tolist())))
        file.write('],"annotations": [')
        for start in range(0, annotations, AT_ONCE):
            part = slice(start, start + AT_ONCE)
            columns = (image_of[part].tolist(), class_of[part].tolist(), shape_of[part].tolist())
            rows = (
                f'{shapes[s][0] if s >= 0 else crowds[-1 - s][0]},"image_id": {i + 1},'
                f'{shapes[s][1] if s >= 0 else crowds[-1 - s][1]},"category_id": {ids[k]},"id": {number}}}'
                for number, (i, k, s) in enumerate(zip(*columns, strict=True), start=start + 1)
            )
            file.write(("," if start else "") + ",".join(rows))
        named = zip(ids, COCO_CLASSES, strict=True)
        categories = [{"supercategory": "thing", "id": i, "name": name} for i, name in named]
        file.write('],"categories": ' + json.dumps(categories) + "}")


def image(number: int, size: int) -> str:
    width, height = SIDES[size]
    return (
        f'{{"license": 3,"file_name": "{number:012d}.jpg",'
        f'"coco_url": "http://images.cocodataset.org/train2017/{number:012d}.jpg","height": {height},"width": {width},'
        f'"date_captured": "2013-11-14 11:18:45",'
        f'"flickr_url": "http://farm9.staticflickr.com/8186/{8 * 10**9 + number}_4e622c8349_z.jpg","id": {number}}}'
    )


def shape(rng: np.random.Generator) -> tuple[str, str]:
    """Return the text of an annotation before its image and after: polygon and area, box; within 427 × 375 pixels."""
    w, h = np.exp(rng.normal(4, 1, 2)).clip(4, (400, 350)).round(2)
    x, y = (rng.random(2) * (425 - w, 373 - h)).round(2)
    turn = np.linspace(0, 2 * np.pi, rng.integers(10, 44))
    points = np.column_stack([x + w / 2 * (1 + np.cos(turn)), y + h / 2 * (1 + np.sin(turn))]).ravel()
    polygon = ",".join(map("{:.2f}".format, points.tolist()))
    area = w * h * np.pi / 4
    return f'{{"segmentation": [[{polygon}]],"area": {area:.4f},"iscrowd": 0', f'"bbox": [{x},{y},{w},{h}]'


def crowd(rng: np.random.Generator) -> tuple[str, str]:
    """Return the same of a crowd, whose mask is written as lengths of runs."""
    w, h = rng.integers(60, 300, 2).tolist()
    counts = ",".join(map(str, rng.integers(1, 400, 300).tolist()))
    mask = f'{{"counts": [{counts}],"size": [480,640]}}'
    return f'{{"segmentation": {mask},"area": {w * h // 2},"iscrowd": 1', f'"bbox": [20,30,{w},{h}]'


@once
def large_file(bench: Bench) -> Path:
    """Write an annotation file of COCO's size; return its path."""
    path = bench.folder / "instances_train2017.json"
    write_annotations(path, *TRAIN)
    return path


@once
def measure_readers(bench: Bench) -> dict[str, list[list[float]]]:
    """Return (seconds, megabytes at the peak) of each reader, in turns, in every round."""
    measured: dict[str, list[list[float]]] = {name: [] for name in READERS}
    for number in range(bench.rounds):
        for name in reversed(READERS) if number % 2 else READERS:
            command = [sys.executable, "-m", "bench.large", name, str(large_file(bench))]
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
            measured[name].append(json.loads(done.stdout))
    return measured


def measure_reading(place: int, bench: Bench) -> Figures:
    ours, theirs = ([one[place] for one in measure_readers(bench)[name]] for name in ("ours", "pycocotools"))
    return Figures(ours, theirs)


def with_pycocotools(path: str) -> list[dict]:
    from pycocotools.coco import COCO

    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(path)
    chosen = coco.getCatIds(catNms=list(COCO_TEN))
    images = sorted({i for category in chosen for i in coco.getImgIds(catIds=[category])})
    return coco.loadImgs(images) + coco.loadAnns(coco.getAnnIds(imgIds=images, catIds=chosen))


def with_ours(path: str):
    split = examine_split(SplitLocation(Path(path), Path(path).parent), "train")
    check_annotations({"train": split})
    return filter_to_classes(split, list(COCO_TEN))


READERS: dict[str, Callable] = {"pycocotools": with_pycocotools, "ours": with_ours}


def peak() -> int:
    """Return the most memory that this process has had, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage says there includes the process that started this one
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


def main(reader: str, path: str) -> None:
    begin = time.perf_counter()
    kept = READERS[reader](path)
    took = time.perf_counter() - begin
    assert kept
    print(json.dumps([took, peak() / 1e6]))


FILE = f"an annotation file of {TRAIN[0]:,} images, {TRAIN[1]:,} annotations: read, checked, filtered to ten classes"
ROWS = [
    Row("reading-time", FILE, partial(measure_reading, 0), rival="pycocotools, which does not check"),
    Row("reading-memory", "… memory at its peak", partial(measure_reading, 1), "MB", rival="pycocotools"),
]

if __name__ == "__main__":
    main(*sys.argv[1:])
