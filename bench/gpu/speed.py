"""Images a second of the three loops in every precision and batch size, and of reading alone; peak memory of each."""

from __future__ import annotations

import gc
import time
from collections.abc import Generator
from contextlib import closing, suppress
from itertools import islice

import torch

from bench.gpu.loops import OurLoop, Step, our_batches, plain_batches, plain_loop
from bench.gpu.record import Deadline, Record, Row
from bench.gpu.workbench import MIXED, ONE_SIZE, PRECISIONS, WAITING, Setting, Workbench

OURS, PLAIN, LIMIT = "ours", "plain", "limit"
PREPARING = 0.4  # of a loop's time: its model, its reading processes, its first steps


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measure_loop(bench: Workbench, steps: Generator[Step], seconds: float, deadline: Deadline) -> Row:
    """Return images a second after the first steps, the share of time that was waited, and the peak of memory."""
    device, images, waited, counted = bench.device, 0, 0.0, 0
    with closing(steps):
        for _ in islice(steps, bench.scale.warm):
            pass
        synchronize(device)
        begin = time.perf_counter()
        for step in steps:
            images, waited, counted = images + step.images, waited + step.waited, counted + 1
            is_long_enough = counted >= bench.scale.least and time.perf_counter() - begin >= seconds
            if is_long_enough or deadline.is_over:
                break
        synchronize(device)
        took = time.perf_counter() - begin
    row: Row = {"images_per_second": images / took, "waited": waited / took, "steps": counted}
    if device.type == "cuda":
        row["peak_bytes"] = torch.cuda.max_memory_allocated(device)
    return row


def reset_peak(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def settings(bench: Workbench) -> list[Setting]:
    """Return all settings, the most important first."""
    batches = bench.scale.batches
    return [Setting(p, b, sizes) for sizes in (MIXED, ONE_SIZE) for b in batches for p in PRECISIONS]


def loops_of(bench: Workbench, setting: Setting) -> list[str]:
    """Return the loops that are measured at a setting: the plain one only where somebody would use it."""
    is_usual = setting.sizes == MIXED and setting.batch in bench.scale.plain_batches
    return [OURS, LIMIT, *([PLAIN] if is_usual else [])]


def measure_speed(bench: Workbench, record: Record, deadline: Deadline) -> None:
    """Add a row for each loop of each setting; loops of one setting come one after the other."""
    todo = [(setting, name) for setting in settings(bench) for name in loops_of(bench, setting)]
    if bench.device.type == "cuda":  # the first loop would else load the GPU's libraries
        with suppress(Exception):  # its row will say it
            measure_loop(bench, OurLoop(bench, todo[0][0]).run(), 0.0, deadline)
    ours: OurLoop | None = None
    for done, (setting, name) in enumerate(todo):
        seconds = min(bench.scale.seconds, (1 - PREPARING) * deadline.left / (len(todo) - done))

        def measure(setting: Setting = setting, name: str = name, seconds: float = seconds) -> Row:
            nonlocal ours
            if name == PLAIN or (ours and ours.setting != setting):
                ours = None  # its memory is not this loop's
            reset_peak(bench.device)
            readers: Row = {"readers": bench.readers(setting.batch)}
            if name == PLAIN:
                return readers | measure_loop(bench, plain_loop(bench, setting), seconds, deadline)
            ours = ours or OurLoop(bench, setting)
            steps = ours.run_ready() if name == LIMIT else ours.run()
            row = readers | measure_loop(bench, steps, seconds, deadline)
            return {**row, "remark": ours.remarks()[-1].title} if ours.remarks() else row

        record.attempt("speed", setting.key(name), measure, deadline)


def measure_reading(bench: Workbench, record: Record, deadline: Deadline) -> None:
    """Add images a second of both loaders alone: where that is little more than a loop's, reading holds it back."""
    setting = Setting(PRECISIONS[0], bench.scale.batches[0])
    seconds = min(bench.scale.seconds, (1 - PREPARING) * deadline.left / 2)
    for name in (OURS, PLAIN):

        def measure(name: str = name) -> Row:
            batches = our_batches(bench, setting) if name == OURS else plain_batches(bench, setting)
            readers, counted = bench.readers(setting.batch), 0
            with closing(batches):
                for _ in islice(batches, 1 + WAITING * readers):  # those that waited
                    pass
                begin = time.perf_counter()
                while counted < bench.scale.least or time.perf_counter() - begin < seconds:
                    next(batches)
                    counted += 1
                took = time.perf_counter() - begin
            return {"images_per_second": counted * setting.batch / took, "readers": readers, "batches": counted}

        record.attempt("reading", {"loop": name, "batch": setting.batch, "sizes": setting.sizes}, measure, deadline)
