"""The device that a training computes on, and what a GPU tells of itself."""

from __future__ import annotations

from contextlib import suppress

import torch

from core import ConfigError
from core.metrics import GPU_BUSY, GPU_MEMORY


def choose_device(name: str, place: int = 0) -> torch.device:
    """The device that `auto` means here, or the named one; `place` says which of several GPUs.

    Raises ConfigError if it is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there[name]:
        raise ConfigError(f"The device {name} is not available on this machine: choose auto or cpu.")
    if name != "cuda":
        return torch.device(name)
    if place >= torch.cuda.device_count():
        raise ConfigError(f"This machine has {torch.cuda.device_count()} GPUs, so no more processes can train on it.")
    torch.cuda.set_device(place)
    return torch.device("cuda", place)


def gpu_metrics(device: torch.device, ask_driver: bool) -> dict[str, float]:
    """Since the last call: train/gpu_memory, the peak in bytes; with `ask_driver` also train/gpu_busy, in [0, 1].

    Nothing for other devices.
    """
    if device.type != "cuda":
        return {}
    metrics = {GPU_MEMORY.tag: float(torch.cuda.max_memory_allocated(device))}
    torch.cuda.reset_peak_memory_stats(device)
    if ask_driver:
        with suppress(Exception):  # whatever a driver without this figure, or without its library, raises
            metrics[GPU_BUSY.tag] = torch.cuda.utilization(device) / 100
    return metrics
