"""Where the time of a training goes: ten steps under PyTorch's profiler, as a table and a trace for Perfetto."""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from core.training.events import Operator, Profile

FIRST, STEPS = 3, 10  # after the first steps, which are slower than the rest
MOST_OPERATORS = 40


class StepProfiler:
    """Records STEPS of the coming `steps` steps of a training, or as many as there are.

    Call `before_step` and `after_step` around each of them. With `is_on` false it records nothing.
    """

    def __init__(self, is_on: bool, device: torch.device, steps: int) -> None:
        self._recorded = min(STEPS, max(1, steps - FIRST))
        self._left = min(FIRST + STEPS, steps) if is_on else 0
        activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if device.type == "cuda" else [])
        self._profile = profile(activities=activities, acc_events=True) if is_on else None
        self._device, self._is_recording = device, False

    def before_step(self) -> None:
        """Begin to record if it is time; the step's waiting for data counts."""
        if self._profile and self._left == self._recorded:
            self._profile.start()
            self._is_recording = True

    def after_step(self) -> Profile | None:
        """Return the profile after the last step that is recorded, None after all others."""
        if not self._profile or not self._left:
            return None
        self._left -= 1
        if self._left:
            return None
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        self._profile.stop()
        self._is_recording = False
        return Profile(self._recorded, _operators(self._profile), _trace(self._profile))

    def close(self) -> None:
        """Stop recording in a training that ends meanwhile."""
        if self._profile and self._is_recording:
            self._profile.stop()
        self._left, self._is_recording = 0, False


def _operators(recorded: profile) -> list[Operator]:
    rows = [
        Operator(
            name=event.key,
            calls=event.count,
            cpu_ms=event.self_cpu_time_total / 1000,
            gpu_ms=getattr(event, "self_device_time_total", 0.0) / 1000,
        )
        for event in recorded.key_averages()
    ]
    return sorted(rows, key=lambda row: -(row["cpu_ms"] + row["gpu_ms"]))[:MOST_OPERATORS]


def _trace(recorded: profile) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        recorded.export_chrome_trace(str(path))
        return gzip.compress(path.read_bytes(), 5)
