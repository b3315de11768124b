"""The download: stopped, killed or broken off, the folder is whole in the end, or not there.

FiftyOne itself runs in the first test; in the others something that starts at once does its work in the child.
"""

import threading
from pathlib import Path

import pytest

from core import DataError
from core.datasets.coco2017 import child
from core.datasets.coco2017.download import DownloadProgress, download, is_complete, unfinished_downloads
from core.datasets.subset import Subset
from core.labels import COCO_TEN
from tests.core.datasets.coco2017.coco_server import ZIP, jpeg, serving
from tests.core.datasets.coco2017.downloads import FEW, TEN, children, files, killed, load, run


@pytest.mark.ci
def test_killed_midway_and_gone_on_with_it_is_the_same_as_in_one_go(photographs, tmp_path, monkeypatch):
    with serving(photographs) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        server.seconds = 0.1
        out, cache = tmp_path / "two/go", tmp_path / "cache"
        killed(out, cache, "core.datasets.coco2017.worker", "images", 10)
        kept = files(tmp_path / "two/.go.partial")
        server.seconds = 0
        seen = run(out, TEN, cache)
        monkeypatch.setattr(child, "MODULE", "tests.core.datasets.coco2017.quick_fetch")
        one_go = run(tmp_path / "one/go", TEN)  # by what is not FiftyOne
    assert files(out) == files(tmp_path / "one/go")
    assert seen[-1] == one_go[-1]
    assert seen[-1].stage == "done"
    assert len([name for name in kept if name.endswith(".jpg")]) >= 10
    assert max(p.done for p in seen if p.stage == "checking") >= 10, "the pictures that were there are fetched again"
    assert [path.name for path in (tmp_path / "two").iterdir()] == ["go"]
    assert sorted(files(cache)) == [f"annotations/instances_{s}2017.json" for s in ("train", "val")]
    judged(photographs, out)


def judged(source, out):
    """The folder has the pictures of the source unchanged and all annotations of the classes, crowds too."""
    wanted = set(COCO_TEN.values())
    for split in ("train", "val"):
        data, written = load(source, split), load(out, split)
        ids = {image["id"] for image in written["images"]}
        assert written["annotations"] == [
            a for a in data["annotations"] if a["category_id"] in wanted and a["image_id"] in ids
        ]
        assert {a["image_id"] for a in data["annotations"] if a["category_id"] in wanted} <= ids
        assert any(a["iscrowd"] for a in written["annotations"])
        assert {c["id"] for c in written["categories"]} == wanted
        assert written["info"]["subset"] == TEN.to_dict()
        contents = {path.name: path.read_bytes() for path in (out / f"{split}2017").iterdir()}
        assert contents == {
            i["file_name"]: (source / f"{split}2017" / i["file_name"]).read_bytes() for i in written["images"]
        }


def test_progress_tells_of_annotations_and_of_every_picture(server, tmp_path):
    seen = run(tmp_path / "out")
    stages = list(dict.fromkeys(p.stage for p in seen))
    assert stages == ["annotations", "choosing", "images", "done"]
    assert {p.bytes_total for p in seen if p.stage == "annotations"} >= {len(server.zip)}
    images = [p for p in seen if p.stage == "images"]
    assert {p.done for p in images} >= set(range(1, 13))
    assert all(p.total == 12 and p.bytes_total is None for p in images)
    assert images[-1].bytes >= sum(len(content) for name, content in files(tmp_path / "out").items() if "jpg" in name)
    assert images[-1].seconds_left == 0
    assert seen[-1] == DownloadProgress("done", 12, 12)
    assert all(p.sentence.endswith(".") and 0 <= p.share <= 1 for p in seen)


@pytest.mark.ci
def test_stopped_after_any_step_and_gone_on_with_it_is_the_same_as_in_one_go(server, tmp_path):
    run(tmp_path / "one/out")
    whole = files(tmp_path / "one/out")
    out, stops = tmp_path / "two/out", 0
    for steps in (1, 3, 6, 9, 14, 20):
        going = download(out, FEW)
        for _ in range(steps):
            if next(going).stage == "done":
                break
        else:
            stops += 1
        going.close()
        assert children() == []
    assert stops >= 3
    if not out.exists():
        run(out)
    assert files(out) == whole
    assert [path.name for path in sorted((tmp_path / "two").iterdir())] == [".coco2017", "out"]


def test_what_was_stopped_is_listed_until_it_is_whole(server, cache, tmp_path):
    going = download(tmp_path / "out", FEW, cache)
    assert next(going).stage == "choosing"
    going.close()
    assert {name: subset.to_dict() for name, subset in unfinished_downloads(tmp_path).items()} == {"out": FEW.to_dict()}
    run(tmp_path / "out", unfinished_downloads(tmp_path)["out"], cache)
    assert unfinished_downloads(tmp_path) == {}
    assert is_complete(tmp_path / "out", FEW)


