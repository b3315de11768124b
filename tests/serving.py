"""What a real browser is pointed at: the app as a user starts it, or one of its components by itself."""

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import uvicorn
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from core import PROJECT
from tests.suite import unmeasured
from ui.routes import ROUTES


@contextmanager
def served(root: Path, engine: bool = False, app: str = "app.py") -> Iterator[str]:
    """The address of the app on a free port, with `root` as its root folder; its trainings end with it.

    Without its engine, whose imports take 5 s of a core that most tests do not need. Another `app` has ours to import.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    environment = {**unmeasured(os.environ), "DETR_LAB_ROOT": str(root), "DETR_LAB_ENGINE": "on" if engine else "off"}
    command = [sys.executable, "-m", "streamlit", "run", app, f"--server.port={port}", "--server.headless=true"]
    with (root / "server.log").open("w") as log:
        server = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_until_healthy(url, server, root / "server.log")
        yield url
    finally:
        trainings = psutil.Process(server.pid).children(recursive=True)  # they outlive the app, as they should
        server.terminate()
        server.wait(timeout=30)
        for process in trainings:
            with suppress(psutil.NoSuchProcess):
                process.kill()


def wait_until_healthy(url: str, server: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(url + "/_stcore/health", timeout=2).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise AssertionError(log.read_text())


@contextmanager
def served_page(html: str) -> Iterator[str]:
    """The address of a page `html` beside the app's routes, from which it imports a component's script."""
    no_icon = Route("/favicon.ico", lambda request: Response(status_code=204))  # a browser asks once
    routes = [*ROUTES, no_icon, Route("/", lambda request: HTMLResponse(html))]
    config = uvicorn.Config(Starlette(routes=routes), port=0, lifespan="off", ws="none", log_level="warning")
    http = uvicorn.Server(config)
    thread = threading.Thread(target=http.run, daemon=True)
    thread.start()
    while not http.started:
        assert thread.is_alive()
        threading.Event().wait(0.01)
    yield f"http://127.0.0.1:{http.servers[0].sockets[0].getsockname()[1]}"
    http.should_exit = True
    thread.join()
