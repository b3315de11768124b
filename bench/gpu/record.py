"""What is measured, in a JSON file that is whole after each row, and the time that is left for the next.

In: rows, as plain values. Out: `FILE.json`. Each row says what it is of, and its figures; or `failed` with a sentence;
or `not_measured` with the reason.
"""

from __future__ import annotations

import gc
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from core import LabError
from core.wording import short

NO_TIME = "no time was left"

Row = dict[str, Any]


class Deadline:
    """A point in time until which something may be measured."""

    def __init__(self, at: float) -> None:
        self.at = at

    @property
    def left(self) -> float:
        """Seconds until then, 0 after it."""
        return max(0.0, self.at - time.monotonic())

    def share(self, part: float) -> Deadline:
        """Return the point in time until which this part of what is left has passed."""
        return Deadline(time.monotonic() + part * self.left)

    @property
    def is_over(self) -> bool:
        return self.left == 0


class Record:
    """The rows of all parts; `add` writes the file anew."""

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        self.path = path
        self.content: dict[str, Any] = {**about, "parts": {}}
        path.parent.mkdir(parents=True, exist_ok=True)
        self._write()

    def add(self, part: str, row: Row) -> None:
        """Append a row to a part, and say it."""
        self.content["parts"].setdefault(part, []).append(row)
        self._write()
        print(f"{part}: " + ", ".join(f"{name} {_brief(value)}" for name, value in row.items()), flush=True)

    def fail(self, part: str, error: Exception) -> None:
        """Note that a part could not go on."""
        self.content.setdefault("failures", []).append(f"{part}: {sentence(error)}")
        self._write()

    def attempt(self, part: str, key: Row, measure: Callable[[], Row], deadline: Deadline) -> Row:
        """Add the row of `key` with what `measure` returns, or with why there is nothing; return it."""
        if deadline.is_over:
            row = {**key, "not_measured": NO_TIME}
        else:
            try:
                row = {**key, **measure()}
            except Exception as error:  # whatever it is, it costs this row: the machine may be there this once
                row = {**key, "failed": sentence(error)}
        gc.collect()  # the tensors that a traceback held; the GPU's cache stays, or each row would fill it anew
        if "failed" in row and torch.cuda.is_available():
            torch.cuda.empty_cache()
        self.add(part, row)
        return row

    def _write(self) -> None:
        unfinished = self.path.with_suffix(".part")
        unfinished.write_text(json.dumps(self.content, indent=1) + "\n")
        os.replace(unfinished, self.path)


def sentence(error: Exception) -> str:
    """Return an error's first line; unless it was raised on purpose, with its kind."""
    text = short(str(error).split("\n")[0], 200)
    return text if isinstance(error, LabError) else f"{type(error).__name__}: {text}"


def _brief(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
