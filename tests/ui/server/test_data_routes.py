"""Pictures of data sets over HTTP: only of what a page shows, by key, split and id, never by a path."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from tests.own_folders import HEIGHT, WIDTH, labels, mine, write, write_json, write_single
from tests.ui.http_client import routes_client
from ui.server import cache
from ui.server.thumbnails import WIDTHS


@pytest.fixture
def client(store):
    cache._shown_folders.clear()
    with routes_client() as client:
        yield client


@pytest.fixture
def folder(tmp_path):
    return mine(tmp_path / "mine")


@pytest.fixture
def key(client, folder):
    return cache.data_key(folder)


def picture(client, address) -> Image.Image:
    answer = client.get(f"/api/data/{address}")
    assert answer.status_code == 200, address
    return Image.open(io.BytesIO(answer.content))


def test_a_picture_comes_as_small_jpeg(client, key):
    answer = client.get(f"/api/data/{key}/train/3?w=100")
    shown = Image.open(io.BytesIO(answer.content))
    assert (answer.headers["content-type"], shown.format) == ("image/jpeg", "JPEG")
    assert shown.size == (WIDTH, HEIGHT)
    assert answer.headers["x-content-type-options"] == "nosniff" and "private" in answer.headers["cache-control"]


def test_each_split_has_its_own_pictures_of_one_id(client, tmp_path):
    folder = write(tmp_path / "m", {"train": labels(1, 3), "val": labels(1, 3)})
    Image.new("RGB", (WIDTH, HEIGHT), "white").save(folder / "val/000002.png")
    key = cache.data_key(folder)
    train, val = (np.asarray(picture(client, f"{key}/{name}/2")).mean() for name in ("train", "val"))
    assert train < 100 and val > 250


def test_of_one_file_each_part_has_its_pictures(client, tmp_path):
    folder = write_single(tmp_path / "m", labels(1, 20))
    key = cache.data_key(folder)
    found = {
        name: {i for i in range(1, 21) if client.get(f"/api/data/{key}/{name}/{i}").status_code == 200}
        for name in ("train", "val")
    }
    assert found["train"] | found["val"] == set(range(1, 21)) and not found["train"] & found["val"] and found["val"]


@pytest.mark.parametrize("address", [
    "{key}/train/999", "{key}/train/101", "{key}/val/1", "{key}/test/1", "{key}/Train/1", "{key}//1", "{key}/train/",
    "{key}/train/-1", "{key}/train/1.0", "{key}/train/01x", "{key}/train/1/..", "{key}/../train/1",
    "{key}/train/000001.png", "{key}/..%2f..%2fetc/1", "{key}/%2e%2e/1", "0123456789abcdef/train/1", "/train/1",
    "x/train/1",    "{key}0/train/1", "{path}/train/1", "..%2f/train/1", "%00/train/1", "{key}/train%00/1",
    "{key}/train/99999999999999999999999999",
])  # fmt: skip
def test_what_is_not_shown_is_not_found(client, key, folder, address):
    path = str(folder).replace("/", "%2f")
    assert client.get("/api/data/" + address.format(key=key, path=path)).status_code == 404


@pytest.mark.parametrize("width", ["", "x", "nan", "1e3", "3.5", "9" * 5000, "1 0"])
def test_a_width_that_is_no_number_is_not_found(client, key, width):
    assert client.get(f"/api/data/{key}/train/1", params={"w": width}).status_code == 404


def test_every_width_becomes_one_of_a_few(client, key, tmp_path, folder):
    Image.new("RGB", (4000, 3000)).save(folder / "train/000001.png")  # longer than any that is asked for
    data = labels(1, 9)
    data["images"][0] |= {"width": 4000, "height": 3000}
    write_json(folder / "annotations/instances_train.json", data)
    asked = {-5: 320, 0: 320, 1: 320, 320: 320, 321: 640, 640: 640, 641: 1280, 1280: 1280, 1281: 3840, 10**9: 3840}
    assert {w: picture(client, f"{key}/train/1?w={w}").width for w in asked} == asked
    assert set(asked.values()) == set(WIDTHS)


def test_of_a_data_set_too_a_part_of_a_picture_can_be_asked_for(client, key):
    assert picture(client, f"{key}/train/1?w=320&crop=10,20,90,60").size == (80, 40)
    assert client.get(f"/api/data/{key}/train/1?w=320&crop=90,20,10,60").status_code == 404


def test_a_data_set_that_no_page_has_shown_cannot_be_asked_for(client, folder, tmp_path):
    other = mine(tmp_path / "other")
    key = cache.data_key(other)
    assert client.get(f"/api/data/{key}/train/1").status_code == 200
    cache._shown_folders.clear()
    for guess in (key, "mine", str(folder).replace("/", "%2f"), folder.name):
        assert client.get(f"/api/data/{guess}/train/1").status_code == 404


def test_a_key_says_nothing_of_the_folder_and_stays_the_same(folder, tmp_path):
    key = cache.data_key(folder)
    assert re.fullmatch(r"[0-9a-f]{16,}", key)
    assert cache.data_key(folder) == cache.data_key(str(folder)) == key != cache.data_key(tmp_path / "other")


@pytest.mark.parametrize("name", ["../../secret.png", "/etc/passwd", "link.png", "sub/../../../secret.png"])
def test_a_file_name_cannot_lead_out_of_the_folder(client, tmp_path, name):
    Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "secret.png")
    data = labels(1, 9)
    folder = write(tmp_path / "m", {"train": data, "val": labels(101, 3)})
    data["images"][1]["file_name"] = name
    write_json(folder / "annotations/instances_train.json", data)
    (folder / "train/link.png").symlink_to(tmp_path / "secret.png")
    assert client.get(f"/api/data/{cache.data_key(folder)}/train/2").status_code == 404


@pytest.mark.parametrize("name, upright", [("train", (WIDTH, HEIGHT)), ("val", (HEIGHT, WIDTH))])
def test_a_picture_that_is_stored_turned_comes_as_its_boxes_lie(client, tmp_path, name, upright):
    """Stored on its side with an EXIF mark; the file states it upright in training, as it is stored in validation."""
    folder = write(tmp_path / "m", {"train": labels(1, 3), "val": labels(1, 3)})
    raw = labels(1, 3)
    raw["images"][0] |= {"width": upright[0], "height": upright[1], "file_name": "turned.jpg"}
    write_json(folder / f"annotations/instances_{name}.json", raw)
    stored = Image.new("RGB", (HEIGHT, WIDTH), "black")
    stored.paste("red", (0, 0, HEIGHT, 30))  # the stored top edge
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90° clockwise to see it upright: the top edge is then the right one
    stored.save(folder / f"{name}/turned.jpg", exif=exif)
    shown = picture(client, f"{cache.data_key(folder)}/{name}/1").convert("RGB")
    assert shown.size == upright
    x, y = (upright[0] - 6, upright[1] // 2) if name == "train" else (upright[0] // 2, 6)
    assert shown.getpixel((x, y))[0] > 200, "the red edge is elsewhere"


@pytest.mark.parametrize("what", ["gone", "no picture", "a folder", "empty"])
def test_a_picture_that_cannot_be_read_is_not_found(client, key, folder, what):
    path = folder / "train/000001.png"
    path.unlink()
    if what == "a folder":
        path.mkdir()
    elif what != "gone":
        path.write_text(what * (what != "empty"))
    assert client.get(f"/api/data/{key}/train/1").status_code == 404


@pytest.mark.parametrize("change", [
    lambda d: d["images"][0].pop("file_name"), lambda d: d["images"][0].update(file_name=["a"]),
    lambda d: d["images"][0].update(id=None), lambda d: d.pop("images"),
])  # fmt: skip
def test_of_broken_data_nothing_is_found_and_nothing_breaks(client, key, folder, change):
    data = labels(1, 9)
    change(data)
    write_json(folder / "annotations/instances_train.json", data)
    assert client.get(f"/api/data/{key}/train/1").status_code == 404


def test_data_that_is_gone_is_not_found(client, key, folder):
    folder.rename(folder.with_name("elsewhere"))
    assert client.get(f"/api/data/{key}/train/1").status_code == 404


def test_a_changed_picture_is_shown_as_it_is_now(client, key, folder):
    before = client.get(f"/api/data/{key}/train/1").content
    Image.new("RGB", (WIDTH, HEIGHT), "white").save(folder / "train/000001.png")
    answer = client.get(f"/api/data/{key}/train/1")
    assert answer.content != before
    assert "immutable" not in answer.headers["cache-control"], "a browser would keep showing the old one"


@pytest.mark.parametrize("host", ["evil.example", "192.168.0.7:8501"])
def test_other_host_names_are_refused(client, key, host):
    assert client.get(f"/api/data/{key}/train/1", headers={"host": host}).status_code == 400
