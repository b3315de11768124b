import io
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from core.datasets.split import read_split
from ui.server import thumbnails


def test_the_preflights_picture_is_served_and_may_be_kept(client, finished, store, leave):
    assert client.get(f"/api/preflight/{finished.id}").status_code == 404
    leave(finished, checks=[("Disk", True, "71 GiB free.")])
    answer = client.get(f"/api/preflight/{finished.id}")
    assert (answer.headers["content-type"], answer.headers["content-encoding"]) == ("image/png", "identity")
    assert "immutable" in answer.headers["cache-control"]
    assert Image.open(io.BytesIO(answer.content)).size == (40, 30)
    shutil.rmtree(store.folder(finished.id))
    assert client.get(f"/api/preflight/{finished.id}").status_code == 404


@pytest.mark.parametrize("path", ["nosuchrun", "..%2f..%2fetc%2fpasswd", "%00", "20261123-000000-dead"])
def test_an_unknown_run_is_not_found(client, finished, path):
    assert client.get(f"/api/metrics/{path}").status_code == 404
    assert client.get(f"/api/image/{path}/1").status_code == 404
    assert client.get(f"/api/preflight/{path}").status_code == 404


def test_an_image_comes_as_small_jpeg_that_may_be_kept(client, finished):
    image = read_split(finished.config["data"], "val").images[0]
    answer = client.get(f"/api/image/{finished.id}/{image['id']}?w=320")
    picture = Image.open(io.BytesIO(answer.content))
    assert (answer.headers["content-type"], picture.format) == ("image/jpeg", "JPEG")
    assert max(picture.size) <= 320
    assert picture.width / picture.height == pytest.approx(image["width"] / image["height"], rel=0.05)
    assert "immutable" in answer.headers["cache-control"] and "private" in answer.headers["cache-control"]
    assert answer.headers["content-encoding"] == "identity"


def test_every_answer_says_that_its_type_is_meant(client, finished):
    ids = ("metrics/{}", "image/{}/4", "image/{}/999", "preflight/{}")
    for path in [*(path.format(finished.id) for path in ids), "plotly.js"]:
        answer = client.get(f"/api/{path}")
        assert answer.headers["x-content-type-options"] == "nosniff", path
        assert "access-control-allow-origin" not in answer.headers


def test_the_same_thumbnail_is_made_once(client, finished, monkeypatch):
    made = []
    monkeypatch.setattr(thumbnails, "thumbnail", lambda path, width, size, crop: made.append((width, crop)) or b"jpeg")
    for width in (10, 100, 320, 320):
        assert client.get(f"/api/image/{finished.id}/4?w={width}").content == b"jpeg"
    assert client.get(f"/api/image/{finished.id}/4?w=99999").content == b"jpeg"
    assert client.get(f"/api/image/{finished.id}/4?w=320&crop=1,2,30,40").content == b"jpeg"
    assert made == [(320, None), (3840, None), (320, (1, 2, 30, 40))]


def test_a_part_of_an_image_is_the_images(client, finished):
    """More of it in test_thumbnails.py."""
    split = read_split(finished.config["data"], "val")
    with Image.open(split.image_path(split.images[0])) as whole:
        expected = np.asarray(whole.convert("RGB").crop((5, 6, 45, 36)), float)
    address = f"/api/image/{finished.id}/{split.images[0]['id']}?w=320&crop="
    part = Image.open(io.BytesIO(client.get(f"{address}5,6,45,36").content)).convert("RGB")
    assert part.size == (40, 30) and np.abs(np.asarray(part, float) - expected).mean() < 10
    for crop in ("", "5,6,45", "64,0,99,30", "45,6,5,36", "5,6,45,x"):
        assert client.get(address + crop).status_code == 404


def test_a_changed_picture_gets_a_new_thumbnail(client, finished, monkeypatch):
    split = read_split(finished.config["data"], "val")
    before = client.get(f"/api/image/{finished.id}/{split.images[0]['id']}").content
    path = split.image_path(split.images[0])
    Image.new("RGB", (64, 48), "white").save(path)
    os.utime(path, ns=(1, 1))
    assert client.get(f"/api/image/{finished.id}/{split.images[0]['id']}").content != before


def test_old_thumbnails_give_way(client, finished, store, monkeypatch):
    monkeypatch.setattr(thumbnails, "KEPT_BYTES", 25)
    monkeypatch.setattr(thumbnails, "_made", iter(range(0, 10_000, 200)))
    monkeypatch.setattr(thumbnails, "thumbnail", lambda *what: b"ten bytes!")
    for image in read_split(finished.config["data"], "val").images[:6]:
        assert client.get(f"/api/image/{finished.id}/{image['id']}").status_code == 200
    assert len(list((store.runs_dir / ".thumbnails").iterdir())) == 2


@pytest.mark.parametrize("image_id", ["999", "1", "-4", "4.0", "..", "4/..", "%2e%2e%2fruns.db"])
def test_what_is_no_validation_image_is_not_found(client, finished, image_id):
    if image_id == "1":  # a training image
        assert 1 not in {i["id"] for i in read_split(finished.config["data"], "val").images}
    assert client.get(f"/api/image/{finished.id}/{image_id}").status_code == 404


def test_a_file_name_cannot_lead_out_of_the_data_set(client, finished, store):
    (store.root / "secret.jpg").write_bytes((store.data_dir / "street/val/000000000004.jpg").read_bytes())
    annotations = store.data_dir / "street/annotations/instances_val.json"
    annotations.write_text(annotations.read_text().replace("000000000004.jpg", "../../../secret.jpg"))
    assert client.get(f"/api/image/{finished.id}/4").status_code == 404
    assert client.get(f"/api/image/{finished.id}/5").status_code == 200  # one bad name costs one picture


def test_a_picture_that_is_damaged_or_gone_is_not_found(client, finished, store):
    (store.data_dir / "street/val/000000000004.jpg").write_bytes(b"no picture")
    (store.data_dir / "street/val/000000000005.jpg").unlink()
    assert client.get(f"/api/image/{finished.id}/4").status_code == 404
    assert client.get(f"/api/image/{finished.id}/5").status_code == 404


def test_plotly_is_served_whole(client):
    answer = client.get("/api/plotly.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "Plotly" in answer.text[-2000:] or "plotly.js" in answer.text[:200]


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "192.168.0.7:8501", ""])
def test_other_host_names_are_refused(client, finished, host):
    assert client.get(f"/api/metrics/{finished.id}", headers={"host": host}).status_code == 400


@pytest.mark.parametrize("host", ["localhost:8501", "127.0.0.1", "[::1]:8501"])
def test_this_machines_names_are_answered(client, finished, host):
    assert client.get(f"/api/metrics/{finished.id}", headers={"host": host}).status_code == 200
