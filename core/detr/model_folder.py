"""The one door to a model's folder: its settings and classes, read within limits and without torch.

In: a folder that anybody may have written. Out: a `ModelConfig`, a `LabelMap`; or ModelError, one sentence.
Only the fields that are named here are read. So a config cannot name a class, a repository or a file that transformers
would then fetch or run, and none of its sizes can be without end; `weights.py` compares them with the weights that are
there.
"""

from __future__ import annotations

import json
import os
import re
from codecs import BOM_UTF8
from pathlib import Path
from typing import Any, TypeVar, get_args

import msgspec
from safetensors import SafetensorError, safe_open

from core import DataError, ModelError
from core.detr.sources.backbone_config import RESNETS, TIMM_NAME, BackboneKind
from core.detr.sources.config import CONFIG, INDEX, WEIGHTS, ModelConfig
from core.detr.sources.foreign import no_weights, wrong_content
from core.files import open_file, read_bytes
from core.labels import LabelMap
from core.typed_json import decode
from core.wording import COMMAND, short

LABEL_MAP_FILE = "label_map.json"
MOST_BYTES = 4_000_000  # of a JSON file; a thousand classes take 50,000
MOST_WEIGHTS = 2_000_000_000  # bytes; a DETR with a ResNet-101 has 240,000,000
MOST_HEADER = 8_000_000  # bytes; the header of 600 tensors takes 60,000
FAMILY_NAMES = (
    "detr",
    "conditional_detr",
    "deformable_detr",
    "rf_detr",
    "rt_detr_v2",
    "rt_detr",
    "d_fine",
    "deimv2",
    "lw_detr",
    "dab-detr",
    "table-transformer",
    "yolos",
)  # the keys of `model.FAMILIES`, which needs torch; a test compares them

TASK = "ForObjectDetection"  # at the end of transformers' names of models

COPY_AGAIN = "copy its folder again"
AS_SAVED = f"take {CONFIG} as it was saved"
SAME_SAVE = f"take {CONFIG} and the weights of one save"

T = TypeVar("T")


class _BackboneKind(msgspec.Struct):
    model_type: str | None = None


class _Kind(msgspec.Struct):
    model_type: str | None = None
    architectures: list[str] | None = None
    backbone_config: _BackboneKind | None = None


class _Index(msgspec.Struct):
    weight_map: dict[str, str]


def read_config(folder: Path, name: str = "") -> ModelConfig:
    """Read the config.json of a folder; `name` is what the user calls the model, if not by its folder.

    Raises ModelError if it cannot be read, or is of no known family.
    """
    kinds = read_json(folder, CONFIG, _Kind)
    kind, backbone = kinds.model_type, kinds.backbone_config
    if kind is None:
        raise unreadable(folder, f"{CONFIG} names no model_type", AS_SAVED)
    if kind not in FAMILY_NAMES:
        raise ModelError(
            f"{short(name or folder, 120)} is a {short(kind, 40)} model, but only these kinds can be used: "
            f"{', '.join(FAMILY_NAMES)}."
        )
    if kinds.architectures and not any(name.endswith(TASK) for name in kinds.architectures):
        raise ModelError(
            f"{short(name or folder, 120)} is a {short(kinds.architectures[0], 40)}, but only models for object "
            f"detection can be used: take one whose {CONFIG} names a …{TASK}."
        )
    if backbone and backbone.model_type not in get_args(BackboneKind):
        raise _refused_backbone(folder, f"is a {short(backbone.model_type, 40)}")
    config = read_json(folder, CONFIG, ModelConfig)
    rows = config.id2label or {}
    if set(rows) != {str(row) for row in range(len(rows))}:
        raise unreadable(
            folder, f"{CONFIG}: id2label does not name the rows 0 to {len(rows) - 1}",
            "name every row of the class output there, from 0 on",
        )  # fmt: skip
    if config.encoder_layers == 0 and (kind, config.encoder_type) != ("deimv2", "lite"):
        raise unreadable(folder, f"{CONFIG}: encoder_layers is 0", AS_SAVED)
    _check_backbone(folder, config)
    return config


def _check_backbone(folder: Path, config: ModelConfig) -> None:
    """Raise ModelError if the backbone is described elsewhere, so that its description would have to be fetched."""
    if (described := config.backbone_config) is not None:
        named, of_timm = described.backbone, described.model_type == "timm_backbone"
    else:
        named, of_timm = config.backbone, config.use_timm_backbone is not False
    if not named:
        return
    is_known = TIMM_NAME.fullmatch(named) if of_timm else named in RESNETS or named == "resnet50"
    if not is_known:
        raise _refused_backbone(folder, f"{short(named, 60)} is not described in its folder")


def _refused_backbone(folder: Path, reason: str) -> ModelError:
    return ModelError(
        f"The model in {short(folder, 120)} cannot be used, because its backbone {reason}: only the backbones "
        "that its family was published with, and models of timm, can be read; take a model with one of them."
    )


