"""One scene of a drawn data set: its picture in a file, its image and annotations as COCO has them.

In: the settings and the scene's number. Out: the same bytes and entries whoever draws it, in whatever order. Apart from
`street/`, which draws a scene and knows nothing of COCO.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from core.datasets.coco.entries import Entry
from core.datasets.layouts import SPLITS
from core.datasets.street.masks import polygons, uncompressed_rle
from core.datasets.street.scenery import LOOKS, Scene, SceneObject, draw_scene
from core.labels import COCO_TEN

CATEGORY_IDS = {**COCO_TEN, "scooter": 101}  # COCO's own ids end at 90
JPEG_QUALITY = 92


def draw_files(folder: Path, settings: dict[str, Any], number: int) -> tuple[str, Entry, list[Entry]]:
    """Draw scene `number`, from 0 over both splits, into its split's folder under `folder`.

    Returns the split, the scene's image, and its annotations without ids. Raises OSError.
    """
    split = SPLITS[number >= settings["train"]]
    index = number - settings["train"] if split == "val" else number
    # every part of the key makes another stream, so no scene of one split can be one of the other
    key = [settings["seed"], LOOKS.index(settings["look"]), SPLITS.index(split), index]
    size = (settings["size"], round(settings["size"] * 0.75))
    scene = draw_scene(np.random.default_rng(key), size, settings["look"], tuple(settings.get("extra", ())))
    width, height = scene.image.size
    image_id = number + 1
    file_name = f"{image_id:012d}.jpg"
    scene.image.save(folder / split / file_name, quality=JPEG_QUALITY)
    image = {"id": image_id, "file_name": file_name, "width": width, "height": height, "license": 1}
    return split, image, [_annotation(scene, scene_object, image_id) for scene_object in scene.objects]


def _annotation(scene: Scene, scene_object: SceneObject, image_id: int) -> Entry:
    return {
        "image_id": image_id,
        "category_id": CATEGORY_IDS[scene_object.name],
        "bbox": list(scene_object.box),
        "area": scene_object.area,
        "iscrowd": int(scene_object.iscrowd),
        "segmentation": _segmentation(scene, scene_object),
    }


def _segmentation(scene: Scene, scene_object: SceneObject) -> dict[str, Any] | list[list[int]]:
    """Return the polygons of an object's visible pixels; for a crowd their run lengths, as in COCO."""
    if scene_object.iscrowd:
        return uncompressed_rle(scene.instances == scene_object.number)
    x, y, w, h = (int(side) for side in scene_object.box)
    return polygons(scene.instances[y : y + h, x : x + w] == scene_object.number, x, y)
