"""Files and folders that must not be read: one sentence says which; never an error as Python has it."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from core import LabError
from core.datasets.layouts import list_datasets
from core.datasets.pictures import PictureError
from tests.core.datasets.file_readers import KINDS

NOBODY = 65534
pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows has no such modes")


@pytest.fixture
def open_folder():
    """A folder that everybody may write into."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def as_nobody(open_folder):
    """Is not root, who may read everything; what is imported late was imported before."""
    for number, kind in enumerate(KINDS.values()):
        (open_folder / f"{number}").mkdir()
        kind.make(open_folder / f"{number}")
        kind.read(open_folder / f"{number}")
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    yield
    if is_root:
        os.seteuid(0)


@pytest.mark.parametrize("name", ["coco", "subset", "yolo", "voc", "JPEG", "table", "files of a run", "files of ours"])
def test_what_is_closed_is_told_in_a_sentence(open_folder, as_nobody, name):
    """About 2 s each."""
    kind, whole = KINDS[name], open_folder / "whole"
    whole.mkdir()
    kind.make(whole)
    sentences = set()
    for entry in [whole, *sorted(path for path in whole.rglob("*") if not path.is_symlink())]:
        copy = Path(shutil.copytree(whole, open_folder / "x", symlinks=True))
        closed = copy / entry.relative_to(whole)
        closed.chmod(0)
        try:
            kind.read(copy)
        except (LabError, PictureError) as error:
            sentences.add(str(error))
        list_datasets(open_folder)
        closed.chmod(0o755)
        shutil.rmtree(copy)
    assert all(len(sentence) < 300 for sentence in sentences)
    assert (
        name in ("JPEG", "files of a run", "files of ours")
        or any("ermission denied" in s for s in sentences)
        or (name == "table" and any("There is no detection table" in s or "is damaged" in s for s in sentences))
    )
