"""The processes that train together: one a GPU, started by `accelerate launch`; usually there is just one.

What they share goes through here: sums over all of them, the gradient's too, and the first one's word on going on.
Gradients are summed explicitly, once a step, rather than by a wrapper around the model: the losses are then those of
one process with the whole batch, also where a step is cut into several forward passes or has no image for a process.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import torch
import torch.distributed as dist

from core import RunError

BUCKET = 25_000_000  # numbers that are sent at once: 100 MB


class Stopped(Exception):
    """Raised in the other processes when the first one has stopped the training."""


class Ranks:
    """This process among `count`; `rank` 0 leads: it alone writes checkpoints and evaluates.

    Every method is called by all processes, in the same order.
    """

    def __init__(self, use_cpu: bool = True):
        self.count = int(os.environ.get("WORLD_SIZE", 1))
        self.rank, self.local_rank = int(os.environ.get("RANK", 0)), int(os.environ.get("LOCAL_RANK", 0))
        self._going = False  # between `go_on` and `done` the others wait for sums, not for the first one's word
        self._control = None
        if self.count > 1:
            from accelerate import PartialState

            PartialState(cpu=use_cpu)  # joins the processes: nccl between GPUs, gloo between CPUs
            self._control = dist.new_group(backend="gloo")

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def go_on(self) -> None:
        """Wait for the first process's word before whatever all do together; raises Stopped if it is to end."""
        if self.count > 1 and not self._send(True):
            raise Stopped
        self._going = True

    def done(self) -> None:
        """What all do together is over: the first process may stop here."""
        self._going = False

    def stop(self) -> None:
        """The first process's last word, from wherever it stops; the others get Stopped from `go_on`."""
        if self.count > 1 and self.leads and not self._going:
            self._send(False)
        self._going = True  # once

    def close(self) -> None:
        """Leave the others, at the very end."""
        if self.count > 1:
            from accelerate import PartialState

            dist.destroy_process_group()
            PartialState._reset_state()

    def _send(self, going: bool) -> bool:
        flag = torch.tensor([float(going)])
        self._run(dist.broadcast, flag, src=0)
        return bool(flag[0])

    def add(self, *numbers: float) -> list[float]:
        """Each number's sum over all processes."""
        if self.count == 1:
            return list(numbers)
        values = torch.tensor(numbers, dtype=torch.float64)
        self._run(dist.all_reduce, values)
        return values.tolist()

    def gather(self, thing) -> list:
        """What each process has, in the order of ranks; anything that can be pickled."""
        if self.count == 1:
            return [thing]
        found = [None] * self.count
        self._run(dist.all_gather_object, found, thing)
        return found

    def sum_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Each parameter's gradient becomes the sum over all processes; a missing one counts as 0."""
        if self.count == 1:
            return
        bucket, size = [], 0
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            bucket.append(parameter.grad)
            size += parameter.numel()
            if size > BUCKET:
                self._sum(bucket)
                bucket, size = [], 0
        if bucket:
            self._sum(bucket)

    def _sum(self, tensors: list[torch.Tensor]) -> None:
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        self._run(dist.all_reduce, flat, group=None)  # on the GPUs' own network
        for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def _run(self, operation, *arguments, **options) -> None:
        try:
            operation(*arguments, **{"group": self._control, **options})
        except RuntimeError as error:
            raise RunError(
                "Another process of this training has ended, so it cannot go on: the run's log says why; then resume."
            ) from error
