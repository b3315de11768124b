"""How busy the GPU is, and how often a step waits for it: from PyTorch's profiler, over the same steps twice.

In: a loop. Out: the time in which the GPU computes or copies, by the trace, over the time of the same steps without the
profiler, which slows what the CPU does; synchronisations and copies to the CPU a step.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from bench.gpu.loops import OurLoop, Step, plain_loop
from bench.gpu.record import Deadline, Record, Row
from bench.gpu.speed import LIMIT, OURS, PLAIN, synchronize
from bench.gpu.workbench import PRECISIONS, Setting, Workbench
from core import RunError

RANGE = "steps that are traced"
ON_DEVICE = ("kernel", "gpu_memcpy", "gpu_memset")
CALLS = ("cuda_runtime", "cuda_driver")
SYNCHRONIZING = {
    "cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize", "cudaMemcpy", "cuStreamSynchronize",
    "cuEventSynchronize", "cuCtxSynchronize",
}  # fmt: skip


@dataclass(frozen=True)
class TraceSummary:
    """Of the steps in a trace: seconds in which the GPU worked, calls that wait for it, copies to the CPU."""

    busy_seconds: float
    synchronizations: int
    copies: int


def summarize(trace: dict[str, Any]) -> TraceSummary:
    """Read a Chrome trace of PyTorch's profiler, in which RANGE is around the steps."""
    events = [event for event in trace["traceEvents"] if event.get("ph") == "X"]
    begin, end = next((e["ts"], e["ts"] + e["dur"]) for e in events
                      if e["name"] == RANGE and e.get("cat") == "user_annotation")  # fmt: skip
    works = sorted((e["ts"], e["ts"] + e["dur"]) for e in events if e.get("cat") in ON_DEVICE)
    busy, until = 0.0, float("-inf")
    for start, stop in works:  # streams overlap
        busy += max(0.0, stop - max(start, until))
        until = max(until, stop)
    calls = [e["name"] for e in events if e.get("cat") in CALLS and begin <= e["ts"] <= end]
    copies = [e for e in events if e.get("cat") == "gpu_memcpy" and "DtoH" in e["name"]]
    return TraceSummary(busy / 1e6, sum(name in SYNCHRONIZING for name in calls), len(copies))


def trace_loop(bench: Workbench, make: Callable[[], Generator[Step]]) -> Row:
    """Take the same steps twice, with a clock and with the profiler."""
    device, warm, traced = bench.device, bench.scale.warm, bench.scale.traced
    with closing(make()) as steps:
        _take(steps, warm, device)
        begin = time.perf_counter()
        _take(steps, traced, device)
        seconds = time.perf_counter() - begin
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if device.type == "cuda" else [])
    with closing(make()) as steps:
        _take(steps, warm, device)
        with profile(activities=activities, acc_events=True) as recorded:
            with record_function(RANGE):
                for _ in islice(steps, traced):
                    pass
            synchronize(device)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        recorded.export_chrome_trace(str(path))
        summary = summarize(json.loads(path.read_bytes()))
    if device.type == "cuda" and not summary.busy_seconds:
        raise RunError("The profiler recorded nothing of the GPU, most often for want of permission.")
    return {
        "busy": min(1.0, summary.busy_seconds / seconds) if device.type == "cuda" else None,
        "synchronizations_per_step": summary.synchronizations / traced,
        "copies_per_step": summary.copies / traced,
        "steps": traced,
    }


def _take(steps: Generator[Step], count: int, device: torch.device) -> None:
    for _ in islice(steps, count):
        pass
    synchronize(device)


def measure_traces(bench: Workbench, record: Record, deadline: Deadline) -> None:
    """Add a row for each loop at the smallest batch, where the CPU has the most to do for each image."""
    setting = Setting(PRECISIONS[0], bench.scale.batches[0])
    makers: dict[str, Callable[[], Generator[Step]]] = {
        OURS: lambda: OurLoop(bench, setting).run(),
        LIMIT: lambda: OurLoop(bench, setting).run_ready(),
        PLAIN: lambda: plain_loop(bench, setting),
    }
    for name, make in makers.items():
        record.attempt("traces", setting.key(name), lambda make=make: trace_loop(bench, make), deadline)
