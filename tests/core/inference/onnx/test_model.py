"""A model in an ONNX file answers like any other, from the same pixels; what does not fit is told in one sentence."""

import numpy as np
import onnxruntime
import pytest
import torch

from core import ModelError
from core.inference.onnx.description import Description, Outputs, Preprocessing
from core.inference.onnx.model import _failed, open_onnx
from tests.core.inference.onnx.tiny import NAMES, QUERIES, describe, tiny_model, tiny_onnx


def test_it_computes_what_the_graph_says_of_normalised_pixels(tmp_path):
    path = tiny_onnx(tmp_path)
    pixels, mask = torch.randint(256, (2, 3, 64, 96), dtype=torch.uint8), torch.ones(2, 64, 96, dtype=torch.bool)
    mask[1, :, 32:] = False
    layers = open_onnx(path)(pixels, mask)
    assert layers.logits.shape == (1, 2, QUERIES, 3) and layers.boxes.shape == (1, 2, QUERIES, 4)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    values = (pixels.permute(0, 2, 3, 1).numpy() / 255 - mean) / std
    values = np.where(mask.numpy()[..., None], values, 0).transpose(0, 3, 1, 2).astype(np.float32)
    session = onnxruntime.InferenceSession(str(path))  # an independent way
    logits, boxes = session.run(None, {"pixel_values": values, "pixel_mask": mask.numpy().astype(np.int64)})
    assert np.allclose(layers.logits[0], logits, atol=1e-5) and np.allclose(layers.boxes[0], boxes, atol=1e-5)


def test_the_pixels_are_left_as_they_were(tmp_path):
    pixels = torch.randint(256, (1, 3, 64, 64), dtype=torch.uint8)
    before = pixels.clone()
    open_onnx(tiny_onnx(tmp_path))(pixels)
    assert torch.equal(pixels, before)


def test_without_a_mask_the_graph_is_given_none(tmp_path):
    path = tiny_onnx(tmp_path, mask=False)
    describe(tmp_path, Description(Preprocessing(64, 96, pixel_mask=False), NAMES, "softmax"))
    assert open_onnx(path)(torch.zeros(1, 3, 64, 64, dtype=torch.uint8)).boxes.shape == (1, 1, QUERIES, 4)


@pytest.mark.parametrize(
    "description",
    [
        Description(Preprocessing(64, 96, pixel_mask=False), NAMES, "softmax"),
        Description(Preprocessing(64, 96), NAMES, "softmax", outputs=Outputs("scores", "boxes")),
    ],
)
def test_other_inputs_or_outputs_than_described_are_told(description, tmp_path):
    path = tiny_onnx(tmp_path)
    describe(tmp_path, description)
    with pytest.raises(ModelError, match=r"do not go together: its inputs are pixel_mask, pixel_values, its outputs"):
        open_onnx(path)


@pytest.mark.parametrize("names", [("a",), ("a", "b", "c")])
def test_other_classes_than_described_are_told_at_the_first_answer(names, tmp_path):
    path = tiny_onnx(tmp_path)
    describe(tmp_path, Description(Preprocessing(64, 96), names, "softmax"))
    with pytest.raises(ModelError, match="do not go together: its logits are"):
        open_onnx(path)(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))


def test_what_onnx_runtime_cannot_take_is_told(tmp_path):
    model = tiny_model()
    model.graph.node[2].input[1] = "nothing"
    path = tiny_onnx(tmp_path)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="ONNX Runtime cannot compute") as error:
        open_onnx(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("1 : FAIL : Node () Op (Split) [ShapeInferenceError] Mismatch between", "Node () Op (Split) Mismatch between"),
        (
            "1 : FAIL : /onnxruntime_src/core/model.cc:245 Model::Model(onnx::ModelProto&&) No graph",
            "its graph is damaged",
        ),
        ("6 : FAIL : Failed in Add. Status Message: /onnxruntime_src/core/ops.h:583 void", "Failed in Add"),
        ("", "its graph is damaged"),
    ],
)
def test_a_reason_is_without_places_in_the_code_of_onnx_runtime(message, reason, tmp_path):
    error = _failed(tmp_path / "model.onnx", RuntimeError(f"[ONNXRuntimeError] : {message}"))
    assert f"({reason})" in str(error)
