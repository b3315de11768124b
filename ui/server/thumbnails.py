"""Pictures as the gallery asks for them: small, as JPEG, whole or a part, from a bounded cache on disk.

In: a request, and where the picture is that it means. Only numbers come in, never a path.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import count
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core import LabError
from core.disk import atomic_file
from core.evaluation.draw import thumbnail
from ui.server import services

WIDTHS = (320, 640, 1280, 3840)  # pixels; what is asked for is rounded up, so that few files are kept
KEPT_BYTES = 200_000_000  # of thumbnails on disk
HEADERS = {"X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin"}
NO_STORE = {**HEADERS, "Cache-Control": "no-store"}
IMMUTABLE = {**HEADERS, "Cache-Control": "private, max-age=86400, immutable"}

_made = count()  # thumbnails of this process


def picture_response(
    request: Request, find: Callable[[dict], tuple[Path, tuple[int, int]]], headers: dict[str, str] = IMMUTABLE,
    beside: bool = False,
) -> Response:  # fmt: skip
    """The picture that `find` gives for the parts of the address: its path and stated size (width, height).

    ?w=W: its longest side has at most W pixels; &crop=x1,y1,x2,y2: only this part, in pixels of the upright original.
    beside: what is made is kept in the picture's own folder, to be deleted with it.
    """
    try:
        wanted = int(request.query_params.get("w", WIDTHS[0]))
        crop = _crop(request.query_params.get("crop"))
        path, size = find(request.path_params)
        stamp = path.stat()
        width = next((w for w in WIDTHS if w >= wanted), WIDTHS[-1])
        named = f"{path}|{stamp.st_mtime_ns}|{stamp.st_size}|{size}|{width}|{crop}"
        name = hashlib.sha256(named.encode()).hexdigest()[:32]
        folder = path.parent if beside else services.store().runs_dir / ".thumbnails"
        body = _cached(folder / f"{name}.jpg", lambda: thumbnail(path, width, size, crop))
    except (LabError, ValueError, OSError):
        return JSONResponse({"error": "There is no such picture."}, 404, NO_STORE)
    # "identity": pictures are packed already, Streamlit would gzip them once more
    return Response(body, media_type="image/jpeg", headers={**headers, "Content-Encoding": "identity"})


def _crop(asked: str | None) -> tuple[int, int, int, int] | None:
    """Four numbers with commas; raises ValueError for anything else."""
    if asked is None:
        return None
    x1, y1, x2, y2 = (int(part) for part in asked.split(","))
    return x1, y1, x2, y2


def _cached(file: Path, make: Callable[[], bytes]) -> bytes:
    """What the file holds, made first if it is not there."""
    try:
        return file.read_bytes()
    except FileNotFoundError:
        pass
    body = make()
    with atomic_file(file) as partial:
        partial.write_bytes(body)
    _trim(file.parent)
    return body


def _trim(folder: Path) -> None:
    """Deletes the oldest thumbnails beyond KEPT_BYTES; looks at the folder for one new thumbnail in 200."""
    if next(_made) % 200:
        return
    total = 0
    for path in sorted(folder.glob("*.jpg"), key=lambda p: p.stat().st_mtime, reverse=True):
        total += path.stat().st_size
        if total > KEPT_BYTES:
            path.unlink(missing_ok=True)
