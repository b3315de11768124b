"""The processes that train together: one for each GPU, started by the command line; usually there is just one.

What they share goes through here: sums over all of them, the gradient's too, and whether the main process goes on.
Gradients are summed explicitly, once a step, rather than by a wrapper around the model: the losses are then those of
one process with the whole batch, also where a step is cut into several forward passes or has no image for a process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from core import RunError
from core.training.events import PEER_ENDED

T = TypeVar("T")
BUCKET = 25_000_000  # numbers that are sent at once: 100 MB


class Stopped(Exception):
    """Raised in the other processes when the main process has stopped the training."""


class ProcessGroup:
    """The processes of a training, as one of them sees them: it has `rank` among `world_size`.

    The main process, of rank 0, alone writes checkpoints and is recorded.
    Every method is called by all processes, in the same order, but `broadcast_stop`.
    """

    def __init__(self, use_cpu: bool = True) -> None:
        self.world_size = int(os.environ.get("WORLD_SIZE", "1"))
        self.rank, self.local_rank = int(os.environ.get("RANK", "0")), int(os.environ.get("LOCAL_RANK", "0"))
        self._others_wait_for_broadcast = True  # inside `collective` they wait for sums
        self._gloo = None  # for control messages and small sums, which need no GPU
        if self.world_size > 1:
            from accelerate import PartialState

            PartialState(cpu=use_cpu)  # joins the processes: nccl between GPUs, gloo between CPUs
            self._gloo = dist.new_group(backend="gloo")

    @property
    def is_main_process(self) -> bool:
        """Whether this is the process of rank 0."""
        return self.rank == 0

    @contextmanager
    def collective(self) -> Iterator[None]:
        """Wait until the main process begins what all do together; raise Stopped if it ends the training instead."""
        if self.world_size > 1 and not self._broadcast(True):
            raise Stopped
        self._others_wait_for_broadcast = False
        yield
        self._others_wait_for_broadcast = True  # not after an error: the others are then in the midst of a sum

    def broadcast_stop(self) -> None:
        """Tell the other processes that the main one ends the training here; `collective` raises Stopped there."""
        if self.world_size > 1 and self.is_main_process and self._others_wait_for_broadcast:
            self._broadcast(False)
        self._others_wait_for_broadcast = False  # it is said once

    def close(self) -> None:
        """Leave the other processes, at the very end."""
        if self.world_size > 1:
            from accelerate import PartialState

            dist.destroy_process_group()
            PartialState._reset_state()

    def _broadcast(self, goes_on: bool) -> bool:
        flag = torch.tensor([float(goes_on)])
        self._run(dist.broadcast, flag, src=0)
        return bool(flag[0])

    def all_reduce_sum(self, *numbers: float) -> list[float]:
        """Return each number's sum over all processes, in float64."""
        if self.world_size == 1:
            return list(numbers)
        values = torch.tensor(numbers, dtype=torch.float64)
        self._run(dist.all_reduce, values)
        return values.tolist()

    def all_gather(self, value: Any) -> list[Any]:
        """Return every process's value, in the order of ranks; it may be anything that can be pickled."""
        if self.world_size == 1:
            return [value]
        values: list[Any] = [None] * self.world_size
        self._run(dist.all_gather_object, values, value)
        return values

    def of_main(self, value: T) -> T:
        """Return the main process's value in all; Stopped is raised as by `collective`."""
        with self.collective():
            value = self.all_gather(value)[0]
        return value

    def all_reduce_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Replace each parameter's gradient by its sum over all processes; a missing one counts as 0."""
        if self.world_size == 1:
            return
        bucket: list[torch.Tensor] = []
        size = 0
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

    def all_reduce_mean(self, tensors: list[torch.Tensor]) -> None:
        """Replace each tensor by its mean over all processes."""
        if self.world_size > 1 and tensors:
            self._sum(tensors)
            torch._foreach_div_(tensors, self.world_size)

    def _sum(self, tensors: list[torch.Tensor]) -> None:
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        self._run(dist.all_reduce, flat, group=None)  # on the GPUs' own network
        for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def _run(self, operation: Callable[..., Any], *arguments: Any, **options: Any) -> None:
        try:
            operation(*arguments, **{"group": self._gloo, **options})
        except RuntimeError as error:
            raise RunError(PEER_ENDED) from error
