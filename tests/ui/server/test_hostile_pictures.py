"""What lies where a picture should be: routes answer at once, with bounded memory, and the server ends in order."""

import json
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from urllib.error import HTTPError
from urllib.request import urlopen

import psutil
import pytest
from PIL import Image

from core.runs.store import RunStore
from tests.core.datasets.test_decoding import BOUND, LARGE, large_png
from tests.processes import lives
from tests.serving import served

NAMES = ("pipe", "socket", "device", "loop", "dangling", "folder", "closed", "empty", "text", "outside", "fine")
MANY = 10


@pytest.fixture
def address(tmp_path):
    """The address of a run's picture on a real server: of NAMES from image 1 on, then of MANY large ones."""
    pictures = tmp_path / "data/val"
    pictures.mkdir(parents=True)
    os.mkfifo(pictures / "pipe.jpg")
    (pictures / "device.jpg").symlink_to("/dev/zero")
    (pictures / "loop.jpg").symlink_to("loop.jpg")
    (pictures / "dangling.jpg").symlink_to("nothing")
    (pictures / "folder.jpg").mkdir()
    (pictures / "empty.jpg").touch()
    (pictures / "text.jpg").write_text("no picture")
    (tmp_path / "secret.jpg").write_bytes(b"x")
    (pictures / "outside.jpg").symlink_to(tmp_path / "secret.jpg")
    for name in ("closed", "fine"):
        Image.new("RGB", (64, 48)).save(pictures / f"{name}.jpg")
    (pictures / "closed.jpg").chmod(0)
    names = [f"{name}.jpg" for name in NAMES] + [f"large {i}.png" for i in range(MANY)]
    (pictures / names[-1]).write_bytes(large_png(2, 3))
    for name in names[len(NAMES) : -1]:
        (pictures / name).hardlink_to(pictures / names[-1])
    sizes = [(64, 48)] * len(NAMES) + [LARGE] * MANY
    images = [
        {"id": i, "file_name": name, "width": size[0], "height": size[1]}
        for i, (name, size) in enumerate(zip(names, sizes, strict=True), start=1)
    ]
    annotations = {"images": images, "annotations": [], "categories": [{"id": 1, "name": "car"}]}
    (tmp_path / "data/annotations").mkdir()
    (tmp_path / "data/annotations/instances_val.json").write_text(json.dumps(annotations))
    run = RunStore(tmp_path).create({"data": str(tmp_path / "data")}, "hostile")
    listening = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    os.chdir(pictures)  # a socket's path has at most 108 bytes
    listening.bind("socket.jpg")
    os.chdir(here)
    with listening, served(tmp_path) as url:
        yield f"{url}/api/image/{run.id}"


def status(address: str) -> int:
    try:
        with urlopen(address, timeout=120) as answer:
            return answer.status
    except HTTPError as error:
        return error.code


@pytest.mark.ci
def test_a_page_of_them_is_answered_within_the_bound(address):
    """About 12 s, most of it for the large pictures."""
    server = next(p for p in filter(lives, psutil.Process().children()) if "streamlit" in p.cmdline())
    with ThreadPoolExecutor(40) as pool:
        answers = dict(zip(NAMES, pool.map(status, (f"{address}/{i}" for i in range(1, len(NAMES) + 1))), strict=True))
        is_root = os.geteuid() == 0
        assert answers == dict.fromkeys(NAMES, 404) | {"fine": 200, "closed": 200 if is_root else 404}
        before = peak(server.pid)
        large = [f"{address}/{len(NAMES) + i}" for i in range(1, MANY + 1)]
        assert set(pool.map(status, large)) == {200}
        assert peak(server.pid) - before < BOUND


def peak(pid: int) -> int:
    """The most memory that a process has had, KiB."""
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
