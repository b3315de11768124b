"""Where a training's checkpoints lie, and which of them are whole.

In: the folder of a run's checkpoints. Out: the one to go on from, and the best one beside it. Apart from
`checkpoint.py`, which writes and reads them, because a page asks too, and has no torch.

    <folder>/last   the training at the end of an epoch, before its evaluation, or where it was stopped
             best   the same of the epoch with the highest AP
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from core.disk import atomic_folder, clear_leftovers, old_path
from core.files import read_bytes
from core.system import moves

STATE_FILE = "trainer.pt"
EPOCH_FILE = "epoch.json"  # {"epoch": how many are done, or null in the midst of one}; earlier versions wrote none
FILES = ("config.json", "model.safetensors", STATE_FILE)  # a checkpoint is whole if it has them


def saved_checkpoint(folder: Path) -> Path | None:
    """Return the checkpoint that a training goes on from: `last`, else `best`; None if there is none.

    Each is also looked for under the name that it has while a new one takes its place.
    """
    names = (folder / "last", folder / "best")
    return next((whole for name in names if is_whole(whole := current(name))), None)


def current(checkpoint: Path) -> Path:
    """Return a checkpoint's folder, or the older one if the machine stopped between the two renames of a save."""
    older = old_path(checkpoint)
    return older if is_whole(older) and not is_whole(checkpoint) else checkpoint


def is_whole(checkpoint: Path) -> bool:
    """Check whether a checkpoint has all of its files."""
    return all((checkpoint / name).is_file() for name in FILES)


def epoch_of(checkpoint: Path) -> int | None:
    """Return how many whole epochs a checkpoint was trained for; None in the midst of one, or where it is not known."""
    try:
        epoch = json.loads(read_bytes(checkpoint / EPOCH_FILE, at_most=1000))["epoch"]
        return epoch if isinstance(epoch, int) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def copy_checkpoint(source: Path, target: Path) -> None:
    """Let `target` be what `source` is, in place of what is there; their files are one where the disk allows that.

    A file of a checkpoint is never changed, only replaced. Raises OSError; the one that is there then stays.
    """
    with atomic_folder(target, replace=True, old=old_path(target)) as partial:
        for path in source.iterdir():
            moves.link_file(path, partial / path.name)


def retire_checkpoint(folder: Path, keep: str) -> None:
    """Give the checkpoint of a training that is at its end, and that `keep` does not name, the name of a replaced one.

    keep  "best", "last", or another word for both
    """
    for name in ("last", "best"):
        older, checkpoint = old_path(folder / name), folder / name
        if is_whole(checkpoint):
            shutil.rmtree(older, ignore_errors=True)
        elif is_whole(older):
            moves.replace(older, checkpoint)
    dropped = {"best": "last", "last": "best"}.get(keep)
    if dropped and is_whole(folder / keep) and is_whole(folder / dropped):
        moves.replace(folder / dropped, old_path(folder / dropped))


def delete_retired(folder: Path) -> None:
    """Delete what a training that has ended needs no more: replaced and retired checkpoints, unfinished ones."""
    clear_leftovers(folder)
    if any(is_whole(folder / name) for name in ("last", "best")):
        for name in ("last", "best"):
            shutil.rmtree(old_path(folder / name), ignore_errors=True)
