"""A large file of the Hugging Face hub, fetched into the hub's cache: told by the megabyte, stopped at any time.

In: a model's name and a file's. Out: the file where the hub's cache keeps it, from which the hub's own library takes
it. That library tells how far a download is every ten megabytes, and throws away what it has when it is stopped: here
the next try goes on with what is there.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from threading import Event

from core.system import moves
from core.wording import short

PART = ".detr-lab"  # ending of a file that is not whole yet
ATTEMPTS = 5  # to go on with a file, without a byte of it
PAUSE_SECONDS = 1.0  # between two of them


class Fetch:
    """A download, as two threads share it: one fetches, the other asks how far it is, and may set `stop`.

    blob   the file in the hub's cache, once it is whole; None before the hub has answered
    total  bytes of the whole file; None if the hub does not say
    """

    def __init__(self) -> None:
        self.blob: Path | None = None
        self.total: int | None = None
        self.stop = Event()

    def words(self, name: str) -> str:
        """Say how far it is with the model of this name."""
        if self.blob is None:
            return f"Asking the Hugging Face hub for {short(name, 60)}"
        total = f" of {megabytes(self.total)}" if self.total else ""
        done = _size(_part(self.blob)) or _size(self.blob)  # in this order: the one becomes the other
        return f"Downloading {short(name, 60)}: {megabytes(done)}{total} MB"

    def into_cache(self, name: str, file: str, storage: Path) -> None:
        """Fetch a file into `storage`, the model's folder in the hub's cache, unless it is there, or `stop` is set.

        Raises OSError for a disk that is full and what the hub refuses, else what the network raises.
        """
        from huggingface_hub import get_hf_file_metadata, hf_hub_url
        from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]  # public, but not in an __all__

        url = hf_hub_url(name, file)
        known = get_hf_file_metadata(url)
        if not known.etag or (storage / "blobs" / known.etag).exists():
            return
        blob = storage / "blobs" / known.etag
        self.blob, self.total = blob, known.size
        lock = storage.parent / ".locks" / storage.name / f"{known.etag}.lock"  # the library's own
        for folder in (lock.parent, blob.parent):
            folder.mkdir(parents=True, exist_ok=True)
        with WeakFileLock(lock):  # while another process fetches it, that one's file is seen to grow
            if not blob.exists() and self._is_whole(url, _part(blob)):
                moves.replace(_part(blob), blob)

    def _is_whole(self, url: str, part: Path) -> bool:
        """Fetch what is missing of the file, again after an error of the network; return whether it is whole now."""
        attempts = ATTEMPTS
        while not self.stop.is_set():
            before = _size(part)
            if before and before == self.total:
                return True
            try:
                self._go_on(url, part, before)
                if self.total is None and not self.stop.is_set():
                    return True
            except OSError:  # the disk's, or the hub refuses; what a network raises is none
                raise
            except Exception:  # whatever breaks a connection: what has come is kept, and gone on with
                attempts = ATTEMPTS if _size(part) > before else attempts - 1
                if not attempts:
                    raise
                self.stop.wait(PAUSE_SECONDS)
        return False

    def _go_on(self, url: str, part: Path, begin: int) -> None:
        from huggingface_hub import constants, get_session
        from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined]  # as above

        headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
        if begin:
            headers["Range"] = f"bytes={begin}-"
        timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
        with get_session().stream("GET", url, headers=headers, follow_redirects=True, timeout=timeout) as answer:
            if answer.status_code == 416:  # what is there is longer than the file
                part.unlink()
                return
            hf_raise_for_status(answer)
            with part.open("ab" if answer.status_code == 206 else "wb", buffering=0) as file:
                for piece in answer.iter_raw():
                    if self.stop.is_set():
                        return
                    file.write(piece)


def _part(blob: Path) -> Path:
    return blob.with_name(blob.name + PART)


def megabytes(count: int) -> str:
    """Return a number of bytes in megabytes.

    >>> megabytes(166_600_000)
    '167'
    """
    return f"{count / 1e6:,.0f}"


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0
