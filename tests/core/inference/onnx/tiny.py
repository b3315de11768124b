"""A small detector in an ONNX file, made by hand: its logits and boxes depend on the mean colour of the picture."""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from core.inference.onnx.description import DESCRIPTION, Description, Preprocessing, to_json

QUERIES = 6
NAMES = ("person", "car")


def tiny_model(classes: int = len(NAMES) + 1, domain: str = "", mask: bool = True) -> onnx.ModelProto:
    """For each of QUERIES boxes in the middle; with `domain` an operator of that domain is in it."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(3, QUERIES * (classes + 4))).astype(np.float32)
    inputs = [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["batch", 3, "height", "width"])]
    if mask:
        inputs.append(helper.make_tensor_value_info("pixel_mask", TensorProto.INT64, ["batch", "height", "width"]))
    outputs = [
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", QUERIES, classes]),
        helper.make_tensor_value_info("pred_boxes", TensorProto.FLOAT, ["batch", QUERIES, 4]),
    ]
    node = helper.make_node
    nodes = [
        node("GlobalAveragePool", ["pixel_values"], ["means"]), node("Flatten", ["means"], ["colour"]),
        node("MatMul", ["colour", "weights"], ["numbers"]), node("Reshape", ["numbers", "shape"], ["queries"]),
        node("Split", ["queries", "parts"], ["logits", "offsets"], axis=2),
        node("Sigmoid", ["offsets"], ["pred_boxes"]),
    ]  # fmt: skip
    if domain:
        nodes.append(node("Strange", ["means"], ["unused"], domain=domain))
    numbers = {
        "weights": weights, "shape": np.array([-1, QUERIES, classes + 4]), "parts": np.array([classes, 4]),
    }  # fmt: skip
    initializers = [numpy_helper.from_array(value, name) for name, value in numbers.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, initializers)
    opsets = [helper.make_opsetid(one, 18 if not one else 1) for one in ("", *filter(None, [domain]))]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def describe(folder: Path, description: Description | None = None, **changes) -> None:
    """Write model.json; `changes` to its JSON."""
    description = description or Description(Preprocessing(64, 96), NAMES, "softmax", (1, 3), feature_stride=16)
    (folder / DESCRIPTION).write_text(json.dumps({**to_json(description), **changes}))


def tiny_onnx(folder: Path, **model) -> Path:
    """The file with its description."""
    folder.mkdir(parents=True, exist_ok=True)
    describe(folder)
    path = folder / "model.onnx"
    path.write_bytes(tiny_model(**model).SerializeToString())
    return path
