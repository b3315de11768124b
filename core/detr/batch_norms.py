"""Batch norms that take their statistics from what they are shown in training, as those of RT-DETR's encoder do.

In: a model. Out: their means and variances, which no optimizer knows: every forward pass of a training changes them.
"""

from __future__ import annotations

import torch
from torch import nn


class RunningStatistics:
    """The running means and variances of a model's batch norms; frozen norms have none.

    tensors  them, as the model holds them
    """

    def __init__(self, model: nn.Module) -> None:
        norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
        self.tensors = [one for norm in norms for one in (norm.running_mean, norm.running_var) if one is not None]
        self._kept = [one.clone() for one in self.tensors]

    def keep(self) -> None:
        """Remember them as they are now."""
        if self.tensors:
            torch._foreach_copy_(self._kept, self.tensors)

    def restore(self) -> None:
        """Set them to what they were when `keep` was called."""
        if self.tensors:
            torch._foreach_copy_(self.tensors, self._kept)
