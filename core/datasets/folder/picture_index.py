"""The pictures that lie in a folder, listed once, so that a picture is found under whatever name a tool wrote for it.

In: a folder. Out: for a name as an annotation file has it the path of the picture that is meant, inside the folder.
Links to folders are followed; nothing that lies outside of what they lead to is listed.
"""

from __future__ import annotations

import os
from pathlib import Path

from core.datasets.names.name_index import NameIndex, is_picture
from core.files import real_path
from core.wording import is_utf8

MOST_PICTURES = 2_000_000  # that are listed, and folders
MOST_DEPTH = 12  # of folders in folders


class PictureIndex(NameIndex):
    """The pictures under a folder, by their paths relative to it; none of hidden ones, files without an ending too."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = real_path(folder)
        self._real_paths = _real_paths(self.folder)
        super().__init__(sorted(self._real_paths))

    def real_path(self, path: str) -> Path:
        """Return where a picture of the index lies, without links."""
        return Path(self._real_paths[path])


def _real_paths(root: Path) -> dict[str, str]:
    """Return the real paths by the paths; each real folder is gone through once, under the first path to it."""
    paths: dict[str, str] = {}
    folders = [("", os.fspath(root), 0)]
    visited, listed = set(), 0
    while folders and listed < MOST_PICTURES:
        inner, folder, depth = folders.pop(0)
        real = os.path.realpath(folder)
        if real in visited:
            continue
        visited.add(real)
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:  # closed, or a link to nowhere
            continue
        for entry in entries:
            if entry.name.startswith(".") or not is_utf8(entry.name):
                continue
            listed += 1
            if os.path.isdir(entry.path):  # entry.is_dir() raises at a link in a circle
                if depth < MOST_DEPTH:
                    folders.append((f"{inner}{entry.name}/", entry.path, depth + 1))
            elif is_picture(entry.name) or "." not in entry.name:
                is_link = entry.is_symlink()
                path = os.path.realpath(entry.path) if is_link else os.path.join(real, entry.name)
                if is_link and not (path.startswith(os.path.join(real, "")) and os.path.isfile(path)):
                    continue  # it leads out of the folder, or nowhere
                paths[inner + entry.name] = path
    return paths
