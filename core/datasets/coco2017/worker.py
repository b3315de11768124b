"""The child process of a download, `python -m core.datasets.coco2017.worker`: the only place where FiftyOne downloads.

In: one request a line on the pipe of `core.child`, as JSON. Out: answers, one a line on stdout, the last one of a
request with "done":

    {"do": "annotations", "folder": F}
        {"size": bytes or null} {"ready": true} {"done": true, "reason": null or why it failed}
    {"do": "pictures", "folder": F, "split": "train", "pictures": [{id, file_name, width, height}, …]}
        {"ready": true} {"id": 9, "file": path, "bytes": 2048, "reason": null} … {"done": true, "reason": null}
    {"do": "check", "folder": F, "pictures": […]}
        the same for the pictures in F

Annotations lie in F/raw afterwards. "ready" says that FiftyOne is imported, which takes seconds. A picture whose
reason is null is whole, of the size stated and on the disk; any other one is deleted.
Apart because FiftyOne has no time-outs: a process can be ended. It ends itself when the pipe does, so with its parent.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TextIO, TypeAlias

from core.child import open_requests
from core.datasets.pictures import PictureError, open_picture
from core.disk import flush, is_disk_full

Downloader: TypeAlias = Callable[..., object]  # fiftyone.utils.coco.download_coco_dataset_split

SITE = "http://images.cocodataset.org"
ANNOTATIONS = f"{SITE}/annotations/annotations_trainval2017.zip"
SPLITS = {"train": "train", "val": "validation"}  # as FiftyOne calls them
FORMATS = ("JPEG", "PNG")  # train2017/000000320612.jpg is a PNG
WORKERS = 8
SECONDS_TO_ANSWER = 10  # for the questions that are asked here
SECONDS_TO_FINISH = 3  # for the transfers that are still under way when one has failed


class Answers:
    """The answers to the parent; several threads may send them, each is a line of its own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._lock = stream, threading.Lock()

    def send(self, **answer: object) -> None:
        """Send an answer."""
        with self._lock:
            self._stream.write(json.dumps(answer) + "\n")
            self._stream.flush()


def fetch_annotations(request: dict, answers: Answers) -> str | None:
    """Download all annotation files of COCO 2017; returns the reason if it fails."""
    folder = Path(request["folder"])
    size, reason = _ask_size(ANNOTATIONS)
    if reason:
        return reason
    answers.send(size=size)
    try:
        download = _import_fiftyone(answers)
        # The validation file is read at once and is the smaller one; the other lies beside it.
        download(
            str(folder / "dataset"), "validation", image_ids=[], raw_dir=str(folder / "raw"),
            scratch_dir=str(folder / "scratch"),
        )  # fmt: skip
    except Exception as error:
        return failure_reason(error, ANNOTATIONS)
    return None


def fetch_pictures(request: dict, answers: Answers) -> None:
    """Download pictures together; where that fails, each by itself, so that one cannot hold up the others."""
    folder, split, pictures = Path(request["folder"]), request["split"], request["pictures"]
    data = folder / "pictures" / "data"
    data.mkdir(parents=True, exist_ok=True)
    if "fiftyone" not in sys.modules and _is_offline(pictures, split, answers):  # before the seconds that it takes
        return
    try:
        download = _import_fiftyone(answers)
    except Exception as error:
        _give_up(pictures, failure_reason(error, ""), answers)
        return
    _write_list(folder / "raw", pictures, split)
    others = set(threading.enumerate())
    try:
        _download(download, folder, "pictures", split, pictures)
        all_came = True
    except Exception:  # FiftyOne raises anything where a transfer fails; what came is looked at one by one
        all_came = False
        for thread in set(threading.enumerate()) - others:  # the pool that FiftyOne leaves behind, still at work
            thread.join(SECONDS_TO_FINISH / WORKERS)
    whole = _check_all(data, pictures, answers, none_is_bad=all_came)
    left = [picture for picture in pictures if picture["id"] not in whole]
    if not all_came and not _is_offline(left, split, answers):
        _one_by_one(download, folder, split, left, answers)


def _is_offline(pictures: list[dict], split: str, answers: Answers) -> bool:
    """Check whether the first of them cannot even be asked for; then all are answered, as each could take long."""
    reason = _ask_size(_url(pictures[0], split))[1] if pictures else None
    if reason != "no network":
        return False
    _give_up(pictures, reason, answers)
    return True


def _give_up(pictures: list[dict], reason: str, answers: Answers) -> None:
    for picture in pictures:
        answers.send(id=picture["id"], file="", bytes=0, reason=reason)


def check_pictures(request: dict, answers: Answers) -> None:
    """Check pictures that are there already."""
    _check_all(Path(request["folder"]), request["pictures"], answers, none_is_bad=True)


def _one_by_one(download: Downloader, folder: Path, split: str, pictures: list[dict], answers: Answers) -> None:
    """Download pictures each with a call, a reason and a folder of its own, away from the pool left behind."""

    def fetch(picture: dict) -> None:
        name = f"single-{picture['id']}"
        path = folder / name / "data" / picture["file_name"]
        reason = None
        try:
            _download(download, folder, name, split, [picture])
        except Exception as error:
            reason = failure_reason(error, _url(picture, split))
        size, fault = check_picture(path, picture["width"], picture["height"])
        answers.send(id=picture["id"], file=str(path), bytes=size, reason=fault and (reason or fault))

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(fetch, pictures))


