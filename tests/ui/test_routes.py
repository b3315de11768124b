import io
import math
import os
import shutil
import warnings

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette

from core.datasets.split import read_split
from core.runs.schema import Status
from core.training.remark import Remark
from ui import routes
from ui.server import services, thumbnails

with warnings.catch_warnings():  # starlette's own use of an old name in anyio
    warnings.simplefilter("ignore", DeprecationWarning)
    from starlette.testclient import TestClient

HOST = "http://localhost"


@pytest.fixture
def client(store):
    with TestClient(Starlette(routes=routes.ROUTES, middleware=services.MIDDLEWARE), base_url=HOST) as client:
        yield client


def test_metrics_come_by_tag_and_then_only_the_new_ones(client, finished, store):
    first = client.get(f"/api/metrics/{finished.id}").json()
    assert first["rows"]["train/loss_ce"] == [list(range(1, 21)), pytest.approx([4.0 - 0.1 * s for s in range(1, 21)])]
    assert first["rows"]["val/AP"][0] == [0, 10, 20]
    store.record(finished.id, 21, {"train/loss_ce": 1.5, "train/lr": 0.1})
    then = client.get(f"/api/metrics/{finished.id}?after={first['last']}").json()
    assert then["rows"] == {"train/loss_ce": [[21], [1.5]]}
    assert client.get(f"/api/metrics/{finished.id}?after={then['last']}").json()["rows"] == {}


def test_the_runs_state_comes_along(client, finished):
    state = client.get(f"/api/metrics/{finished.id}").json()["run"]
    assert (state["status"], state["label"], state["live"]) == ("finished", "Finished", False)
    assert (state["epoch"], state["steps"], state["best_epoch"]) == (2, 20, 2)
    assert state["baseline_ap"] < state["ap"]


def test_each_group_of_curves_comes_alone_and_only_its_new_rows(client, finished, store):
    tags = {
        "losses": "train/loss", "layers": "train/loss_bbox/layer6", "rates": "train/lr_head",
        "machine": "train/gpu_busy", "classes": "val/AP/car",
    }  # fmt: skip
    store.record(finished.id, 21, dict.fromkeys(tags.values(), 0.5))
    first = {group: client.get(f"/api/metrics/{finished.id}?group={group}").json() for group in tags}
    store.record(finished.id, 22, dict.fromkeys(tags.values(), 0.25))
    for group, tag in tags.items():
        assert first[group]["rows"][tag][0][-1] == 21
        assert set(first[group]["rows"]) & set(tags.values()) == {tag}
        then = client.get(f"/api/metrics/{finished.id}?group={group}&after={first[group]['last']}").json()
        assert then["rows"] == {tag: [[22], [0.25]]}


def test_an_unknown_group_is_refused(client, finished):
    assert client.get(f"/api/metrics/{finished.id}?group=all").status_code == 404


def test_before_the_classes_are_known_there_are_no_curves_of_them(client, store):
    run = store.create({"data": "x"})
    assert client.get(f"/api/metrics/{run.id}?group=classes").json()["rows"] == {}


def test_values_are_sent_as_precisely_as_they_can_be_seen(client, finished, store):
    store.record(finished.id, 21, {"train/loss": 1.23456789, "train/loss_ce": 9.87654321e-7})
    rows = client.get(f"/api/metrics/{finished.id}").json()["rows"]
    assert (rows["train/loss"][1][-1], rows["train/loss_ce"][1][-1]) == (1.2346, 9.8765e-7)


def remark(level, step=5, rule="a rule"):
    return Remark(
        rule=rule, level=level, title="A title", cause="A cause.", evidence="Evidence.", advice="Advice.", step=step
    )


