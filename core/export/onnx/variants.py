"""Smaller variants of an ONNX model: half precision (fp16), and eight-bit integers (int8) by pictures of the training.

In: the float32 model in a file. Out: another file. What a variant costs in AP is not known before it is measured.

    fp16  weights and most operators in half precision; inputs and outputs stay float32
    int8  convolutions and products with weights in eight bits, each channel of a weight with a scale of its own; the
          ranges of what flows between them are those on pictures of the training
    int8_dynamic  products alone, with ranges that are found anew for every picture
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core import ModelError
from core.inference.onnx.file import OWN_DOMAINS
from core.wording import short

Feeds = dict[str, np.ndarray]  # the inputs of a run, by name


@dataclass(frozen=True)
class Variant:
    """A variant: its name, in the file's name too, what users read of it, and what makes it.

    make  writes it, of the float32 file, the pictures of the calibration and the new file
    """

    key: str
    label: str
    make: Callable[[Path, Sequence[Feeds], Path], None]

    @property
    def file_name(self) -> str:
        """The file's name, as other programs look for it."""
        return f"model_{self.key}.onnx"


def write_variant(variant: Variant, model: Path, pictures: Sequence[Feeds], target: Path) -> None:
    """Write a variant of the model in a file; raises ModelError if that cannot be, OSError."""
    try:
        with _silent():
            variant.make(model, pictures, target)
    except OSError:
        raise
    except Exception as error:  # whatever ONNX Runtime's tools make of a graph that nobody has given them before
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise ModelError(f"It cannot be made: {short(reason, 200)}.") from error


def folded(model: Any, target: Path) -> None:
    """Write an ONNX model with what its operators say of constants computed, so that weights are seen as such.

    A transposed weight would else be no weight to whoever quantises. Only ONNX's own operators are in it.
    """
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath, options.log_severity_level = str(target), 4
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    written = onnx.load_model(str(target))
    standard = [one for one in written.opset_import if one.domain in OWN_DOMAINS]
    del written.opset_import[:]
    written.opset_import.extend(standard)  # ONNX Runtime lists every domain that it knows
    onnx.save_model(written, str(target))


def _half(model: Path, pictures: Sequence[Feeds], target: Path) -> None:
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    onnx.save_model(
        convert_float_to_float16(onnx.load_model(str(model)), keep_io_types=True, disable_shape_infer=True), str(target)
    )


def _integers(model: Path, pictures: Sequence[Feeds], target: Path) -> None:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Pictures(CalibrationDataReader):
        def __init__(self) -> None:
            self._rest = iter(pictures)

        def get_next(self) -> Feeds | None:
            return next(self._rest, None)

    quantize_static(
        str(model), str(target), Pictures(), quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["Conv", "MatMul", "Gemm"], per_channel=True, weight_type=QuantType.QInt8,
        activation_type=QuantType.QUInt8,
    )  # fmt: skip


def _products_as_integers(model: Path, pictures: Sequence[Feeds], target: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(str(model), str(target), op_types_to_quantize=["MatMul", "Gemm"], weight_type=QuantType.QInt8)


VARIANTS = (
    Variant("fp16", "fp16", _half),
    Variant("int8", "int8", _integers),
    Variant("int8_dynamic", "int8, products only", _products_as_integers),
)


@contextmanager
def _silent() -> Iterator[None]:
    """Keep back what ONNX Runtime's tools log: advice for whoever prepares a model by hand."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