def _download(download: Downloader, folder: Path, name: str, split: str, pictures: list[dict]) -> None:
    download(
        str(folder / name), SPLITS[split], image_ids=[picture["id"] for picture in pictures], num_workers=WORKERS,
        raw_dir=str(folder / "raw"), scratch_dir=str(folder / "scratch"),
    )  # fmt: skip


def _write_list(raw: Path, pictures: list[dict], split: str) -> None:
    """Write the annotation file that FiftyOne looks for, with these pictures only: COCO's own takes seconds to read."""
    raw.mkdir(parents=True, exist_ok=True)
    images = [{**picture, "coco_url": _url(picture, split)} for picture in pictures]
    text = json.dumps({"images": images, "annotations": [], "categories": []})
    (raw / f"instances_{split}2017.json").write_text(text, encoding="utf-8")


def _url(picture: dict, split: str) -> str:
    """Return a picture's address, made here, so that no annotation file decides what is connected to."""
    return f"{SITE}/{split}2017/{picture['file_name']}"


def _import_fiftyone(answers: Answers) -> Downloader:
    """Return FiftyOne's downloader."""
    from fiftyone.utils.coco import download_coco_dataset_split

    answers.send(ready=True)
    return download_coco_dataset_split


def _check_all(folder: Path, pictures: list[dict], answers: Answers, none_is_bad: bool) -> set[int]:
    """Answer for the whole pictures in the folder, with `none_is_bad` for all; returns the ids of the whole ones."""

    def check(picture: dict) -> bool:
        path = folder / picture["file_name"]
        size, reason = check_picture(path, picture["width"], picture["height"])
        if none_is_bad or not reason:
            answers.send(id=picture["id"], file=str(path), bytes=size, reason=reason)
        return not reason

    with ThreadPoolExecutor(WORKERS) as pool:
        return {picture["id"] for picture, whole in zip(pictures, pool.map(check, pictures), strict=True) if whole}


def check_picture(path: Path, width: int, height: int) -> tuple[int, str | None]:
    """Return the file's bytes and what is wrong with it, None if it is whole and on the disk; a bad one is deleted."""
    reason = None
    try:
        size = path.stat().st_size
        reason = _fault(path, width, height) if size else "an empty file"
        if reason is None:
            flush(path)  # so that no power cut can empty what has been counted as good
            return size, None
    except FileNotFoundError:
        return 0, "missing"
    except OSError as error:
        reason = error.strerror or str(error)
    with suppress(OSError):
        path.unlink()
    return 0, reason


def _fault(path: Path, width: int, height: int) -> str | None:
    try:
        with open_picture(path, FORMATS) as picture:
            if picture.size != (width, height):  # before its pixels are made, however many it says there are
                return f"other size: {picture.width} × {picture.height}"
            picture.load()
    except PictureError as error:
        return error.reason
    return None


def _ask_size(url: str) -> tuple[int | None, str | None]:
    """Return how many bytes there are, None if the server does not say; and the reason if they cannot be fetched."""
    import requests

    try:
        with requests.get(url, stream=True, timeout=SECONDS_TO_ANSWER) as answer:
            if answer.status_code != 200:
                return None, f"HTTP {answer.status_code}"
            size = answer.headers.get("Content-Length", "")
            return int(size) if size.isdecimal() else None, None
    except requests.RequestException as error:
        return None, failure_reason(error, url)


def failure_reason(error: Exception, url: str) -> str:
    """Return why a download failed, in a few words."""
    import requests

    if is_disk_full(error):
        return "disk full"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "cut off"
    if isinstance(error, requests.Timeout):
        return "no answer"
    if isinstance(error, requests.ConnectionError):
        # Without a connection all tries are used up; a server that hangs up fails at the first.
        return "no network" if type(error.args[0] if error.args else None).__name__ == "MaxRetryError" else "no answer"
    if type(error).__name__ == "WebSessionError":  # FiftyOne does not say which status it was
        return _ask_size(url)[1] or "an HTTP error"
    if isinstance(error, zipfile.BadZipFile | zlib.error | EOFError):
        return "not a zip file"
    if isinstance(error, ImportError):
        return f"FiftyOne cannot be imported: {error}"
    if isinstance(error, FileNotFoundError | KeyError | TypeError | ValueError):
        return "not what COCO has there"
    return f"{type(error).__name__}: {error}"


def main() -> None:
    """Answer requests until they end."""
    stream = open_requests()
    answers = Answers(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    os.dup2(2, 1)  # what FiftyOne prints
    requests: queue.Queue[str] = queue.Queue()

    def listen() -> None:
        for line in stream:
            requests.put(line)
        os._exit(0)  # also in the middle of a transfer that would never end

    threading.Thread(target=listen, daemon=True).start()
    does: dict[str, Callable[[dict, Answers], str | None]] = {
        "annotations": fetch_annotations,
        "pictures": fetch_pictures,
        "check": check_pictures,
    }
    while True:
        request = json.loads(requests.get())
        reason = does[request["do"]](request, answers)
        answers.send(done=True, reason=reason)


if __name__ == "__main__":
    main()
