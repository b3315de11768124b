"""The option --root, before or after the command: the folder of runs/, checkpoints/ and data/."""

from __future__ import annotations

import os
from argparse import SUPPRESS, ArgumentParser
from pathlib import Path

from core import LabError, lab_root

DEFAULT_OUT = "data/"  # where the defaults of --out lie, which are under the root


def add_root(parser: ArgumentParser) -> None:
    """Add --root to a parser, of the command line or of one of its commands; the last one that is given counts."""
    parser.add_argument(
        "--root", metavar="DIR", default=SUPPRESS,
        help="the folder of runs/, checkpoints/ and data/ (default: DETR_LAB_ROOT, else the project's)",
    )  # fmt: skip


def set_root(folder: str) -> None:
    """Make a folder the root of this process and of those that it starts; raise LabError if it is none."""
    path = Path(os.path.abspath(os.path.expanduser(folder)))
    if not path.is_dir():
        raise LabError(f"--root is {folder}, but there is no such folder: make it first.")
    os.environ["DETR_LAB_ROOT"] = str(path)


def under_root(path: str) -> str:
    """Return a relative path that a command takes by itself, as `data/street`, under the root.

    With the root as the current folder it stays as it is.
    """
    root = lab_root()
    return path if root == Path.cwd() else str(root / path)


def found(path: str) -> str:
    """Return a path that was typed: from the current folder, or from the root if it is only there."""
    if not path or os.path.lexists(path) or not os.path.lexists(lab_root() / path):
        return path
    return str(lab_root() / path)
