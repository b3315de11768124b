"""Ten steps are recorded once, as a table and a trace."""

import gzip
import json

import pytest
import torch

from core.training.profiler import FIRST, STEPS, StepProfiler

CPU = torch.device("cpu")


def run(profiler, steps):
    found = []
    for _ in range(steps):
        profiler.before_step()
        torch.rand(32, 32) @ torch.rand(32, 32)
        found.append(profiler.after_step())
    return found


def test_ten_steps_after_the_first_ones_are_recorded():
    found = run(StepProfiler(True, CPU, 100), FIRST + STEPS + 3)
    assert [result is not None for result in found] == [False] * (FIRST + STEPS - 1) + [True] + [False] * 3
    profile = found[FIRST + STEPS - 1]
    calls = {row["name"]: row["calls"] for row in profile.operators}
    assert profile.steps == STEPS and calls["aten::mm"] == STEPS
    costs = [row["cpu_ms"] + row["gpu_ms"] for row in profile.operators]
    assert costs == sorted(costs, reverse=True) and costs[0] > 0
    assert "aten::mm" in {event.get("name") for event in json.loads(gzip.decompress(profile.trace))["traceEvents"]}


def test_without_being_asked_nothing_is_recorded():
    assert run(StepProfiler(False, CPU, 100), FIRST + STEPS) == [None] * (FIRST + STEPS)


def test_a_training_that_ends_while_it_records_can_be_profiled_again():
    first = StepProfiler(True, CPU, 100)
    run(first, FIRST + 2)
    first.close()
    first.close()
    assert run(StepProfiler(True, CPU, 100), FIRST + STEPS)[-1]


def test_a_training_that_ends_before_it_records_leaves_nothing():
    early = StepProfiler(True, CPU, 100)
    run(early, 1)
    early.close()


@pytest.mark.parametrize("steps, recorded", [(1, 1), (2, 1), (4, 1), (8, 5), (13, 10)])
def test_of_a_short_training_what_there_is_is_recorded(steps, recorded):
    found = run(StepProfiler(True, CPU, steps), steps)
    assert found[-1].steps == recorded and not any(found[:-1])
    assert {row["name"]: row["calls"] for row in found[-1].operators}["aten::mm"] == recorded
