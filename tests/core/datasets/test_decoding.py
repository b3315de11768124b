"""Decoding large pictures: few at a time, small ones never wait, and the memory of a process stays within a bound."""

import subprocess
import sys
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from PIL import Image, TiffImagePlugin

from core import PROJECT, DataError
from core.datasets import decoding
from core.datasets.decoding import Turns
from core.datasets.picture_check import examine_picture
from core.datasets.pictures import PictureError, open_picture, read_picture
from tests.core.datasets.picture_cases import chunk, encoded, photograph

LARGE = (11_000, 8_000)  # 88 megapixels, of which 24 decoded at once take 8 GB
BOUND = 1_000_000  # KiB by which a process may grow
ASK = """
import resource, sys, threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from core.datasets.pictures import read_picture
from core.datasets.picture_check import picture_problems
from core.evaluation.draw import thumbnail
from core.inference.own_pictures import prepare_picture

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

folder, size, start = Path(sys.argv[1]), (11000, 8000), peak()
paths = sorted(folder.glob("*.png"))
do = {
    "thumbnail": lambda path: thumbnail(path, 320, size),
    "part": lambda path: thumbnail(path, 320, size, (0, 0, *size)),
    "read": lambda path: read_picture(path, size) and None,
    "prepare": lambda path: prepare_picture(path, folder / f"{path.stem}.made") and None,
}
if sys.argv[2] == "check":
    assert not [p for s in picture_problems([(p, p, size) for p in paths], 24, whole=True) for p in s.problems]
else:
    with ThreadPoolExecutor(24) as pool:
        list(pool.map(do[sys.argv[2]], paths))
print(peak() - start)
"""


def large_png(colour: int, channels: int, bits: int = 8) -> bytes:
    """A PNG of LARGE, all zeros, made in a second."""
    row, packer = bytes(1 + LARGE[0] * channels * bits // 8), zlib.compressobj(1)
    pixels = b"".join(packer.compress(row * 100) for _ in range(LARGE[1] // 100)) + packer.flush()
    header = b"".join(side.to_bytes(4, "big") for side in LARGE) + bytes([bits, colour, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.ci
@pytest.mark.parametrize(
    "what, colour, channels, bits, number",
    [("thumbnail", 2, 3, 8, 9), ("part", 6, 4, 8, 6), ("check", 2, 3, 8, 8), ("read", 0, 1, 16, 3)],
)
def test_many_large_pictures_at_once_take_a_bounded_memory(tmp_path, what, colour, channels, bits, number):
    """About 5 s each; a real server is asked for 10 in tests/ui/server/test_hostile_pictures.py."""
    first = tmp_path / "00.png"
    first.write_bytes(large_png(colour, channels, bits))
    for i in range(1, number):
        (tmp_path / f"{i:02}.png").hardlink_to(first)
    command = [sys.executable, "-c", ASK, str(tmp_path), what]
    grown = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True).stdout
    assert int(grown) < BOUND


def test_what_is_decoded_at_once_stays_below_the_limit_and_everybody_gets_a_turn():
    turns, lock = Turns(at_once=100, small=5), threading.Lock()
    now, most = 0, 0

    def decode(size):
        nonlocal now, most
        with turns.turn(size):
            with lock:
                now += size
                most = max(most, now)
            threading.Event().wait(0.001)
            with lock:
                now -= size
        return size

    sizes = [30, 60, 99, 10] * 25
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(decode, sizes)) == sizes
    assert now == 0 and 30 < most <= 100


def test_one_that_takes_more_than_all_together_may_decodes_alone_and_small_ones_never_wait():
    turns, entered = Turns(at_once=100, small=5), threading.Event()
    with turns.turn(1000):
        waiting = threading.Thread(target=lambda: ExitStack().enter_context(turns.turn(6)) or entered.set())
        waiting.start()
        with turns.turn(5):
            assert not entered.wait(0.1)
    assert entered.wait(10)
    waiting.join()


def test_an_error_ends_a_turn():
    turns = Turns(at_once=10, small=0)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), turns.turn(10):
            raise ZeroDivisionError
    with turns.turn(10):
        pass


def test_a_picture_takes_its_turn_at_its_pixels_not_at_its_header(tmp_path, monkeypatch):
    taken = []
    monkeypatch.setattr(decoding.DECODING, "_has_room", lambda size: taken.append(size) or True)
    (tmp_path / "a.png").write_bytes(encoded(Image.new("RGB", (2000, 2000)), "PNG"))
    with open_picture(tmp_path / "a.png") as image:
        assert image.size == (2000, 2000) and not taken
        image.resize((10, 10))
        assert taken == [2000 * 2000 * 8]
        image.convert("L").load()
    assert len(taken) == 1 and "load" not in vars(image)


def test_formats_whose_decoders_take_more_memory_may_have_fewer_pixels(tmp_path):
    for form, size, is_read in (("WEBP", (8000, 7000), False), ("PNG", (8000, 7000), True), ("WEBP", (99, 99), True)):
        path = tmp_path / "a"
        Image.new("L", size).save(path, form, **({"lossless": True, "method": 0} if form == "WEBP" else {}))
        if is_read:
            with open_picture(path):
                continue
        with pytest.raises(PictureError, match="56 megapixels: too large to be read safely"), open_picture(path):
            pass


def test_a_tiff_whose_tiles_are_larger_than_the_picture_is_refused(tmp_path):
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info.update({256: 64, 257: 64, 258: 8, 259: 1, 262: 1, 277: 1, 322: 40_000, 323: 40_000, 324: 8, 325: 4096})
    with (tmp_path / "a.tif").open("wb") as file:
        file.write(b"II*\0\x08\0\0\0" + info.tobytes(8) + bytes(5000))
    with pytest.raises(PictureError, match="tiles that are too large"), open_picture(tmp_path / "a.tif"):
        pass


def test_a_jpeg_of_thousands_of_scans_is_refused_before_it_is_decoded(tmp_path):
    """Each scan goes over all pixels: of 88 megapixels, 5,000 scans of a hundred bytes would take minutes."""
    data = encoded(photograph((64, 64)), progressive=True)
    last = data.rindex(b"\xff\xda")
    for repeats, is_read in ((1, True), (600, False)):
        path = tmp_path / f"{repeats}.jpg"
        path.write_bytes(data[:last] + data[last:-2] * repeats + data[-2:])
        assert (not examine_picture(path, (64, 64), whole=True)) == is_read
        if not is_read:
            with pytest.raises(DataError, match=r"60\d scans, more than the 500 that are read"):
                read_picture(path)


def test_a_child_made_by_fork_waits_for_no_thread_of_its_parent():
    code = """
import os, threading
from core.datasets.decoding import AT_ONCE, DECODING
begun = threading.Event()
def hold():
    with DECODING.turn(AT_ONCE):
        begun.set()
        threading.Event().wait(60)
threading.Thread(target=hold, daemon=True).start()
begun.wait()
if (child := os.fork()) == 0:
    with DECODING.turn(AT_ONCE):
        os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=PROJECT, capture_output=True, text=True, timeout=30,
        check=True,
    )  # fmt: skip
    assert done.stdout == "7\n"
