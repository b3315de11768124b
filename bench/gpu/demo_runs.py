"""The built-in demo in bfloat16 and float32: whether their AP agrees within noise, and what a run takes on the GPU.

In: seeds. Out: a row for each run. The first one is alone on the machine, so that its time counts; the others then run
side by side, and what they have learned when no time is left counts, too. Each is a process of its own, which prints
the AP of every evaluation: `python -m bench.gpu.demo_runs SEED PRECISION DATA OUT DEVICE EPOCHS`.
"""

from __future__ import annotations

import gc
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch
from scipy.stats import t as student

from bench.gpu.record import NO_TIME, Deadline, Record, Row
from bench.gpu.workbench import Scale
from core import PROJECT
from core.config import TrainConfig
from core.datasets.demo import BUILT_IN, draw_dataset
from core.datasets.drawing.processes import usable_cores
from core.presets import PRESETS
from core.training.events import Evaluated
from core.training.train import train

PRECISIONS = ("bf16", "fp32")
CORES = 3  # of a run: two threads that compute, one that feeds the GPU


def run_demo(seed: int, precision: str, data: Path, out: Path, device: str, epochs: int) -> None:
    """Train the starter model as a click on Train does; print AP at each evaluation, and at the end the seconds."""
    config = PRESETS["Built-in demo"].apply(TrainConfig(str(data), str(PROJECT / "checkpoints/starter")))
    config = replace(config, seed=seed, device=device, epochs=epochs, precision=precision)
    torch.set_num_threads(config.threads)
    begin = time.perf_counter()
    for progress in train(config, out):
        if isinstance(progress, Evaluated):
            print(json.dumps({"AP": progress.figures.AP}), flush=True)
    print(json.dumps({"seconds": time.perf_counter() - begin}), flush=True)


def measure_demos(scale: Scale, record: Record, deadline: Deadline) -> None:
    """Add a row for each seed and precision."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()  # this process keeps memory that the runs need
    first, *others = [{"seed": seed, "precision": precision} for seed in scale.demo_seeds for precision in PRECISIONS]
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "street"
        train, val = scale.demo_images or (BUILT_IN[0].train, BUILT_IN[0].val)
        for _ in draw_dataset(data, BUILT_IN[0].look, train, val, processes=usable_cores()):
            pass
        at_once = max(1, usable_cores() // CORES)
        _run_group([first], scale, data, Path(folder), record, deadline.share(0.5))
        for start in range(0, len(others), at_once):
            _run_group(others[start : start + at_once], scale, data, Path(folder), record, deadline)


def _run_group(keys: list[Row], scale: Scale, data: Path, folder: Path, record: Record, deadline: Deadline) -> None:
    """Run these side by side; each in a process of its own, which is ended when its time is over."""
    if deadline.is_over:
        for key in keys:
            record.add("demo", {**key, "not_measured": NO_TIME})
        return
    children = []
    for key in keys:
        out = folder / f"{key['precision']}-{key['seed']}"
        arguments = (key["seed"], key["precision"], data, out, scale.device, scale.demo_epochs)
        command = [sys.executable, "-m", "bench.gpu.demo_runs", *map(str, arguments)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        children.append(subprocess.Popen(command, cwd=PROJECT, text=True, stdin=subprocess.DEVNULL, **pipes))
    try:
        for key, child in zip(keys, children, strict=True):
            record.add("demo", {**key, "alone": len(keys) == 1, **_result(child, deadline)})
    finally:
        for child in children:
            child.kill()
            child.wait()


def _result(child: subprocess.Popen[str], deadline: Deadline) -> Row:
    """Return what a run printed, also if its time was over or it failed."""
    is_cut_off = False
    try:
        out, errors = child.communicate(timeout=deadline.left)
    except subprocess.TimeoutExpired:
        is_cut_off = True
        child.kill()
        out, errors = child.communicate()
    printed = [json.loads(line) for line in out.splitlines() if line.endswith("}")]
    row: Row = {"AP": [line["AP"] for line in printed if "AP" in line]}
    row |= next((line for line in printed if "seconds" in line), {})
    if child.returncode and not is_cut_off:
        return {"failed": (errors.strip().splitlines() or [f"exit code {child.returncode}"])[-1][:200]}
    return row if len(row["AP"]) > 1 else {"not_measured": NO_TIME}


def agreement(rows: list[Row]) -> Row | None:
    """Compare the AP of both precisions: their means, and whether these differ by more than the seeds do.

    It is the AP after as many epochs as all runs have made. None where there are fewer than two runs of one precision.
    """
    runs = [row for row in rows if "AP" in row]
    epochs = min((len(row["AP"]) for row in runs), default=0) - 1
    last = {p: [row["AP"][epochs] for row in runs if row["precision"] == p] for p in PRECISIONS}
    if min(map(len, last.values())) < 2:
        return None
    difference = statistics.mean(last["bf16"]) - statistics.mean(last["fp32"])
    t = float(student.ppf(0.975, sum(map(len, last.values())) - 2))  # 2.8 for three runs of each
    noise = t * sum(statistics.variance(values) / len(values) for values in last.values()) ** 0.5
    return {"epochs": epochs, "difference": difference, "noise": noise, "agree": abs(difference) <= noise}


if __name__ == "__main__":
    seed, precision, data, out, device, epochs = sys.argv[1:]
    run_demo(int(seed), precision, Path(data), Path(out), device, int(epochs))
