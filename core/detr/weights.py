"""A model of transformers', built of a `ModelConfig` and the weights beside it, and of nothing else in its folder.

In: a folder that anybody may have written. Out: the model with exactly the weights of its model.safetensors; or
ModelError, one sentence. Before a number is read the config is compared with the sizes of the file: so the memory that
a model takes is bounded by what is on the disk. transformers is given settings and tensors, never the folder: there it
would also look for code, adapters, quantisation and other files to load.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import PreTrainedModel

from core import ModelError
from core.detr.families.base import Detector
from core.detr.matching import CLASS_WEIGHT, OTHER_CLASS_WEIGHT
from core.detr.model_folder import SAME_SAVE, check_weight_files, unreadable, weight_files
from core.detr.processor import read_normalization
from core.detr.sources.config import CONFIG, WEIGHTS, ModelConfig

FLOATS = ("F64", "F32", "F16", "BF16")
DROPOUTS = ("dropout", "hidden_dropout_prob")  # as the families' configs call it
UNTOUCHED = "take the weights as they were trained, not quantised"
WRAPPED = "._backbone."  # around timm's model, where transformers 4 took it for a backbone of its own; DAB-DETR has it
WRAPPERS = ("module.", "_orig_mod.")  # before every name: of a model that several GPUs trained, or torch compiled
IGNORED = "num_batches_tracked"  # of a batch norm, which nothing here reads


def load_detector(family: type[Detector], config: ModelConfig, folder: Path, dropout: float | None) -> Detector:
    """Return the model of a folder, in evaluation mode; `dropout` replaces the model's own.

    Raises ModelError if config and weights do not go together, or the model cannot answer.
    """
    try:
        detector = family(_build(family, config, folder, dropout), read_normalization(folder))
        _try_out(detector)
        return detector
    except ModelError:
        raise
    except OSError as error:
        raise unreadable(folder, f"{WEIGHTS}: {error.strerror or error}") from error
    except Exception as error:  # whatever transformers, timm and torch make of a config that nobody has seen before
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise unreadable(folder, reason, f"check the settings in its {CONFIG}") from error


def _build(family: type[Detector], config: ModelConfig, folder: Path, dropout: float | None) -> PreTrainedModel:
    model_class = family.model_class
    settings = {**family.published, **config.settings()}
    if dropout is not None:
        settings |= dict.fromkeys(DROPOUTS, dropout)
    named = config.names
    labels: dict[str, Any] = {"num_labels": config.num_labels or 2}  # 2: transformers does not save these
    if named:
        labels = {"id2label": named, "label2id": {name: row for row, name in named.items()}}
    config_class: Any = model_class.config_class
    known = {field.name for field in fields(config_class)}
    if "backbone_config" in known:
        settings["backbone_config"] = config.backbone_settings()
    ours = config_class(
        **{name: value for name, value in settings.items() if name in known},
        **labels, architectures=[model_class.__name__],
    )  # fmt: skip
    if CLASS_WEIGHT in settings and OTHER_CLASS_WEIGHT not in known:
        setattr(ours, CLASS_WEIGHT, settings[CLASS_WEIGHT])  # also where transformers' own class does not know it
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        planned = model_class(ours)  # without memory
    tensors = _read_tensors(folder, family, planned)
    _check_classes(folder, family, tensors, ours.num_labels, len(named) or config.num_labels or 0)
    with _unreported():
        loaded: Any = model_class.from_pretrained(
            None, config=ours, state_dict=tensors, dtype=torch.float32, trust_remote_code=False,
            output_loading_info=True, ignore_mismatched_sizes=True,
        )  # fmt: skip
    model: PreTrainedModel
    model, told = loaded
    _check_names(folder, {name for name in told["missing_keys"] if not name.endswith(IGNORED)}, "lacks")
    _check_names(folder, told["unexpected_keys"], f"holds, unlike {CONFIG},")
    _check_names(folder, {name for name, *_ in told["mismatched_keys"]}, f"has other sizes than {CONFIG} for")
    model.config.name_or_path = str(folder)
    return model


@contextmanager
def _unreported() -> Iterator[None]:
    """Keep back transformers' table of names that do not fit: they are refused here, in one sentence."""
    logger, silence = logging.getLogger("transformers.modeling_utils"), lambda record: False
    logger.addFilter(silence)
    try:
        yield
    finally:
        logger.removeFilter(silence)


