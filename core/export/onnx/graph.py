"""A detector's graph as an ONNX file: from normalised pixels to the last layer's logits and boxes.

In: a `Detector` of any family. Out: an ONNX model of ONNX's own operators, for any number of pictures, and of any size
where the family allows it. The normalisation stays outside: image processors, and most programs that use ONNX files of
others, give float pixels that are normalised, and the description beside the file says by which numbers.

torch's exporter traces with symbols for sizes (`torch.export`), so that nothing that depends on them is a constant. The
older one, by TorchScript, wrote the sizes of its example into the graph of each family that was tried, without a word.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from core import ModelError
from core.detr.families.base import Detector
from core.inference.onnx.description import BOXES, LOGITS, MASK, PIXELS
from core.wording import short

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 18  # of ONNX, of 2022: the lowest that torch's exporter writes without a conversion
CHECKS_OFF = "TRANSFORMERS_DISABLE_TORCH_CHECK"  # its own switch
IMAGES = 2  # of the example: 1 would be taken for a size that never changes


class Graph(nn.Module):
    """What is exported of a detector."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(
        self, pixel_values: torch.Tensor, pixel_mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits (B, Q, C) and boxes (B, Q, 4) of normalised pixels (B, 3, H, W) and a mask (B, H, W) int64."""
        with SymbolicSizes():
            layers = self.detector.answer(pixel_values, None if pixel_mask is None else pixel_mask.bool())
        return layers.logits[-1], layers.boxes[-1]


class SymbolicSizes(TorchFunctionMode):
    """Has functions of torch that would make a constant of a symbolic size compute with it instead."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call a function of torch."""
        options = dict(kwargs or {})
        if func in (torch.tensor, torch.as_tensor) and _is_symbolic(args[0]):
            return _stacked(args[0], options.get("dtype") or torch.long, options.get("device"))
        if func is torch.linspace and _is_symbolic(args):
            start, end, steps = args
            places = torch.arange(steps, dtype=options.get("dtype") or torch.float32, device=options.get("device"))
            return start + places * ((end - start) / torch.sym_max(steps - 1, 1))
        return func(*args, **options)


def _is_symbolic(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(map(_is_symbolic, value))
    return isinstance(value, (torch.SymInt, torch.SymFloat))


def _stacked(value: Any, dtype: torch.dtype, device: Any) -> torch.Tensor:
    if isinstance(value, (list, tuple)):
        return torch.stack([_stacked(one, dtype, device) for one in value])
    return torch.scalar_tensor(value, dtype=dtype, device=device)


@contextmanager
def traceable(model: nn.Module) -> Iterator[None]:
    """Have what a model's classes do with Python be fit for tracing.

    `len` of a tensor is a symbol in the modules in which they are written, where Python makes it a number, and so a
    constant of the graph; transformers' checks of its own arguments, of which some are no operators, are off.
    """

    def length(value: Any) -> Any:
        return value.shape[0] if isinstance(value, torch.Tensor) else len(value)

    classes = {parent for module in model.modules() for parent in type(module).__mro__}
    names = {one.__module__ for one in classes if one.__module__.startswith(("transformers.models.", "core.detr."))}
    sources: list[Any] = [sys.modules[name] for name in names]
    before = os.environ.get(CHECKS_OFF)
    for source in sources:
        source.len = length
    os.environ[CHECKS_OFF] = "1"
    try:
        yield
    finally:
        for source in sources:
            del source.len
        del os.environ[CHECKS_OFF]
        os.environ |= {} if before is None else {CHECKS_OFF: before}


def to_onnx(detector: Detector, height: int, width: int, has_mask: bool = True, is_fixed: bool = False) -> ModelProto:
    """Return a detector on the CPU as an ONNX model; it is left in evaluation mode.

    height, width  of the example, multiples of the stride; of every picture if `is_fixed`
    has_mask       whether the graph takes a mask, so that pictures may be padded
    Raises ModelError, one sentence, for a model that cannot be exported.
    """
    dynamic = torch.export.Dim.DYNAMIC
    side = torch.export.Dim.STATIC if is_fixed else dynamic
    example = {PIXELS: torch.zeros(IMAGES, 3, height, width)}
    shapes = {PIXELS: {0: dynamic, 2: side, 3: side}}
    if has_mask:
        example[MASK] = torch.ones(IMAGES, height, width, dtype=torch.long)
        example[MASK][1, -height // 4 :] = 0
        shapes[MASK] = {0: dynamic, 1: side, 2: side}
    try:
        with _silent(), traceable(detector), torch.no_grad():
            traced = torch.export.export(
                Graph(detector).eval(), tuple(example.values()), dynamic_shapes=shapes, strict=False
            )
            program: Any = torch.onnx.export(
                traced, (), dynamo=True, opset_version=OPSET, input_names=list(example), output_names=[LOGITS, BOXES],
                optimize=False, verbose=False,
            )  # fmt: skip
    except Exception as error:  # whatever the exporter makes of a model that nobody has exported before
        raise ModelError(f"A {detector.model_type} model cannot be exported to ONNX: {_reason(error)}.") from error
    model: ModelProto = program.model_proto
    _clean(model)
    sides = (None, None) if is_fixed else ("height", "width")
    names = {PIXELS: ("batch", None, *sides), MASK: ("batch", *sides), LOGITS: ("batch",), BOXES: ("batch",)}
    for value in (*model.graph.input, *model.graph.output):
        for dimension, name in zip(value.type.tensor_type.shape.dim, names[value.name], strict=False):
            if name:
                dimension.dim_param = name
    return model


def _reason(error: Exception) -> str:
    """Return why the exporter failed, in its own words, without its advice on how to mend the model."""
    summary = str(error).rpartition("Exception summary")[2]
    line = next((line for line in summary.split("\n") if line.strip()), type(error).__name__)
    return short(re.sub(r"^<class '[\w.]*+'>:", "", line).strip(), 300).rstrip(".")


def _clean(model: ModelProto) -> None:
    """Take out of a model what it says of this machine, and shapes by symbols that only the exporter knows."""
    graph = model.graph
    parts = (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer, *model.functions)
    for part in (*parts, *(node for function in model.functions for node in function.node)):
        del part.metadata_props[:]
        part.doc_string = ""
    del graph.value_info[:]


@contextmanager
def _silent() -> Iterator[None]:
    """Keep back what the exporter prints, logs and warns of: what matters is raised, or seen when answers differ."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
