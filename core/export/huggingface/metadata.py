"""The metadata at the head of a model card, by which the Hugging Face hub lists a model: YAML between two lines of ---.

In: a `SavedModel`. Out: the text. Source: the hub's model card specification (hub-docs, modelcard.md).
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import yaml

from core.detr.sources.hub import DOWNLOADS, is_hub_name
from core.detr.sources.released import RELEASED
from core.export.saved_model import SavedModel
from core.wording import short

METRICS = {
    "AP": ("mean_average_precision", "AP at IoU 0.50 to 0.95"),
    "AP50": ("mean_average_precision", "AP at IoU 0.50"),
    "AP75": ("mean_average_precision", "AP at IoU 0.75"),
    "AR100": ("mean_average_recall", "AR at IoU 0.50 to 0.95, 100 detections"),
}


def front_matter(model: SavedModel, model_type: str) -> str:
    """Return the card's metadata with both lines of ---; AP and AR are in [0, 1]."""
    base = base_model(model.config.model)
    values: dict[str, Any] = {"library_name": "transformers", "pipeline_tag": "object-detection"}
    if base:
        values["base_model"] = base
        values |= {"license": RELEASED[base].licence.lower()} if base in RELEASED else {}
    values["tags"] = ["object-detection", "vision", model_type, "detr-lab"]
    if model.evaluation and (metrics := _metrics(model.evaluation.figures)):
        values["model-index"] = [{"name": short(model.run.name), "results": [_result(model, metrics)]}]
    return f"---\n{yaml.safe_dump(values, allow_unicode=True, sort_keys=False)}---\n"


def base_model(spec: str) -> str | None:
    """Return the name on the hub of the model that a training began with; None if it is no published one.

    >>> base_model("facebook/detr-resnet-50"), base_model("checkpoints/facebook/detr-resnet-50")
    ('facebook/detr-resnet-50', 'facebook/detr-resnet-50')
    >>> base_model("checkpoints/starter"), base_model("random")
    (None, None)
    """
    name = Path(spec).relative_to(DOWNLOADS).as_posix() if Path(spec).is_relative_to(DOWNLOADS) else spec
    is_name = is_hub_name(name) and not name.startswith(f"{DOWNLOADS}/")
    return name if is_name and (name in RELEASED or not os.path.lexists(name.partition("/")[0])) else None


def data_name(model: SavedModel) -> str:
    """Return the name of the data set's folder, without the way to it, which says whose machine it was."""
    return Path(os.path.abspath(model.config.data)).name


def _metrics(figures: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": kind, "value": round(value, 4), "name": words}
        for name, (kind, words) in METRICS.items()
        if (value := figures.get(name)) is not None
    ]


def _result(model: SavedModel, metrics: list[dict[str, Any]]) -> dict[str, Any]:
    name = data_name(model)
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "images"
    return {
        "task": {"type": "object-detection", "name": "Object Detection"},
        "dataset": {"type": slug, "name": short(name), "split": "validation"},
        "metrics": metrics,
    }
