"""The wheel: built, installed beside what it needs, and used from an empty folder, into which alone it writes."""

import json
import os
import socket
import subprocess
import sys
import sysconfig
import tarfile
import time
import urllib.request
import venv
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from core import PROJECT

pytestmark = pytest.mark.ci  # builds and installs: 20 s


def call(*command: object, **options: object) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A folder with the sdist, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("dist")
    uv = Path(sys.executable).with_name("uv")
    call(uv, "build", "--offline", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder, PROJECT)
    return folder


@pytest.fixture(scope="module")
def command(built, tmp_path_factory) -> Path:
    """The installed command, in an environment that sees the packages of this one."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "below.pth").write_text(sysconfig.get_paths()["purelib"])
    (wheel,) = built.glob("*.whl")
    uv = Path(sys.executable).with_name("uv")
    call(uv, "pip", "install", "--offline", "--no-index", "--no-deps", "--python", folder / "bin/python", wheel)
    return folder / "bin/detr-lab"


@pytest.fixture
def environment() -> dict[str, str]:
    """One without what a developer may have set."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("DETR_LAB", "PYTHONPATH"))}


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def installed(command: Path) -> set[Path]:
    """The files of the package, but what Python compiles of them."""
    (house,) = command.parent.parent.glob("lib/python*/site-packages/detr_lab")
    return {path for path in house.rglob("*") if path.suffix != ".pyc" and path.name != "__pycache__"}


def test_the_wheel_has_one_name_and_the_sdist_no_tests(built):
    (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names} == {"detr_lab", "detr_lab-0.1.0.dist-info"}
    house = {name.removeprefix("detr_lab/house/") for name in names}
    assert {"app.py", "core/__main__.py", "pages/train.py", ".streamlit/config.toml"} <= house
    assert {"checkpoints/starter/model.safetensors", "checkpoints/starter-multi-scale/model.safetensors"} <= house
    scripts = [path.relative_to(PROJECT).as_posix() for path in (PROJECT / "ui").rglob("*.js")]
    assert scripts and {*scripts, "core/charts/draw.js"} <= house
    with tarfile.open(sdist) as archive:
        inside = {name.split("/")[1] for name in archive.getnames() if "/" in name}
    assert not inside & {"tests", "runs", "data", "docs", "bench", "torture"}
    (metadata,) = (name for name in names if name.endswith("METADATA"))
    needed = zipfile.ZipFile(wheel).read(metadata).decode().count("Requires-Dist: ")
    lines = (PROJECT / "requirements.txt").read_text().splitlines()
    assert needed == sum(bool(line.partition("#")[0].strip()) for line in lines)


def test_the_command_works_from_an_empty_folder_and_writes_there_alone(command, environment, tmp_path):
    before = installed(command)
    run = {"cwd": tmp_path, "env": environment}
    assert call(command, "--version", **run) == "DETR Lab 0.1.0\n"
    answer = json.loads(call(command, "demo", "--out", "data/x", "--train", 4, "--val", 2, "--json", **run))
    assert answer["out"] == "data/x" and (tmp_path / "data/x/annotations/instances_train.json").is_file()
    (tmp_path / "core").mkdir()  # a folder of the user's with the name of ours
    (tmp_path / "core/__init__.py").write_text("raise SystemExit('not ours')")
    assert json.loads(call(command, "check", "data/x", "--json", **run))["images"]
    other = tmp_path / "other"
    other.mkdir()
    assert json.loads(call(command, "runs", "--root", other, "--json", **run)) == []
    assert (other / "runs/runs.db").is_file() and not (tmp_path / "runs").exists()
    assert installed(command) == before


def test_the_dashboard_answers_from_an_empty_folder(command, environment, tmp_path):
    before, port = installed(command), free_port()
    arguments = [str(command), "app", "--port", str(port), "--headless"]
    with open(tmp_path / "log", "wb") as log:
        server = subprocess.Popen(arguments, cwd=tmp_path, env=environment, stdout=log, stderr=log)
    try:
        page = b""
        while not page and server.poll() is None:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
                page = answer.read()
            time.sleep(0.1)
        assert b"<title>" in page, (tmp_path / "log").read_text()
    finally:
        server.terminate()
        server.wait()
    assert (tmp_path / "runs").is_dir() and installed(command) == before
