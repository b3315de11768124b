"""The parts of a model card that are read from the run: data, recipe, figures, errors.

In: a `SavedModel`, its detection table and what the bootstrap says of it. Out: Markdown. Metrics are in percent, as
everywhere in the lab. Of folders only the last name is told: the way to them is about somebody's machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from core import LabError
from core.config import RANDOM_MODELS, TrainConfig
from core.config_diff import compare_settings, value_text
from core.datasets.split import SIZES, read_split
from core.datasets.statistics import SplitStatistics, dataset_statistics
from core.detr.pretrained import preset_config
from core.evaluation.coco_eval import FIGURES
from core.evaluation.findings.bootstrap import Interval, Intervals, in_words
from core.evaluation.findings.curves import ClassFigures, coco_figures
from core.evaluation.table import ErrorType
from core.export.huggingface.markdown import bullets, table, text
from core.export.huggingface.metadata import base_model, data_name
from core.export.saved_model import SavedModel
from core.export.text import errors_and_impact, percent
from core.presets import PRESETS
from core.runs.provenance.code import code_values

PLACES = ("data", "model", "classes", "device", "workers", "threads", "cache", "profile", "processes")  # of a machine
MOST_CLASSES = 100  # rows of a table


def data(model: SavedModel) -> str:
    """Return how many images and objects of each class the data set has, as it is today; less if it is gone."""
    name = text(data_name(model))
    names = model.labels.names
    try:
        counts = dataset_statistics({part: read_split(model.config.data, part) for part in ("train", "val")}, names)
    except (LabError, OSError):
        return f"The data set “{name}”, which could not be read any more when this card was written."
    parts: Sequence[tuple[str, SplitStatistics]] = [
        ("training", counts.splits["train"]), ("validation", counts.splits["val"])
    ]  # fmt: skip
    rows = [
        [text(one), *(f"{int(part.objects[k]):,}" for _, part in parts)]
        for k, one in enumerate(names[:MOST_CLASSES])
    ]  # fmt: skip
    more = f"\n\nand {len(names) - MOST_CLASSES:,} more classes." if len(names) > MOST_CLASSES else ""
    images = ", ".join(f"{part.images:,} images for {word}" for word, part in parts)
    total = [["**all**", *(f"**{part.n:,}**" for _, part in parts)]]
    heads = ["objects of class", *(word for word, _ in parts)]
    return f"The data set “{name}”: {images}.\n\n{table(heads, [*rows, *total])}{more}"


def recipe(model: SavedModel) -> str:
    """Return with which settings, for how long and by which versions it was trained."""
    run, config = model.run, model.config
    chosen = {name: getattr(config, name) for name in ("data", "model", "classes")}
    preset = next((n for n in PRESETS if replace(preset_config(n, config.model), **chosen) == config), None)
    versions = "; ".join(f"{name} {value}" for name, value in code_values(model.store.folder(run.id)).items())
    epochs = run.epoch if model.epoch is None else model.epoch
    facts = {
        "Began with": text(_beginning(config.model)),
        "Trained for": f"{epochs} of {run.epochs} epochs; this is the checkpoint “{model.name}”",
        "Pictures": pictures(config),
        "Preset": text(preset or ""),
        "Seed": str(config.seed),
        "Versions": text(versions, 400),
    }
    changed = [
        setting for setting in compare_settings([run.config, TrainConfig().to_dict()])
        if setting.differs and setting.name not in PLACES
    ]  # fmt: skip
    rows = [[text(setting.label), *(text(value_text(value)) for value in setting.values)] for setting in changed]
    differing = table(["setting", "here", "DETR Lab's default"], rows) if rows else "All settings are the defaults."
    return f"{bullets(f'{name}: {value}' for name, value in facts.items() if value)}\n\n{differing}"


def pictures(config: TrainConfig) -> str:
    """Return in which size pictures are shown to the model, in words."""
    edge = config.longest_edge
    if config.square:
        return f"stretched to {edge} × {edge} pixels"
    return f"shortest edge {config.shortest_edge}, longest edge {edge} pixels"


def _beginning(spec: str) -> str:
    """Return what may be told of the model that a training began with: of a folder only its own name."""
    if spec in RANDOM_MODELS:
        return "random weights"
    name = spec.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return base_model(spec) or ("a checkpoint of an earlier training" if name in ("best", "last") else f"“{name}”")


def figures(
    intervals: Intervals, evaluated: pa.Table, baseline: pa.Table | None, classes: Sequence[ClassFigures]
) -> str:
    """Return COCO's twelve metrics and each class's AP with their intervals, beside the baseline's if there is one."""
    metrics = coco_figures(evaluated).to_dict()
    before = coco_figures(baseline).to_dict() if baseline is not None else None
    heads, rows = ["metric, %", "value", "95 % interval"], []
    if before:
        heads += ["before training", "change", "its interval"]
    for name in FIGURES:
        row = [name, percent(metrics[name]), _ends(intervals.figures[name])]
        if before and intervals.differences:
            change = intervals.differences[name]
            row += [percent(before[name]), percent(change.value, sign=True), _ends(change, sign=True)]
        rows.append(row)
    by_class = [
        [text(one.name), f"{one.objects:,}", percent(one.AP), _ends(intervals.per_class[one.name]), percent(one.AP50),
         percent(one.recall)]
        for one in classes[:MOST_CLASSES]
    ]  # fmt: skip
    per_class = table(["class", "objects", "AP, %", "95 % interval", "AP50", "recall"], by_class)
    return f"{table(heads, rows)}\n\n{text(in_words(intervals), 400)}.\n\n{per_class}"


def _ends(interval: Interval, sign: bool = False) -> str:
    if interval.low is None or interval.high is None:
        return "–"
    return f"{percent(interval.low, sign=sign)} to {percent(interval.high, sign=sign)}"


def errors(evaluated: pa.Table, classes: Sequence[ClassFigures], score: float) -> str:
    """Return TIDE's six error types with what each costs, and how many objects of each size are found."""
    counts, impacts = errors_and_impact(evaluated, score)
    rows = [
        [text(kind.label), text(kind.description), f"{counts[kind]:,}", percent(impacts[kind], sign=True)]
        for kind in ErrorType
    ]
    by_type = table(["error", "what it is", f"count from score {score:g}", "ΔAP50"], rows, left=2)
    by_size = []
    for size in SIZES:
        objects, recalled = (sum(getattr(one.sizes[size], n) for one in classes) for n in ("objects", "found"))
        by_size.append([size, f"{objects:,}", f"{recalled:,}", percent(recalled / objects if objects else None)])
    return (
        f"{by_type}\n\nΔAP50: the points that AP50 would gain if all such errors, at any score, were corrected "
        f"(TIDE, IoU 0.5 and 0.1).\n\n"
        f"{table(['size (COCO)', 'objects', f'found from score {score:g}', 'recall, %'], by_size)}"
    )
