"""`python -m bench.demo`: the built-in demos for three seeds, for docs/measurements.md, docs/stories.md and the cards.

Each run is what one click on Train starts, in this process; `--data scooters` is the second demo, `--preset` a story,
with settings as `--set lr=5e-5`. Half an hour on two cores for both demos.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import torch

from core import PROJECT
from core.config import RANDOM_MODELS, STARTER, TrainConfig
from core.datasets.demo import BUILT_IN, draw_built_in
from core.evaluation.findings.impact import impact
from core.evaluation.findings.localization import localization, scale_ratio
from core.evaluation.findings.recall_by_size import recall_by_size
from core.evaluation.findings.threshold_curve import threshold_curve
from core.evaluation.table import ErrorType
from core.evaluation.tide import detection_table
from core.metrics import LOSS_PARTS
from core.presets import PRESETS
from core.training.events import Evaluated, StepDone
from core.training.train import train

PRECISION = 0.8  # at which two models are asked what they find
STORIES = [name for name, preset in PRESETS.items() if preset.model]


def evaluations(config: TrainConfig, folder: Path) -> tuple[list[Evaluated], list[float], float]:
    """Return every evaluation of one training, after how many seconds each, and its images a second in all."""
    begin, evaluated, seconds, images = time.perf_counter(), [], [], 0
    for progress in train(config, folder):
        images += config.batch_size if isinstance(progress, StepDone) else 0
        if isinstance(progress, Evaluated):
            evaluated.append(progress)
            seconds.append(time.perf_counter() - begin)
    return evaluated, seconds, images / seconds[-1]


def figures(before: Evaluated, after: Evaluated) -> str:
    cells = [
        f"{100 * getattr(before.figures, name):.1f} → {100 * getattr(after.figures, name):.1f}"
        for name in ("AP", "AP50", "APs", "APm", "APl")
    ]
    tags = [loss.val.tag for loss in LOSS_PARTS if loss.val.tag in after.metrics]  # the model's own
    cells += [f"{tag.removeprefix('val/')} {before.metrics[tag]:.3f} → {after.metrics[tag]:.3f}" for tag in tags]
    return " | ".join(cells)


def table_of(progress: Evaluated) -> pa.Table:
    return detection_table(progress.ground_truth, progress.detections, progress.label_map, progress.model_input)


def print_findings(table: pa.Table, score: float) -> None:
    """Print the experiment's two findings, from a score: how well boxes fit, and which objects are found."""
    placed, recalls, impacts = localization(table, score), recall_by_size(table, score), impact(table)
    print(f"    from score {score:.2f}:")
    for group in (placed.total, *placed.by_size):
        one = group.found
        if not one.n:
            print(f"    boxes, {group.name}: none found")
            continue
        print(
            f"    boxes, {group.name}: {one.n} found, mean IoU {one.mean_iou:.2f}, below 0.75: "
            f"{sum(one.ious[:13]) / one.n:.0%}, {group.poor.n} poor; too wide "
            f"{100 * (scale_ratio(one.width) - 1):.1f} % ± {196 * one.width.error:.1f}, too tall "
            f"{100 * (scale_ratio(one.height) - 1):.1f} % ± {196 * one.height.error:.1f}; shifted "
            f"{100 * one.dx.mean:.1f} % right, {100 * one.dy.mean:.1f} % down"
        )
    for name, recall in recalls.by_size.items():
        print(f"    {name}: {recall.n} objects, {recall.recall:.0%} found, {recall.recall_at_any:.0%} at any score")
    if (precise := score_of_precision(table)) is not None:
        recall = recall_by_size(table, precise).by_size["small"].recall
        print(f"    at a precision of {PRECISION:.0%}, from score {precise:.2f}: {recall:.0%} of the small ones found")
    print(f"    half are found from {recalls.input.half} pixels, {recalls.cells.half} cells")
    total = impacts.total
    print("    error impact:", {error.value: round(100 * total[error], 1) for error in ErrorType if error in total})


def score_of_precision(table: pa.Table) -> float | None:
    """Return the lowest score from which the predictions of all classes have PRECISION; None if there is none."""
    curve = threshold_curve(table)
    scores = zip(curve.thresholds, curve.precision, strict=True)
    return next((float(score) for score, precision in scores if (precision or 0) >= PRECISION), None)


def by_class(progress: Evaluated) -> str:
    """Return the AP of the classes that the starter has never seen, and the mean of the others."""
    known = {name: ap for name, ap in progress.figures.per_class.items() if name not in BUILT_IN[1].extra}
    new = [f"{name} {100 * progress.figures.per_class[name]:.1f}" for name in BUILT_IN[1].extra]
    return ", ".join([*new, f"the ten {100 * sum(known.values()) / len(known):.1f}"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--preset", choices=["Built-in demo", "New class", *STORIES], default="Built-in demo")
    parser.add_argument("--data", choices=[one.folder for one in BUILT_IN], help="other scenes than the preset's")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="other settings than the preset's")
    parser.add_argument("--best-score", action="store_true", help="findings from the score of the best F1, not 0.5")
    options = parser.parse_args()
    preset = PRESETS[options.preset]
    folder_name = options.data or preset.data or BUILT_IN[0].folder
    chosen = next(one for one in BUILT_IN if one.folder == folder_name)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for _ in draw_built_in(chosen, root):
            pass
        model = preset.model or STARTER
        model = model if model in RANDOM_MODELS else str(PROJECT / model)
        config = preset.apply(TrainConfig(str(root / chosen.folder), model))
        changes = {name: type(getattr(config, name))(value) for name, value in (s.split("=") for s in options.set)}
        config = replace(config, **changes)
        torch.set_num_threads(config.threads)
        for seed in options.seeds:
            evaluated, seconds, speed = evaluations(replace(config, seed=seed), root / f"run{seed}")
            print(
                f"seed {seed} | {figures(evaluated[0], evaluated[-1])} | {seconds[-1]:.0f} s, {speed:.0f} images/s",
                flush=True,
            )
            print("    AP by epoch:", [round(100 * progress.figures.AP, 1) for progress in evaluated])
            print("    after minutes:", [round(one / 60, 1) for one in seconds])
            for progress in (evaluated[0], evaluated[-1]) if seed == options.seeds[0] else evaluated[-1:]:
                if chosen.extra:
                    print(f"    {by_class(progress)}")
                else:
                    table = table_of(progress)
                    best = threshold_curve(table).best if options.best_score else None
                    print_findings(table, best or 0.5)


if __name__ == "__main__":
    main()
