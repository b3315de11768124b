"""Named sets of settings: what to begin with, for a model and data of some kind."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from core.config import TrainConfig


@dataclass(frozen=True)
class Preset:
    """A named set of changes to the defaults, with a sentence on when to take it."""

    name: str
    description: str
    changes: dict[str, Any]

    def apply(self, config: TrainConfig | None = None) -> TrainConfig:
        """Return the defaults with this preset's changes, and with the data, model and classes of `config`."""
        kept = {n: getattr(config, n) for n in ("data", "model", "classes")} if config else {}
        return replace(TrainConfig(**kept), **self.changes)


PRESETS = {
    p.name: p
    for p in (
        Preset(
            "Experiment",
            "Batch 4, learning rate 1e-5, AdamW, 10 epochs: fine-tunes facebook/detr-resnet-50 on photographs.",
            {},
        ),
        Preset(
            "Quick look",
            "Two epochs on small images with the backbone frozen: does the data work, is it worth a whole training?",
            {"epochs": 2, "lr": 5e-5, "freeze": "backbone", "shortest_edge": 480, "longest_edge": 640},
        ),
        Preset(
            "Full recipe",
            "DETR's own: 16 images a step, 1e-4, backbone 1e-5, scale jitter and crops, the rate falls at the end.",
            {
                "epochs": 50, "accumulate": 4, "lr": 1e-4, "lr_backbone": 1e-5, "schedule": "step",
                "augment": "flip, scale and crop", "early_stopping": 15,
            },
        ),
        Preset(
            "Built-in demo",
            "For the starter model on 256-pixel street scenes: a small model wants a much larger learning rate.",
            {
                # a new light is first of all another look of things: the backbone has the most to learn
                "epochs": 10, "batch_size": 8, "lr": 2e-4, "lr_backbone": 4e-4, "lr_head": 2e-4, "schedule": "cosine",
                "shortest_edge": 192, "longest_edge": 256, "freeze": "none", "dropout": 0.0, "workers": 0,
                # 1.7 times as fast as one on two cores at rest, and as fast while a browser takes one of them by half
                "threads": 2,
            },
        ),
    )
}  # fmt: skip
