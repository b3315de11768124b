"""Pictures and parts of them over HTTP, small, from a cache that keeps within its bounds."""

import io
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.routing import Route

from core.datasets.pictures import read_picture
from core.datasets.pixels.upright import SWAPPED
from core.evaluation.draw import thumbnail
from tests.core.datasets.test_pictures import exif
from tests.ui.http_client import HOST, TestClient
from ui.server import thumbnails
from ui.server.thumbnails import picture_response

SIZE = (200, 120)  # of the picture "a.png"
INSIDE = [(10, 20, 90, 80), (0, 0, 200, 120), (0, 0, 1, 1), (199, 119, 200, 120)]
ACROSS = [(-30, -40, 50, 60), (150, 90, 999, 999), (-5, 50, 300, 60)]
LOSS = 4.0  # of 255: what JPEG changes at most, on the mean


def scene(size=SIZE) -> Image.Image:
    """Slopes and a few edges, unlike itself however it is turned; JPEG changes it little."""
    y, x = np.indices((size[1], size[0])) / 256
    pixels = np.stack([x % 1 * 200, y % 1 * 200, (x + y) % 1 * 50], axis=2)
    pixels[: size[1] // 3, : size[0] // 4] += 50
    return Image.fromarray(pixels.astype(np.uint8))


class Folder:
    """Pictures with a route: `folder.get("a.png", w=…, crop=…)`."""

    def __init__(self, path, client):
        self.path, self.client, self.cache = path, client, path / "runs/.thumbnails"

    def get(self, name="a.png", **query):
        return self.client.get(f"/{name}", params=query)

    def part(self, crop, name="a.png", w=3840) -> Image.Image:
        answer = self.get(name, w=w, crop=",".join(map(str, crop)))
        assert answer.status_code == 200, answer.text
        return Image.open(io.BytesIO(answer.content)).convert("RGB")

    def kept(self) -> list[str]:
        return sorted(path.name for path in self.cache.iterdir()) if self.cache.is_dir() else []


@pytest.fixture
def sizes():
    """The size that a picture's JSON states, where it is not the stored one."""
    return {}


@pytest.fixture
def folder(tmp_path, monkeypatch, sizes):
    scene().save(tmp_path / "a.png")

    def find(parts):
        path = tmp_path / parts["name"]
        return path, sizes.get(path.name) or read_picture(path).size

    monkeypatch.setenv("DETR_LAB_ROOT", str(tmp_path))
    app = Starlette(routes=[
        Route("/beside/{name}", lambda request: picture_response(request, find, beside=True)),
        Route("/{name}", lambda request: picture_response(request, find)),
    ])  # fmt: skip
    with TestClient(app, base_url=HOST) as client:
        yield Folder(tmp_path, client)


def by_pillow(picture: Image.Image, crop) -> Image.Image:
    x1, y1, x2, y2 = crop
    return picture.crop((max(x1, 0), max(y1, 0), min(x2, picture.width), min(y2, picture.height)))


def far(a: Image.Image, b: Image.Image) -> float:
    """How far two pictures of a size are from each other, mean of 255."""
    assert a.size == b.size
    return float(np.abs(np.asarray(a, float) - np.asarray(b, float)).mean())


# Parts


@pytest.mark.parametrize("crop", INSIDE + ACROSS)
def test_a_part_is_pillows_crop(folder, crop):
    expected = by_pillow(read_picture(folder.path / "a.png"), crop)
    assert far(folder.part(crop), expected) < LOSS


@pytest.mark.parametrize("crop", [(40, 30, 100, 80), (-9, -9, 70, 60), (100, 100, 999, 999)])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_of_a_turned_photograph_a_part_lies_as_in_the_upright_one(folder, sizes, orientation, crop):
    """What is stored on its side or upside down, and stated upright, is turned first."""
    stored = scene((160, 220))
    stored.save(folder.path / "turned.jpg", exif=exif(orientation), quality=95)
    sizes["turned.jpg"] = (220, 160) if orientation in SWAPPED else (160, 220)
    upright = read_picture(folder.path / "turned.jpg", sizes["turned.jpg"])
    assert upright.size == sizes["turned.jpg"]
    part = folder.part(crop, "turned.jpg")
    assert far(part, by_pillow(upright, crop)) < LOSS
    whole = folder.get("turned.jpg", w=3840)
    assert Image.open(io.BytesIO(whole.content)).size == upright.size


@pytest.mark.parametrize("orientation", SWAPPED)
def test_a_parts_pixels_are_exactly_those_of_the_upright_picture(tmp_path, orientation):
    """The crop of the photograph becomes the same file as that crop, saved without loss and asked for whole."""
    scene((160, 220)).save(tmp_path / "turned.jpg", exif=exif(orientation), quality=95)
    box, size = (31, 17, 171, 90), (220, 160)
    read_picture(tmp_path / "turned.jpg", size).crop(box).save(tmp_path / "part.png")
    for longest in (320, 64):
        assert thumbnail(tmp_path / "turned.jpg", longest, size, box) == thumbnail(tmp_path / "part.png", longest)


@pytest.mark.parametrize(("w", "size"), [(1, (160, 80)), (3840, (160, 80)), (320, (160, 80))])
def test_a_part_is_never_enlarged(folder, w, size):
    assert folder.part((20, 20, 180, 100), w=w).size == size


def test_a_part_of_a_large_picture_is_as_sharp_as_the_picture_not_as_its_thumbnail(folder):
    """A crop comes from the whole picture: not from a JPEG that was decoded small."""
    scene((2400, 1600)).save(folder.path / "large.jpg", quality=95)
    crop = (1100, 700, 1400, 950)
    part = folder.part(crop, "large.jpg", w=320)
    assert part.size == (300, 250)
    assert far(part, read_picture(folder.path / "large.jpg").crop(crop)) < LOSS
    assert folder.part((0, 0, 2400, 1600), "large.jpg", w=320).size == (320, 213)


@pytest.mark.parametrize("crop", [
    "200,0,300,50", "0,120,50,300", "-50,-50,0,0", "-9,5,0,50", "300,300,400,400",  # outside
    "90,20,10,80", "10,80,90,20", "50,50,50,90", "50,50,90,50", "0,0,0,0",  # inverted, empty
    "", "1", "1,2,3", "1,2,3,4,5", ",,,", "a,b,c,d", "1,2,3,x", "1.5,2,90,80", "nan,0,10,10", "0,0,inf,10", "0x1,0,9,9",
    "1e1,0,50,50", "0;0;9;9", "[0,0,9,9]", "None", "../../x,0,9,9", "0,0,9,9\0", f"0,0,{'9' * 5000},9",
])  # fmt: skip
def test_what_is_no_part_of_the_picture_is_not_found(folder, crop):
    answer = folder.get(crop=crop)
    assert (answer.status_code, answer.json()) == (404, {"error": "There is no such picture."})
    assert answer.headers["cache-control"] == "no-store" and not folder.kept()


@pytest.mark.parametrize(
    "far_away", [10**9, 2**31, 2**63, 2**64, 10**4000], ids=lambda n: f"{n:.0e}" if n < 1e99 else "huge"
)
def test_huge_numbers_reach_as_far_as_the_picture(folder, far_away):
    part = folder.part((-far_away, -far_away, far_away, far_away))
    assert far(part, read_picture(folder.path / "a.png")) < LOSS
    assert folder.get(crop=f"{far_away},0,{2 * far_away},50").status_code == 404


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1", "CMYK"])
def test_a_part_of_any_kind_of_picture(folder, mode):
    name = "b.tif" if mode == "CMYK" else "b.png"
    scene(SIZE).convert(mode).save(folder.path / name)
    assert folder.part((10, 10, 60, 40), name).size == (50, 30)


# The cache


def test_every_part_and_width_has_a_name_of_its_own(folder):
    asked = [{"crop": crop} for crop in ("0,0,50,50", "0,0,50,51", "0,0,5,050", "1,0,50,50", "-1,0,50,50")]
    asked += [{}, {"w": 640}, {"w": 640, "crop": "0,0,50,50"}]
    bodies = [folder.get(**one).content for one in asked]
    assert len(folder.kept()) == len(asked), "0,0,5,050 is 0,0,5,50, and nothing else here"
    assert [folder.get(**one).content for one in asked] == bodies and len(folder.kept()) == len(asked)


def test_the_same_part_is_made_once_however_it_is_written(folder, monkeypatch):
    made = []
    monkeypatch.setattr(thumbnails, "thumbnail", lambda *what: made.append(what[1:]) or b"jpeg")
    for crop in ("5,6,50,60", "05,+6,50,60", " 5,6,50, 60"):
        assert folder.get(crop=crop, w=300).content == b"jpeg"
    assert made == [(320, SIZE, (5, 6, 50, 60))]


def test_a_part_of_a_changed_picture_is_made_anew(folder):
    before = folder.get(crop="0,0,50,50").content
    Image.new("RGB", SIZE, "white").save(folder.path / "a.png")
    assert folder.get(crop="0,0,50,50").content != before


@pytest.mark.parametrize("what", [{}, {"crop": "0,0,50,50"}])
def test_what_is_asked_for_may_be_kept_and_says_what_it_is(folder, what):
    answer = folder.get(**what)
    assert (answer.headers["content-type"], answer.headers["content-encoding"]) == ("image/jpeg", "identity")
    assert "immutable" in answer.headers["cache-control"]


def test_a_thumbnail_can_lie_beside_its_picture_to_go_with_it(folder):
    assert folder.client.get("/beside/a.png?crop=0,0,50,50").status_code == 200
    assert len(list(folder.path.glob("*.jpg"))) == 1 and not folder.kept()
    assert (folder.path / "a.png").is_file()


def test_however_many_parts_are_asked_for_the_cache_stays_small(folder, monkeypatch):
    monkeypatch.setattr(thumbnails, "KEPT_BYTES", 25)
    monkeypatch.setattr(thumbnails, "_made", iter(range(0, 100_000, 200)))  # as if each were the 200th
    monkeypatch.setattr(thumbnails, "thumbnail", lambda *what: b"ten bytes!")
    for x in range(40):
        assert folder.get(crop=f"{x},0,100,100").content == b"ten bytes!"
        assert len(folder.kept()) <= 2
    assert len(folder.kept()) == 2


def test_the_newest_stay(folder, monkeypatch):
    monkeypatch.setattr(thumbnails, "KEPT_BYTES", 25)
    monkeypatch.setattr(thumbnails, "_made", iter([1, 2, 3, 200]))
    monkeypatch.setattr(thumbnails, "thumbnail", lambda *what: b"ten bytes!")
    seen = []
    for x in range(4):
        folder.get(crop=f"{x},0,100,100")
        new = next(name for name in folder.kept() if name not in seen)
        os.utime(folder.cache / new, (x, x)) if x < 3 else None
        seen.append(new)
    assert set(folder.kept()) == set(seen[-2:])


def test_many_at_once_get_the_same_whole_picture(folder):
    gate = threading.Barrier(8)

    def ask(_):
        gate.wait()
        return folder.get(crop="0,0,90,90", w=640).content

    with ThreadPoolExecutor(8) as pool:
        bodies = set(pool.map(ask, range(8)))
    assert len(bodies) == 1 and len(folder.kept()) == 1, "a half-written file was left, or given out"
