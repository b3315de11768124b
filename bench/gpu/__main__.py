"""`python -m bench.gpu`: how fast trainings are on an NVIDIA GPU, in six minutes, without a network.

It writes a JSON and a table into `--out`; a part for which no time is left says so. `--table FILE.json` puts a table
into docs/measurements.md. `--cpu` tries every part in small on a machine without a GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import torch

from bench.gpu.demo_runs import measure_demos
from bench.gpu.families import measure_families
from bench.gpu.memory import measure_memory
from bench.gpu.record import Deadline, Record
from bench.gpu.speed import measure_reading, measure_speed
from bench.gpu.table import markdown, write_docs
from bench.gpu.trace import measure_traces
from bench.gpu.workbench import ON_CPU, ON_GPU, Scale, Workbench
from core import PROJECT

RESERVE = 5  # seconds in which what is under way ends
NO_GPU = "There is no NVIDIA GPU that torch can use: run this on a machine with one, or try it in small with --cpu."
# each part with its weight: it has that share of the time that is left for it and those after it
PARTS: dict[str, tuple[Callable[[Workbench, Record, Deadline], None], int]] = {
    "speed": (measure_speed, 40),
    "reading": (measure_reading, 2),
    "traces": (measure_traces, 7),
    "memory": (measure_memory, 4),
    "families": (measure_families, 30),
    "demo": (lambda bench, record, deadline: measure_demos(bench.scale, record, deadline), 44),
}


def about_machine() -> dict[str, Any]:
    """Return the card, its driver, the versions and the cores."""
    card, memory = "no GPU", 0
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        card, memory = properties.name, properties.total_memory
    return {
        "card": card, "memory_gb": memory / 1e9, "driver": _driver(), "torch": torch.__version__,
        "cuda": torch.version.cuda or "none", "cores": os.cpu_count(), "python": platform.python_version(),
        "revision": _revision(),
    }  # fmt: skip


def _driver() -> str:
    try:
        import pynvml

        pynvml.nvmlInit()
        return str(pynvml.nvmlSystemGetDriverVersion())
    except Exception:  # whatever a machine without the driver's library raises
        return "unknown"


def _revision() -> str:
    command = ["git", "-C", str(PROJECT), "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def measure(scale: Scale, out: Path, minutes: float, chosen: list[str]) -> dict[str, Any]:
    """Measure the chosen parts into `out`/gpu.json; return what it holds."""
    running = time.time() - psutil.Process().create_time()  # torch's import is part of the time
    end = Deadline(time.monotonic() + 60 * minutes - running - RESERVE)
    settings = {
        "device": scale.device, "shortest_edge": scale.shortest_edge, "longest_edge": scale.longest_edge,
        "images": scale.train, "readers": scale.readers, "minutes": minutes,
    }  # fmt: skip
    about = {"date": time.strftime("%Y-%m-%d"), "machine": about_machine(), "settings": settings}
    record = Record(out / "gpu.json", about)
    with tempfile.TemporaryDirectory() as folder:
        bench = Workbench(scale, Path(folder) / "photographs")
        for number, name in enumerate(chosen):
            run, weight = PARTS[name]
            try:
                run(bench, record, end.share(weight / sum(PARTS[later][1] for later in chosen[number:])))
            except Exception as error:  # it costs this part
                record.fail(name, error)
    return record.content


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=PROJECT / "runs/bench-gpu")
    parser.add_argument("--minutes", type=float, default=6.0, help="for everything, from the start of this command")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS), metavar="PART",
                        help=f"these parts alone: {', '.join(PARTS)}")  # fmt: skip
    parser.add_argument("--cpu", action="store_true", help="try every part in small, without a GPU")
    parser.add_argument("--table", type=Path, metavar="FILE.json", help="print its table, and write it into the docs")
    options = parser.parse_args(arguments)
    if options.table:
        text = markdown(json.loads(options.table.read_text()))
        write_docs(text)
        print(text)
        return
    if not options.cpu and not torch.cuda.is_available():
        raise SystemExit(NO_GPU)
    content = measure(ON_CPU if options.cpu else ON_GPU, options.out, options.minutes, options.only)
    text = markdown(content)
    (options.out / "gpu.md").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
