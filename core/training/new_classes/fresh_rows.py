"""The rows of fresh classes in a model's class outputs, which learn at a rate of their own.

In: the model, which rows are fresh, and the settings. Out: a context around the optimizer's step. A fresh row has
all to learn, the copied ones and the boxes nothing: one rate for both spoils what is known, or leaves the new class
unlearned.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from core.config import TrainConfig
from core.detr.families.base import Detector


class FreshRows:
    """The rows of the classes that start fresh, in the weights and biases of every class output that learns.

    AdamW's step is proportional to its rate, decay included, so a row's step at another rate is the same step times
    their ratio. Source: Kumar et al. 2022 (LP-FT): what is new has to fit before what is known moves.
    """

    def __init__(self, model: Detector, rows: Sequence[int], config: TrainConfig) -> None:
        self.rows, self._classes = tuple(rows), len(model.inner.config.id2label or {})
        self.ratio = config.lr_fresh / config.lr_head if config.lr_fresh and config.lr_head else 1.0
        self._parameters = [p for one in _class_outputs(model) for p in one.parameters() if p.requires_grad]

    def require_rows(self) -> None:
        """Raise ValueError if a row is that of no class."""
        if max(self.rows, default=0) >= self._classes:
            raise ValueError("a fresh class is none of the model's")

    @contextmanager
    def at_their_rate(self) -> Iterator[None]:
        """Let what the optimizer does within the context to these rows be done at their rate."""
        if self.ratio == 1.0 or not self.rows:
            yield
            return
        rows = torch.tensor(self.rows, device=self._parameters[0].device) if self._parameters else None
        before = [parameter.detach()[rows] for parameter in self._parameters]
        yield
        with torch.no_grad():
            for parameter, start in zip(self._parameters, before, strict=True):
                parameter[rows] = start + self.ratio * (parameter[rows] - start)


def _class_outputs(model: Detector) -> list[nn.Module]:
    """Return each of a model's class outputs once, but one whose rows are no classes, as its family says."""
    return [
        module
        for name, module in model.inner.named_modules()
        if isinstance(module, nn.Linear)
        and getattr(module, "rows_are_classes", True)
        and any(f".{part}." in f".{name}." for part in model.class_modules)
    ]
