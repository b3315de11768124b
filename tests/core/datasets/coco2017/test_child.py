"""The download's child process by itself: each failure has a reason, and it ends with its parent."""

import time
from pathlib import Path

import psutil
import pytest
from PIL import Image

from core.datasets.coco2017 import child, worker
from core.datasets.coco2017.child import Fetcher, Stalled
from core.engine.process import start_cold
from tests.core.datasets.coco2017.coco_server import ZIP
from tests.core.datasets.coco2017.downloads import FULL, load
from tests.core.piped import run_piped


@pytest.mark.ci
def test_each_way_to_fail_has_its_reason_and_holds_up_nothing_else(coco, server, tmp_path, monkeypatch):
    monkeypatch.setattr(child, "MODULE", "core.datasets.coco2017.worker")
    pictures = [{k: i[k] for k in ("id", "file_name", "width", "height")} for i in load(coco, "train")["images"]]
    no_picture = "not a JPEG, PNG, WebP, BMP, GIF, TIFF or PPM picture"
    ways = ["404", "503", "garbage", "text", "empty", "half", "cut", "other size"]
    for how, picture in zip(ways, pictures, strict=False):
        server.fail(f"train2017/{picture['file_name']}", how)
    with Fetcher() as fetching:

        def ask(**request):
            return [answer for answer in fetching.ask({"folder": str(tmp_path), **request}, tmp_path) if answer]

        *answers, end = ask(do="pictures", split="train", pictures=pictures)
        assert end == {"done": True, "reason": None}
        reasons = {answer["id"]: answer["reason"] for answer in answers}
        assert len(answers) == len(reasons) == len(pictures)
        assert [reasons[picture["id"]] for picture in pictures] == [
            "HTTP 404", "HTTP 503", no_picture, no_picture, "an empty file", "cut off", "cut off",
            "other size: 50 × 20", *[None] * (len(pictures) - len(ways)),
        ]  # fmt: skip
        for answer in answers:
            path = Path(answer["file"])
            assert path.exists() == (answer["reason"] is None)
            if path.exists():
                assert path.read_bytes() == (coco / "train2017" / path.name).read_bytes()
                assert answer["bytes"] == path.stat().st_size
        for how, reason in [
            ("404", "HTTP 404"), ("503", "HTTP 503"), ("garbage", "not a zip file"), ("text", "not a zip file"),
            ("empty", "not a zip file"), ("half", "not a zip file"), ("cut", "cut off"),
        ]:  # fmt: skip
            server.fail(ZIP, how)
            assert ask(do="annotations")[-1]["reason"] == reason, how


@pytest.mark.parametrize(
    ("error", "reason"),
    [(FULL, "disk full"), (ImportError("no module"), "FiftyOne cannot be imported: no module"),
     (RuntimeError("strange"), "RuntimeError: strange"), (KeyError("x"), "not what COCO has there")],
)  # fmt: skip
def test_errors_without_a_server_have_a_reason_too(error, reason):
    assert worker.failure_reason(error, "") == reason


def test_a_full_disk_is_known_also_as_the_cause_of_another_error():
    error = RuntimeError("x")
    error.__cause__ = FULL
    assert worker.failure_reason(error, "") == "disk full"


def test_a_bomb_is_not_opened(tmp_path):
    Image.new("L", (13_500, 13_500)).save(tmp_path / "bomb.jpg")
    assert worker.check_picture(tmp_path / "bomb.jpg", 640, 480)[1].startswith("more than 179 megapixels")
    assert not (tmp_path / "bomb.jpg").exists()


def test_the_child_ends_with_its_requests_and_prints_nothing_of_others():
    done = run_piped(start_cold, "-m", "tests.core.datasets.coco2017.quick_fetch")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_child_that_cannot_start_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(child, "MODULE", "core.no_such_file")
    with Fetcher() as fetching, pytest.raises(Stalled, match=r"ended: .*No module named core.no_such_file"):
        list(fetching.ask({"do": "check", "folder": str(tmp_path), "pictures": []}, tmp_path))


def test_a_closed_fetcher_has_no_child(tmp_path):
    with Fetcher() as fetching:
        asking = fetching.ask({"do": "check", "folder": str(tmp_path), "pictures": []}, tmp_path)
        next(asking)
        child = psutil.Process(fetching.pid)
        asking.close()
    started = time.monotonic()
    while child.is_running() and time.monotonic() - started < 10:
        time.sleep(0.05)
    assert not child.is_running()
