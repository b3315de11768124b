"""Processes that train together: the losses of one process with the same batch, each image evaluated once."""

import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from core.config import TrainConfig
from core.training.distributed import ProcessGroup

TOGETHER = str(Path(__file__).parent / "together.py")
SPEED = ("train/images_per_second", "train/wait")


@pytest.fixture(scope="module")
def config(street):
    # 11 of 12 images hold an object of these classes: the last step has an image for one of two processes only
    return TrainConfig(
        data=str(street), model="random", epochs=2, batch_size=2, lr=1e-3, lr_backbone=1e-4, lr_head=1e-3,
        shortest_edge=72, longest_edge=96, workers=0, threads=1, device="cpu", freeze="none", dropout=0.0, seed=5,
    )  # fmt: skip


def run(config, folder, processes, stop_at=None):
    """What the first of so many processes printed, by kind and step, and all exit codes."""
    program = [TOGETHER, json.dumps(config.to_dict()), str(folder), *([str(stop_at)] if stop_at else [])]
    command = [sys.executable, *program]
    if processes > 1:
        command = [
            sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", str(processes),
            "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0",
            *program,
        ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    return {(kind, step): (metrics, images, rows) for kind, step, metrics, images, rows in lines}


def without_speed(metrics):
    return {tag: value for tag, value in metrics.items() if tag not in SPEED}


@pytest.fixture(scope="module")
def alone(config, tmp_path_factory):
    return run(replace(config, batch_size=4), tmp_path_factory.mktemp("alone"), processes=1)


def test_two_processes_have_the_losses_of_one_with_the_same_batch(config, alone, tmp_path):
    both = run(config, tmp_path, processes=2)
    assert set(both) == set(alone)
    for place, (metrics, images, rows) in alone.items():
        theirs, their_images, their_rows = both[place]
        assert without_speed(theirs) == pytest.approx(without_speed(metrics), rel=2e-3, abs=1e-6), place
        assert (their_images, their_rows) == (images, rows), place  # no image twice, none left out
    assert {path.name for path in tmp_path.iterdir()} == {"best", "last"}


def test_when_the_first_process_stops_all_end_and_a_resume_goes_on(config, alone, tmp_path):
    first = run(config, tmp_path, processes=2, stop_at=4)
    rest = run(config, tmp_path, processes=2)
    assert max(step for kind, step in first if kind == "StepDone") == 4
    assert min(step for kind, step in rest if kind == "StepDone") == 5
    for place, (metrics, _, _) in {**first, **rest}.items():
        assert without_speed(metrics) == pytest.approx(without_speed(alone[place][0]), rel=2e-3, abs=1e-6), place


def test_a_process_alone_has_nobody_to_wait_for():
    group = ProcessGroup()
    assert (group.world_size, group.rank, group.is_main_process) == (1, 0, True)
    assert group.all_reduce_sum(1.0, 2.5) == [1.0, 2.5] and group.all_gather("value") == ["value"]
    parameter = torch.nn.Parameter(torch.ones(2))
    group.all_reduce_gradients([parameter])
    assert parameter.grad is None
    with group.collective():
        pass
    group.broadcast_stop(), group.close()


@pytest.mark.parametrize("error, sent", [(None, [True, False]), (ValueError, [True])])
def test_the_others_hear_of_a_stop_but_not_while_they_wait_for_a_sum(monkeypatch, error, sent):
    group, heard = ProcessGroup(), []
    monkeypatch.setattr(group, "world_size", 2)
    monkeypatch.setattr(group, "_broadcast", lambda goes_on: heard.append(goes_on) or True)
    with suppress(ValueError), group.collective():
        if error:
            raise error
    group.broadcast_stop()
    group.broadcast_stop()
    assert heard == sent
