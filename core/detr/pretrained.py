"""Where a model comes from and which classes it knows, read without torch, so that a page can tell.

In: a checkpoint folder, a name on the Hugging Face hub, or "random", as `TrainConfig.model` names it. Out: where its
files are, and the names of its classes; and the released models that can be trained here: `OFFERED`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from core import PROJECT, ConfigError, ModelError
from core.config import RANDOM_MODELS, STARTERS, TrainConfig
from core.detr.model_folder import FAMILY_NAMES, check_weight_files, read_config, unreadable, weight_files
from core.detr.processor import read_picture_settings
from core.detr.sources.config import CONFIG, WEIGHTS
from core.detr.sources.foreign import no_model
from core.detr.sources.hub import (
    DOWNLOADS,
    cache_folder,
    cached_file,
    download,
    download_folder,
    downloading,
    is_hub_name,
)
from core.detr.sources.released import COCO, RELEASED
from core.presets import PRESETS, Preset
from core.wording import short

OFFERED = {name: model for name, model in RELEASED.items() if model.family in FAMILY_NAMES}
COCO_CLASSES = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant",
    "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard",
    "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange", "broccoli",
    "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant", "bed", "dining table", "toilet",
    "tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink",
    "refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip

COCO_SIZE = 91  # rows of a released model's head: COCO's category ids 1 to 90, and 0
COCO_GAPS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)  # ids that have a name in COCO's paper, but no annotation
COCO_ROWS = dict(
    zip(COCO_CLASSES, (row for row in range(1, COCO_SIZE) if row not in COCO_GAPS), strict=True)
)  # category id of each class

# COCO's classes as the config.json of RT-DETR, D-FINE and their kin call them, after YOLO's list of names
OTHER_NAMES = {
    "motorbike": "motorcycle", "aeroplane": "airplane", "sofa": "couch", "pottedplant": "potted plant",
    "diningtable": "dining table", "tvmonitor": "tv",
}  # fmt: skip
# What stands in a config's id2label where no class is meant: gaps, background, and transformers' own numbering.
PLACEHOLDER = re.compile(
    r"\s*+(n/?a|none|null|label_\d+|[-_. ]*+(background|no[-_ ]?object|unused|placeholder)[-_ ]*+\d*)?\s*",
    re.IGNORECASE,
)


def find_model(spec: str, base: Path = Path()) -> str:
    """Return the folder that `spec` names, else a downloaded copy under checkpoints/, else the name for the hub.

    Relative folders are looked for from `base`, a starter model in the project too; a folder goes before a model of
    that name on the hub. Raises ModelError, which says what is there instead, for a path at which there is no model.
    """
    path = Path(os.path.expanduser(spec)) if spec.startswith("~") else base / spec
    # os.path.exists also for a name that no file can have
    shipped = [PROJECT / spec] if spec in STARTERS else []
    for folder in (path, base / download_folder(spec), *shipped):
        if os.path.exists(folder / CONFIG):
            return str(folder)
    if os.path.lexists(path) or not is_hub_name(spec):
        raise ModelError(no_model(path, spec))
    owner = base / spec.partition("/")[0]
    if spec not in RELEASED and os.path.lexists(owner) and not cached_file(spec, CONFIG):
        raise ModelError(no_model(path, spec))  # in a folder that is there, runs/ for example
    return spec


def model_folder(source: str) -> Path:
    """Return the folder that `find_model` gave, or that of the hub's model, which is downloaded if it is not here yet.

    Raises ModelError as `download`, and for a model of the hub whose config.json cannot be read.
    """
    return Path(source) if os.path.isdir(source) else download(source, lambda folder: read_config(folder, source))


def fetch_model(spec: str) -> Iterator[str]:
    """Download the model that `spec` names if it is one of the hub's that is not here; yield how far it is, in words.

    Raises what `find_model` and `downloading` raise.
    """
    if spec not in RANDOM_MODELS and not os.path.isdir(source := find_model(spec)):
        yield from downloading(source, lambda folder: read_config(folder, source))


def known_classes(spec: str, base: Path = Path()) -> tuple[str, ...] | None:
    """Return the names of the classes that the model knows, in its order; None if it is not on this machine yet.

    Read from its config.json: in its folder, or in the cache of the Hugging Face hub; the network is not touched.
    Raises ModelError if the folder holds no model, or its config.json cannot be read.
    """
    if spec in RANDOM_MODELS:
        return ()
    source = find_model(spec, base)
    path = Path(source) / CONFIG if os.path.isdir(source) else cached_file(source, CONFIG)
    if path is None:
        return None
    return tuple(class_rows(read_config(path.parent, spec).names))


def expected_classes(spec: str) -> tuple[str, ...] | None:
    """Return the classes that a model which is not on this machine yet will know; None if nobody can tell."""
    model = OFFERED.get(spec)
    return COCO_CLASSES if model and model.data == COCO else None


def family_of(spec: str, base: Path = Path()) -> str | None:
    """Return a model's family, as its config.json or the list of released models says; None if neither is here."""
    if spec in RANDOM_MODELS:
        return None
    if spec in RELEASED:
        return RELEASED[spec].family
    source = find_model(spec, base)
    path = Path(source) / CONFIG if os.path.isdir(source) else cached_file(source, CONFIG)
    return read_config(path.parent, spec).model_type if path else None


