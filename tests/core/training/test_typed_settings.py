"""core/training/typed_settings.py: what was mistyped is told before a run is made, and torch is not needed for it."""

import json
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from core import PROJECT, DataError, LabError, ModelError
from core.config import TrainConfig
from core.datasets.split import read_split
from core.training.typed_settings import check_typed
from tests.own_folders import labels, write


@pytest.fixture
def root(tmp_path):
    """A data set of cars and dogs, and a model."""
    part = labels(1, 2, ("car", "dog"))
    write(tmp_path / "mine", {"train": part, "val": part})
    write(tmp_path / "untrained", {"val": part})
    (tmp_path / "empty").mkdir()
    (tmp_path / "model").mkdir()
    (tmp_path / "model/config.json").write_text(json.dumps({"model_type": "detr", "id2label": {"0": "car"}}))
    save_file({"a": np.zeros(1, np.float32)}, tmp_path / "model/model.safetensors")
    return tmp_path


@pytest.mark.parametrize("changes", [{}, {"classes": ("dog",)}, {"model": "random"}, {"model": "someone/else"}])
def test_what_is_there_passes_from_any_folder(root, changes):
    check_typed(TrainConfig(**{"data": "mine", "model": "model", **changes}), root)
    check_typed(TrainConfig(**{"data": str(root / "mine"), "model": str(root / "model"), **changes}))


@pytest.mark.parametrize(("changes", "error"), [
    ({"data": "none"}, DataError), ({"data": "empty"}, DataError), ({"data": "untrained"}, DataError),
    ({"data": "model/config.json"}, DataError), ({"data": "a\0b"}, DataError), ({"classes": ("car", "cat")}, DataError),
    ({"model": "none"}, ModelError), ({"model": "empty"}, ModelError), ({"model": "mine/none"}, ModelError),
    ({"model": "model/config.json"}, ModelError),
])  # fmt: skip
def test_what_is_not_there_is_said(root, changes, error):
    with pytest.raises(error) as told:
        check_typed(TrainConfig(**{"data": "mine", "model": "model", **changes}), root)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("weights", [None, b"", bytes(100), b"version https://git-lfs.github.com/spec/v1"])
def test_weights_that_are_missing_or_none_are_said(root, weights):
    path = root / "model/model.safetensors"
    path.unlink()
    if weights is not None:
        path.write_bytes(weights)
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        check_typed(TrainConfig(data="mine", model="model"), root)


def test_annotations_are_read_only_for_classes(root):
    asked = []

    def read(folder, name):
        asked.append((folder, name))
        return read_split(folder, name)

    check_typed(TrainConfig(data="mine", model="random"), root, read)
    assert asked == []
    check_typed(TrainConfig(data="mine", model="random", classes=("dog",)), root, read)
    with pytest.raises(LabError):
        check_typed(TrainConfig(data="untrained", model="random"), root, read)
    assert asked == [(root / "mine", "train"), (root / "untrained", "train")]


def test_torch_is_not_needed():
    code = (
        "import sys\nfrom core.config import TrainConfig\nfrom core.training.typed_settings import check_typed\n"
        "from core.detr.pretrained import check_weights\ncheck_weights('checkpoints/starter')\n"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=PROJECT)
