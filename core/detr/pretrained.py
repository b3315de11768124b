"""Where a model comes from and which classes it knows, read without torch, so that a page can tell.

In: a checkpoint folder, a name on the Hugging Face hub, or "random", as `TrainConfig.model` names it. Out: where its
files are, and the names of its classes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from core import ModelError
from core.config import RANDOM_MODEL
from core.detr.model_folder import CONFIG, WEIGHTS, read_config
from core.wording import short

DOWNLOADS = Path("checkpoints")  # its copies of hub models lie in checkpoints/<owner>/<name>
# Published checkpoints that can be trained further; all of them know COCO's 80 classes.
KNOWN_MODELS = (
    "facebook/detr-resnet-50",
    "facebook/detr-resnet-101",
    "facebook/detr-resnet-50-dc5",
    "facebook/detr-resnet-101-dc5",
    "microsoft/conditional-detr-resnet-50",
    "SenseTime/deformable-detr",
)
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

# What stands in a config's id2label where no class is meant: COCO's gaps, and transformers' own numbering.
PLACEHOLDER = re.compile(r"\s*(n/a|label_\d+)?\s*", re.IGNORECASE)


def find_model(spec: str, base: Path = Path()) -> str:
    """Return the folder that `spec` names, else a downloaded copy under checkpoints/, else the name for the hub.

    Relative folders are looked for from `base`. Raises ModelError for a folder in which there is no model.
    """
    # os.path.exists also for a name that no file can have
    for folder in (base / spec, base / download_folder(spec)):
        if os.path.exists(folder / CONFIG):
            return str(folder)
    is_folder = os.path.exists(base / spec) or spec.count("/") > 1 or spec.startswith((".", "/", "~", f"{DOWNLOADS}/"))
    if is_folder:
        raise ModelError(
            f"There is no model in the folder {short(spec, 150)}: it should hold config.json and model.safetensors."
        )
    return spec


def download_folder(spec: str) -> Path:
    """Return the folder in which a downloaded copy of a hub model is looked for, from where DETR Lab is run."""
    return DOWNLOADS / spec


def known_classes(spec: str, base: Path = Path()) -> tuple[str, ...] | None:
    """Return the names of the classes that the model knows, in its order; None if it is not on this machine yet.

    Read from its config.json: in its folder, or in the cache of the Hugging Face hub; the network is not touched.
    Raises ModelError if the folder holds no model, or its config.json cannot be read.
    """
    if spec == RANDOM_MODEL:
        return ()
    source = find_model(spec, base)
    path = Path(source) / CONFIG if os.path.isdir(source) else _in_cache(source)
    if path is None:
        return None
    return tuple(class_rows(read_config(path.parent, spec).names))


def class_rows(id2label: dict[int, str]) -> dict[str, int]:
    """Return the row of a classification head for each class name, in the order of rows, without placeholders.

    Of two rows with one name the first counts.

    >>> class_rows({0: "N/A", 1: "person", 2: "LABEL_2", 3: "car"})
    {'person': 1, 'car': 3}
    """
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


def fetch(name: str) -> Path:
    """Return the folder of a hub's model in the hub's cache, with its config.json and model.safetensors; download them.

    Raises ModelError if the hub does not give it.
    """
    from huggingface_hub import hf_hub_download

    try:
        path = hf_hub_download(name, CONFIG)
        read_config(Path(path).parent, name)  # before what is large is fetched
        return Path(hf_hub_download(name, WEIGHTS)).parent
    except ModelError:
        raise
    except Exception as error:  # whatever a network raises
        raise ModelError(
            f"The model {short(name, 60)} is not on this machine and the Hugging Face hub did not give it: check the "
            f"name and the network, or put a downloaded copy into {short(download_folder(name), 80)}/."
        ) from error


def _in_cache(name: str) -> Path | None:
    """Return the config.json of a model that was downloaded from the hub before; None if it was not."""
    from huggingface_hub import try_to_load_from_cache  # half a second, for whoever asks about a hub's name only

    try:
        path = try_to_load_from_cache(name, CONFIG)
    except ValueError:  # no name that the hub could have
        return None
    return Path(path) if isinstance(path, str) else None  # else not there, or known not to exist
