"""Readers of checkpoint folders: settings, label map, weights, and the state from which a training goes on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from random import Random

from core.detr.model import load_model, save_model
from core.detr.model_folder import read_label_map
from core.detr.small import small_detr
from core.labels import LabelMap
from core.training.checkpoint import read_state
from core.training.checkpoint_folder import STATE_FILE
from torture.inputs.data import file_reader
from torture.inputs.inputs import Lost, Reader
from torture.scenario import Plan

LABELS = LabelMap(("car", "dog"), (3, 18))


def readers(plan: Plan) -> Sequence[Reader]:
    """Return the readers of checkpoints."""
    sound = plan.folder / "checkpoint"
    if not sound.is_dir():
        from torture.child import in_child

        ending = in_child(partial(_make, sound), plan.folder / "logs")
        if ending.status != 0:
            raise RuntimeError(f"No checkpoint can be made: {ending.text}")
    copy = partial(shutil.copytree, sound, dirs_exist_ok=True)
    return (
        file_reader("checkpoints' settings", 2500, copy, "*.json", _read),
        file_reader("checkpoints' weights", 800, copy, "*.safetensors", _read),
        file_reader("trainings' states", 1500, copy, STATE_FILE, _read_state),
        file_reader("ONNX files", 1500, _make_onnx, "*.onnx", _ask_onnx),
        file_reader("ONNX files' descriptions", 1500, _make_onnx, "*.json", _ask_onnx),
        Reader("checkpoints", "checkpoints of every family", 2000, _make_every_family, _read_as_resumed),
    )


def _make(folder: Path) -> None:
    import torch

    folder.mkdir()
    save_model(small_detr(LABELS), LABELS, folder)
    state = {"epoch": 1, "step": 3, "config": {}, "optimizer": {"state": {0: torch.zeros(3)}}, "rng": torch.zeros(2)}
    torch.save(state, folder / STATE_FILE)
    (folder / "preprocessor_config.json").write_text(json.dumps({"size": {"shortest_edge": 64, "longest_edge": 96}}))


def _make_onnx(folder: Path) -> None:
    from tests.core.inference.onnx.tiny import tiny_onnx

    tiny_onnx(folder)


def _ask_onnx(folder: Path) -> None:
    """Ask the model for a picture; what a changed one says of it may be anything."""
    import torch

    from core.inference.model_cache import load_onnx

    load_onnx(folder / "model.onnx", threads=1).model(torch.zeros(1, 3, 64, 96, dtype=torch.uint8))


def _make_every_family(_folder: Path) -> None:
    from tests.core.detr.checkpoint_mutations import KINDS, whole

    for kind in KINDS:
        whole(kind)


def _read_as_resumed(random: Random, _state: None) -> None:
    """Read one changed folder with all that reads one, a training that goes on among them."""
    from tests.core.detr.checkpoint_mutations import failures, mutations

    if lost := failures(mutations(random.getrandbits(31), 1)):
        raise Lost(lost[0])


def _read(folder: Path) -> None:
    labels = read_label_map(folder)
    load_model(str(folder), labels)


def _read_state(folder: Path) -> None:
    read_state(folder)
