"""Hostile links and requests, against the real app whose data folder is hostile too.

No answer is an error of the server, none waits for ever, none holds a byte from outside the folder, a page shows no
exception whatever its address says, and memory stays bounded.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from random import Random
from urllib.parse import urlencode

from PIL import Image

from core.runs.store import RunStore
from tests.hostile_requests import hostile_links, hostile_requests, problem_of
from torture import tiny
from torture.child import in_child
from torture.kills import commands
from torture.scenario import Outcome, Plan, Scenario
from torture.server import Server, served

WHOLE, BATCH = 400, 80  # requests and links
LINKS = 4  # every fourth is a link to a page
SECRET = b"SECRET-OF-ANOTHER-FOLDER"
MEMORY = 1.5 * 2**30  # bytes that the app and its children may take
SLOW = 20  # seconds until an answer counts as none
PAGES = ("", "runs", "results", "errors", "compare", "predict", "data")


def scenarios(plan: Plan) -> Sequence[Scenario]:
    """Return batches of requests, each to an app of its own."""
    count = plan.count(WHOLE, least=20)
    start = _hostile_root(plan)
    return [
        Scenario(
            "hostile links and requests", number, f"{min(BATCH, count - first)} requests from {first} on",
            partial(_batch, plan, start, range(first, min(first + BATCH, count))), seconds=900,
        )
        for number, first in enumerate(range(0, count, BATCH))
    ]  # fmt: skip


def _hostile_root(plan: Plan) -> Path:
    """Make a store with a run on pictures that are pipes, devices, links out of the folder, or far too large."""
    top = plan.folder / "links"
    root, pictures = top / "root", top / "root" / "data" / "street" / "val"
    shutil.copytree(tiny.draw(plan.folder), root / "data" / "street")
    (top / "secret.txt").write_bytes(SECRET)
    Image.new("RGB", (64, 48)).save(top / "secret.png", pnginfo=None)
    with (top / "secret.png").open("ab") as file:
        file.write(SECRET)
    annotations = root / "data" / "street" / "annotations" / "instances_val.json"
    data = json.loads(annotations.read_text())
    names = ["pipe.jpg", "device.jpg", "link.png", "loop.jpg", "folder.jpg", "large.png", "../../../secret.png",
             str(top / "secret.png"), "<img src=x>.jpg", "![x](https://evil.example).jpg", "empty.jpg"]  # fmt: skip
    os.mkfifo(pictures / "pipe.jpg")
    (pictures / "device.jpg").symlink_to("/dev/zero")
    (pictures / "link.png").symlink_to(top / "secret.png")
    (pictures / "loop.jpg").symlink_to("loop.jpg")
    (pictures / "folder.jpg").mkdir()
    (pictures / "empty.jpg").touch()
    Image.new("1", (12_000, 9_000)).save(pictures / "large.png")
    data["images"] += [
        {"id": 1000 + number, "file_name": name, "width": 64, "height": 48} for number, name in enumerate(names)
    ]
    annotations.write_text(json.dumps(data))
    shutil.copy(annotations, root / "data" / "gt.json")
    rows = [{"image_id": one["id"], "category_id": 1, "bbox": [1, 1, 30, 30], "score": 0.7} for one in data["images"]]
    (root / "data" / "dt.json").write_text(json.dumps(rows))
    ending = in_child(partial(_import, root), top)
    if ending.status != 0:
        raise RuntimeError(f"The hostile store cannot be made: {ending.text}")
    return root


def _import(root: Path) -> None:
    words = [*commands.IMPORT, "--images", "{root}/data/street/val", "--name", "![n](https://evil.example) :red[x] <b>"]
    commands.command(*words)(root)


def _batch(plan: Plan, start: Path, numbers: range, folder: Path) -> Outcome:
    shutil.copytree(start.parent, folder / "top", symlinks=True, copy_function=_copy)
    root = folder / "top" / "root"
    store = RunStore(root)
    run = store.get("last").id
    store.close()
    lost: list[str] = []
    with served(root) as server:
        for number in numbers:
            random = plan.random("links", number)
            words = _link(server, random, run) if number % LINKS == 0 else _request(server, random, run)
            lost += [f"request {number}: {text}" for text in words]
            if not server.process.is_running():
                lost.append(f"request {number}: the app has ended")
                break
            if server.memory > MEMORY:
                lost.append(f"request {number}: the app takes {server.memory / 2**20:,.0f} MiB")
                break
        log = server.log.read_text(errors="replace")
    if "Traceback" in log:
        lines = log[log.index("Traceback") :].splitlines()
        lost.append(f"the app's log has a traceback: {' / '.join(lines[-3:])[:300]}")
    return Outcome(len(numbers), tuple(lost))


def _copy(source: str, target: str) -> str:
    """Copy a file, and a pipe as a pipe."""
    if Path(source).is_fifo():
        os.mkfifo(target)
        return target
    return str(shutil.copy2(source, target))


def _request(server: Server, random: Random, run: str) -> list[str]:
    """Send one request; return what is wrong with the answer."""
    method, path, headers = next(hostile_requests(random.getrandbits(32), 1, run))
    if random.random() < 0.3:  # a picture of the hostile folder, as a gallery asks for it
        method, path, headers = "GET", f"/api/image/{run}/{random.randrange(1000, 1011)}?w=200", {}
    answer = server.ask(path, method, headers, SLOW)
    words = f"{method} {path[:200]} {str(headers)[:80]}"
    if answer.status == 0 and server.process.is_running() and answer.seconds < SLOW / 2:
        return []  # the server has closed the connection: no such request is to be answered
    if answer.status == 0:
        return [f"{words}: no answer after {answer.seconds:.1f} s"]
    if SECRET in answer.body or b"root:x:0" in answer.body:
        return [f"{words}: gives a file from outside"]
    problem = problem_of(path, answer.status, answer.headers, answer.body)
    return [f"{words}: {problem}"] if problem else []


def _link(server: Server, random: Random, run: str) -> list[str]:
    """Open a page by a hostile link; return its errors."""
    page, query = next(hostile_links(random.getrandbits(32), 1, run))
    page = random.choice(PAGES)
    text = urlencode(query, doseq=True)
    return [f"/{page}?{text[:200]}: {error}" for error in server.open_page(page, text)]
