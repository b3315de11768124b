"""Pictures as the gallery requests them: small, as JPEG, whole or a part, from a cache of limited size on disk.

In: a request, and a function that finds its picture. Only numbers come in, never a path.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from core import LabError
from core.disk import atomic_file
from core.evaluation.draw import thumbnail
from core.files import read_bytes
from ui.server import services
from ui.server.guard import refused

WIDTHS = (320, 640, 1280, 3840)  # pixels; a request's width is rounded up, so that few files are kept
KEPT_BYTES = 200_000_000  # of thumbnails on disk
DRAWN = 2  # raise it whenever a picture is shown otherwise than before: kept thumbnails are then made anew
NO_STORE = {"Cache-Control": "no-store"}
IMMUTABLE = {"Cache-Control": "private, max-age=86400, immutable"}

_made = count()  # thumbnails of this process


def picture_response(
    request: Request, find: Callable[[dict[str, Any]], tuple[Path, tuple[int, int]]],
    headers: dict[str, str] = IMMUTABLE, beside: bool = False,
) -> Response:  # fmt: skip
    """Answer with a picture.

    The address may end with ?w=W: the longest side has at most W pixels; and with &crop=x1,y1,x2,y2: only this part,
    in pixels of the upright original.

    find    gets the parameters of the address' path; returns the picture's path and stated size (width, height)
    beside  the thumbnail is kept in the picture's own folder, to be deleted with it
    """
    try:
        wanted = int(request.query_params.get("w", WIDTHS[0]))
        crop = _crop(request.query_params.get("crop"))
        path, size = find(request.path_params)
        stamp = path.stat()
        width = next((w for w in WIDTHS if w >= wanted), WIDTHS[-1])
        content = f"{DRAWN}|{path}|{stamp.st_mtime_ns}|{stamp.st_size}|{size}|{width}|{crop}"
        name = hashlib.sha256(content.encode()).hexdigest()[:32]
        folder = path.parent if beside else services.store().runs_dir / ".thumbnails"
        body = _cached(folder / f"{name}.jpg", lambda: thumbnail(path, width, size, crop))
    except (LabError, ValueError, OSError):
        return refused("There is no such picture.")
    # "identity": pictures are packed already, Streamlit would gzip them once more
    return Response(body, media_type="image/jpeg", headers={**headers, "Content-Encoding": "identity"})


def _crop(text: str | None) -> tuple[int, int, int, int] | None:
    """Return four numbers of a text with commas; raises ValueError for anything else."""
    if text is None:
        return None
    x1, y1, x2, y2 = (int(part) for part in text.split(","))
    return x1, y1, x2, y2


def _cached(file: Path, make: Callable[[], bytes]) -> bytes:
    """Return the file's content, which is made first if it is not there."""
    with suppress(OSError):
        return read_bytes(file, KEPT_BYTES)
    body = make()
    with suppress(OSError):  # the disk is full, or something else has the name: the picture can be shown all the same
        with atomic_file(file) as partial:
            partial.write_bytes(body)
        _trim(file.parent)
    return body


def _trim(folder: Path) -> None:
    """Delete the oldest thumbnails beyond KEPT_BYTES; looks at the folder at every 200th new thumbnail only."""
    if next(_made) % 200:
        return
    total = 0
    for path in sorted(folder.glob("*.jpg"), key=lambda p: p.lstat().st_mtime, reverse=True):
        total += path.lstat().st_size
        if total > KEPT_BYTES:
            path.unlink(missing_ok=True)
