"""The device that a training computes on, how precisely, from which random numbers, and what a GPU tells of itself."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from core import ConfigError
from core.metrics import GPU_BUSY, GPU_MEMORY
from core.wording import short

logger = logging.getLogger(__name__)

# what a forward pass is cast to; TF32 is a way of multiplying float32 numbers
PRECISIONS = {"fp32": None, "tf32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_device(name: str, local_rank: int = 0) -> torch.device:
    """Return the device named "cpu", "cuda" or "mps", or the best one of this machine for "auto".

    local_rank  which of several GPUs, counted from 0, as `accelerate launch` gives one to each process
    Raises ConfigError if this machine does not have it.
    """
    name = available_device(name, local_rank)
    if name != "cuda":
        return torch.device(name)
    torch.cuda.set_device(local_rank)
    return torch.device("cuda", local_rank)


def available_device(name: str, local_rank: int = 0) -> str:
    """Return the name of the device that `choose_device` chooses, without taking it; raises as that does."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if _apple_gpu_trains() else "cpu"
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available[name]:
        raise ConfigError(f"The device {name} is not available on this machine: choose auto or cpu.")
    if name == "cuda" and local_rank >= (count := torch.cuda.device_count()):
        raise ConfigError(f"This machine has {count} GPU{'s' * (count != 1)}, so no more processes can train on it.")
    return name


@cache
def _apple_gpu_trains() -> bool:
    """Check whether there is an Apple GPU on which a small step of a training can be made; say so if it cannot."""
    if not torch.backends.mps.is_available():
        return False
    try:
        _step(torch.device("mps"))
    except (RuntimeError, NotImplementedError, TypeError) as error:  # of an operation, or a type of numbers, it lacks
        logger.warning("The Apple GPU cannot train (%s): the CPU is used.", short(str(error).partition("\n")[0], 200))
        return False
    return True


def _step(device: torch.device) -> None:
    """Go forward and back through what detectors are made of: convolution, attention, sampling, the best queries."""
    with torch.random.fork_rng(devices=[]):  # of which the first weights are made
        picture = torch.ones(1, 3, 8, 8, device=device)
        conv, attention = torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.MultiheadAttention(8, 2, batch_first=True)
        features = conv.to(device)(picture)
        sampled = functional.grid_sample(features, torch.zeros(1, 4, 4, 2, device=device), align_corners=False)
        tokens = torch.cat([features.flatten(2), sampled.flatten(2)], 2).mT
        best = attention.to(device)(tokens, tokens, tokens)[0].sigmoid().flatten(1).topk(4).values
        best.sum().backward()
        best.cpu()


def choose_precision(name: str, device: torch.device) -> str:
    """Return one of PRECISIONS: `name`, or for "auto" bf16 on a GPU that has it, tf32 on another, fp32 elsewhere."""
    if name != "auto":
        return name
    if device.type != "cuda":
        return "fp32"
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "tf32"


def set_float32_products(precision: str) -> None:
    """Let a GPU multiply float32 numbers as they are for "fp32", else as TF32, with 10 bits of their fractions.

    That is for the whole process.
    """
    for backend in _backends():
        backend.fp32_precision = "ieee" if precision == "fp32" else "tf32"


@contextmanager
def float32_products(precision: str) -> Iterator[None]:
    """Do what `set_float32_products` does, until the block ends."""
    before = [backend.fp32_precision for backend in _backends()]
    set_float32_products(precision)
    try:
        yield
    finally:
        for backend, value in zip(_backends(), before, strict=True):
            backend.fp32_precision = value


def _backends() -> tuple[Any, Any]:
    return torch.backends.cuda.matmul, torch.backends.cudnn.conv  # type: ignore[attr-defined]  # unknown to its types


def gpu_metrics(device: torch.device, ask_driver: bool) -> dict[str, float]:
    """Return what a GPU did since the last call, by tag; an empty dict for other devices.

    The peak of its memory in bytes; with `ask_driver`, also the share of time in which it was busy, in [0, 1].
    """
    if device.type != "cuda":
        return {}
    metrics = {GPU_MEMORY.tag: float(torch.cuda.max_memory_allocated(device))}
    torch.cuda.reset_peak_memory_stats(device)
    if ask_driver:
        with suppress(Exception):  # whatever a driver without this figure, or without its library, raises
            metrics[GPU_BUSY.tag] = torch.cuda.utilization(device) / 100
    return metrics


@contextmanager
def seeded(*numbers: int, device: torch.device) -> Iterator[None]:
    """Let torch's random numbers, on the CPU and `device`, follow from `numbers`; outside they go on as before.

    So a training does not seed its caller, and a step that is done again, as after a resume, draws the same.
    """
    seed = int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            torch.cuda.manual_seed(seed)
        before = torch.mps.get_rng_state() if device.type == "mps" else None
        try:
            if before is not None:
                torch.mps.manual_seed(seed)
            yield
        finally:
            if before is not None:
                torch.mps.set_rng_state(before)


@contextmanager
def deterministic(enabled: bool) -> Iterator[None]:
    """Use only operations that give the same on every run, if `enabled`; outside as before."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    if enabled:
        torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