def read_label_map(folder: str | Path) -> LabelMap:
    """Read the label map of a saved model; raises ModelError if there is none, or it cannot be read."""
    folder = Path(folder)
    if not os.path.exists(folder / LABEL_MAP_FILE):
        raise ModelError(f"{short(folder, 120)} holds no {LABEL_MAP_FILE}: it was not written by DETR Lab.")
    try:
        return LabelMap.from_dict(read_json(folder, LABEL_MAP_FILE, dict[str, Any]))
    except DataError as error:
        raise unreadable(folder, f"{LABEL_MAP_FILE}: {error}") from None


def unreadable(folder: Path, reason: str, advice: str = COPY_AGAIN) -> ModelError:
    """Return the error for a folder whose model cannot be read, for a `reason` in a few words."""
    return ModelError(f"The model in {short(folder, 120)} cannot be read ({short(reason, 110)}): {advice}.")


def refused(folder: Path, reason: str) -> ModelError:
    """Return the error for a folder whose model cannot be read, for a `reason` that says what to do."""
    end = "" if COMMAND in reason else "."  # after which a shell's line would be another one
    return ModelError(f"The model in {short(folder, 120)} cannot be read, because {reason}{end}")


def weight_files(folder: Path) -> list[Path]:
    """Return the safetensors files of a folder's weights: model.safetensors, or the parts that its index names.

    Raises ModelError that says what is there instead, if there are none.
    """
    if os.path.lexists(folder / WEIGHTS):
        return [folder / WEIGHTS]
    if not os.path.exists(folder / INDEX):
        raise refused(folder, no_weights(folder))
    names = sorted(set(read_json(folder, INDEX, _Index).weight_map.values()))
    for name in names:
        if os.path.basename(name) != name or "\\" in name or not name.endswith(".safetensors"):
            raise unreadable(folder, f"{INDEX}: {short(name, 60)} is no file of this folder", SAME_SAVE)
        if not os.path.exists(folder / name):
            raise refused(folder, f"{short(name, 60)}, a part of its weights, is missing: copy that file too")
    if not names:
        raise unreadable(folder, f"{INDEX} names no file", SAME_SAVE)
    return [folder / name for name in names]


def check_weight_files(folder: Path, files: list[Path]) -> None:
    """Raise ModelError if a file is too large, or is no safetensors file as its header describes it; or OSError."""
    left = MOST_WEIGHTS
    for path in files:
        with open_file(path, left) as file:
            left -= os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(8), "little")
        if length > MOST_HEADER:
            raise _damaged(folder, path, "its header is damaged")
        try:
            with safe_open(path, framework="numpy"):  # which checks that the header goes with the file
                pass
        except SafetensorError as error:
            raise _damaged(folder, path, str(error).strip().split("\n")[0]) from error


def _damaged(folder: Path, path: Path, reason: str) -> ModelError:
    foreign = wrong_content(path, _stated_size(path))
    return refused(folder, foreign) if foreign else unreadable(folder, f"{path.name}: {reason}", COPY_AGAIN)


def _stated_size(path: Path) -> int | None:
    """Return how long a safetensors file is by its own header; None if that cannot be read."""
    with open_file(path) as file:
        length = int.from_bytes(file.read(8), "little")
        if length > MOST_HEADER:
            return None
        head = file.read(length)
    if len(head) < length:
        return 8 + length if head.startswith(b"{") else None
    try:
        header = json.loads(head)
        ends = [value["data_offsets"][1] for name, value in header.items() if name != "__metadata__"]
        return 8 + length + max(ends, default=0)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        return None


def read_json(folder: Path, name: str, kind: type[T]) -> T:
    """Read a JSON file of a model's folder as `kind`; raises ModelError if it cannot be read as that."""
    advice = COPY_AGAIN
    try:
        return decode(read_bytes(folder / name, MOST_BYTES).removeprefix(BOM_UTF8), kind)
    except OSError as error:
        reason = error.strerror or type(error).__name__
    except msgspec.ValidationError as error:
        reason, advice = _place_first(str(error).replace(" | null", "")), f"take {name} as it was saved"
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if foreign := wrong_content(folder / name):
            raise refused(folder, foreign) from None
        place = re.search(r"\(byte (\d+)\)", str(error))
        reason = "not valid JSON" + (f" from byte {int(place[1]):,} on" if place else "")
        advice = "correct it there, or copy it again"
    raise unreadable(folder, f"{name}: {reason}", advice)


def _place_first(message: str) -> str:
    """Return msgspec's message with the field before the fault.

    >>> _place_first("Expected `int` <= 64 - at `$.decoder_layers`")
    'decoder_layers, expected `int` <= 64'
    """
    match = re.fullmatch(r"(.*) - at (.*)", message, re.DOTALL)
    if not match:
        return message
    place = re.sub(r"[`$]", "", match[2]).removeprefix(".")
    return f"{place}, {match[1][:1].lower()}{match[1][1:]}"
