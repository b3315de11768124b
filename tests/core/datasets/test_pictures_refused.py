"""Picture files that are missing, no pictures, cut off or damaged: what is refused and why."""

import json
import os
import random
import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core.datasets.pictures import read_picture
from core.datasets.problems import ProblemKind, Severity
from core.wording import visible
from tests.core.datasets import picture_cases
from tests.core.datasets.picture_cases import (
    READABLE,
    SIZE,
    WHOLE,
    chunk,
    encoded,
    photograph,
    picture_problem,
    png_of_size,
    refusal,
)
from tests.core.datasets.pixels.deep_files import write_tiff

write = picture_cases.write  # a fixture


# What cannot be read


def test_a_missing_picture_is_missing(tmp_path, write):
    for path in (tmp_path / "none.jpg", write(b"x") / "below-a-file.jpg", tmp_path / "a\0b.jpg", tmp_path / "\udce4€"):
        assert picture_problem(path, SIZE) == (ProblemKind.MISSING, "no such file")
        assert refusal(path) == f"The picture {visible(path)} is missing: restore it or take its image out of the JSON."


def test_a_link_to_nothing_is_missing_and_a_ring_of_links_unreadable(tmp_path):
    (tmp_path / "dead.jpg").symlink_to(tmp_path / "none.jpg")
    (tmp_path / "ring.jpg").symlink_to(tmp_path / "ring.jpg")
    assert picture_problem(tmp_path / "dead.jpg", SIZE)[0] is ProblemKind.MISSING
    assert picture_problem(tmp_path / "ring.jpg", SIZE)[0] is ProblemKind.UNREADABLE
    assert "cannot be read (too many levels of symbolic links)" in refusal(tmp_path / "ring.jpg")


def test_what_is_no_file_is_not_opened(tmp_path):
    (tmp_path / "a.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")  # to open it would wait for ever
    assert picture_problem(tmp_path / "a.jpg", SIZE) == (ProblemKind.UNREADABLE, "a folder")
    assert picture_problem(tmp_path / "pipe.jpg", SIZE) == (ProblemKind.UNREADABLE, "not a file")
    assert "cannot be read (a folder): replace the file." in refusal(tmp_path / "a.jpg")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_picture_without_permission_says_so(write):
    path = write(encoded())
    path.chmod(0)
    assert picture_problem(path, SIZE) == (ProblemKind.UNREADABLE, "permission denied")


def test_an_error_of_the_disk_is_told_in_the_systems_words(write, monkeypatch):
    def fail(*_, **__):
        raise PermissionError(13, "Permission denied", "a.jpg")

    path = write(encoded())
    monkeypatch.setattr("core.datasets.pictures.open_file", fail)
    assert picture_problem(path, SIZE) == (ProblemKind.UNREADABLE, "permission denied")


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 48 32\n%%EndComments\n"
XBM = b"#define im_width 48\n#define im_height 32\nstatic char im_bits[] = {\n0x00 };"
NOT_PICTURES = {
    "text": b"hello", "SVG": b"<svg width='48' height='32'/>",
    "JSON": json.dumps({"images": []}).encode(), "one byte": b"\xff", "zeros": bytes(5000),
    "EPS": EPS, "XBM": XBM, "two bytes of JPEG": b"\xff\xd8", "eight bytes of PNG": b"\x89PNG\r\n\x1a\n",
    "ICO": encoded(form="ICO"), "TGA": encoded(form="TGA"), "PDF": encoded(form="PDF"),
}  # fmt: skip


@pytest.mark.parametrize("data", NOT_PICTURES.values(), ids=NOT_PICTURES.keys())
@pytest.mark.parametrize("name", ["a.jpg", "a.eps"])
def test_what_is_no_picture_of_the_read_formats_is_refused_whatever_its_name(write, data, name):
    path = write(data, name)
    found = ProblemKind.UNREADABLE, "not a JPEG, PNG, WebP, BMP, GIF, TIFF or PPM picture"
    assert picture_problem(path, SIZE) == picture_problem(path, SIZE, whole=True) == found
    assert refusal(path) == f"The picture {path} cannot be read ({found[1]}): replace the file."


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n",
            "only a pointer of Git LFS: run git lfs pull in",
        ),
        (b"\n<!DOCTYPE html><h1>404</h1>" * 99, "a web page: download the picture again"),
        (b"\0\0\0\x18ftypheic" + bytes(99), "a HEIC picture: save it as JPEG"),
    ],
)
def test_what_has_only_the_name_of_a_picture_says_what_it_is(write, data, what):
    assert picture_problem(write(data), SIZE)[1].startswith(what)


