"""What is measured of pictures, and that each is measured once."""

import os

import numpy as np
import pytest
from PIL import Image, ImageFilter

from core.datasets.attributes import measured as module
from core.datasets.attributes.measured import measure_pictures, measured_path, read_measured
from core.datasets.attributes.measures import MEASURES, brightness, measure_picture, sharpness
from core.datasets.split import read_split
from core.keep_result import KeepResult
from tests.own_folders import labels, write


@pytest.fixture
def split(tmp_path):
    return read_split(write(tmp_path / "own", {"train": labels(1, 2), "val": labels(11, 5)}), "val")


@pytest.fixture
def looked_at(monkeypatch):
    """The pictures that are opened."""
    names: list[str] = []
    monkeypatch.setattr(module, "measure_picture", lambda path: names.append(path.name) or measure_picture(path))
    return names


def measure(split, path) -> list[tuple[int, int]]:
    return list(measure_pictures(split, path))


def of_picture(tmp_path, image: Image.Image, name="a.png", **options) -> dict[str, float]:
    image.save(tmp_path / name, **options)
    numbers = measure_picture(tmp_path / name)
    assert numbers is not None
    return dict(zip((one.name for one in MEASURES), numbers, strict=True))


def test_grey_has_its_own_brightness_and_no_sharpness(tmp_path):
    assert of_picture(tmp_path, Image.new("RGB", (60, 40), (90, 90, 90))) == {"brightness": 90, "sharpness": 0}


def test_brightness_is_the_mean_luma_of_all_modes(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (80, 100, 3), dtype=np.uint8)
    image = Image.fromarray(colours)
    luma = np.asarray(image.convert("L")).mean()
    for mode, name in (("RGB", "a.png"), ("L", "b.png"), ("RGB", "c.jpg"), ("RGBA", "d.png"), ("CMYK", "e.jpg")):
        assert of_picture(tmp_path, image.convert(mode), name)["brightness"] == pytest.approx(luma, abs=3), (mode, name)


def test_a_blurred_picture_is_less_sharp(tmp_path):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8))
    numbers = [of_picture(tmp_path, noise.filter(ImageFilter.GaussianBlur(r)))["sharpness"] for r in (0, 1, 3)]
    assert numbers[0] > 3 * numbers[1] > 9 * numbers[2] > 0


def test_the_same_picture_is_about_as_sharp_at_every_size(tmp_path):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8))
    large = noise.resize((2048, 2048), Image.Resampling.BICUBIC)
    numbers = [
        of_picture(tmp_path, large.resize((n, n)), f"{n}.jpg", quality=95)["sharpness"] for n in (2048, 1024, 600)
    ]
    assert max(numbers) < 1.25 * min(numbers)


def test_the_laplacian_is_scipys():
    from scipy.ndimage import laplace

    grey = np.random.default_rng(0).uniform(0, 255, (30, 40)).astype(np.float32)
    assert sharpness(grey) == pytest.approx(laplace(grey.astype(float))[1:-1, 1:-1].var(), rel=1e-5)
    assert brightness(grey) == pytest.approx(grey.mean(), rel=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3, 2)])
def test_pictures_of_odd_sizes_are_measured(tmp_path, size):
    assert of_picture(tmp_path, Image.new("L", size, 7))["brightness"] == 7


def test_pictures_are_measured_once(split, tmp_path, looked_at):
    path = measured_path(tmp_path / "kept", split)
    assert measure(split, path)[-1] == (5, 5)
    first = read_measured(split, path)
    assert set(first) == {"brightness", "sharpness"} and len(looked_at) == 5
    assert first["brightness"] == pytest.approx(
        [np.asarray(Image.open(split.image_path(i)).convert("L")).mean() for i in split.images], abs=1
    )
    assert measure(split, path) == [(0, 0)] and len(looked_at) == 5


def test_only_a_changed_picture_is_measured_again(split, tmp_path, looked_at):
    path = measured_path(tmp_path / "kept", split)
    measure(split, path)
    Image.new("L", (240, 180), 255).save(split.image_path(split.images[2]))
    looked_at.clear()
    measure(split, path)
    assert looked_at == [split.images[2]["file_name"]]
    assert read_measured(split, path)["brightness"][2] == 255


def test_pictures_that_are_gone_or_broken_have_no_measures(split, tmp_path):
    split.image_path(split.images[0]).unlink()
    split.image_path(split.images[1]).write_bytes(b"no picture")
    path = measured_path(tmp_path / "kept", split)
    measure(split, path)
    assert np.isnan(read_measured(split, path)["brightness"]).tolist() == [True, True, False, False, False]
    assert measure(split, path) == [(0, 0)]  # nor is it tried again


def test_what_is_measured_is_kept_when_it_is_broken_off(split, tmp_path, monkeypatch, looked_at):
    monkeypatch.setattr(module, "AT_ONCE", 1)
    path = measured_path(tmp_path / "kept", split)
    steps = measure_pictures(split, path)
    assert [next(steps) for _ in range(3)] == [(0, 5), (1, 5), (2, 5)]
    steps.close()
    assert np.isfinite(read_measured(split, path)["brightness"][:2]).all()
    measure(split, path)
    assert np.isfinite(read_measured(split, path)["brightness"]).all()


@pytest.mark.parametrize("content", [b"", b"PAR1", os.urandom(500)])
def test_a_damaged_file_is_made_anew(split, tmp_path, content):
    path = measured_path(tmp_path / "kept", split)
    path.parent.mkdir()
    path.write_bytes(content)
    assert read_measured(split, path) == {}
    measure(split, path)
    assert np.isfinite(read_measured(split, path)["brightness"]).all()


def test_measures_of_another_way_are_taken_anew(split, tmp_path, monkeypatch):
    path = measured_path(tmp_path / "kept", split)
    measure(split, path)
    monkeypatch.setattr(module, "WAY", b"another")
    assert read_measured(split, path) == {}
    assert measure(split, path)[-1] == (5, 5)


def test_where_nothing_can_be_written_it_is_measured_all_the_same(split, tmp_path):
    (tmp_path / "kept").write_text("a file")
    work = KeepResult(measure_pictures(split, measured_path(tmp_path / "kept", split)))
    assert list(work)[-1] == (5, 5) and len(work.result) == 5
