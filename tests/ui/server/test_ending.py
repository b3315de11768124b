"""The server ends with SIGTERM and Ctrl-C in time, also while a request is being answered that never will be."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core import PROJECT
from tests.serving import wait_until_healthy

SECONDS = (1.0, 1.0)  # to answer and to stop
APP = """
import threading
import streamlit as st
from starlette.routing import Route
from ui.server import ending
from ui.server.services import MIDDLEWARE, lifespan

ending.SECONDS_TO_ANSWER, ending.SECONDS_TO_STOP = SECONDS

def stuck(request):
    threading.Event().wait()

app = st.App("page.py", routes=[Route("/stuck", stuck)], middleware=MIDDLEWARE, lifespan=lifespan)
"""


@pytest.fixture
def server(tmp_path):
    """The process of a server with a route that never answers, and its port."""
    (tmp_path / "app.py").write_text(APP.replace("SECONDS\n", f"{SECONDS}\n"))
    (tmp_path / "page.py").write_text("")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}", "--server.headless=true",
               "--server.address=127.0.0.1", "--server.fileWatcherType=none"]  # fmt: skip
    environment = {**os.environ, "DETR_LAB_ROOT": str(tmp_path), "PYTHONPATH": str(PROJECT)}
    log = tmp_path / "server.log"
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=out, stderr=subprocess.STDOUT)
    wait_until_healthy(f"http://127.0.0.1:{port}", process, log)
    yield process, port
    process.kill()
    process.wait()


@pytest.mark.few(1)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_that_is_never_answered_does_not_hold_up_the_end(server, tmp_path, number):
    process, port = server
    with socket.create_connection(("127.0.0.1", port)) as asking:
        asking.sendall(b"GET /stuck HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(0.5)  # until its thread is stuck
        uploads = list(Path(tmp_path / "runs/.uploads").glob("*"))
        process.send_signal(number)
        process.wait(sum(SECONDS) + 15)
    assert not any(path.exists() for path in uploads)
