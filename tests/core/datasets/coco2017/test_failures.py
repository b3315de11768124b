"""The download when server, network, data or disk fail: a sentence says why, and the next one goes on."""

import json
import shutil
from collections import namedtuple

import pytest

from core.datasets.coco2017 import child
from core.datasets.coco2017.download import is_complete
from core.datasets.subset import Subset
from tests.core.datasets.coco2017.coco_server import ZIP, zip_of
from tests.core.datasets.coco2017.downloads import FEW, FULL, files, refused, run


def test_a_server_that_recovers_is_not_noticed(server, cache, tmp_path, names):
    for how, name in zip(("503", "garbage", "cut", "empty", "half", "other size", "404"), names, strict=False):
        server.fail(name, how, times=2)
    run(tmp_path / "out", FEW, cache)
    server.heal()
    run(tmp_path / "again", FEW, cache)
    assert files(tmp_path / "out") == files(tmp_path / "again")


@pytest.mark.parametrize(
    ("how", "reason"),
    [("404", "HTTP 404"), ("empty", "an empty file"), ("half", "cut off"), ("other size", "other size: 50 × 20")],
)
def test_a_picture_that_never_comes_is_named_with_the_reason_and_the_others_are_kept(
    server, cache, tmp_path, names, how, reason
):
    server.fail(names[2], how)
    server.fail(names[9], "404")
    assert refused(tmp_path / "out", cache) == (
        f"2 of 12 pictures could not be fetched, among them {names[2]} ({reason}): "
        "start the download again, and it goes on where it stopped."
    )
    assert len(list((tmp_path / ".out.partial").glob("*2017/*.jpg"))) == 10
    server.heal()
    server.asked.clear()
    run(tmp_path / "out", FEW, cache)
    assert set(server.asked) == {names[2], names[9]}


@pytest.mark.ci
def test_a_picture_without_an_answer_is_given_up_after_a_while_and_tried_again(
    server, cache, tmp_path, names, monkeypatch
):
    monkeypatch.setattr(child, "STALL_SECONDS", 2)
    server.fail(names[0], "hang", times=2)
    server.fail(names[1], "503", times=2)
    run(tmp_path / "out", FEW, cache)
    assert is_complete(tmp_path / "out", FEW)
    assert max(server.asked.count(name) for name in names[2:]) <= 2, "those that had come were fetched again"


@pytest.mark.ci
def test_a_server_that_never_answers_is_told(server, cache, tmp_path, names, monkeypatch):
    monkeypatch.setattr(child, "STALL_SECONDS", 1)
    for name in names:
        server.fail(name, "hang")
    assert "12 of 12 pictures could not be fetched" in (message := refused(tmp_path / "out", cache))
    assert "(no answer)" in message


def test_a_child_that_dies_is_started_again_and_in_the_end_told(server, cache, tmp_path, names, monkeypatch):
    monkeypatch.setenv("QUICK_FETCH_DEATH", names[0])
    message = refused(tmp_path / "out", cache)
    assert f"among them {names[0]} (the fetching process ended: something broke)" in message


def test_without_a_network_it_is_said_at_once(server, cache, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert refused(tmp_path / "out", tmp_path / "none") == (
        "COCO's annotations cannot be fetched: COCO's server cannot be reached; check the network, "
        "then start the download again, and it goes on where it stopped."
    )
    assert "The pictures cannot be fetched: COCO's server cannot be reached" in refused(tmp_path / "out", cache)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("503", "HTTP 503"),
        ("half", "not a zip file"),
        ("cut", "cut off"),
        pytest.param("hang", "no answer", marks=pytest.mark.ci),
    ],
)
def test_annotations_that_do_not_come_are_told_and_leave_nothing(server, tmp_path, how, reason, monkeypatch):
    monkeypatch.setattr(child, "STALL_SECONDS", 1)
    monkeypatch.setattr(child, "START_SECONDS", 1)
    server.fail(ZIP, how)
    message = refused(tmp_path / "out", tmp_path / "cache")
    assert message.startswith(f"COCO's annotations cannot be fetched ({reason}):")
    assert not list((tmp_path / "cache").glob("annotations/*"))
    server.heal()
    run(tmp_path / "out", FEW, tmp_path / "cache")
    assert is_complete(tmp_path / "out", FEW)


