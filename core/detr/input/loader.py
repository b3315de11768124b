"""Reading a data set in order, in this process or in several: `loader` for evaluation, `step_loader` for training.

`loader` gives batches. `step_loader` gives the images of each training step, of which every process that trains takes
its share. A picture that cannot be read is a DataError in the main process, whichever process met it, unless the caller
spares it: then it is left out of its batch, or another stands in for it in its step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from core import DataError
from core.detr.input.batch import Batch, Collator, Sample, StepCollator
from core.detr.input.dataset import DetectionDataset
from core.detr.input.order import StepBatches, epoch_order
from core.detr.input.readers import ADVICE, PATIENCE_SECONDS, become_reader, require_files
from core.system.processes import start_method

STAND_INS = 10  # images that are tried in the place of one that cannot be read

Collated = TypeVar("Collated")


class ReadFailure(NamedTuple):
    """An image that could not be read, and the sentence that says why."""

    image_id: int
    message: str


Spare = Callable[[ReadFailure], None]  # called for each failure, in the main process; it may raise a DataError
_Read = tuple["Sample | None", list[ReadFailure]]  # of one place in the order: what failed before it could be read


class _FailuresAsSamples(Dataset[_Read]):
    """A data set that returns what it cannot read, so that the sentence travels from process to process unchanged.

    torch carries an exception of a reading process over as text, with that process's whole traceback before it.
    stand_ins: how many images after the one that cannot be read are tried in its place.
    """

    def __init__(self, dataset: DetectionDataset, stand_ins: int) -> None:
        self.dataset, self.stand_ins = dataset, stand_ins

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> _Read:
        failures: list[ReadFailure] = []
        for number in range(index, index + 1 + min(self.stand_ins, len(self) - 1)):
            place = number % len(self)
            try:
                return self.dataset[place], failures
            except DataError as error:
                failures.append(ReadFailure(self.dataset.image_id(place), str(error)))
        return None, failures


class _Collated(NamedTuple, Generic[Collated]):
    """What was read, None if nothing could be, and what could not."""

    value: Collated | None
    failures: list[ReadFailure]


class _WithFailures(Generic[Collated]):
    """A `collate_fn` that joins those samples that could be read as `collate` does."""

    def __init__(self, collate: Callable[[list[Sample]], Collated]) -> None:
        self.collate = collate

    def __call__(self, read: list[_Read]) -> _Collated[Collated]:
        samples = [sample for sample, _ in read if sample is not None]
        failures = [failure for _, some in read for failure in some]
        return _Collated(self.collate(samples) if samples or not read else None, failures)


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
        spare: Spare | None = None,
        stand_ins: int = 0,
        **options: Any,
    ) -> None:
        """Read with so many processes; `batches` with `images` altogether are what is collated at once."""
        self.spare, self.stand_ins = spare, stand_ins
        self._waiting = prefetch * batches, prefetch * images  # of each reading process
        super().__init__(
            _FailuresAsSamples(dataset, stand_ins if spare else 0),  # type: ignore[arg-type]  # torch wants one type of what is read and collated
            collate_fn=_WithFailures(collate),
            num_workers=workers,
            prefetch_factor=prefetch if workers else None,
            worker_init_fn=become_reader,
            multiprocessing_context=start_method() if workers else None,
            timeout=PATIENCE_SECONDS if workers else 0,
            generator=torch.Generator(),  # else each epoch would draw from torch's own, which is the caller's
            **options,
        )

    def __iter__(self) -> Iterator[Collated]:  # type: ignore[override]  # torch states the class of its own iterator
        if self.num_workers:
            require_files(self.num_workers, *self._waiting)
        try:
            for value, failures in super().__iter__():
                for failure in failures:
                    if self.spare is None:
                        raise DataError(failure.message)
                    self.spare(failure)
                if value is not None:
                    yield value
                elif self.stand_ins:  # so many in a row
                    raise DataError(failures[0].message)
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
    spare: Spare | None = None,
) -> DataLoader[Batch]:
    """Return a loader of the data set's batches: of all images in the file's order, or of the indices of `order`.

    `workers` is the number of processes that read, 0 for this one; pinned memory suits a GPU. Iterating raises
    DataError when a picture cannot be read; with `spare` that is called, and the image is left out.
    """
    return _Loader(
        dataset, Collator(dataset.stride), workers, 1, batch_size, spare=spare, batch_size=batch_size, sampler=order,
        pin_memory=pin_memory,
    )  # fmt: skip


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
    spare: Spare | None = None,
    order: list[int] | None = None,
) -> DataLoader[list[Batch]]:
    """Return a loader of each step of an epoch, from `start_step` on: this process's batches, or an empty list.

    A step has `batch_size` × `accumulate` × `world_size` images, of which every process gets at most `accumulate`
    batches. `order` is all images', at random, if not given; its `seed` the data set's own if not given. Iterating
    raises DataError when a picture cannot be read; with `spare` that is called, and the next image that can be read
    stands in, one of STAND_INS at most.
    """
    if order is None:
        order = epoch_order(len(dataset), dataset.seed if seed is None else seed, epoch)
    steps = StepBatches(order, batch_size * accumulate * world_size, dataset.shown_size, start_step, rank, world_size)
    return _Loader(
        dataset,
        StepCollator(batch_size, dataset.stride),
        workers,
        accumulate,
        batch_size * accumulate,
        prefetch=2 if accumulate == 1 else 1,  # steps that wait in memory, for each reading process
        spare=spare,
        stand_ins=STAND_INS,
        batch_sampler=steps,
        pin_memory=pin_memory,
    )
