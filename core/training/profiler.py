"""Where the time of a training goes: ten steps under PyTorch's profiler, as a table and a trace for Perfetto."""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from core.training.events import Profile

FIRST, STEPS = 3, 10  # after the first steps, which are slower than the rest
MOST_OPERATORS = 40


class StepProfiler:
    """Records STEPS of the coming `steps` steps of a training, or as many as there are: `before` and `after` each."""

    def __init__(self, wanted: bool, device: torch.device, steps: int):
        self._recorded = min(STEPS, max(1, steps - FIRST))
        self._left = min(FIRST + STEPS, steps) if wanted else 0
        activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if device.type == "cuda" else [])
        self._profile = profile(activities=activities, acc_events=True) if wanted else None
        self._device, self._runs = device, False

    def before(self) -> None:
        """A step begins, its waiting for data included."""
        if self._left == self._recorded:
            self._profile.start()
            self._runs = True

    def after(self) -> Profile | None:
        """A step is over; the profile, after the last one of those that are recorded."""
        if not self._left:
            return None
        self._left -= 1
        if self._left:
            return None
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        self._profile.stop()
        self._runs = False
        return Profile(self._recorded, self._operators(), self._trace())

    def close(self) -> None:
        """A training that ends while steps are being recorded."""
        if self._runs:
            self._profile.stop()
        self._left, self._runs = 0, False

    def _operators(self) -> list[dict]:
        rows = [
            {
                "name": event.key, "calls": event.count, "cpu_ms": event.self_cpu_time_total / 1000,
                "gpu_ms": getattr(event, "self_device_time_total", 0.0) / 1000,
            }
            for event in self._profile.key_averages()
        ]  # fmt: skip
        return sorted(rows, key=lambda row: -(row["cpu_ms"] + row["gpu_ms"]))[:MOST_OPERATORS]

    def _trace(self) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "trace.json"
            self._profile.export_chrome_trace(str(path))
            return gzip.compress(path.read_bytes(), 5)
