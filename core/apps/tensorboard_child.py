"""The child process that serves TensorBoard: `python -m core.apps.tensorboard_child`; see `side_app.py`.

{"ask": "open", "runs": the folder of runs}    {"port": …, "path": "/"}
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any
from urllib.parse import urlsplit

from core import LabError
from core.apps.answering import answer_requests
from core.apps.side_app import ADDRESS, TENSORBOARD, free_port

FIRST_PORT = 6006  # TensorBoard's own


class _TensorBoard:
    """A server that begins with the first request."""

    def __init__(self) -> None:
        self._port: int | None = None

    def answer(self, request: dict[str, Any]) -> Generator[str, None, dict[str, Any]]:
        """Serve the runs, once; yields words. Raises LabError where TensorBoard cannot serve."""
        if self._port is None:
            yield "Starting TensorBoard"
            self._port = _serve(request["runs"])
        return {"port": self._port, "path": "/"}


def _serve(runs: str) -> int:
    """Serve a folder of runs in a thread; return the port."""
    try:
        from tensorboard import program
    except ImportError as error:
        raise LabError(f"TensorBoard is not installed here ({error}): pip install tensorboard.") from None
    server = program.TensorBoard()
    port = free_port(FIRST_PORT)
    server.configure(argv=["tensorboard", "--logdir", runs, "--host", ADDRESS, "--port", str(port)])
    try:
        return urlsplit(server.launch()).port or port
    except program.TensorBoardServerException as error:
        raise LabError(f"TensorBoard cannot serve: {error}.") from None


if __name__ == "__main__":
    answer_requests(TENSORBOARD.title, _TensorBoard().answer)
