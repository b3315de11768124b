"""A model in an ONNX file, asked like a checkpoint: `OnnxModel` gives `Layers` of what it says, its only layer.

In: the bytes that `file.py` has let in, and the description beside them. So evaluation and prediction go the way of any
other model, from the same pixels. It is computed by ONNX Runtime on the CPU, wherever torch computes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from core import ModelError
from core.detr.matching import Layers
from core.inference.onnx.description import MASK, PIXELS, Description, read_description
from core.inference.onnx.file import read_graph
from core.wording import short

ITS_CODE = "/onnxruntime_src/"  # where it was built: a path in its messages, which nobody else has
OWN_ERROR = re.compile(r"\[\w{1,40}Error\] ?")
QUIET = 4  # ONNX Runtime's level of what it prints: only what ends it


class OnnxModel(nn.Module):
    """A session of ONNX Runtime with the graph of a file.

    has_no_object  as `Detector.has_no_object`
    """

    pixel_scale: torch.Tensor
    pixel_shift: torch.Tensor

    def __init__(self, path: Path, description: Description, graph: bytes | None = None, threads: int = 0) -> None:
        """Open the graph, by default that of the file, with so many threads, 0: as many as torch.

        Raises ModelError if ONNX Runtime cannot take it, or its inputs and outputs are not those of the description.
        """
        super().__init__()
        self.path, self.description, self.has_no_object = path, description, description.has_no_object
        self._session = _open(path, read_graph(path) if graph is None else graph, threads or torch.get_num_threads())
        pixels = description.preprocessing
        self._outputs = [description.outputs.logits, description.outputs.boxes]
        inputs = {one.name for one in self._session.get_inputs()}
        outputs = {one.name for one in self._session.get_outputs()}
        wanted = {PIXELS, MASK} if pixels.pixel_mask else {PIXELS}
        if inputs != wanted or not set(self._outputs) <= outputs:
            raise _unlike(path, f"its inputs are {_listed(inputs)}, its outputs {_listed(outputs)}")
        std = torch.tensor(pixels.std)
        self.register_buffer("pixel_scale", 1 / (255 * std), persistent=False)
        self.register_buffer("pixel_shift", -torch.tensor(pixels.mean) / std, persistent=False)

    @property
    def top_k(self) -> int:
        """How many detections of an image there are where each class is a sigmoid of its own."""
        return self.description.top_k

    @property
    def stride(self) -> int:
        """The pixels to whose multiples its batches are padded."""
        return self.description.preprocessing.pad_to

    @property
    def whole_cells(self) -> bool:
        """Whether the sides of its pictures are cut down to multiples of its stride."""
        return self.description.preprocessing.whole_cells

    def forward(
        self, pixel_values: torch.Tensor, pixel_mask: torch.Tensor | None = None, labels: object = None
    ) -> Layers:
        """Return what the model says of B images, of pixels and mask as in a Batch; raises ModelError.

        labels  of a training, which a file has no use for
        """
        return self.answer(*self.inputs(pixel_values, pixel_mask))

    def inputs(self, pixel_values: torch.Tensor, pixel_mask: torch.Tensor | None) -> tuple[np.ndarray, np.ndarray]:
        """Return pixels (B, 3, H, W) and mask (B, H, W) as the graph takes them."""
        scale, shift = (numbers[:, None, None] for numbers in (self.pixel_scale, self.pixel_shift))
        mask = torch.ones_like(pixel_values[:, 0], dtype=torch.bool) if pixel_mask is None else pixel_mask
        values = (pixel_values.float() * scale + shift).masked_fill_(~mask[:, None], 0.0)
        return np.ascontiguousarray(values.cpu().numpy()), mask.long().cpu().numpy()

    def answer(self, pixels: np.ndarray, mask: np.ndarray) -> Layers:
        """Return what the graph says of pixels and mask as `inputs` returns them."""
        feeds = {PIXELS: pixels, MASK: mask} if self.description.preprocessing.pixel_mask else {PIXELS: pixels}
        try:
            logits, boxes = self._session.run(self._outputs, feeds)
        except Exception as error:  # whatever ONNX Runtime makes of a graph that nobody has seen before
            raise _failed(self.path, error) from error
        classes = len(self.description.names) + self.has_no_object
        if boxes.shape[-1:] != (4,) or logits.shape != (*boxes.shape[:-1], classes) or logits.ndim != 3:
            raise _unlike(
                self.path, f"its logits are {logits.shape} and its boxes {boxes.shape} where {classes} classes and "
                "4 numbers of each query are described",
            )  # fmt: skip
        answer = [torch.from_numpy(one.astype(np.float32))[None] for one in (logits, boxes)]
        return Layers(answer[0], answer[1])


def open_onnx(path: Path, threads: int = 0) -> OnnxModel:
    """Open an ONNX file with the description beside it; raises ModelError."""
    graph = read_graph(path)
    return OnnxModel(path, read_description(path), graph, threads).eval()


def _open(path: Path, graph: bytes, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, QUIET
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # or threads that wait slow others down
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # as above
        raise _failed(path, error) from error


def _failed(path: Path, error: Exception) -> ModelError:
    """Return the error with ONNX Runtime's reason, without the places in its own code and its names of errors."""
    line = str(error).strip().split("\n")[0].rpartition(" : ")[2].partition(ITS_CODE)[0]
    reason = OWN_ERROR.sub("", line.removesuffix("Status Message: ")).strip(" .:") or "its graph is damaged"
    return ModelError(f"ONNX Runtime cannot compute {short(path, 120)} ({short(reason, 150)}): export it again.")


def _unlike(path: Path, reason: str) -> ModelError:
    return ModelError(
        f"{short(path, 120)} and its description do not go together: {reason}: take both from one export."
    )


def _listed(names: set[str]) -> str:
    return short(", ".join(sorted(names)) or "none", 120)