@pytest.mark.parametrize("text", [b"", b"{}", b"[1]", b'{"images": [', b"no JSON"])
def test_annotations_of_another_kind_are_never_kept(server, coco, tmp_path, monkeypatch, text):
    whole = {path.name: path.read_bytes() for path in (coco / "annotations").iterdir()}
    monkeypatch.setattr(server, "zip", zip_of({**whole, "instances_train2017.json": text}))
    message = refused(tmp_path / "out", tmp_path / "cache")
    assert "instances_train2017.json in it is damaged" in message
    assert not list((tmp_path / "cache").glob("annotations/*"))


def test_a_zip_file_without_the_annotations_is_told(server, tmp_path, monkeypatch):
    monkeypatch.setattr(server, "zip", zip_of({"readme.txt": b"x"}))
    assert "(not what COCO has there)" in refused(tmp_path / "out", tmp_path / "cache")


def test_a_file_name_that_leads_out_of_the_folder_is_refused(server, cache, tmp_path):
    path = cache / "annotations/instances_val2017.json"
    data = json.loads(path.read_text())
    for image in data["images"]:
        image["file_name"] = "../../../evil.jpg"
    path.write_text(json.dumps(data))
    assert "'../../../evil.jpg', no plain file name" in refused(tmp_path / "out", cache)
    assert not list(tmp_path.rglob("evil.jpg"))


def test_an_unknown_class_is_told_before_a_picture_is_fetched(server, cache, tmp_path):
    assert "has no class 'dgo'; did you mean dog?" in refused(tmp_path / "out", cache, Subset(("dgo",)))
    assert server.asked == []


def test_too_small_a_disk_is_told_before_anything_is_fetched(server, cache, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(2e9, 1e9, 1e9))
    assert refused(tmp_path / "new/out", tmp_path / "none") == (
        f"The download needs about 1.1 GB more, but the disk of {tmp_path} has 1.0 GB free: "
        "free some space or choose fewer images."
    )
    assert not (tmp_path / "new").exists()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(2e9, 2e9, 1e6))
    assert "needs about 0.0 GB more" in refused(tmp_path / "out", cache)
    assert server.asked == []


def test_a_disk_that_is_full_midway_is_told_and_space_is_all_it_takes(server, cache, tmp_path, names, monkeypatch):
    monkeypatch.setenv("QUICK_FETCH_FULL", names[3])
    message = f"The disk of {tmp_path / '.out.partial'} is full: free some space, then start the download again"
    assert message in refused(tmp_path / "out", cache)
    monkeypatch.delenv("QUICK_FETCH_FULL")
    run(tmp_path / "out", FEW, cache)
    assert is_complete(tmp_path / "out", FEW)


def test_a_disk_that_is_full_while_the_annotations_come_is_told_at_once(server, tmp_path, monkeypatch):
    monkeypatch.setenv("QUICK_FETCH_FULL", "annotations.zip")
    assert f"The disk of {tmp_path / 'cache'} is full" in refused(tmp_path / "out", tmp_path / "cache")
    assert server.asked.count(ZIP) == 2  # asked how large it is, and fetched


@pytest.mark.parametrize(
    "where", ["core.datasets.coco2017.pictures.os.replace", "core.datasets.coco2017.download.write_split"]
)
def test_a_full_disk_where_files_are_put_in_place_is_told(server, cache, tmp_path, monkeypatch, where):
    def full(*_):
        raise FULL

    with monkeypatch.context() as patch:
        patch.setattr(where, full)
        assert f"The disk of {tmp_path} is full" in refused(tmp_path / "out", cache)
    run(tmp_path / "out", FEW, cache)
    assert is_complete(tmp_path / "out", FEW)
