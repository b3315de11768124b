"""Every write of a process, counted; and at the one that is chosen, a kill or an error.

    writes = Writes(folder, Strike(number=137, how="before"))

An audit hook sees files opened for writing, renamed, removed, linked; a trace shows SQLite's statements. Libraries that
write past Python (torch, safetensors, Arrow) are wrapped: before and after each of their files.
A hook stays for good, so this is for a forked child only.
"""

from __future__ import annotations

import errno
import os
import re
import signal
import sys
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
PATHS = {  # audit events by the position of the path that they change
    "os.rename": 1, "os.remove": 0, "os.rmdir": 0, "os.mkdir": 0, "os.link": 1, "os.symlink": 1, "os.truncate": 0,
    "shutil.rmtree": 0,
}  # fmt: skip
IN_FOLDERS = ("os.remove", "os.rmdir")  # whose second argument may be the descriptor of a folder, as of shutil.rmtree
STATEMENTS = re.compile(r"\s*(begin immediate|commit|insert|update|delete|create|alter)", re.IGNORECASE)
HOWS = ("before", "cut")


@dataclass(frozen=True)
class Strike:
    """What happens at a write, and at which: the `number`th, counted from 1.

    how     "before": killed before it; "cut": the same, and the file written last keeps half of its bytes
    error   this error number instead of the kill, at this and every later write (SQLite's left out)
    """

    number: int
    how: str = "before"
    error: int | None = None


class Writes:
    """The writes of this process under `root`: events (kind, path below the root), in their order."""

    def __init__(self, root: Path, strike: Strike | None = None) -> None:
        self.root, self.strike = str(root.resolve()), strike
        self.events: list[tuple[str, str]] = []
        self._written: tuple[str, int] | None = None  # the file that was written last, and at which event
        self._busy = False

    def install(self) -> Writes:
        """Begin to count, in this process and for good."""
        sys.addaudithook(self._hook)
        self._wrap_renames()
        self._wrap_libraries()
        return self

    def event(self, kind: str, path: str) -> None:
        """Count one write, and strike if it is the one."""
        if self._busy or not path.startswith(self.root):
            return
        self.events.append((kind, path[len(self.root) + 1 :]))
        if self.strike and len(self.events) >= self.strike.number:
            self._busy = True
            try:
                self._do(self.strike, kind, path)
            finally:
                self._busy = False

    def _note(self, path: str) -> None:
        if path.startswith(self.root):
            self._written = path, len(self.events)

    def _do(self, strike: Strike, kind: str, path: str) -> None:
        if strike.error is not None:
            if not kind.startswith(("sql", "after")) and kind not in ("os.remove", "os.rmdir"):
                raise OSError(strike.error, os.strerror(strike.error), path)
            return
        # only what was written just now: the bytes of an earlier file are the system's, and outlive the process
        if strike.how == "cut" and self._written and self._written[1] >= len(self.events) - 1:
            with suppress(OSError):
                os.truncate(self._written[0], os.path.getsize(self._written[0]) // 2)
        os.kill(os.getpid(), signal.SIGKILL)

    def _hook(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name == "open":
            path, mode, flags = arguments
            writes = (isinstance(mode, str) and set(mode) & set("wax+")) or (isinstance(flags, int) and flags & WRITING)
            if writes and (text := _text(path)):
                self.event("open", text)
                self._note(text)
        elif name in PATHS and (text := _text(arguments[PATHS[name]], arguments[1] if name in IN_FOLDERS else -1)):
            self.event(name, text)

    def _trace(self, statement: str) -> None:
        if match := STATEMENTS.match(statement):
            self.event(f"sql {match[1].lower()}", f"{self.root}/database")

    def _wrap_renames(self) -> None:
        for name in ("rename", "replace"):
            setattr(os, name, self._with_after(getattr(os, name)))

    def _with_after(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def rename(source: Any, target: Any, **more: Any) -> None:
            original(source, target, **more)
            if text := _text(target):
                self.event("after os.rename", text)

        return rename

    def _wrap_libraries(self) -> None:
        """Wrap what is loaded already of the libraries that write past Python; in this process only."""
        for module, name, position in (
            ("torch", "save", 1),
            ("transformers.modeling_utils", "safe_save_file", 1),
            ("pyarrow.parquet", "write_table", 1),
            ("pyarrow.csv", "write_csv", 1),
        ):
            if module in sys.modules:
                self._wrap(sys.modules[module], name, position)
        if "core.runs.database" in sys.modules:
            self._wrap_commits(sys.modules["core.runs.database"].Database)
        if "tensorboard.summary.writer.record_writer" in sys.modules:
            self._wrap_records(sys.modules["tensorboard.summary.writer.record_writer"].RecordWriter)

    def _wrap(self, module: ModuleType, name: str, position: int) -> None:
        original = getattr(module, name)

        def write(*arguments: Any, **more: Any) -> Any:
            path = arguments[position] if len(arguments) > position else next(iter(more.values()), None)
            text = _text(getattr(path, "name", path)) or ""  # a path, or an open file
            self.event(name, text)
            result = original(*arguments, **more)
            self._note(text)
            self.event(f"after {name}", text)
            return result

        setattr(module, name, write)

    def _wrap_commits(self, database: Any) -> None:
        original, connect = database.write, database._connect
        event, trace = self.event, self._trace

        def traced(self: Any) -> Any:
            db = connect(self)
            db.set_trace_callback(trace)
            return db

        @contextmanager
        def write(self: Any) -> Any:
            with original(self) as db:
                yield db
            event("after commit", str(self.path))

        database.write, database._connect = write, traced

    def _wrap_records(self, writer: Any) -> None:
        original = writer.write
        event, root = self.event, self.root

        def write(self: Any, data: bytes) -> None:
            event("tensorboard", f"{root}/events")
            original(self, data)

        writer.write = write


def _text(path: Any, folder: int = -1) -> str | None:
    """Return a path as text, from the top; None for a descriptor."""
    try:
        name = os.fsdecode(path)
        return os.path.abspath(name if folder < 0 else f"{os.readlink(f'/proc/self/fd/{folder}')}/{name}")
    except (TypeError, OSError):
        return None


def plain(path: str) -> str:
    """Return a path without what differs from run to run: ids and random names."""
    path = re.sub(r"\d{8}-\d{6}-[0-9a-f]{4}", "RUN", path)
    path = re.sub(r"tfevents\.\S+", "tfevents", path)
    return re.sub(r"(-\d+)?[-.][0-9a-f]{8,16}\b", "-X", path)


def full_disk(number: int) -> Strike:
    """Return the strike after which no write fits on the disk any more."""
    return Strike(number, error=errno.ENOSPC)
