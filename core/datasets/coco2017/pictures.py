"""Bringing a subset's pictures over: in batches, each tried again where it fails, and going on from what is there.

In: the chosen pictures and a folder. Out: the folder with all of them, and `DownloadProgress` on the way. Apart from
`download.py` because it knows neither classes nor annotations.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from core import DataError
from core.datasets.coco2017.child import Fetcher, Stalled, bytes_in
from core.datasets.subset import ImageEntry
from core.system import moves

BATCH = 64  # pictures that are asked for at once
CHECKED_AT_ONCE = 512
PAUSES = (1.0, 4.0)  # seconds before the second and the third try
PERMANENT = ("disk full", "FiftyOne")  # what those reasons begin with that another try does not change
GO_ON = "start the download again, and it goes on where it stopped"
WORK = ".work"  # the folder that FiftyOne fills


@dataclass(frozen=True)
class DownloadProgress:
    """How far a download is.

    stage         "annotations", "choosing", "checking" (what a former call has left), "images" or "done"
    done, total   files
    bytes         fetched up to now
    bytes_total   in all; None where nobody says
    seconds_left  of this stage; None while nothing is known
    """

    stage: str
    done: int
    total: int
    bytes: int = 0
    bytes_total: int | None = None
    seconds_left: float | None = None

    @property
    def share(self) -> float:
        """The share of the stage that is done, from 0 to 1."""
        part, whole = (self.bytes, self.bytes_total) if self.bytes_total else (self.done, self.total)
        return min(part / whole, 1.0) if whole else 0.0

    @property
    def sentence(self) -> str:
        """The progress as a sentence for the user.

        >>> DownloadProgress("images", 1200, 5000, 198_000_000, seconds_left=95).sentence
        'Pictures: 1,200 of 5,000, 198.0 MB, about 2 min left.'
        """
        left = self.seconds_left
        ending = "" if left is None else f", about {f'{left:.0f} s' if left < 60 else f'{left / 60:.0f} min'} left"
        of = f" of {self.bytes_total / 1e6:,.1f}" if self.bytes_total else ""
        size = f"{self.bytes / 1e6:,.1f}{of} MB"
        return {
            "annotations": f"Annotations of COCO 2017: {size if self.bytes else 'starting FiftyOne'}{ending}.",
            "choosing": "Choosing the images.",
            "checking": f"Checking the pictures that are there: {self.done:,} of {self.total:,}.",
            "images": f"Pictures: {self.done:,} of {self.total:,}, {size}{ending}.",
            "done": f"All {self.total:,} pictures are there.",
        }[self.stage]


Failures: TypeAlias = Generator[DownloadProgress, None, dict[ImageEntry, str]]


class Transfer:
    """The pictures of each split on their way into `folder`/train2017 and /val2017."""

    def __init__(self, folder: Path, fetcher: Fetcher, chosen: dict[str, list[ImageEntry]]) -> None:
        self._folder, self._fetcher, self._chosen = folder, fetcher, chosen
        self._total = sum(len(pictures) for pictures in chosen.values())
        self._done = self._bytes = 0
        self._began: tuple[float, int] | None = None  # when the first new picture came, and how many there were then
        self._is_checking = False
        self._number = 0  # of the folder that FiftyOne fills: every time a new one, which no late transfer reaches

    def check(self) -> Iterator[DownloadProgress]:
        """Count the pictures that a former call has left, and delete those that are not whole."""
        self._is_checking = True
        for split, pictures in self._chosen.items():
            folder = self._picture_folder(split)
            folder.mkdir(exist_ok=True)
            names = set(os.listdir(folder))
            for batch in _batches([p for p in pictures if p.file_name in names], CHECKED_AT_ONCE):
                request = {"do": "check", "folder": str(folder), "pictures": msgspec.to_builtins(batch)}
                try:
                    for answer in self._fetcher.ask(request, folder):
                        if "id" in answer and not answer["reason"]:
                            self._count(answer)
                        yield self._progress()
                except Stalled as error:
                    raise DataError(f"The pictures in {folder} cannot be checked: {error}.") from None
        self._is_checking = False

    @property
    def missing(self) -> int:
        """How many pictures are not there yet."""
        return self._total - self._done

    def fetch(self) -> Iterator[DownloadProgress]:
        """Download the missing pictures.

        Raises DataError that names the first picture that did not come in any of the tries; at once after a batch of
        which nothing came.
        """
        shutil.rmtree(self._folder / WORK, ignore_errors=True)
        waiting = []
        for split, pictures in self._chosen.items():
            names = set(os.listdir(self._picture_folder(split)))
            waiting += [(split, picture) for picture in pictures if picture.file_name not in names]
        for pause in (*PAUSES, None):
            failed: dict[tuple[str, ImageEntry], str] = {}  # with the reason
            for split in self._chosen:
                for batch in _batches([picture for name, picture in waiting if name == split], BATCH):
                    reasons = yield from self._fetch_batch(split, batch)
                    failed |= {(split, picture): reason for picture, reason in reasons.items()}
            waiting = list(failed)
            if not waiting:
                shutil.rmtree(self._folder / WORK, ignore_errors=True)
                return
            if pause is None:
                raise self._failure(failed)
            yield from wait(pause, self._progress())

    def _fetch_batch(self, split: str, batch: list[ImageEntry]) -> Failures:
        """Try a batch once, or as often as pictures are tried if nothing comes: the next batches would not come either.

        Yields progress; returns the pictures that did not come, each with the reason.
        """
        for pause in (*PAUSES, None):
            failed = yield from self._try_batch(split, batch)
            nothing_came = len(failed) == len(batch) and (len(batch) == BATCH or self._began is None)
            if not nothing_came:
                break
            if pause is None:
                raise self._failure({(split, picture): reason for picture, reason in failed.items()})
            yield from wait(pause, self._progress())
        return failed

    def _try_batch(self, split: str, batch: list[ImageEntry]) -> Failures:
        """Yield progress and return the pictures that did not come, each with the reason."""
        work = self._folder / WORK / str(self._number)
        self._number += 1
        work.mkdir(parents=True)
        listed = msgspec.to_builtins(batch)
        failed = {picture.id: "no answer" for picture in batch}
        request = {"do": "pictures", "folder": str(work), "split": split, "pictures": listed}
        try:
            yield from self._take(request, work, batch, split, failed)
        except Stalled as error:
            left = dict(failed)
            with contextlib.suppress(Stalled):  # most are there: a new child looks at them
                request = {"do": "check", "folder": str(work / "pictures" / "data"), "pictures": listed}
                yield from self._take(request, work, batch, split, left)
            failed = {i: str(error) if failed[i] == "no answer" else failed[i] for i in left}
        shutil.rmtree(work, ignore_errors=True)
        return {picture: failed[picture.id] for picture in batch if picture.id in failed}

    def _take(
        self, request: dict[str, Any], work: Path, batch: list[ImageEntry], split: str, failed: dict[int, str]
    ) -> Iterator[DownloadProgress]:
        """Move the pictures that come into their place, note in `failed` why others did not, and yield progress."""
        names = {picture.id: picture.file_name for picture in batch}
        for answer in self._fetcher.ask(request, work):
            if "id" in answer and (image_id := answer["id"]) in failed:
                reason = answer["reason"]
                if reason is None:
                    moves.replace(answer["file"], self._picture_folder(split) / names[image_id])
                    del failed[image_id]
                    self._count(answer)
                elif reason.startswith(PERMANENT):
                    raise download_error("The pictures cannot be fetched", reason, self._folder)
                else:
                    failed[image_id] = reason
            yield self._progress()

    def _picture_folder(self, split: str) -> Path:
        return self._folder / f"{split}2017"

    def _count(self, answer: dict[str, Any]) -> None:
        self._done += 1
        self._bytes += answer["bytes"]
        if self._began is None and not self._is_checking:
            self._began = time.monotonic(), self._done

    def _progress(self) -> DownloadProgress:
        if self._is_checking:
            return DownloadProgress("checking", self._done, self._total, self._bytes)
        seconds_left = None
        if self._began and self._done > self._began[1]:
            seconds_each = (time.monotonic() - self._began[0]) / (self._done - self._began[1])
            seconds_left = seconds_each * self.missing
        so_far = self._bytes + bytes_in(self._folder / WORK)
        return DownloadProgress("images", self._done, self._total, so_far, None, seconds_left)

    def _failure(self, failed: dict[tuple[str, ImageEntry], str]) -> DataError:
        (split, picture), reason = next(iter(failed.items()))
        if reason == "no network":
            return download_error("The pictures cannot be fetched", reason, self._folder)
        return DataError(
            f"{self.missing:,} of {self._total:,} pictures could not be fetched, among them "
            f"{split}2017/{picture.file_name} ({reason}): {GO_ON}."
        )


def download_error(failure: str, reason: str, folder: Path) -> DataError:
    """Return the error for a reason that concerns no single picture; `failure` is the beginning of its sentence."""
    if reason == "disk full":
        return DataError(f"The disk of {folder} is full: free some space, then {GO_ON}.")
    if reason == "no network":
        return DataError(f"{failure}: COCO's server cannot be reached; check the network, then {GO_ON}.")
    if reason.startswith("FiftyOne"):
        return DataError(f"{failure}: {reason}; install the project's requirements.")
    return DataError(f"{failure} ({reason}): {GO_ON}.")


def wait(seconds: float, progress: DownloadProgress) -> Iterator[DownloadProgress]:
    """Yield the same progress until the time is over, so that one can stop meanwhile."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        yield progress
        time.sleep(min(left, 0.2))


def _batches(pictures: list[ImageEntry], size: int) -> list[list[ImageEntry]]:
    return [pictures[i : i + size] for i in range(0, len(pictures), size)]
