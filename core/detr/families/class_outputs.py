"""Class outputs and embeddings as a new head has them: rows of known classes are copied, the others are fresh."""

from __future__ import annotations

import torch
from torch import nn

from core.labels import LabelMap


def new_class_embedding(old: nn.Embedding, label_map: LabelMap, copied: dict[int, int]) -> nn.Embedding:
    """Return an embedding whose row r is the old one's row `copied[r]`, and its last the old one's; others are fresh.

    old  (classes + 1, width), the last for no class
    """
    new = nn.Embedding(len(label_map) + 1, old.embedding_dim, padding_idx=len(label_map))
    with torch.no_grad():
        for row, source in [*copied.items(), (len(label_map), old.num_embeddings - 1)]:
            new.weight[row] = old.weight[source]
    return new


class ClassOutput(nn.Linear):
    """A class output that is computed in float32 also where transformers' own code calls it under autocast."""

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Return the logits (…, C) of states (…, width)."""
        with torch.autocast(states.device.type, enabled=False):
            return super().forward(states.float())
