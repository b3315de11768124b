"""The real app on a free port, and what asks it: requests, and sessions as a browser's tab opens them.

A session speaks Streamlit's protocol over its socket: it asks for a page with a query and gets the page's elements.
"""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

from core import PROJECT
from torture.child import kill_all, processes_naming

START_SECONDS = 60
MESSAGE = 256 * 2**20  # bytes at most that a page sends at once


@dataclass(frozen=True)
class Answer:
    """An answer to a request; status 0 stands for none within the time."""

    status: int
    body: bytes
    seconds: float
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Server:
    """The app as it runs."""

    port: int
    process: psutil.Process
    log: Path

    def ask(
        self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None, seconds: float = 20
    ) -> Answer:
        """Send one request, whose path may be anything; return the answer."""
        begin = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        try:
            connection.putrequest(method, "/", skip_host=bool(headers and "Host" in headers))
            # past http.client's check: a hostile client has none
            connection._buffer[0] = f"{method} {path} HTTP/1.1".encode("utf-8", "surrogatepass")  # type: ignore[attr-defined]
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
            body = response.read()
            return Answer(response.status, body, time.monotonic() - begin, dict(response.getheaders()))
        except (OSError, http.client.HTTPException):
            return Answer(0, b"", time.monotonic() - begin)
        finally:
            connection.close()

    def open_page(self, page: str, query: str, seconds: float = 60) -> list[str]:
        """Open a page as a new tab does; return its errors: exceptions that it shows, or that it did not come."""
        with connect(
            f"ws://127.0.0.1:{self.port}/_stcore/stream", subprotocols=["streamlit"], max_size=MESSAGE,  # type: ignore[list-item]
            open_timeout=seconds, close_timeout=2,
        ) as channel:  # fmt: skip
            message = BackMsg()
            message.rerun_script.query_string = query
            message.rerun_script.page_name = page
            channel.send(message.SerializeToString())
            return list(_errors(channel, seconds))

    @property
    def memory(self) -> int:
        """How many bytes the app and what it started take; what the engine shares with its children counts once."""
        total = 0
        for process in [self.process, *self.process.children(recursive=True)]:
            with suppress(psutil.Error):
                taken = process.memory_full_info()
                total += getattr(taken, "pss", taken.uss)  # pss: Linux only
        return total


def _errors(channel: object, seconds: float) -> Iterator[str]:
    """Yield what goes wrong until the page's script is at its end."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            data = channel.recv(timeout=max(0.1, deadline - time.monotonic()))  # type: ignore[attr-defined]
        except TimeoutError:
            yield f"the page did not come within {seconds} s"
            return
        message = ForwardMsg.FromString(data)
        kind = message.WhichOneof("type")
        if kind == "delta" and message.delta.new_element.WhichOneof("type") == "exception":
            shown = message.delta.new_element.exception
            yield f"the page shows {shown.type}: {shown.message[:300]}"
        if kind == "page_not_found":
            yield "there is no such page"
        # a page may run again at once, as one that writes its address does
        if kind == "script_finished" and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
            return


@contextmanager
def served(root: Path) -> Iterator[Server]:
    """Serve the root with the real app; at the end everything is ended that works on it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}", "--server.headless=true"]
    environment = {**os.environ, "DETR_LAB_ROOT": str(root), "OMP_NUM_THREADS": "1"}
    log = root.parent / "server.log"
    with log.open("wb") as output:
        app = subprocess.Popen(
            command, cwd=PROJECT, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    server = Server(port, psutil.Process(app.pid), log)
    try:
        deadline = time.monotonic() + START_SECONDS
        while server.ask("/_stcore/health", seconds=2).status != 200:
            if app.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"The app does not start: {log.read_text()[-500:]}")
            time.sleep(0.1)
        yield server
    finally:
        kill_all(processes_naming(str(root)))
        app.kill()
        app.wait()
