"""Pictures that users bring: kept while the app runs, apart by session, bounded, and deleted."""

import io
import os

import numpy as np
import psutil
import pytest
from PIL import Image

from core import DataError
from core.system.proc import start_time
from tests.ui.http_client import routes_client
from ui.server import services, uploads
from ui.server.uploads import Uploads

KEY, OTHER = "a" * 32, "b" * 32


def encoded(form="PNG", size=(40, 30), colour="navy", **how) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, form, **how)
    return file.getvalue()


@pytest.fixture
def kept(tmp_path):
    return Uploads(tmp_path / ".uploads")


def files(kept) -> list[str]:
    return sorted(str(p.relative_to(kept.folder)) for p in kept.folder.rglob("*") if p.is_file())


def test_pictures_come_by_number_and_each_session_has_its_own(kept):
    assert [kept.add(KEY, name, encoded()) for name in ("a.png", "b.png")] == [1, 2]
    assert kept.add(OTHER, "c.png", encoded(size=(9, 8))) == 1
    assert {n: own.name for n, own in kept.of(KEY).items()} == {1: "a.png", 2: "b.png"}
    assert kept.find(OTHER, 1)[1] == (9, 8) and kept.of("c" * 32) == {}
    with pytest.raises(DataError, match="There is no such picture"):
        kept.find(OTHER, 2)
    assert Uploads.new_key() != Uploads.new_key()


def test_what_is_not_upright_rgb_is_kept_so_and_the_original_goes(kept):
    file = io.BytesIO()
    Image.new("RGBA", (5, 4), (0, 0, 0, 0)).save(file, "PNG")
    kept.add(KEY, "clear.png", file.getbuffer())
    assert files(kept) == [f"{KEY}/1.png"]
    with Image.open(kept.find(KEY, 1)[0]) as picture:
        assert (picture.mode, picture.getpixel((0, 0))) == ("RGB", (255, 255, 255))


def test_a_broken_file_among_good_ones_leaves_nothing(kept):
    kept.add(KEY, "a.png", encoded())
    with pytest.raises(DataError, match=r"^b\.jpg cannot be read"):
        kept.add(KEY, "b.jpg", encoded("JPEG")[:300])
    assert kept.add(KEY, "c.png", encoded()) == 3
    assert list(kept.of(KEY)) == [1, 3] and files(kept) == [f"{KEY}/1", f"{KEY}/3"]


def test_a_session_may_have_a_hundred(kept, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_PICTURES", 2)
    for name in "ab":
        kept.add(KEY, name, encoded())
    with pytest.raises(DataError, match="c was left out: 2 pictures are the most at a time"):
        kept.add(KEY, "c", encoded())
    assert kept.add(OTHER, "c", encoded()) == 1  # another session's
    assert uploads.MOST_PICTURES == 2 and len(kept.of(KEY)) == 2


def test_a_session_may_have_so_many_bytes(tmp_path):
    kept = Uploads(tmp_path / ".uploads", most_bytes=2 * len(encoded()))
    for name in "ab":
        kept.add(KEY, name, encoded())
    with pytest.raises(DataError, match="c was left out"):
        kept.add(KEY, "c", encoded())
    assert files(kept) == [f"{KEY}/1", f"{KEY}/2"]


def test_of_all_sessions_the_oldest_pictures_go(tmp_path):
    kept = Uploads(tmp_path / ".uploads", all_bytes=2 * len(encoded()))
    kept.add(KEY, "a", encoded())
    kept.add(OTHER, "b", encoded())
    kept.add(KEY, "c", encoded())
    assert (list(kept.of(KEY)), list(kept.of(OTHER))) == ([2], [1])
    assert files(kept) == [f"{KEY}/2", f"{OTHER}/1"]


def test_forgotten_pictures_are_deleted_and_their_numbers_do_not_come_again(kept):
    kept.add(KEY, "a", encoded())
    kept.add(OTHER, "b", encoded())
    kept.forget(KEY)
    assert kept.of(KEY) == {} and files(kept) == [f"{OTHER}/1"]
    assert kept.add(KEY, "c", encoded()) == 2


def test_everything_goes_with_the_server(kept):
    kept.add(KEY, "a", encoded())
    kept.clear()
    assert not kept.folder.exists() and kept.of(KEY) == {}


def test_what_a_dead_server_left_is_deleted_and_a_living_ones_stays(tmp_path):
    gone = max(psutil.pids()) + 100_000
    parent = os.getppid()
    left, again, living, odd = (
        tmp_path / name
        for name in (f"{gone}-1.00", f"{parent}-0.00", f"{parent}-{start_time(parent):.2f}", "no-process")
    )
    for folder in (left, again, living, odd):
        (folder / KEY).mkdir(parents=True)
    Uploads(tmp_path)
    assert [folder.exists() for folder in (left, again, living, odd)] == [False, False, True, False]


def test_a_full_disk_is_told_in_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"^a\.png cannot be kept in .*Not a directory"):
        Uploads(tmp_path / "file").add(KEY, "a.png", encoded())


# Over HTTP


@pytest.fixture
def client(store):
    with routes_client() as client:
        yield client
    services.uploads().clear()


def test_the_browser_gets_a_small_upright_picture_and_may_keep_it(client):
    data = Image.Exif()
    data[0x0112] = 6
    stored = Image.new("RGB", (600, 400), "red")
    stored.paste("blue", (0, 0, 600, 200))  # the upper half, which is the right one of the upright picture
    file = io.BytesIO()
    stored.save(file, "JPEG", exif=data)
    number = services.uploads().add(KEY, "<b>.jpg", file.getvalue())
    answer = client.get(f"/api/upload/{KEY}/{number}?w=300")
    assert answer.headers["content-type"] == "image/jpeg" and "immutable" in answer.headers["cache-control"]
    picture = Image.open(io.BytesIO(answer.content))
    assert picture.size == (213, 320)
    left, right = (np.array(picture.getpixel((x, 160))) for x in (20, 190))
    assert left[0] > 200 > left[2] and right[2] > 200 > right[0]
    part = Image.open(io.BytesIO(client.get(f"/api/upload/{KEY}/{number}?w=300&crop=0,0,50,20").content))
    assert part.size == (50, 20)


def test_what_was_made_of_a_picture_goes_with_it(client, store):
    number = services.uploads().add(KEY, "a.png", encoded())
    assert client.get(f"/api/upload/{KEY}/{number}").status_code == 200
    assert [p.suffix for p in (services.uploads().folder / KEY).iterdir() if p.suffix] == [".jpg"]
    assert not (store.runs_dir / ".thumbnails").exists()
    services.uploads().forget(KEY)
    assert not (services.uploads().folder / KEY).exists()
    assert client.get(f"/api/upload/{KEY}/{number}").status_code == 404


@pytest.mark.parametrize("path", [f"{KEY}/2", f"{OTHER}/1", "../1", "..%2f..%2fetc/1", f"{KEY}/-1", f"{KEY}/x"])
def test_what_nobody_brought_is_not_found(client, path):
    services.uploads().add(KEY, "a.png", encoded())
    assert client.get(f"/api/upload/{path}").status_code == 404