def preset_config(name: str, model: str, base: Path = Path()) -> TrainConfig:
    """Return a preset's settings for a model: a family's have the size of the pictures that the model was made for."""
    preset = PRESETS[name]
    config = preset.apply()
    if not preset.families:
        return config
    try:
        return replace(config, **_pictures(model, base))
    except (ModelError, ConfigError):  # no model, or none that could be used: the form says so
        return config


def _pictures(spec: str, base: Path) -> dict[str, Any]:
    if spec in RELEASED:
        (shortest, longest), square = RELEASED[spec].edges, RELEASED[spec].square
        return {"shortest_edge": shortest, "longest_edge": longest, "square": square}
    folder = find_model(spec, base) if spec not in ("", *RANDOM_MODELS) else ""
    return read_picture_settings(Path(folder)) if folder and os.path.isdir(folder) else {}


def fits_first(family: str | None) -> list[str]:
    """Return the presets in the order in which they are offered to a model: its family's, the general ones, others.

    Of families that cannot be used there is none.
    """

    def place(preset: Preset) -> int:
        return 1 if not preset.families else 0 if family in preset.families else 2

    usable = [one for one in PRESETS.values() if not one.families or set(one.families) & set(FAMILY_NAMES)]
    return [preset.name for preset in sorted(usable, key=place)]


def download_place() -> str:
    """Return the folder into which models of the hub are downloaded, in words."""
    folder, home = str(cache_folder()), os.path.expanduser("~")
    return short(f"~{folder.removeprefix(home)}" if folder.startswith(home + os.sep) else folder, 100)


def download_words(spec: str) -> str:
    """Say of a model of the hub that is not here when and where it is downloaded, and how large it is."""
    size = f" ({RELEASED[spec].megabytes:,.0f} MB)" if spec in RELEASED else ""
    return f"It is downloaded{size} when the training begins, to {download_place()}; one that breaks off is continued."


def models_here(base: Path = Path()) -> list[str]:
    """Return the models in checkpoints/ of `base`, by name: its folders, and the folders in these, with a config.json.

    Those that begin with a dot are on their way in or out. A run's checkpoints are among them.
    """
    top, models = base / DOWNLOADS, []
    for folder in (f"{DOWNLOADS.as_posix()}/{name}" for name in _folders(top)):
        inside = [folder, *(f"{folder}/{name}" for name in _folders(base / folder))]
        models += [path for path in inside if os.path.isfile(base / path / CONFIG)]
    return models


def _folders(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(folder) if not entry.name.startswith(".") and entry.is_dir())
    except OSError:
        return []


def check_weights(spec: str, base: Path = Path()) -> None:
    """Raise ModelError if the model is a folder whose weights are missing, or no safetensors files; torch is not asked.

    So the weights of a model that is not on this machine yet are not judged, and no number in a file is.
    """
    if spec in RANDOM_MODELS or not os.path.isdir(folder := Path(find_model(spec, base))):
        return
    try:
        check_weight_files(folder, weight_files(folder))
    except OSError as error:
        raise unreadable(folder, f"{WEIGHTS}: {error.strerror or error}") from error


def class_rows(id2label: dict[int, str]) -> dict[str, int]:
    """Return the row of a classification head for each class name, in the order of rows, without placeholders.

    Of two rows with one name the first counts. Of a head with COCO's 91 rows only COCO's 80 classes count: the names of
    the others were never annotated, so that no picture trained their rows. The 80 rows of a model that calls some of
    COCO's classes otherwise ("sofa", "tvmonitor") get COCO's names.

    >>> class_rows({0: "N/A", 1: "person", 2: "LABEL_2", 3: "car"})
    {'person': 1, 'car': 3}
    """
    if all(id2label.get(row) == name for name, row in COCO_ROWS.items()) and set(id2label) <= set(range(COCO_SIZE)):
        return dict(COCO_ROWS)
    if tuple(OTHER_NAMES.get(name, name) for _, name in sorted(id2label.items())) == COCO_CLASSES:
        return {name: row for row, name in zip(sorted(id2label), COCO_CLASSES, strict=True)}
    rows: dict[str, int] = {}
    for row in sorted(id2label):
        if not PLACEHOLDER.fullmatch(id2label[row]):
            rows.setdefault(id2label[row], row)
    return rows


def copied_and_fresh(names: Iterable[str], known: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the classes among `names` that a model which knows `known` keeps by name, and those that start fresh.

    >>> copied_and_fresh(["car", "scooter"], ["person", "car"])
    (('car',), ('scooter',))
    """
    kept, names = set(known), tuple(names)
    return tuple(n for n in names if n in kept), tuple(n for n in names if n not in kept)