@pytest.mark.ci
def test_killed_again_and_again_it_still_ends_as_in_one_go(server, tmp_path):
    run(tmp_path / "one", TEN)
    server.seconds = 0.02
    for stage, done in (("annotations", 0), ("images", 3), ("checking", 1)):
        killed(tmp_path / "two", tmp_path / "cache", "tests.core.datasets.coco2017.quick_fetch", stage, done)
    server.seconds = 0
    run(tmp_path / "two", TEN, tmp_path / "cache")
    assert files(tmp_path / "two") == files(tmp_path / "one")
    assert sorted(files(tmp_path / "cache")) == sorted(files(tmp_path / ".coco2017"))


def test_the_annotations_are_fetched_once_for_all_subsets(server, tmp_path):
    run(tmp_path / "one")
    run(tmp_path / "two", Subset(("chair",), 3, 2))
    assert server.asked.count(ZIP) <= 2  # asked how large it is, and fetched
    assert load(tmp_path / "two", "train")["info"]["subset"]["classes"] == ["chair"]


def test_the_same_settings_give_the_same_bytes_and_others_other_images(server, cache, tmp_path):
    for name, seed in (("one", 3), ("two", 3), ("other", 4)):
        run(tmp_path / name, Subset(FEW.classes, 8, 4, 0.25, seed), cache)
    one, two, other = (files(tmp_path / name) for name in ("one", "two", "other"))
    assert one == two
    assert one.keys() != other.keys()


def test_what_is_there_already_is_kept_without_asking_anyone(server, cache, tmp_path):
    out = tmp_path / "out"
    run(out, FEW, cache)
    before = files(out)
    server.asked.clear()
    assert run(out, FEW, cache) == [DownloadProgress("done", 12, 12)]
    assert (server.asked, files(out)) == ([], before)


def test_other_pictures_in_the_partial_folder_do_not_get_into_the_subset(server, cache, tmp_path, names):
    run(tmp_path / "one", FEW, cache)
    partial = tmp_path / ".two.partial"
    place = partial / "train2017"
    (place / "folder").mkdir(parents=True)
    (partial / ".work/9/raw").mkdir(parents=True)
    (place / "000000999999.jpg").write_bytes(jpeg(1, 40, 30))
    (partial / "annotations").mkdir()
    (partial / "annotations/instances_train2017.json").write_text("{")
    (partial / "notes.txt").write_text("x")
    first, second, third, fourth = (Path(name).name for name in names[:4])
    whole = (tmp_path / "one/train2017" / first).read_bytes()
    (place / first).write_bytes(whole)
    (place / second).write_bytes(b"")
    (place / third).write_bytes(whole[: len(whole) // 2])
    (place / fourth).write_bytes(jpeg(1, 90, 60))
    run(tmp_path / "two", FEW, cache)
    assert files(tmp_path / "two") == files(tmp_path / "one")
    assert f"train2017/{first}" not in server.asked[-12:], "a whole picture was fetched again"


@pytest.mark.parametrize("content", ["file", "folder", "other subset", "picture missing", "picture empty", "link"])
def test_a_folder_with_something_else_is_not_touched(server, cache, tmp_path, content):
    out = tmp_path / "data" / "out"
    out.parent.mkdir()
    if content == "file":
        out.write_text("mine")
    elif content == "folder":
        out.mkdir()
        (out / "mine.txt").write_text("mine")
    elif content == "link":
        out.symlink_to(tmp_path)
    else:
        run(out, Subset(("cat",)) if content == "other subset" else FEW, cache)
        picture = next((out / "train2017").iterdir())
        if content == "picture missing":
            picture.unlink()
        elif content == "picture empty":
            picture.write_bytes(b"")
    assert not is_complete(out, FEW)
    before = files(tmp_path)
    with pytest.raises(DataError, match=r"out holds something else .* choose another folder"):
        download(out, FEW, cache)
    assert files(tmp_path) == before


def test_an_empty_folder_may_be_filled(server, cache, tmp_path):
    (tmp_path / "out").mkdir()
    run(tmp_path / "out", FEW, cache)
    assert is_complete(tmp_path / "out", FEW)


def test_two_downloads_into_one_folder_are_kept_apart(server, cache, tmp_path):
    first = download(tmp_path / "out", FEW, cache)
    next(first)
    with pytest.raises(DataError, match=r"Another download works in .*out.partial"):
        run(tmp_path / "out", FEW, cache)
    for _ in first:
        pass
    assert is_complete(tmp_path / "out", FEW)


def test_two_downloads_fetch_the_annotations_once(server, tmp_path):
    first = download(tmp_path / "one", FEW, tmp_path / "cache")
    next(first)
    with pytest.raises(DataError, match=r"Another download works in .*cache: wait until it has ended"):
        run(tmp_path / "two", FEW, tmp_path / "cache")
    first.close()
    run(tmp_path / "two", FEW, tmp_path / "cache")
    assert is_complete(tmp_path / "two", FEW)


def test_a_download_that_another_thread_stops_lets_the_next_one_in_and_leaves_no_lock(server, cache, tmp_path):
    first = download(tmp_path / "out", FEW, cache)
    next(first)
    stopping = threading.Thread(target=first.close)
    stopping.start()
    stopping.join()
    run(tmp_path / "out", FEW, cache)
    assert is_complete(tmp_path / "out", FEW) and not list(tmp_path.rglob("*.lock"))