def test_remarks_come_in_order_and_only_when_they_are_new(client, run_maker, store):
    run = run_maker(evaluated=False, remarks=[remark("info", 1), remark("warning", 9), remark("critical", 7)])
    said = client.get(f"/api/metrics/{run.id}").json()["remarks"]
    assert [r["level"] for r in said["list"]] == ["critical", "warning", "info"]
    assert said["list"][0]["advice"] == "Advice."
    assert "remarks" not in client.get(f"/api/metrics/{run.id}?remarks={said['mark']}").json()
    store.update(run.id, remarks=[remark("critical", 8).to_dict()])
    news = client.get(f"/api/metrics/{run.id}?remarks={said['mark']}").json()["remarks"]
    assert [r["step"] for r in news["list"]] == [8] and news["mark"] != said["mark"]


def test_a_run_without_remarks_says_so_once(client, finished):
    said = client.get(f"/api/metrics/{finished.id}").json()["remarks"]
    assert said["list"] == []
    assert "remarks" not in client.get(f"/api/metrics/{finished.id}?remarks={said['mark']}").json()


def test_the_pages_version_changes_with_what_the_page_shows(client, finished, store, leave):
    def version():
        answer = client.get(f"/api/metrics/{finished.id}").json()["version"]
        assert answer == services.page_version(store.get(finished.id))
        return answer

    seen = [version()]
    store.record(finished.id, 21, {"train/loss": 1.0}, {"message": "Evaluating image 3 of 30"})
    assert version() == seen[-1]
    leave(finished, checks=[("Disk", True, "71 GiB free.")])
    seen.append(version())
    leave(finished, operators=[("aten::add", 5, 1.0, 0.0)])
    seen.append(version())
    waiting = store.create({"data": "x"})
    seen.append(version())
    store.create({"data": "x"})
    seen.append(version())
    services.jobs().move(waiting.id, 1)
    seen.append(version())
    store.update(finished.id, status=Status.FAILED)
    seen.append(version())
    assert len(set(seen)) == len(seen)


def test_a_queued_run_says_its_place(client, store):
    first, second = (store.create({"data": "x"}) for _ in range(2))
    said = [client.get(f"/api/metrics/{run.id}").json()["run"]["message"] for run in (first, second)]
    assert said == ["Next in the queue", "Number 2 in the queue"]


def test_the_preflights_picture_is_served_and_may_be_kept(client, finished, store, leave):
    assert client.get(f"/api/preflight/{finished.id}").status_code == 404
    leave(finished, checks=[("Disk", True, "71 GiB free.")])
    answer = client.get(f"/api/preflight/{finished.id}")
    assert (answer.headers["content-type"], answer.headers["content-encoding"]) == ("image/png", "identity")
    assert "immutable" in answer.headers["cache-control"]
    assert Image.open(io.BytesIO(answer.content)).size == (40, 30)
    shutil.rmtree(store.folder(finished.id))
    assert client.get(f"/api/preflight/{finished.id}").status_code == 404


def test_a_loss_that_is_not_a_number_is_still_json(client, finished, store):
    store.record(finished.id, 21, {"train/loss": math.nan, "train/loss_ce": math.inf})
    rows = client.get(f"/api/metrics/{finished.id}").json()["rows"]
    assert rows["train/loss"][1][-1] is None and rows["train/loss_ce"][1][-1] is None


@pytest.mark.parametrize("path", ["nosuchrun", "..%2f..%2fetc%2fpasswd", "%00", "20261123-000000-dead"])
def test_an_unknown_run_is_not_found(client, finished, path):
    assert client.get(f"/api/metrics/{path}").status_code == 404
    assert client.get(f"/api/image/{path}/1").status_code == 404
    assert client.get(f"/api/preflight/{path}").status_code == 404


@pytest.mark.parametrize("after", ["x", "", "1e9", "9" * 30])
def test_a_row_number_that_is_none_is_refused(client, finished, after):
    assert client.get(f"/api/metrics/{finished.id}?after={after}").status_code == 404


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
    assert client.get(f"/api/image/{finished.id}/5").status_code == 404  # such a file is not used at all


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