def test_pillow_prints_nothing_of_its_own(tmp_path):
    """As it does of a picture of many bands, a line for each, which says neither which picture nor what to do."""
    path = write_tiff(tmp_path / "a.tif", np.zeros((4, 4, 8), np.uint16), photometric=1)
    code = f"from core.datasets.picture_check import examine_picture as e; print(e({str(path)!r}, (4, 4))[0][0].name)"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("UNREADABLE\n", "")


def test_an_empty_file_says_that_it_is_empty(write):
    assert picture_problem(write(b""), SIZE) == (ProblemKind.UNREADABLE, "an empty file")


@pytest.mark.parametrize(
    "size, said",
    [
        ((100_000, 100_000), "more than 179 megapixels: too large to be read safely"),
        ((12_000, 10_000), "120 megapixels: too large to be read safely"),  # at which Pillow only warns
    ],
)
def test_a_decompression_bomb_is_not_opened(write, size, said):
    path = write(png_of_size(*size))
    assert picture_problem(path, size) == picture_problem(path, size, whole=True) == (ProblemKind.UNREADABLE, said)
    assert f"cannot be read ({said})" in refusal(path)


def test_a_bomb_is_seen_also_where_somebody_has_lifted_pillows_limit(write, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert picture_problem(write(png_of_size(100_000, 100_000)), SIZE)[1].startswith("10,000 megapixels")


def test_text_that_swells_inside_a_picture_is_refused(write):
    swelling = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(100_000_000)))
    data = encoded(form="PNG")
    path = write(data[:33] + swelling + data[33:])
    assert picture_problem(path, SIZE)[0] is ProblemKind.UNREADABLE and "cannot be read" in refusal(path)


# What is cut off or damaged


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_picture_has_nothing_wrong(write, name):
    path = write(WHOLE[name])
    assert picture_problem(path, SIZE) is None and picture_problem(path, SIZE, whole=True) is None
    assert read_picture(path, SIZE).size == SIZE


@pytest.mark.parametrize("name", WHOLE)
def test_a_look_finds_every_cut_that_reading_finds(write, name):
    data = WHOLE[name]
    cuts = {*range(1, len(data), max(1, len(data) // 60)), *range(len(data) - 20, len(data))}
    for cut in cuts:
        path = write(data[:cut])
        quick, whole = picture_problem(path, SIZE), picture_problem(path, SIZE, whole=True)
        assert quick == whole, cut
        assert (whole is None) == (refusal(path) is None), cut
        assert whole is None or whole[0] is ProblemKind.UNREADABLE
    assert picture_problem(write(data[: len(data) // 2]), SIZE)[0] is ProblemKind.UNREADABLE


@pytest.mark.parametrize("name", WHOLE)
def test_decoding_finds_the_cut_of_every_format(write, name):
    path = write(WHOLE[name][: len(WHOLE[name]) * 2 // 3])
    assert picture_problem(path, SIZE, whole=True)[0] is ProblemKind.UNREADABLE


@pytest.mark.parametrize("behind", [b"\n", b"\0" * 3000, b"SEFT" + bytes(range(256)) * 40], ids=len)
@pytest.mark.parametrize("name", ["JPEG", "progressive JPEG", "PNG"])
def test_what_cameras_write_behind_a_picture_does_no_harm(write, name, behind):
    assert picture_problem(write(WHOLE[name] + behind), SIZE) is None


def test_a_picture_half_of_zeros_as_a_stopped_download_leaves_it_is_found_by_decoding(write):
    data = encoded(photograph((320, 240)))
    path = write(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
    assert picture_problem(path, (320, 240)) == (ProblemKind.UNREADABLE, "cut off")  # its end marker is gone as well


def test_a_damaged_png_is_found_by_decoding(write):
    data = bytearray(encoded(form="PNG"))
    data[len(data) // 2] ^= 255
    path = write(bytes(data))
    assert picture_problem(path, SIZE) is None  # its header and its end are whole
    assert picture_problem(path, SIZE, whole=True)[0] is ProblemKind.UNREADABLE
    assert "cannot be read (damaged: " in refusal(path)


@settings(max_examples=150, deadline=None, suppress_health_check=[READABLE])
@given(name=st.sampled_from(sorted(WHOLE)), seed=st.integers(0, 2**32), stated=st.sampled_from([SIZE, SIZE[::-1]]))
def test_whatever_is_in_a_file_looking_and_reading_agree(write, name, seed, stated):
    chance = random.Random(seed)
    data = bytearray(WHOLE[name])
    for _ in range(chance.randint(1, 4)):
        data[min(chance.randrange(len(data)), chance.choice((400, len(data) - 1)))] = chance.randrange(256)
    path = write(bytes(data))
    found, said = picture_problem(path, stated, whole=True), refusal(path, stated)
    picture_problem(path, stated)
    refused = found is not None and found[0].severity is Severity.DROPPED
    assert refused == (said is not None)
    if refused:
        assert (found[0] is ProblemKind.OTHER_SIZE) == ("misplaced" in said)
