"""COCO's server on 127.0.0.1, which can be told to fail, and a small data set in COCO's layout for it to serve.

FiftyOne's addresses are plain http, so naming the server as the proxy brings every request here, unchanged.
"""

import contextlib
import io
import json
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from tests.local_server import LocalServer

SITE = "http://images.cocodataset.org/"
ZIP = "annotations/annotations_trainval2017.zip"
CLASSES = {
    "person": 1, "bicycle": 2, "car": 3, "motorcycle": 4, "bus": 6, "truck": 8, "traffic light": 10, "stop sign": 13,
    "cat": 17, "dog": 18, "chair": 62, "toothbrush": 90,
}  # fmt: skip


class CocoServer(LocalServer):
    """Serves the COCO folder; `fail` makes it answer an address otherwise.

    asked  the path of every request, in order
    """

    def __init__(self, folder: Path):
        self.folder, self.asked = Path(folder), []
        self.zip = zip_of({path.name: path.read_bytes() for path in sorted((self.folder / "annotations").iterdir())})
        self._faults: dict[str, tuple[str, list[int]]] = {}
        self._awake = threading.Event()
        self.seconds = 0.0  # that every answer takes
        self.begin()

    @property
    def environment(self) -> dict[str, str]:
        """For a process that is to take this server for COCO's."""
        return {"http_proxy": self.address, "HTTP_PROXY": "", "no_proxy": "", "NO_PROXY": "", "all_proxy": ""}

    def fail(self, path: str, how: str, times: int = 10**9) -> None:
        """Answers the path so, for so many times:

        "404", "503"; "garbage", "empty", "half" (as if it were all), "cut" (fewer bytes than promised), "other size",
        "text"; "hang" (no answer until `wake`), "slow" (a byte at a time)
        """
        self._faults[path] = (how, [times])

    def heal(self) -> None:
        self._faults.clear()
        self.wake()
        self.seconds = 0.0

    def wake(self) -> None:
        """Lets go of those that wait for an answer."""
        self._awake.set()
        self._awake = threading.Event()

    def _answer(self, request) -> None:
        path = request.path.removeprefix(SITE)
        self.asked.append(path)
        how, left = self._faults.get(path, ("", [0]))
        how = how if left[0] > 0 else ""
        left[0] -= 1
        body = self._body(path)
        if body is None or how in ("404", "503"):
            request.send_error(int(how or 404))
            return
        if how == "hang":
            self._awake.wait(120)
            return
        time.sleep(self.seconds)
        promised = None
        if how == "garbage":
            body = np.random.default_rng(0).bytes(3000)
        elif how == "text":
            body = b"This is no picture.\n" * 50
        elif how == "empty":
            body = b""
        elif how == "half":
            body = body[: len(body) // 2]
        elif how == "cut":
            promised, body = len(body), body[: len(body) // 2]
        elif how == "other size":
            body = jpeg(9, 50, 20)
        request.send_response(200)
        request.send_header("Content-Length", str(promised or len(body)))
        request.end_headers()
        request.wfile.write(body)

    def _body(self, path: str) -> bytes | None:
        if path == ZIP:
            return self.zip
        file = self.folder / path
        return file.read_bytes() if file.is_file() and file.suffix == ".jpg" else None


@contextlib.contextmanager
def serving(folder: Path):
    server = CocoServer(folder)
    try:
        yield server
    finally:
        server.close()


def zip_of(files: dict[str, bytes]) -> bytes:
    """The annotations' zip file, with the captions that COCO's has too."""
    with io.BytesIO() as out:
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in {**files, "captions_val2017.json": b"{}"}.items():
                archive.writestr(f"annotations/{name}", content)
        return out.getvalue()


def jpeg(seed: int, width: int, height: int, kind: str = "JPEG") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    with io.BytesIO() as out:
        Image.fromarray(pixels).save(out, kind, quality=90)
        return out.getvalue()


def make_coco(folder: Path, train: int = 20, val: int = 10) -> Path:
    """A data set as COCO's: ids with gaps, 12 classes, crowds, every fifth image without any object, one a PNG."""
    (folder / "annotations").mkdir(parents=True)
    number = 0
    for split, count in (("train", train), ("val", val)):
        rng = np.random.default_rng(len(split))
        data = {
            "info": {"description": "COCO 2017 Dataset", "year": 2017},
            "licenses": [{"url": "http://example.org", "id": 1, "name": "Attribution License"}],
            "images": [], "annotations": [],
            "categories": [{"supercategory": "thing", "id": i, "name": name} for name, i in CLASSES.items()],
        }  # fmt: skip
        place = folder / f"{split}2017"
        place.mkdir()
        for k in range(count):
            image_id = 7 * k + (9 if split == "train" else 139)
            width, height = 40 + k % 5, 30
            name = f"{image_id:012d}.jpg"
            (place / name).write_bytes(jpeg(1000 * len(split) + k, width, height, "PNG" if k == 8 else "JPEG"))
            data["images"].append(
                {"license": 1, "file_name": name, "coco_url": f"{SITE}{split}2017/{name}", "height": height,
                 "width": width, "date_captured": "2013-11-14 11:18:45", "id": image_id}
            )  # fmt: skip
            for _ in range(0 if k % 5 == 4 else int(rng.integers(1, 5))):
                number += 1
                data["annotations"].append(_annotation(rng, 900_000_000_000 + 3 * number, image_id, width, height))
        text = json.dumps(data, separators=(", ", ": "))
        (folder / "annotations" / f"instances_{split}2017.json").write_text(text)
    return folder


def _annotation(rng, annotation_id: int, image_id: int, width: int, height: int) -> dict:
    x, y, w, h = 1.25, 2.5, float(rng.integers(3, 30)), float(rng.integers(3, 20))
    crowd = int(rng.integers(0, 4) == 0)
    mask = {"counts": [5, 20, width * height - 25], "size": [height, width]}
    return {
        "segmentation": mask if crowd else [[x, y, x + w, y, x + w, y + h, x, y + h]],
        "area": w * h, "iscrowd": crowd, "image_id": image_id, "bbox": [x, y, w, h],
        "category_id": int(rng.choice(list(CLASSES.values()))), "id": annotation_id,
    }  # fmt: skip
