"""COCO's server on this machine, and what a former download has left."""

import os
import shutil
from pathlib import Path

import pytest

from core.datasets.coco2017 import child, pictures
from core.datasets.subset import choose_images
from tests.core.datasets.coco2017.coco_server import make_coco, serving
from tests.core.datasets.coco2017.downloads import FEW, children


@pytest.fixture(scope="module")
def coco(tmp_path_factory):
    return make_coco(tmp_path_factory.mktemp("coco") / "coco", train=30, val=12)


@pytest.fixture(scope="module")
def photographs(coco):
    """Real ones where there are any."""
    return Path(os.environ.get("DETR_LAB_COCO") or coco)


@pytest.fixture(scope="module")
def _server(coco):
    with serving(coco) as server:
        yield server


@pytest.fixture
def server(_server, monkeypatch):
    """COCO's server with the drawn data set, as the children of this test see it; the quick child, short pauses."""
    for name, value in _server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(child, "MODULE", "tests.core.datasets.coco2017.quick_fetch")
    monkeypatch.setattr(pictures, "PAUSES", (0.05, 0.05))
    monkeypatch.setattr("core.datasets.coco2017.download.PAUSES", (0.05, 0.05))
    _server.heal()
    _server.asked.clear()
    yield _server
    _server.heal()
    assert children() == [], "a child was left"


@pytest.fixture
def cache(coco, tmp_path):
    """The annotation files as a former download has left them."""
    shutil.copytree(coco / "annotations", tmp_path / "cache" / "annotations")
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def names(coco, tmp_path_factory):
    """The paths of the pictures of FEW, as the server and the subset have them, in the order they are asked for."""
    return [
        f"{split}2017/{picture.file_name}"
        for split in ("train", "val")
        for picture in choose_images(coco / "annotations" / f"instances_{split}2017.json", FEW, split)
    ]
