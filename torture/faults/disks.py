"""Disks that are full or read-only, folder by folder: real ones where this process may mount, else errors of writes."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache, partial
from pathlib import Path

from torture.faults.faults import Fault
from torture.kills.trainings import Undisturbed
from torture.scenario import Plan
from torture.writes import Strike, Writes

ROW = "faults: full and read-only disks"
MOUNTS = {"checkpoints": (1, 9, 24, 40, 60), "runs": (1,)}  # MiB that there are for a training that needs more
ERRORS = {errno.ENOSPC: "full", errno.EROFS: "read-only", errno.EACCES: "forbidden", errno.EIO: "broken"}
AT_A_WRITE = 20


def faults(plan: Plan, whole: Undisturbed) -> Sequence[Fault]:
    """Return the faults of disks."""
    random = plan.random("disks")
    listed = []
    for number in range(AT_A_WRITE):
        folder = ("runs", "checkpoints")[number % 2]
        error = list(ERRORS)[(number // 2) % len(ERRORS)]
        writes = [path for kind, path in whole.events if path.startswith(f"{folder}/") and not _is_spared(kind)]
        point = random.randrange(1, len(writes))
        inside = partial(_refuse, folder=folder, strike=Strike(point, error=error))
        listed.append(Fault(ROW, f"{folder}/ is {ERRORS[error]} from its write {point} on", inside=inside))
    listed += [
        Fault(ROW, f"no file may have more than {size:,} bytes", inside=partial(_limit_files, size=size))
        for size in (2**12, 2**17, 2**20, 2**23)
    ]
    for folder in ("", "runs", "checkpoints"):
        name = f"the disk of {folder or 'temporary files'} is full before anything is written"
        listed.append(Fault(ROW, name, inside=partial(_refuse, folder=folder, strike=Strike(1, error=errno.ENOSPC))))
    if not may_mount():
        return listed
    for folder, sizes in MOUNTS.items():
        for size in sizes:
            around = partial(_mounted, folder=folder, options=f"size={size}m")
            listed.append(Fault(ROW, f"a disk of {size} MiB under {folder}/", around=around))
        listed.append(Fault(ROW, f"a read-only disk under {folder}/", around=partial(_read_only, folder=folder)))
    return listed


def _is_spared(kind: str) -> bool:
    return kind.startswith(("sql", "after")) or kind in ("os.remove", "os.rmdir", "shutil.rmtree")


def _refuse(root: Path, folder: str, strike: Strike) -> None:
    top = root / folder if folder else Path(tempfile.gettempdir()) / "torture-tmp"
    if not folder:
        top.mkdir(exist_ok=True)
        tempfile.tempdir = os.environ["TMPDIR"] = str(top)
    Writes(top, strike).install()


def _limit_files(root: Path, size: int) -> None:
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write then fails, as on a full disk
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


@cache
def may_mount() -> bool:
    """Check whether this process may mount a disk of its own."""
    if os.getuid() or not shutil.which("mount"):
        return False
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], check=False, capture_output=True
        )
        if not done.returncode:
            subprocess.run(["umount", folder], check=True)
        return not done.returncode


@contextmanager
def _mounted(root: Path, folder: str, options: str, after: Callable[[Path], None] | None = None) -> Iterator[None]:
    """Mount a disk over a folder, with what is in it; what is written to it stays in the folder afterwards."""
    place, kept = root / folder, root.parent / f"kept-{folder}"
    place.mkdir(exist_ok=True)
    shutil.copytree(place, kept, dirs_exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(place)], check=True)
    try:
        shutil.copytree(kept, place, dirs_exist_ok=True)
        if after:
            after(place)
        yield
    finally:
        shutil.rmtree(kept)
        shutil.copytree(place, kept, symlinks=True)
        subprocess.run(["umount", "--lazy", str(place)], check=True)
        shutil.rmtree(place)
        shutil.copytree(kept, place, symlinks=True)


def _read_only(root: Path, folder: str) -> AbstractContextManager[None]:
    def remount(place: Path) -> None:
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)

    return _mounted(root, folder, "size=64m", remount)
