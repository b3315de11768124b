"""The built-in data set: drawn street scenes in COCO layout, the same files for the same settings, without a network.

    out/annotations/instances_train.json, instances_val.json
    out/train/000000000001.jpg …          out/val/000000000401.jpg …

The folder appears under its name only when it is whole: it is drawn under another name beside it and renamed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from core import DataError
from core.datasets.street.classes import check_extra
from core.datasets.street.scenery import LOOKS, Scene, SceneObject, draw_scene
from core.disk import atomic_folder
from core.labels import COCO_TEN

DEMO_CLASSES = tuple(COCO_TEN)
SPLITS = ("train", "val")
DESCRIPTION = "DETR Lab demo: drawn street scenes"
SUPERCATEGORIES = {
    "person": "person", "bicycle": "vehicle", "car": "vehicle", "bus": "vehicle", "truck": "vehicle",
    "traffic light": "outdoor", "stop sign": "outdoor", "cat": "animal", "dog": "animal", "chair": "furniture",
    "scooter": "vehicle",
}  # fmt: skip
CATEGORY_IDS = {**COCO_TEN, "scooter": 101}  # COCO's own ids end at 90
LIMITS = {
    "train": (1, 10**6), "val": (1, 10**6), "seed": (0, 2**63 - 1), "size": (64, 2048), "processes": (1, 256)
}  # fmt: skip
JPEG_QUALITY = 92
DRAWING = 1  # raise it whenever the pictures change: data sets drawn before are then drawn anew


@dataclass(frozen=True)
class BuiltInDataset:
    """A data set that comes with the project: its folder under data/, what a user reads of it, and what is drawn."""

    folder: str
    title: str
    sentence: str
    look: str
    extra: tuple[str, ...] = ()
    train: int = 600
    val: int = 100


BUILT_IN = (
    BuiltInDataset("street", "Street at dusk", "A light that the starter model has never seen.", "dusk"),
    BuiltInDataset(
        "scooters",
        "Street with scooters",
        "A class that the starter model has never seen, by day.",
        "day",
        ("scooter",),
    ),
)


def draw_built_in(one: BuiltInDataset, data_dir: Path) -> Iterator[tuple[int, int]]:
    """Draws a built-in data set into its folder under `data_dir`, like `draw_dataset`."""
    return draw_dataset(data_dir / one.folder, one.look, one.train, one.val, extra=one.extra)


def draw_dataset(
    out: str | Path,
    look: str = "dusk",
    train: int = 600,
    val: int = 100,
    seed: int = 0,
    size: int = 256,
    processes: int = 1,
    extra: tuple[str, ...] = (),
) -> Iterator[tuple[int, int]]:
    """Draws the data set into the folder `out`, yielding (images done, images in all) after every image.

    `size` is the longest side in pixels; pictures are 4:3; `extra` are classes of `street.classes.EXTRAS` beside the
    ten. A scene depends on seed, look, extra, split, its number and size alone, so a larger data set begins with the
    pictures of the smaller one, however many `processes` draw. A demo data set that is already there is kept if it is
    whole and has the same settings, and replaced otherwise.

    Raises DataError if a setting is out of range, if `out` holds anything but a demo data set, or if it cannot be
    written; the last one while drawing.
    """
    settings = {"look": look, "train": train, "val": val, "seed": seed, "size": size, "drawing": DRAWING}
    if extra:  # only then, so that data sets drawn by earlier versions count as the same
        settings["extra"] = list(extra)
    _check({**settings, "processes": processes})
    out = Path(out).resolve()
    if out.exists() and not _is_ours(out):
        raise DataError(f"{out} holds something else than a demo data set: choose another folder.")
    return _draw(out, settings, processes)


def is_complete(folder: str | Path) -> bool:
    """Whether the folder holds a whole demo data set: both annotation files and every picture they name."""
    folder = Path(folder)
    for split in SPLITS:
        data = _read(folder, split)
        if data is None:
            return False
        there = {path.name for path in (folder / split).glob("*.jpg")}
        if not all(image["file_name"] in there for image in data["images"]):
            return False
    return True


def _check(settings: dict):
    if settings["look"] not in LOOKS:
        raise DataError(f"There is no look {settings['look']!r}: choose one of {', '.join(LOOKS)}.")
    check_extra(settings.get("extra", ()))
    for name, (low, high) in LIMITS.items():
        if not low <= settings[name] <= high:
            raise DataError(f"The demo's {name} is {settings[name]}: give a number from {low} to {high}.")


def _draw(out: Path, settings: dict, processes: int) -> Iterator[tuple[int, int]]:
    done, total = 0, settings["train"] + settings["val"]
    if is_complete(out) and all(_read(out, split)["info"].get("settings") == settings for split in SPLITS):
        yield total, total
        return
    try:
        with atomic_folder(out, replace=True) as unfinished:
            (unfinished / "annotations").mkdir()
            first_image = first_annotation = 1
            for split in SPLITS:
                (unfinished / split).mkdir()
                data = _empty_coco(settings)
                for image, annotations in _scenes(unfinished, settings, split, first_image, processes):
                    data["images"].append(image)
                    for number, annotation in enumerate(annotations, first_annotation):
                        data["annotations"].append({"id": number, **annotation})
                    first_annotation += len(annotations)
                    done += 1
                    if done < total:
                        yield done, total
                first_image += settings[split]
                text = json.dumps(data, separators=(",", ":"))
                (unfinished / "annotations" / f"instances_{split}.json").write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataError(f"The demo data set cannot be written to {out}: {error.strerror or error}.") from error
    yield total, total


def _scenes(folder: Path, settings: dict, split: str, first_image: int, processes: int) -> Iterator[tuple]:
    """A split's (image, annotations without ids) one after another; the pictures are written into `folder`."""
    draw = partial(_draw_one, folder / split, settings, split, first_image)
    if processes == 1:
        yield from map(draw, range(settings[split]))
        return
    pool = ProcessPoolExecutor(processes, mp_context=get_context("spawn"))
    try:
        yield from pool.map(draw, range(settings[split]), chunksize=16)
    except BrokenExecutor as error:
        raise DataError(
            "A process that drew scenes was ended from outside, most often for want of memory: take fewer processes."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)  # without it, whoever stops would wait for the scenes that are left


