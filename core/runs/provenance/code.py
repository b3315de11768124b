"""By what code a run was made: DETR Lab's version, its commit where it is a checkout, and the packages' versions.

runs/<id>/code.json   {"parts": [a Code, …]}: another one for each start of the training by other code
"""

from __future__ import annotations

import os
import platform
import subprocess
import tomllib
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from core import PROJECT, RunError
from core.config_diff import Setting
from core.disk import atomic_file
from core.files import read_bytes
from core.typed_json import decode

PACKAGES = ("torch", "transformers", "streamlit")
GIT_SECONDS = 5
MOST_BYTES = 1_000_000
HELP = {
    "code": "DETR Lab's version and git commit; “changed” if files differed from that commit.",
    "python": "The version of Python.",
} | {name: f"The version of {name}." for name in PACKAGES}


class Code(msgspec.Struct):
    """The code of one start of a training.

    lab       DETR Lab's version; None if it is not known
    commit    of the checkout; None if it is none, or git is not there
    changed   whether files of it differ from the commit
    packages  versions of Python and PACKAGES, as far as they are installed
    step      after which step it began, 0 at the beginning
    """

    lab: str | None
    commit: str | None
    changed: bool
    packages: dict[str, str]
    step: int = 0

    @property
    def name(self) -> str:
        """Return version and commit in words."""
        commit = f"commit {self.commit[:10]}{', changed' * self.changed}" if self.commit else ""
        return " · ".join(part for part in (self.lab, commit) if part) or "unknown"


class _File(msgspec.Struct):
    parts: list[Code]


def lab_version() -> str | None:
    """Return DETR Lab's version; None if neither a package nor a project's file says it."""
    with suppress(PackageNotFoundError):
        return version("detr-lab")
    with suppress(OSError, ValueError, KeyError):  # run from its folder, without having been installed
        text = read_bytes(PROJECT / "pyproject.toml", MOST_BYTES).decode()
        return str(tomllib.loads(text)["project"]["version"])
    return None


def current_code(step: int = 0, project: Path = PROJECT) -> Code:
    """Return the code that runs here, without importing a package; takes a few hundredths of a second."""
    packages = {"python": platform.python_version()}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            packages[name] = version(name)
    return Code(lab_version(), *_commit(project), packages, step)


def _commit(project: Path) -> tuple[str | None, bool]:
    """Return the commit of a checkout, and whether files differ from it; (None, False) if it is none."""
    if not (project / ".git").exists():  # of an installed package: a repository around it is another's
        return None, False
    command = ["git", "-C", str(project), "-c", "core.fsmonitor=false", "status", "--porcelain=v2", "--branch",
               "--untracked-files=no"]  # fmt: skip
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}  # it writes nothing
    try:
        ended = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
                               encoding="utf-8", errors="replace", timeout=GIT_SECONDS, check=True)  # fmt: skip
    except (OSError, ValueError, subprocess.SubprocessError):
        return None, False
    lines = ended.stdout.splitlines()
    commits = [line.split()[-1] for line in lines if line.startswith("# branch.oid ")]
    is_commit = bool(commits) and commits[0] != "(initial)"
    return (commits[0], any(not line.startswith("#") for line in lines)) if is_commit else (None, False)


def note_code(folder: Path, step: int = 0) -> None:
    """Note in a run's folder by what code its training begins, or goes on after `step`; raises RunError."""
    parts, now = read_code(folder), current_code(step)
    if parts and msgspec.structs.replace(parts[-1], step=step) == now:
        return
    path = folder / "code.json"
    try:
        with atomic_file(path) as partial:
            partial.write_bytes(msgspec.json.encode(_File([*parts, now])))
    except OSError as error:
        raise RunError(f"{path} cannot be written ({error.strerror or error}): make room or give access.") from error


def read_code(folder: Path) -> list[Code]:
    """Return by what code a run was made, the first first; nothing of an earlier version's run, or if it is damaged."""
    try:
        return decode(read_bytes(folder / "code.json", MOST_BYTES), _File).parts
    except (OSError, ValueError, msgspec.DecodeError):
        return []


def code_values(folder: Path) -> dict[str, str]:
    """Return version and commit as "code", and the packages, each with all its values if the run has had several."""
    values: dict[str, list[str]] = {}
    for part in read_code(folder):
        for name, value in {"code": part.name, **part.packages}.items():
            values.setdefault(name, []).append(value)
    return {name: ", then ".join(dict.fromkeys(some)) for name, some in values.items()}


def compare_code(folders: Sequence[Path]) -> list[Setting]:
    """Return by what code runs were made, as `compare_settings` does their settings."""
    runs = [code_values(folder) for folder in folders]
    labels = {"code": "Code", "python": "Python"}
    return [
        Setting(name, labels.get(name, name), text, tuple(values.get(name) for values in runs))
        for name, text in HELP.items()
        if any(name in values for values in runs)
    ]
