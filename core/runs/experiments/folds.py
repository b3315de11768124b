"""Cross-validation: the same training on k splits of all images, each of which is validated on once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import stdev
from typing import Any

import numpy as np

from core import DataError
from core.charts.experiments.images import folds_chart
from core.config import TrainConfig
from core.datasets.layouts import SPLITS
from core.datasets.picture_check import same_pictures
from core.datasets.resplit.draw import Objects, draw_folds
from core.datasets.resplit.write import Pool, pool_of, write_dataset
from core.evaluation.experiments.noise import mean_interval
from core.runs.experiments.kind import Kind, Planned, Reader, Summary, Tables, is_done, points, total_steps
from core.runs.experiments.record import Experiment, Member
from core.runs.experiments.settings import FoldsSettings


class Folds(Kind):
    """The same run on k splits."""

    key, label = "folds", "Folds"
    description = (
        "Cross-validation: training and validation images together are divided into k parts, each class evenly, and "
        "the same training is made k times, validated on another part each time."
    )
    settings = FoldsSettings

    def plan(self, base: TrainConfig, settings: FoldsSettings, read: Reader) -> list[Planned]:
        """Return a run for each fold."""
        images = sum(len(read(base.data, part).images) for part in SPLITS)
        if images < 2 * settings.folds:
            raise DataError(
                f"{images} images cannot be divided into {settings.folds} folds: take at most {images // 2}."
            )
        return [
            Planned(base, {"fold": fold}, f"fold {fold} of {settings.folds}", f"fold-{fold}")
            for fold in range(1, settings.folds + 1)
        ]

    def write_data(self, base: TrainConfig, settings: FoldsSettings, folder: Path, read: Reader) -> None:
        """Write a data set for each fold: pictures that are the same stay in one."""
        pool = pool_of({part: read(base.data, part) for part in SPLITS})
        paths = ((row, pool.pictures / image["file_name"]) for row, image in enumerate(pool.images))
        groups = same_pictures(paths, unread=True)
        drawn = draw_folds(objects_of(pool, base.classes), len(pool.images), settings.folds, groups, base.seed)
        for number, fold in enumerate(drawn, start=1):
            val = pool.ids(fold)
            train = pool.ids(range(len(pool.images))) - val
            about = {"of": base.data, "fold": number, "folds": settings.folds}
            write_dataset(pool, {"train": train, "val": val}, folder / f"fold-{number}", about)

    def name(self, settings: FoldsSettings) -> str:
        """Return a name with the number of folds."""
        return f"{settings.folds} folds"

    def summarize(self, experiment: Experiment, members: Sequence[Member], tables: Tables) -> Summary:
        """Return AP's mean and spread over the folds, and the interval of the mean."""
        done = [member for member in members if is_done(member)]
        if not done:
            return Summary(["No training has gone to its end yet."])
        folds = [int(member.variant.get("fold", 0)) for member in done]
        aps = [member.run.best_ap or 0.0 for member in done]
        total = int(experiment.plan.get("folds", len(members)))
        mean = mean_interval(aps, share=1 / max(total - 1, 1))
        sentences = [f"AP {points(mean.value or 0.0)} on average over {len(aps)} of {total} folds."]
        if mean.low is not None and mean.high is not None:
            sentences[0] = (
                f"AP {points(mean.value or 0.0)} on average over {len(aps)} of {total} folds, from {points(min(aps))} "
                f"to {points(max(aps))} (standard deviation {points(stdev(aps))})."
            )
            sentences.append(
                f"With other images of the kind the mean would likely lie between {points(max(mean.low, 0))} and "
                f"{points(min(mean.high, 1))} (95 %): a change that is smaller than that cannot be told by one fold."
            )
        values = {
            "AP": {str(fold): 100 * ap for fold, ap in zip(folds, aps, strict=True)},
            "mean": 100 * (mean.value or 0.0),
            "interval": None if mean.low is None or mean.high is None else [100 * mean.low, 100 * mean.high],
        }
        return Summary(sentences, [folds_chart(folds, aps, mean, total_steps(members))], values)


def objects_of(pool: Pool, classes: Sequence[str], rows: range | None = None) -> Objects:
    """Return the image (its place in the pool, or among `rows` of it) and class of each object of `classes`, or all."""
    rows = range(len(pool.images)) if rows is None else rows
    row = {pool.images[place]["id"]: i for i, place in enumerate(rows)}
    chosen = {c["id"] for c in pool.categories if not classes or c["name"] in classes}
    kept: list[dict[str, Any]] = [
        a for a in pool.annotations
        if a["category_id"] in chosen and a["image_id"] in row and not a["iscrowd"]
    ]  # fmt: skip
    images = np.array([row[a["image_id"]] for a in kept], dtype=np.int64)
    return images, np.array([a["category_id"] for a in kept], dtype=np.int64)