def _draw_one(folder: Path, settings: dict, split: str, first_image: int, index: int) -> tuple[dict, list[dict]]:
    """Draws a split's scene `index` into `folder`; returns its image and its annotations without their ids."""
    # every part of the key makes another stream, so no scene of one split can be one of the other
    key = [settings["seed"], LOOKS.index(settings["look"]), SPLITS.index(split), index]
    size = (settings["size"], round(settings["size"] * 0.75))
    scene = draw_scene(np.random.default_rng(key), size, settings["look"], tuple(settings.get("extra", ())))
    width, height = scene.image.size
    image_id = first_image + index
    image = {"id": image_id, "file_name": f"{image_id:012d}.jpg", "width": width, "height": height, "license": 1}
    scene.image.save(folder / image["file_name"], quality=JPEG_QUALITY)
    return image, [_annotation(scene, one, image_id) for one in scene.objects]


def _is_ours(folder: Path) -> bool:
    """Whether the folder is empty or holds a demo data set and nothing else, so that it may be replaced."""
    if not folder.is_dir():
        return False
    names = {path.name for path in folder.iterdir()}
    drawn = any(_read(folder, split) is not None for split in SPLITS)
    return not names or (drawn and names <= {"annotations", *SPLITS})


def _read(folder: Path, split: str) -> dict | None:
    """A demo data set's annotations; None if they are missing, broken or of another data set."""
    try:
        data = json.loads((folder / "annotations" / f"instances_{split}.json").read_text(encoding="utf-8"))
        return data if data["info"]["description"] == DESCRIPTION else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _empty_coco(settings: dict) -> dict:
    return {
        # No time of writing: the same settings give the same bytes.
        "info": {"description": DESCRIPTION, "version": "1", "year": 2026, "contributor": "DETR Lab", "url": "",
                 "date_created": "2026/01/01", "settings": settings},
        "licenses": [{"id": 1, "name": "Drawn by code; free of rights", "url": ""}],
        "images": [],
        "annotations": [],
        "categories": [
            {"id": CATEGORY_IDS[name], "name": name, "supercategory": SUPERCATEGORIES[name]}
            for name in (*COCO_TEN, *settings.get("extra", ()))
        ],
    }  # fmt: skip


def _annotation(scene: Scene, one: SceneObject, image_id: int) -> dict:
    return {
        "image_id": image_id,
        "category_id": CATEGORY_IDS[one.name],
        "bbox": list(one.box),
        "area": one.area,
        "iscrowd": int(one.iscrowd),
        "segmentation": _segmentation(scene, one),
    }


def _segmentation(scene: Scene, one: SceneObject) -> dict | list[list[int]]:
    """Polygons of the visible pixels; for a crowd their run lengths, as COCO has it."""
    if one.iscrowd:
        return run_lengths(scene.instances == one.number)
    x, y, w, h = (int(v) for v in one.box)
    return outlines(scene.instances[y : y + h, x : x + w] == one.number, x, y)


def run_lengths(mask: np.ndarray) -> dict:
    """A mask (height, width) as COCO's uncompressed RLE: lengths of runs down the columns, beginning with zeros."""
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *edges, flat.size]).tolist()
    return {"counts": [0, *counts] if flat[0] else counts, "size": list(mask.shape)}


def outlines(mask: np.ndarray, left: int = 0, top: int = 0) -> list[list[int]]:
    """The outer borders of a mask's parts as polygons [x1, y1, x2, y2, …] along the pixels' edges.

    Holes are filled, since COCO's polygons know none; `left` and `top` move the polygons.
    """
    padded = np.pad(mask, 1)
    ends: dict[tuple[int, int], list[tuple[int, int]]] = {}
    # Each border edge runs clockwise around its pixel: (neighbour's shift, start, end) relative to the pixel's corner.
    sides = (((-1, 0), (0, 0), (1, 0)), ((0, 1), (1, 0), (1, 1)), ((1, 0), (1, 1), (0, 1)), ((0, -1), (0, 1), (0, 0)))
    for (dy, dx), (x1, y1), (x2, y2) in sides:
        border = mask & ~padded[1 + dy : padded.shape[0] - 1 + dy, 1 + dx : padded.shape[1] - 1 + dx]
        for y, x in np.argwhere(border).tolist():
            ends.setdefault((x + x1, y + y1), []).append((x + x2, y + y2))
    polygons = []
    while ends:
        start = point = next(iter(ends))
        corners, last, twice_area = [], None, 0
        while True:
            step = ends[point].pop()
            if not ends[point]:
                del ends[point]
            direction = (step[0] - point[0], step[1] - point[1])
            if direction != last:
                corners += [point[0] + left, point[1] + top]
            twice_area += point[0] * step[1] - step[0] * point[1]
            point, last = step, direction
            if point == start:
                break
        if twice_area > 0:  # a hole's border runs the other way
            polygons.append(corners)
    return polygons
