"""Limits of the system that a training meets: descriptors, memory; and a clock that is set while it runs."""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import psutil

from torture.faults.faults import Fault
from torture.scenario import Plan

DESCRIPTORS, MEMORY, CLOCK = "faults: descriptors", "faults: memory", "faults: clock"
DAY = 86400.0


def faults(plan: Plan) -> Sequence[Fault]:
    """Return the faults of limits and of the clock."""
    listed = []
    for variant in ("plain", "two workers"):
        listed += [
            Fault(DESCRIPTORS, f"{n} descriptors, {variant}", limits=partial(_descriptors, n), variant=variant)
            for n in (16, 20, 24, 32, 48, 64, 96, 128)
        ]
        listed += [
            Fault(MEMORY, f"{n} MiB more, {variant}", limits=partial(_memory, n), variant=variant, deadly=True)
            for n in (8, 32, 64, 128, 256, 512)
        ]
    for shift in (-400 * DAY, -DAY, DAY, 400 * DAY):
        name = f"the clock is set by {shift / DAY:+.0f} days"
        listed.append(Fault(CLOCK, f"{name} before it begins", inside=partial(_set_clock, shift=shift, calls=0)))
        listed.append(Fault(CLOCK, f"{name} while it runs", inside=partial(_set_clock, shift=shift, calls=25)))
    return listed


def _descriptors(number: int) -> dict[int, int]:
    return {resource.RLIMIT_NOFILE: number}


def _memory(mebibytes: int) -> dict[int, int]:
    return {resource.RLIMIT_AS: psutil.Process().memory_info().vms + mebibytes * 2**20}


def _set_clock(root: Path, shift: float, calls: int) -> None:
    """Set this process's clock, from the given number of looks at it on."""
    original, count = time.time, 0

    def shifted() -> float:
        nonlocal count
        count += 1
        return original() + (shift if count > calls else 0)

    time.time = shifted