def _read_tensors(folder: Path, family: type[Detector], planned: PreTrainedModel) -> dict[str, torch.Tensor]:
    """Read the weights as float32; `planned` is the model that the config describes."""
    files = weight_files(folder)
    check_weight_files(folder, files)
    # how many classes there are is asked of the weights that were read: `_check_classes`
    wanted = sum(one.numel() for name, one in planned.named_parameters() if not _has_class_rows(family, name))
    with ExitStack() as stack:
        slices: dict[str, Any] = {}
        for path in files:
            weights = stack.enter_context(safe_open(path, framework="pt"))
            slices |= {name: weights.get_slice(name) for name in weights.keys()}  # noqa: SIM118 (it is no dict)
        kept = [name for name in slices if not name.endswith(IGNORED)]
        wrapper = next((w for w in WRAPPERS if kept and all(name.startswith(w) for name in kept)), "")
        if other := [name for name in kept if slices[name].get_dtype() not in FLOATS]:
            raise unreadable(folder, f"{WEIGHTS}: {other[0]} holds no floating-point numbers", UNTOUCHED)
        held = sum(math.prod(slices[name].get_shape()) for name in kept)
        if held < wanted:
            raise unreadable(folder, f"{CONFIG} describes {wanted:,} weights, but {WEIGHTS} holds {held:,}", SAME_SAVE)
        plain = {name: name.removeprefix(wrapper) for name in kept}
        if not any(WRAPPED in name for name in planned.state_dict()):
            plain = {name: ours.replace(WRAPPED, ".") for name, ours in plain.items()}
        return {plain[name]: slices[name][...].to(torch.float32, copy=True) for name in kept}


def _has_class_rows(family: type[Detector], name: str) -> bool:
    """Check whether a weight has a row for each class."""
    return any(f".{module}." in f".{name}." for module in family.class_modules)


def _check_classes(
    folder: Path, family: type[Detector], tensors: dict[str, torch.Tensor], classes: int, named: int
) -> None:
    """Raise ModelError if the class output in the file has not a row for each of the classes, `named` in the config."""
    heads = [tensors[name] for name in sorted(tensors) if _has_class_rows(family, name)]
    rows = {len(tensor) - family.has_no_object for tensor in heads if tensor.ndim}
    if rows and rows != {classes}:
        count = min(rows - {classes})
        raise unreadable(
            folder, f"{CONFIG} names {named or 'no'} classes, but {WEIGHTS} has rows for {count}",
            f"name the {count} classes in id2label of {CONFIG}, in the order of the rows",
        )  # fmt: skip


def _check_names(folder: Path, names: set[str], fault: str) -> None:
    """Raise ModelError if there are names: of weights that are not in the file, and so random, or of another model."""
    if names:
        more = f" and {len(names) - 1} others" if len(names) > 1 else ""
        raise unreadable(folder, f"{WEIGHTS} {fault} {min(names)}{more}", SAME_SAVE)


def _try_out(detector: Detector) -> None:
    """Raise if the model cannot answer for a picture: some settings go together with the weights, not with others."""
    config = detector.inner.config
    proposals = getattr(config, "two_stage_num_proposals", None)
    try:
        if proposals:
            config.two_stage_num_proposals = 1  # a picture that is large enough for 300 takes a second
        with torch.inference_mode():
            side = detector.stride if proposals else detector.smallest_side
            detector(torch.zeros(1, 3, side, side, dtype=torch.uint8))
    finally:
        if proposals:
            config.two_stage_num_proposals = proposals
