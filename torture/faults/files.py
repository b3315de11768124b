"""A database that is locked, damaged or gone; files of checkpoints, data sets and tables that are cut."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import core.runs.database
from core.cli.main import main
from torture.child import beside, in_child
from torture.faults.faults import Fault, bad_sentences
from torture.scenario import Outcome, Plan, Scenario

LOCKED, DAMAGED, CUT = "faults: locked database", "faults: damaged database", "faults: cut files"
BUSY_SECONDS = 0.4  # that a write waits in a training under these faults, instead of 30
PAGE = 4096
CHECKPOINT = ("model.safetensors", "trainer.pt", "config.json", "label_map.json")


def faults(plan: Plan) -> Sequence[Fault]:
    """Return the faults of files that a training meets."""
    random = plan.random("files")
    listed = []
    for number in range(6):
        after, held = random.uniform(0, 1), (0.2, 3.0)[number % 2]
        around = partial(_locked, after=after, held=held)
        name = f"the database is locked for {held} s after {after:.2f} s"
        listed.append(Fault(LOCKED, name, around=around, inside=_wait_less))
    for name, damage in DAMAGES.items():
        around = partial(_damaged, name="runs/runs.db", damage=damage)
        listed.append(Fault(DAMAGED, f"the database is {name}", around=around))
        listed.append(Fault(DAMAGED, f"the database of a stopped run is {name}", around=around, begun=True))
    for file in CHECKPOINT:
        for name in ("cut", "empty", "gone", "noise"):
            around = partial(_damaged, name=f"checkpoints/*/last/{file}", damage=DAMAGES[name])
            listed.append(Fault(CUT, f"{file} of the checkpoint is {name}", around=around, begun=True))
    return listed


def _wait_less(root: Path) -> None:
    core.runs.database.BUSY_SECONDS = BUSY_SECONDS


@contextmanager
def _locked(root: Path, after: float, held: float) -> Iterator[None]:
    def hold() -> None:
        time.sleep(after)
        with closing(sqlite3.connect(root / "runs" / "runs.db", timeout=10, isolation_level=None)) as db:
            db.execute("begin immediate")
            time.sleep(held)
            db.execute("rollback")

    with beside(hold):
        yield


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _empty(path: Path) -> None:
    os.truncate(path, 0)


def _noise(path: Path) -> None:
    with path.open("rb+") as file:
        file.write(b"\xa5noise" * 40)


def _bad_page(path: Path) -> None:
    with path.open("rb+") as file:
        file.seek(PAGE if path.stat().st_size > PAGE else 0)
        file.write(b"\xa5" * PAGE)


def _gone(path: Path) -> None:
    path.unlink()


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Callable[[Path], None]] = {
    "cut": _cut, "empty": _empty, "noise": _noise, "of a bad page": _bad_page, "gone": _gone, "a folder": _folder,
}  # fmt: skip


@contextmanager
def _damaged(root: Path, name: str, damage: Callable[[Path], None]) -> Iterator[None]:
    """Damage a file for the length of the block; then everything of the store is as it was before."""
    kept = root.parent / "kept"
    shutil.copytree(root, kept)
    damage(next(root.glob(name)))
    try:
        yield
    finally:
        shutil.rmtree(root)
        shutil.copytree(kept, root)
        shutil.rmtree(kept)


COMMANDS = ("analyze", "table", "export", "evaluate", "metrics")


def scenarios(plan: Plan, first: int) -> Sequence[Scenario]:
    """Return cut detection tables, annotations and pictures, as the commands that read them meet them."""
    from torture.kills import commands

    top = commands.prepare(plan)
    cases = [
        (word, name, file)
        for file, words in (
            ("runs/*/tables/*.parquet", ("analyze", "table", "export")),
            ("data/gt.json", ("analyze", "export")),
            ("data/images/*.jpg", ("analyze", "export")),
        )
        for word in words
        for name in ("cut", "noise", "gone", "a folder")
    ]
    chosen = plan.random("cut").sample(cases, plan.count(len(cases), least=2))
    return [
        Scenario(
            CUT, first + number, f"{word} where {file} is {name}", partial(_read, top / "marked", word, name, file)
        )
        for number, (word, name, file) in enumerate(chosen)
    ]


def _read(start: Path, word: str, damage: str, file: str, folder: Path) -> Outcome:
    root = folder / "root"
    shutil.copytree(start, root, symlinks=True)
    DAMAGES[damage](min(root.glob(file)))
    words = [word, "last", *(["--out", str(folder / "out.zip")] if word == "export" else [])]
    words += ["--as", "png"] if word == "export" and file.endswith("jpg") else []
    words += ["--out", str(folder / "out.csv")] if word == "table" else []
    ending = in_child(partial(_command, root, words), folder)
    lost = bad_sentences([line for line in ending.text.splitlines() if line.startswith("error: ")])
    if ending.status != 0 or "Traceback" in ending.text:
        lost.append(f"it ended with {ending.status}: {' / '.join(ending.text.strip().splitlines()[-2:])[:400]}")
    return Outcome(lost=tuple(lost))


def _command(root: Path, words: list[str]) -> int:
    os.environ["DETR_LAB_ROOT"] = str(root)
    return main(words)
