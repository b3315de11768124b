"""How far a run's record was handed to a tracker: a small file in the run's folder, so that nothing is sent twice.

    runs/<id>/tracking/wandb.json   the cursor
    runs/<id>/tracking/wandb.lock   held by the one process that sends
    runs/<id>/tracking/wandb.txt    what that process printed
    runs/<id>/tracking/wandb/       the tracker's own files

In: the path of the cursor. Out: a `Cursor`, read and written.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import msgspec

from core import RunError
from core.disk import atomic_file
from core.files import open_file
from core.typed_json import decode

MOST_BYTES = 5_000_000  # of a cursor: some hundred tags


@dataclass
class Cursor:
    """What a tracker has.

    name      what the run is called there
    row       of the store, up to which all metrics were handed over and are safe
    handed    the largest `row` so far: a tracker may know after a kill that it has less
    sending   the row up to which they are being handed over; 0: none are
    steps     by tag the last step that was handed over; those that a resumed training repeats are not sent again
    sent      how many metrics are there
    epochs    whose evaluation was handed over
    remarks   keys of the rules whose remarks were told
    is_open   whether a process sends, or was ended while it did
    closed    when the run had ended whose end was told, seconds since 1970; 0: none was
    failures  in a row
    problem   what went wrong last, a sentence; "": nothing since
    where     where to look at what was sent, a sentence
    """

    name: str = ""
    row: int = 0
    handed: int = 0
    sending: int = 0
    steps: dict[str, int] = field(default_factory=dict)
    sent: int = 0
    epochs: list[int] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    is_open: bool = False
    closed: float = 0.0
    failures: int = 0
    problem: str = ""
    where: str = ""

    @classmethod
    def read(cls, path: Path) -> Cursor:
        """Return what is in the file, a fresh cursor without one; raises RunError if it is damaged."""
        try:
            with open_file(path, MOST_BYTES) as file:
                return decode(file.read(), cls)
        except FileNotFoundError:
            return cls()
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            raise RunError(f"{path} cannot be read: delete it, and the run is sent anew as a whole.") from None

    def write(self, path: Path) -> None:
        """Put the cursor into the file, whole or not at all; raises OSError."""
        with atomic_file(path, durable=True) as partial:
            partial.write_text(json.dumps(asdict(self)), encoding="utf-8")
