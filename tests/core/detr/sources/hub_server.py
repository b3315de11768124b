"""The Hugging Face hub on 127.0.0.1, with one model, as slow and as unreliable as a test wants it."""

import contextlib
import hashlib
import json
import re
import threading
from pathlib import Path

from tests.local_server import LocalServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PIECE = 100_000  # bytes that are sent at once


@contextlib.contextmanager
def local_hub(name, files, cache, monkeypatch):
    """The hub of this process, with the model `name` of the folder `files`, and its cache."""
    server = HubServer(name, files)
    constants = "huggingface_hub.constants."
    monkeypatch.setattr(constants + "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants + "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants + "ENDPOINT", server.address)
    template = server.address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants + "HUGGINGFACE_CO_URL_TEMPLATE", template)
    yield server
    server.close()


class HubServer(LocalServer):
    """Serves the files of a folder as those of the model `name`.

    asked   (method, file, first byte) of every request, in order
    pause   seconds before each piece of a file
    hold    bytes of a file after which nothing more comes, until `wake`; None: all of it
    cut     bytes after which the connection ends, in the next answer of each
    """

    def __init__(self, name: str, folder: Path):
        self.name, self.folder, self.asked = name, Path(folder), []
        self.pause, self.hold, self.cut = 0.0, None, []
        self._awake = threading.Event()
        self.begin()

    def wake(self) -> None:
        """Goes on with what it holds back, and holds nothing back any more."""
        self.hold = None
        self._awake.set()

    def _answer(self, request) -> None:
        file = request.path.removeprefix(f"/{self.name}/resolve/main/").removeprefix(f"/{self.name}/resolve/{COMMIT}/")
        begin = int((re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", "")) or [0, 0])[1])
        self.asked.append((request.command, file, begin))
        if request.path.startswith(f"/api/models/{self.name}"):
            self._list(request)
            return
        path = self.folder / file
        if file == request.path or not path.is_file():
            request.send_response(404)
            request.send_header("X-Error-Code", "EntryNotFound")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        content = path.read_bytes()
        if begin > len(content):
            request.send_error(416)
            return
        request.send_response(206 if begin else 200)
        request.send_header("Content-Length", str(len(content) - begin))
        request.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        request.send_header("X-Repo-Commit", COMMIT)
        request.end_headers()
        if request.command == "GET":
            self._send(request, content, begin)

    def _list(self, request) -> None:
        """Tells of the model, or of its files, as the hub's own command asks before it fetches them."""
        files = sorted(self.folder.iterdir())
        answer: object = {"id": self.name, "sha": COMMIT, "siblings": [{"rfilename": path.name} for path in files]}
        if "/tree/" in request.path:
            answer = [{"type": "file", "oid": "0" * 40, "size": p.stat().st_size, "path": p.name} for p in files]
        content = json.dumps(answer).encode()
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.send_header("Content-Type", "application/json")
        request.end_headers()
        request.wfile.write(content)

    def _send(self, request, content: bytes, begin: int) -> None:
        large = len(content) > PIECE
        end = self.cut.pop(0) if large and self.cut else len(content)
        for at in range(begin, end, PIECE):
            if large and self.hold is not None and at >= self.hold:
                self._awake.wait(60)
            if large and self.pause:
                threading.Event().wait(self.pause)
            request.wfile.write(content[at : min(at + PIECE, end)])
        request.close_connection = True
