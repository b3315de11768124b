"""`python -m bench.few`: what so many minutes make of few images: of the demo's, or of a folder of one's own pictures.

    python -m bench.few --images 60 --minutes 2.5 --seeds 0 1 2
    python -m bench.few --folder BCCD_Dataset --minutes 5 15 30 --set shortest_edge=240 longest_edge=320

Each is a whole training of that length, from the starter or `--model`, with a preset and `--set NAME=VALUE`. The
machine has to be at rest: how many steps fit into the minutes decides.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from bench.demo import evaluations, table_of
from core import PROJECT
from core.config import STARTER, TrainConfig
from core.datasets.convert.to_coco import convert, detect_format
from core.datasets.demo import draw_dataset
from core.evaluation.findings.impact import impact
from core.evaluation.table import ErrorType
from core.presets import PRESETS
from core.runs.experiments.values import parse_values
from core.training.events import Evaluated


def folder_of(options: argparse.Namespace, root: Path) -> Path:
    """Return a data set in COCO layout: drawn, or made of the user's folder; relative links go on working."""
    data = root / "data"
    if not options.folder:
        for _ in draw_dataset(data, "dusk", options.images, processes=2):
            pass
    elif detect_format(options.folder):
        for _ in convert(options.folder, data):
            pass
    else:
        return Path(options.folder).resolve()
    return data


def settings_of(options: argparse.Namespace, data: Path) -> TrainConfig:
    """Return the preset's settings with those that were given; a setting has one value."""
    config = PRESETS[options.preset].apply(TrainConfig(str(data), str(PROJECT / options.model)))
    given = dict(parse_values(text) for text in options.set)
    return replace(config, **{name: values[0] for name, values in given.items()})


def sentence(name: str, last: Evaluated, seconds: float) -> str:
    figures = " ".join(f"{key} {100 * (getattr(last.figures, key) or 0):.1f}" for key in ("AP", "AP50", "APs"))
    costs = impact(table_of(last)).total
    errors = ", ".join(f"{kind.value} {100 * costs[kind]:.1f}" for kind in ErrorType if kind in costs)
    return f"{name}: {figures} after {last.epoch} epochs, {last.step} steps, {seconds:.0f} s; errors cost {errors}"


def by_minutes(evaluated: list[Evaluated], seconds: list[float]) -> str:
    """Return AP and AP50 of each evaluation; where rates stay, a shorter training is the beginning of this one."""
    figures = [(100 * (one.figures.AP or 0), 100 * (one.figures.AP50 or 0)) for one in evaluated]
    return ", ".join(f"{one / 60:.1f} {ap:.1f}/{ap50:.1f}" for one, (ap, ap50) in zip(seconds, figures, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--folder", help="of pictures with labels, in any layout that is read; without, scenes are drawn"
    )
    parser.add_argument("--images", type=int, default=60, help="how many training scenes are drawn")
    parser.add_argument("--minutes", type=float, nargs="+", default=[2.5])
    parser.add_argument("--model", default=STARTER)
    parser.add_argument("--preset", choices=PRESETS, default="Built-in demo")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        config = settings_of(options, folder_of(options, root))
        torch.set_num_threads(config.threads or 2)
        for minutes in options.minutes:
            aps = []
            for seed in options.seeds:
                run = replace(config, minutes=minutes, seed=seed)
                evaluated, seconds, _ = evaluations(run, root / f"run-{minutes:g}-{seed}")
                best = max(evaluated[1:], key=lambda one: one.figures.AP or 0)
                aps.append(100 * (best.figures.AP or 0))
                print(sentence(f"{minutes:g} minutes, seed {seed}", best, seconds[-1]), flush=True)
                print("    after minutes:", by_minutes(evaluated, seconds), flush=True)
            if len(aps) > 1:
                print(f"{minutes:g} minutes: AP {statistics.mean(aps):.1f} ± {statistics.stdev(aps):.1f}", flush=True)


if __name__ == "__main__":
    main()
