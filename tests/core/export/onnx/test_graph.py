"""Every family leaves as ONNX with the answers of PyTorch: of any number of pictures, and of any size or of squares.

A trace takes half a minute, so each family is exported once.
"""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from core import ModelError
from core.datasets.split import read_split
from core.detr.input.batch import Collator
from core.detr.input.dataset import DetectionDataset
from core.detr.model import FAMILIES
from core.export.onnx.graph import _reason, to_onnx
from core.export.onnx.measure import difference
from core.export.onnx.variants import folded
from core.export.onnx.write import SAME
from core.inference.onnx.description import Description, Preprocessing
from core.inference.onnx.file import read_graph
from core.inference.onnx.model import OnnxModel
from core.labels import LabelMap
from tests.core.detr.released import HYBRID, WINDOWED, small_config

SIDE = 128
SQUARE = (*HYBRID, "yolos")  # the families that can be exported for one size alone
LABELS = LabelMap(("person", "car"), (1, 3))


def small_model(kind: str, two_stage: bool = False):
    """Two layers, random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = small_config(kind, layers=2)
        if two_stage:
            config.two_stage = config.with_box_refine = True
            config.two_stage_num_proposals = 12
        model = FAMILIES[kind](FAMILIES[kind].model_class(config))
        model.replace_head(LABELS)
        for convolution in model.modules() if kind in HYBRID else ():  # which begin too small to tell places apart
            if isinstance(convolution, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(convolution.weight)
        for name, parameter in model.inner.named_parameters():
            if model.part_of(name) != "backbone":  # else all places have the same score, and any may be chosen
                parameter.data += 0.1 * torch.randn_like(parameter)
    return model.eval().requires_grad_(False)


def exported(model, folder: Path, square: bool) -> OnnxModel:
    path = folder / "model.onnx"
    graph = to_onnx(model, SIDE, SIDE if square else SIDE + 32, has_mask=not square, is_fixed=square)
    folded(graph, path)
    pixels = Preprocessing(
        SIDE, SIDE, square, height=SIDE if square else None, width=SIDE if square else None, pixel_mask=not square,
        mean=model.normalization.mean, std=model.normalization.std,
    )  # fmt: skip
    rule = "softmax" if model.has_no_object else "sigmoid"
    return OnnxModel(path, Description(pixels, LABELS.names, rule))


def pictures(square: bool) -> DetectionDataset | None:
    """Real photographs, if there are any here."""
    if "DETR_LAB_COCO" not in os.environ:
        return None
    split = read_split(os.environ["DETR_LAB_COCO"], "val")
    return DetectionDataset(
        split, split.label_map(["person", "car"]), SIDE, SIDE if square else 2 * SIDE, square=square
    )


@pytest.mark.few(1)
@pytest.mark.parametrize(("kind", "two_stage"), [*((kind, False) for kind in FAMILIES), ("deformable_detr", True)])
def test_a_family_gives_the_answers_of_pytorch(kind, two_stage, tmp_path):
    square, model = kind in SQUARE, small_model(kind, two_stage)
    graph = exported(model, tmp_path, square)
    content = read_graph(tmp_path / "model.onnx")  # only ONNX's own operators, all numbers in it
    assert b".py" not in content and str(Path(__file__).parents[4]).encode() not in content
    sizes = [(SIDE, SIDE)] * 2 if square else [(SIDE, SIDE + 32), (96, 64), (96, 80) if kind in WINDOWED else (100, 77)]
    for images, (height, width) in enumerate(sizes, start=1):
        pixels = torch.randint(256, (images, 3, height, width), dtype=torch.uint8)
        mask = None if square else torch.ones(images, height, width, dtype=torch.bool)
        if mask is not None and images > 1:
            mask[1, height // 2 :] = mask[1, :, width // 2 :] = False
        with torch.inference_mode():
            assert_same(model, model(pixels.clone(), mask), graph(pixels, mask))
    data = pictures(square)
    for index in range(4 if data else 0):
        batch = Collator(model.stride)([data[index]])
        mask = batch["pixel_mask"] if batch["padded"] else None
        with torch.inference_mode():
            assert_same(model, model(batch["pixel_values"].clone(), mask), graph(batch["pixel_values"], mask))


def assert_same(model, reference, answer) -> None:
    """Within SAME of normalised coordinates and of scores, image by image."""
    assert answer.boxes.shape[1:] == reference.boxes.shape[1:]
    for image in range(answer.boxes.shape[1]):
        one, other = (
            type(layers)(layers.logits[:, image : image + 1], layers.boxes[:, image : image + 1])
            for layers in (reference, answer)
        )
        assert difference(model, one, other) < SAME


def test_a_model_that_cannot_be_traced_is_told_in_one_sentence():
    model = small_model("detr")
    model.answer = lambda values, mask, labels=None: values[0, 0, 0, 0].item()
    with pytest.raises(ModelError) as error:
        to_onnx(model, 64, 64)
    text = str(error.value)
    assert text.startswith("A detr model cannot be exported to ONNX: ") and "\n" not in text
    assert "len" not in vars(__import__("sys").modules["core.detr.families.detr"])  # nothing is left changed


def test_the_exporters_advice_is_left_out():
    error = RuntimeError("Failed.\n- Modify the model\n\n## Exception summary\n\n<class 'ValueError'>: no such size.\n")
    assert _reason(error) == "no such size"
    assert _reason(ValueError("")) == "ValueError"


def test_queries_that_change_places_are_no_difference():
    model = small_model("detr")
    with torch.inference_mode():
        layers = model(torch.randint(256, (1, 3, 64, 64), dtype=torch.uint8))
    order = torch.from_numpy(np.random.default_rng(0).permutation(layers.boxes.shape[2]))
    moved = type(layers)(layers.logits[:, :, order], layers.boxes[:, :, order])
    assert difference(model, layers, moved) < SAME  # nearly equal scores may pair others
    shifted = type(layers)(layers.logits, layers.boxes + 0.25)
    assert difference(model, layers, shifted) == pytest.approx(0.25, abs=0.05)
    broken = type(layers)(layers.logits * float("nan"), layers.boxes)
    assert difference(model, layers, broken) == float("inf")
