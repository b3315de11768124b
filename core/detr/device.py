"""The device that a training computes on, and what a GPU tells of itself."""

from __future__ import annotations

from contextlib import suppress

import torch

from core import ConfigError
from core.metrics import GPU_BUSY, GPU_MEMORY


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
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available[name]:
        raise ConfigError(f"The device {name} is not available on this machine: choose auto or cpu.")
    if name == "cuda" and local_rank >= (count := torch.cuda.device_count()):
        raise ConfigError(f"This machine has {count} GPU{'s' * (count != 1)}, so no more processes can train on it.")
    return name


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
