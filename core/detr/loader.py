"""Reading a data set in order, in this process or in several: `loader` for evaluation, `step_loader` for training.

`loader` gives batches. `step_loader` gives the images of each training step, of which every process that trains takes
its share. A picture that cannot be read is a DataError in the main process, whichever process met it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from core import DataError
from core.detr.batch import Batch, Collator, Sample, StepCollator
from core.detr.dataset import DetectionDataset
from core.detr.readers import ADVICE, PATIENCE_SECONDS, become_reader, require_files

Collated = TypeVar("Collated")


class EpochOrder(Sampler[int]):
    """A random order of the data set that depends on (seed, epoch) alone, from position `start` on.

    So an epoch that was interrupted goes on where it stopped, with the images it would have seen.
    """

    def __init__(self, length: int, seed: int, epoch: int, start: int = 0) -> None:
        order = np.random.default_rng((seed, epoch)).permutation(length)
        self.order: list[int] = order[start:].tolist()

    def __iter__(self) -> Iterator[int]:
        return iter(self.order)

    def __len__(self) -> int:
        return len(self.order)


class StepBatches(Sampler[list[int]]):
    """For each step of an epoch, from `start_step` on, the indices of the images that one process takes.

    The steps cut the EpochOrder into pieces of `images_per_step`, of which process `rank` takes every `world_size`-th
    image. So all processes together see the images that one would see alone. In the last, shorter step a process may
    have fewer images than the others, or none: then its list is empty, so that all have the same number of steps.
    """

    def __init__(
        self,
        length: int,
        seed: int,
        epoch: int,
        images_per_step: int,
        start_step: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        order = EpochOrder(length, seed, epoch).order
        starts = range(start_step * images_per_step, length, images_per_step)
        self.steps = [order[start : start + images_per_step][rank::world_size] for start in starts]

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)


@dataclass(frozen=True)
class ReadFailure:
    """A sample that could not be read, and the sentence that says why."""

    message: str


class _FailuresAsSamples(Dataset["Sample | ReadFailure"]):
    """A data set that returns what it cannot read, so that the sentence travels from process to process unchanged.

    torch carries an exception of a reading process over as text, with that process's whole traceback before it.
    """

    def __init__(self, dataset: DetectionDataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sample | ReadFailure:
        try:
            return self.dataset[index]
        except DataError as error:
            return ReadFailure(str(error))


class _UnlessFailed(Generic[Collated]):
    """A `collate_fn` that joins samples as `collate` does; where one could not be read, it gives that failure alone."""

    def __init__(self, collate: Callable[[list[Sample]], Collated]) -> None:
        self.collate = collate

    def __call__(self, samples: list[Sample | ReadFailure]) -> Collated | ReadFailure:
        read: list[Sample] = []
        for sample in samples:
            if isinstance(sample, ReadFailure):
                return sample
            read.append(sample)
        return self.collate(read)


class _Loader(DataLoader[Collated]):
    """A DataLoader whose errors are DataErrors, raised in the process that iterates over it."""

    def __init__(
        self,
        dataset: DetectionDataset,
        collate: Callable[[list[Sample]], Collated],
        workers: int,
        batches: int,
        images: int,
        prefetch: int = 2,
        **options: Any,
    ) -> None:
        """Read with so many processes; `batches` with `images` altogether are what is collated at once."""
        self._waiting = prefetch * batches, prefetch * images  # of each reading process
        super().__init__(
            _FailuresAsSamples(dataset),  # type: ignore[arg-type]  # torch wants one type of what is read and collated
            collate_fn=_UnlessFailed(collate),
            num_workers=workers,
            prefetch_factor=prefetch if workers else None,
            worker_init_fn=become_reader,
            timeout=PATIENCE_SECONDS if workers else 0,
            generator=torch.Generator(),  # else each epoch would draw from torch's own, which is the caller's
            **options,
        )

    def __iter__(self) -> Iterator[Collated]:  # type: ignore[override]  # torch states the class of its own iterator
        if self.num_workers:
            require_files(self.num_workers, *self._waiting)
        try:
            for collated in super().__iter__():
                if isinstance(collated, ReadFailure):
                    raise DataError(collated.message)
                yield collated
        except (RuntimeError, EOFError, ConnectionError) as error:
            raise (_explained(error) if self.num_workers else error) from error


def _explained(error: Exception) -> Exception:
    """Return a DataError for what torch raises where reading processes fail; any other error as it is."""
    text = str(error)
    if "DataLoader worker (pid" in text:
        return DataError(
            "A process that reads images was ended from outside, most often for want of memory: "
            "take fewer reading processes, or 0."
        )
    if "timed out" in text:
        return DataError(
            f"The processes that read images gave none for {PATIENCE_SECONDS} seconds: look whether the disk with the "
            "pictures answers, and take fewer reading processes, or 0."
        )
    if "Too many open files" in text or not isinstance(error, RuntimeError):
        return DataError(f"The processes that read images need more open files than are allowed: {ADVICE}.")
    return error


def loader(
    dataset: DetectionDataset,
    batch_size: int,
    workers: int = 0,
    order: Iterable[int] | None = None,
    pin_memory: bool = False,
) -> DataLoader[Batch]:
    """Return a loader of the data set's batches: of all images in the file's order, or of the indices of `order`.

    `workers` is the number of processes that read, 0 for this one; pinned memory suits a GPU. Iterating raises
    DataError when a picture cannot be read.
    """
    return _Loader(
        dataset, Collator(), workers, 1, batch_size, batch_size=batch_size, sampler=order, pin_memory=pin_memory
    )


def step_loader(
    dataset: DetectionDataset,
    batch_size: int,
    accumulate: int,
    epoch: int,
    start_step: int = 0,
    workers: int = 0,
    rank: int = 0,
    world_size: int = 1,
    pin_memory: bool = False,
    seed: int | None = None,
) -> DataLoader[list[Batch]]:
    """Return a loader of each step of an epoch, from `start_step` on: this process's batches, or an empty list.

    A step has `batch_size` × `accumulate` × `world_size` images, of which every process gets at most `accumulate`
    batches. `seed` of the order is the data set's own if not given. Iterating raises DataError when a picture cannot be
    read.
    """
    seed = dataset.seed if seed is None else seed
    steps = StepBatches(len(dataset), seed, epoch, batch_size * accumulate * world_size, start_step, rank, world_size)
    return _Loader(
        dataset,
        StepCollator(batch_size),
        workers,
        accumulate,
        batch_size * accumulate,
        prefetch=2 if accumulate == 1 else 1,  # steps that wait in memory, for each reading process
        batch_sampler=steps,
        pin_memory=pin_memory,
    )
