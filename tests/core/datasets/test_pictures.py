"""Picture files: what is read, what is refused and why, what of it a look finds; which pictures are the same."""

import io
import itertools
import json
import os
import random
import struct
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from core import DataError
from core.datasets.pictures import (
    FORMATS,
    PicturesChecked,
    leaked_pictures,
    path_inside,
    picture_problem,
    picture_problems,
    read_picture,
)
from core.datasets.problems import ProblemKind

SIZE = (48, 32)
ORIENTATION = 0x0112
READABLE = HealthCheck.function_scoped_fixture  # each example writes the same file anew


def photograph(size=SIZE, seed=0) -> Image.Image:
    """Something with edges, slopes and noise, unlike itself however it is turned."""
    noise = np.random.default_rng(seed).integers(0, 60, (size[1], size[0], 3))
    noise[: size[1] // 3, : size[0] // 4] += 120
    noise[..., 0] += np.linspace(0, 70, size[0], dtype=int)
    return Image.fromarray(noise.astype(np.uint8))


def encoded(image=None, form="JPEG", **how) -> bytes:
    file = io.BytesIO()
    (image or photograph()).save(file, form, **how)
    return file.getvalue()


def exif(orientation: int) -> Image.Exif:
    data = Image.Exif()
    data[ORIENTATION] = orientation
    return data


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_of_size(width: int, height: int) -> bytes:
    """A PNG of a hundred bytes that says it is as large as that."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(40))) + chunk(b"IEND", b"")


def refusal(path, size=None) -> str | None:
    """What read_picture says to the picture, None if it reads it."""
    try:
        read_picture(path, size)
    except DataError as error:
        return str(error)


@pytest.fixture
def write(tmp_path):
    """Writes a file: `write(bytes, name)` gives its path."""

    def write(data: bytes, name="a.jpg") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    return write


# What cannot be read


def test_a_missing_picture_is_missing(tmp_path, write):
    for path in (tmp_path / "none.jpg", write(b"x") / "below-a-file.jpg", tmp_path / "a\0b.jpg", tmp_path / "\udce4€"):
        assert picture_problem(path, SIZE) == (ProblemKind.MISSING, "no such file")
        assert refusal(path) == f"The picture {path} is missing: restore it or take its image out of the JSON."


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
    monkeypatch.setattr("builtins.open", fail)
    assert picture_problem(path, SIZE) == (ProblemKind.UNREADABLE, "permission denied")


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 48 32\n%%EndComments\n"
XBM = b"#define im_width 48\n#define im_height 32\nstatic char im_bits[] = {\n0x00 };"
NOT_PICTURES = {
    "text": b"hello", "HTML": b"<!DOCTYPE html><h1>404</h1>" * 99, "SVG": b"<svg width='48' height='32'/>",
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

WHOLE = {
    "JPEG": encoded(), "progressive JPEG": encoded(progressive=True), "JPEG with thumbnail": None,
    "PNG": encoded(form="PNG"), "WebP": encoded(form="WEBP"), "BMP": encoded(form="BMP"), "GIF": encoded(form="GIF"),
    "TIFF": encoded(form="TIFF"), "PPM": encoded(form="PPM"),
}  # fmt: skip
# a comment with a whole JPEG in it stands for the thumbnail of a camera
WHOLE["JPEG with thumbnail"] = encoded(comment=encoded(photograph((16, 12)), quality=30))
KNOWN_END = [name for name in WHOLE if name not in ("BMP", "GIF", "TIFF", "PPM")]


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_picture_has_nothing_wrong(write, name):
    path = write(WHOLE[name])
    assert picture_problem(path, SIZE) is None and picture_problem(path, SIZE, whole=True) is None
    assert read_picture(path, SIZE).size == SIZE


@pytest.mark.parametrize("name", KNOWN_END)
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
    refused = found is not None and found[0] not in (ProblemKind.TURNED, ProblemKind.MIRRORED)
    assert refused == (said is not None)
    if refused:
        assert (found[0] is ProblemKind.OTHER_SIZE) == ("misplaced" in said)


# Sizes and orientations


def test_another_size_than_stated_is_told_with_both_sizes(write):
    path = write(encoded())
    assert picture_problem(path, (50, 32)) == (ProblemKind.OTHER_SIZE, "48 × 32 instead of 50 × 32")
    assert refusal(path, (50, 32)) == (
        f"The picture {path} has 48 × 32 pixels, but its JSON 50 × 32: its boxes would be misplaced; "
        "put the original picture back."
    )


def test_width_and_height_exchanged_without_exif_is_another_size(write):
    assert picture_problem(write(encoded()), SIZE[::-1]) == (ProblemKind.OTHER_SIZE, "48 × 32 instead of 32 × 48")


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_is_read_as_its_json_states_it(write, form, orientation):
    path = write(encoded(form=form, exif=exif(orientation)))
    with Image.open(path) as image:
        stored, upright = image.convert("RGB"), ImageOps.exif_transpose(image).convert("RGB")
    assert read_picture(path) == stored and read_picture(path, SIZE) == stored
    mirrored = (ProblemKind.MIRRORED, f"EXIF orientation {orientation}")
    assert (
        picture_problem(path, SIZE)
        == picture_problem(path, SIZE, whole=True)
        == (None if orientation == 1 else mirrored)
    )
    if orientation >= 5:
        assert np.array_equal(read_picture(path, SIZE[::-1]), upright)
        turned = (ProblemKind.TURNED, f"stored as 48 × 32, EXIF orientation {orientation}")
        assert picture_problem(path, SIZE[::-1]) == picture_problem(path, SIZE[::-1], whole=True) == turned
    else:
        assert picture_problem(path, SIZE[::-1])[0] is ProblemKind.OTHER_SIZE and refusal(path, SIZE[::-1])
    assert picture_problem(path, (5, 6))[0] is ProblemKind.OTHER_SIZE and refusal(path, (5, 6))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_tiff_is_always_read_upright_as_pillow_does(write, orientation):
    path = write(encoded(form="TIFF", exif=exif(orientation)))
    upright = SIZE[::-1] if orientation >= 5 else SIZE
    assert read_picture(path, upright).size == upright and picture_problem(path, upright) is None
    if orientation >= 5:
        assert refusal(path, SIZE) and picture_problem(path, SIZE)[0] is ProblemKind.OTHER_SIZE


def test_an_orientation_behind_the_pixels_of_a_png_is_seen(write):
    data = encoded(form="PNG")
    path = write(data[:-12] + chunk(b"eXIf", exif(6).tobytes()[6:]) + data[-12:])
    assert picture_problem(path, SIZE[::-1])[0] is ProblemKind.TURNED
    assert read_picture(path, SIZE[::-1]).size == SIZE[::-1]


@pytest.mark.parametrize("value", [0, 9, 4000, -1])
def test_an_orientation_that_does_not_exist_is_none(write, value):
    entry = b"\x01\x12\x00\x03\x00\x00\x00\x01"
    data = encoded(exif=exif(6)).replace(entry + b"\0\6", entry + struct.pack(">h", value))
    path = write(data)
    assert data != encoded(exif=exif(6))
    assert picture_problem(path, SIZE) is None and picture_problem(path, SIZE[::-1])[0] is ProblemKind.OTHER_SIZE


@pytest.mark.parametrize("data", [b"Exif\0\0", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01", b"Exif\0\0garbage" * 9], ids=len)
def test_damaged_exif_data_does_not_spoil_a_picture(write, data):
    path = write(encoded(exif=data))
    assert picture_problem(path, SIZE) is None and read_picture(path, SIZE).size == SIZE
    assert picture_problem(path, SIZE[::-1])[0] is ProblemKind.OTHER_SIZE and "misplaced" in refusal(path, SIZE[::-1])


# What is read


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "RGB"])
def test_every_mode_is_read_as_rgb(write, mode):
    form = {"CMYK": "JPEG", "YCbCr": "JPEG"}.get(mode, "PNG")
    path = write(encoded(photograph().convert(mode), form))
    picture = read_picture(path, SIZE)
    assert picture.mode == "RGB" and picture.size == SIZE
    with Image.open(path) as image:
        assert picture == image.convert("RGB")
    assert picture_problem(path, SIZE) is None and picture_problem(path, SIZE, whole=True) is None


@pytest.mark.parametrize("form", ["PNG", "TIFF", "PPM"])
def test_of_sixteen_bits_the_upper_eight_are_read(write, form):
    values = np.array([[0, 255, 256, 30_000, 65_535]], np.uint16)
    path = write(encoded(Image.fromarray(values), form))
    assert np.asarray(read_picture(path))[0].tolist() == [[v] * 3 for v in (0, 0, 1, 117, 255)]


@pytest.mark.parametrize("form", ["GIF", "MPO", "TIFF", "WEBP", "PNG"])
def test_of_several_frames_the_first_is_read(write, form):
    frames = [photograph(seed=seed) for seed in (1, 2, 3)]
    pixels = [np.array(frame, int) for frame in frames]
    path = write(encoded(frames[0], form, save_all=True, append_images=frames[1:]))
    apart = [np.abs(np.array(read_picture(path, SIZE), int) - frame).mean() for frame in pixels]
    assert apart[0] + 3 < min(apart[1:])
    assert picture_problem(path, SIZE) is None and picture_problem(path, SIZE, whole=True) is None


def test_a_palette_with_transparency_and_other_oddities_warn_nobody(write):
    palette = encoded(photograph().convert("P"), "PNG", transparency=bytes(range(200)))
    with Image.open(io.BytesIO(palette)) as image, pytest.warns(UserWarning, match="Transparency"):
        image.convert("RGB")
    before = list(warnings.filters)
    assert read_picture(write(palette), SIZE).size == SIZE  # warnings are errors in these tests
    assert warnings.filters == before


def test_warnings_of_others_are_heard_while_pictures_are_read(write):
    def items():
        warnings.warn("mine", UserWarning, stacklevel=1)
        yield 1, write(encoded()), SIZE

    with pytest.warns(UserWarning, match="mine"):
        assert list(picture_problems(items())) == [PicturesChecked(1)]


@pytest.mark.parametrize("name", ["Straße 犬 🐕.jpg", "with space.jpg", "no-ending", "a.txt", "-x.jpg", "a\nb.jpg"])
def test_a_picture_may_have_any_name(write, name):
    path = write(encoded(), name)
    assert (
        picture_problem(path, SIZE) is None
        and picture_problem(str(path), list(SIZE)) is None
        and read_picture(path, SIZE)
    )


def test_the_file_is_closed_whatever_happens(write):
    paths = [write(data[:cut], f"{name}-{cut}") for name, data in WHOLE.items() for cut in (9, len(data) // 2, None)]
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else pytest.skip("needs /proc")
    kept = [(picture_problem(path, SIZE, whole), refusal(path)) for path in paths for whole in (False, True)]
    assert kept and len(os.listdir("/proc/self/fd")) == before


def test_only_the_formats_that_are_named_are_opened(write, monkeypatch):
    opened, open_ = [], Image.open
    monkeypatch.setattr(
        Image, "open", lambda file, formats=None: opened.append(formats) or open_(file, formats=formats)
    )
    picture_problem(write(encoded()), SIZE)
    assert opened == [FORMATS] and not {"EPS", "PSD", "WMF", "FITS"} & set(FORMATS)


# Many pictures


@pytest.fixture
def many(write):
    """300 (key, path, size), of which every 50th is missing and every 70th has another size."""
    data = encoded()
    paths = [write(data, f"{n}.jpg") for n in range(300)]
    for path in paths[::50]:
        path.unlink()
    return [(n, path, (1, 1) if n % 70 == 3 else SIZE) for n, path in enumerate(paths)]


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("workers", [1, 3, None])
def test_many_pictures_are_looked_at_in_their_order(many, workers, whole):
    steps = list(picture_problems(many, workers, whole))
    found = [entry for step in steps for entry in step.found]
    assert found == [(key, *wrong) for key, path, size in many if (wrong := picture_problem(path, size, whole))]
    assert {key for key, kind, _ in found if kind is ProblemKind.MISSING} == set(range(0, 300, 50))
    assert [step.done for step in steps] == sorted({step.done for step in steps}) and steps[-1].done == 300
    assert len(steps) > 2  # progress can be shown


def test_no_pictures_are_nothing():
    assert list(picture_problems([])) == []


def test_few_pictures_wait_at_a_time_and_closing_stops(many):
    taken = itertools.count()
    counted = ((next(taken), many[1][1], SIZE) for _ in itertools.count())  # without end
    threads = threading.active_count()
    looks = picture_problems(counted, workers=2)
    assert next(looks).done == 128
    looks.close()
    assert next(taken) <= 128 * 6
    assert threading.active_count() == threads


def test_an_error_in_the_list_of_pictures_reaches_the_caller_and_leaves_no_thread(many):
    def broken():
        yield many[1]
        raise KeyError("mine")

    threads = threading.active_count()
    with pytest.raises(KeyError, match="mine"):
        list(picture_problems(broken()))
    assert threading.active_count() == threads


# The same picture twice


def pairs(folder: Path, train: dict, val: dict) -> list:
    """The same pictures of two splits, given as file name to content; None is not written."""
    for split, files in (("train", train), ("val", val)):
        (folder / split).mkdir()
        for name, content in files.items():
            if content is not None:
                (folder / split / name).write_bytes(content)
    return leaked_pictures([(n, folder / "train" / n) for n in train], [(n, folder / "val" / n) for n in val])


def test_pictures_with_the_same_bytes_are_the_same_whatever_they_are_called(tmp_path):
    a, b, c = (encoded(photograph(seed=seed)) for seed in (1, 2, 3))
    assert pairs(tmp_path, {"x": a, "y": b}, {"p": c, "q": b, "r": a}) == [("y", "q"), ("x", "r")]


def test_files_of_one_size_that_differ_in_a_byte_are_not_the_same(tmp_path):
    data = bytearray(encoded(photograph((200, 100)), "BMP"))  # larger than the tail that is compared first
    others = []
    for at in (0, 100, len(data) // 2, len(data) - 1):
        others.append(bytes(data[:at]) + bytes([data[at] ^ 1]) + bytes(data[at + 1 :]))
    val = {f"{n}": other for n, other in enumerate(others)}
    assert pairs(tmp_path, {"x": bytes(data)}, val) == []


def test_each_validation_picture_is_named_once_with_its_first_twin(tmp_path):
    a = encoded()
    assert pairs(tmp_path, {"x": b"other", "y": a, "z": a}, {"q": a, "p": a}) == [("y", "q"), ("y", "p")]


def test_links_are_the_same_picture_and_unreadable_files_are_none(tmp_path):
    (tmp_path / "a.jpg").write_bytes(encoded())
    (tmp_path / "soft.jpg").symlink_to(tmp_path / "a.jpg")
    os.link(tmp_path / "a.jpg", tmp_path / "hard.jpg")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "folder.jpg").mkdir()
    odd = [(name, tmp_path / name) for name in ("empty.jpg", "folder.jpg", "missing.jpg", "nul\0.jpg")]
    val = [(name, tmp_path / name) for name in ("soft.jpg", "hard.jpg", "a.jpg")]
    found = leaked_pictures([*odd, ("a", tmp_path / "a.jpg")], [*odd, *val])
    assert found == [("a", "soft.jpg"), ("a", "hard.jpg"), ("a", "a.jpg")]
    assert leaked_pictures([], val) == leaked_pictures(val, []) == []


@settings(max_examples=40, deadline=None, suppress_health_check=[READABLE])
@given(st.lists(st.binary(max_size=2), max_size=8), st.lists(st.binary(max_size=2), max_size=8))
def test_the_pairs_are_those_of_comparing_all_with_all(tmp_path_factory, train, val):
    folder = tmp_path_factory.mktemp("pairs")
    found = pairs(folder, {f"{n}": c for n, c in enumerate(train)}, {f"{n}": c for n, c in enumerate(val)})
    assert found == [(f"{train.index(c)}", f"{n}") for n, c in enumerate(val) if c and c in train]


# Where pictures may lie


@pytest.mark.parametrize(
    "name",
    ["../a.jpg", "/etc/passwd", "b/../../a.jpg", "..", ".", "", "out/a.jpg", "out.jpg", "up/train/x", "a\0b.jpg"],
)
def test_a_name_that_leads_out_of_the_folder_leads_nowhere(tmp_path, write, name):
    root = write(b"", "data/train/b/a.jpg").parent.parent
    write(b"", "elsewhere/a.jpg")
    (root / "out").symlink_to(tmp_path / "elsewhere")
    (root / "out.jpg").symlink_to(tmp_path / "elsewhere/a.jpg")
    (root / "up").symlink_to(tmp_path / "data/../elsewhere")
    assert path_inside(root, name) is None


@pytest.mark.parametrize("name", ["a.jpg", "b/a.jpg", "./a.jpg", "b//a.jpg", "b/../a.jpg", "in.jpg", "in/a.jpg", "..a"])
def test_a_name_inside_the_folder_leads_where_the_system_leads(write, name):
    root = write(b"", "data/train/b/a.jpg").parent.parent
    (root / "in").symlink_to("b")
    (root / "in.jpg").symlink_to(root / "b/a.jpg")
    assert path_inside(root, name) == (root / name).resolve()


def test_a_folder_whose_name_begins_alike_is_outside(write):
    root = write(b"", "data/train/a.jpg").parent
    write(b"", "data/train2/a.jpg")
    assert path_inside(root, "../train2/a.jpg") is None
