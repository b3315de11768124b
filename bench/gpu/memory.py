"""A batch far too large for the GPU's memory: the step goes through in parts, and its losses are the whole batch's.

In: one step's batch. Out: a row with the losses of both, and into how small parts the batch was cut. The memory is
limited to what three of its images took; a CPU, which has no such limit, refuses more of them at a time.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import closing, contextmanager

import torch

from bench.gpu.loops import our_batches
from bench.gpu.record import Deadline, Record, Row
from bench.gpu.workbench import Setting, Workbench
from core import ConfigError
from core.detr.families.base import Detector
from core.metrics import GRAD_NORM, LOSS
from core.training.step import Stepper

ROOM = 3  # images of the whole batch whose share of its memory there is: two fit, as the model needs some too
TOLERANCE = 1e-3  # relative: other sizes are computed by other kernels, which round differently


@contextmanager
def little_memory(device: torch.device, model: Detector, per_image: float) -> Iterator[None]:
    """Limit the GPU's memory to that of ROOM images, `per_image` bytes each; on a CPU refuse more at a time."""
    if device.type == "cuda":
        gc.collect()
        torch.cuda.empty_cache()
        whole = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, ROOM * per_image / whole), device)
        try:
            yield
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0, device)
        return

    def refuse(_: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        if len(inputs[0]) > ROOM:
            raise torch.OutOfMemoryError("pretended")

    hook = model.register_forward_pre_hook(refuse)
    try:
        yield
    finally:
        hook.remove()


def survive(bench: Workbench, images: int) -> Row:
    """Take one step with the whole batch and one with little memory, from the same weights; compare them.

    On a card that has no room for the whole batch either, half as many images are taken.
    """
    model = bench.make_model(dropout=0.0)  # parts would draw other neurons
    while True:
        setting = Setting("fp32", images)
        with closing(our_batches(bench, setting)) as steps:
            batches = next(steps)
        if bench.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(bench.device)
        whole = bench.stepper(setting, model)
        expected = whole.step(0, batches)
        if not whole.remarks:
            break
        if images <= ROOM:
            raise ConfigError(f"Not even {images} images fit into the GPU's memory at once.")
        images //= 2
    peak = torch.cuda.max_memory_allocated(bench.device) if bench.device.type == "cuda" else 0
    del whole
    stepper: Stepper = bench.stepper(setting, model)
    with little_memory(bench.device, stepper.model, peak / images):
        values = stepper.step(0, batches)
    differences = {tag: abs(values[tag] / expected[tag] - 1) for tag in (LOSS.train.tag, GRAD_NORM.tag)}
    return {
        "images": images, "images_per_pass": stepper.images_per_pass, "peak_bytes": peak,
        "loss": expected[LOSS.train.tag], "loss_difference": differences[LOSS.train.tag],
        "gradient_difference": differences[GRAD_NORM.tag],
        "remark": stepper.remarks[-1].title if stepper.remarks else "",
        "survived": bool(stepper.remarks) and max(differences.values()) <= TOLERANCE,
    }  # fmt: skip


def measure_memory(bench: Workbench, record: Record, deadline: Deadline) -> None:
    """Add the one row."""
    record.attempt("memory", {"precision": "fp32"}, lambda: survive(bench, bench.scale.crowded), deadline)
