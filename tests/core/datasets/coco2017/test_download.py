"""The download: whatever breaks, the folder is whole in the end, or not there, and a sentence says why.

FiftyOne itself runs in some of the tests; in the others something that starts at once does its work in the child.
"""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import namedtuple
from pathlib import Path

import psutil
import pytest
from PIL import Image

import core
from core import DataError
from core.datasets.coco2017 import child, pictures, worker
from core.datasets.coco2017.child import Fetcher, Stalled
from core.datasets.coco2017.download import DownloadProgress, download, is_whole, unfinished
from core.datasets.subset import Subset
from core.labels import COCO_TEN
from tests.core.datasets.coco2017.coco_server import ZIP, jpeg, make_coco, serving, zip_of

TEN = Subset(tuple(COCO_TEN), empty_share=0.1)
FEW = Subset(("person", "cat", "dog"), max_train=8, max_val=4, empty_share=0.25, seed=3)
ROOT = Path(core.__file__).resolve().parents[1]
FULL = OSError(errno.ENOSPC, "No space left on device")

SCRIPT = """
import sys
from pathlib import Path
from core.datasets.coco2017 import child
from core.datasets.coco2017.download import download
from tests.core.datasets.coco2017.test_download import TEN
child.MODULE = sys.argv[3]
for progress in download(Path(sys.argv[1]), TEN, Path(sys.argv[2])):
    print(progress.stage, progress.done, flush=True)
"""


@pytest.fixture(scope="module")
def coco(tmp_path_factory):
    return make_coco(tmp_path_factory.mktemp("coco") / "coco", train=30, val=12)


@pytest.fixture(scope="module")
def photographs(coco):
    """Real ones where there are any."""
    return Path(os.environ.get("DETR_LAB_COCO") or coco)


@pytest.fixture(scope="module")
def _server(coco):
    with serving(coco) as server:
        yield server


@pytest.fixture
def server(_server, monkeypatch):
    """COCO's server with the drawn data set, as the children of this test see it; the quick child, short pauses."""
    for name, value in _server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(child, "MODULE", "tests.core.datasets.coco2017.quick_fetch")
    monkeypatch.setattr(pictures, "PAUSES", (0.05, 0.05))
    monkeypatch.setattr("core.datasets.coco2017.download.PAUSES", (0.05, 0.05))
    _server.heal()
    _server.asked.clear()
    yield _server
    _server.heal()
    assert children() == [], "a child was left"


@pytest.fixture
def cache(coco, tmp_path):
    """The annotation files as a former download has left them."""
    shutil.copytree(coco / "annotations", tmp_path / "cache" / "annotations")
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def names(coco, tmp_path_factory):
    """The paths of the pictures of FEW, as the server and the subset have them, in the order they are asked for."""
    from core.datasets.subset import choose_images

    return [
        f"{split}2017/{picture.file_name}"
        for split in ("train", "val")
        for picture in choose_images(coco / "annotations" / f"instances_{split}2017.json", FEW, split)
    ]


def children():
    return [child.pid for child in psutil.Process().children(recursive=True) if "fetch" in " ".join(child.cmdline())]


def files(folder):
    """Every file's bytes by its name inside the folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def run(out, subset=FEW, cache=None):
    """Downloads to the end; the progress it told."""
    return list(download(out, subset, cache))


def load(folder, split):
    return json.loads((folder / "annotations" / f"instances_{split}2017.json").read_text())


def refused(out, cache, subset=FEW) -> str:
    """What is said when it fails; nothing lies under its name then, and what lies beside it is whole or not there."""
    with pytest.raises(DataError) as caught:
        run(out, subset, cache)
    assert not out.exists()
    sentence = str(caught.value)
    assert sentence.endswith((".", "?"))
    for path in sorted(out.parent.glob(f".{out.name}.partial/*2017/*")):
        with Image.open(path) as picture:
            picture.load()
    return sentence


# With FiftyOne itself.


def test_killed_midway_and_gone_on_with_it_is_the_same_as_in_one_go(photographs, tmp_path, monkeypatch):
    with serving(photographs) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        server.seconds = 0.1
        out, cache = tmp_path / "two/go", tmp_path / "cache"
        killed(out, cache, "core.datasets.coco2017.worker", "images", 10)
        there = files(tmp_path / "two/.go.partial")
        server.seconds = 0
        seen = run(out, TEN, cache)
        one_go = run(tmp_path / "one/go", TEN)
    assert files(out) == files(tmp_path / "one/go")
    assert seen[-1] == one_go[-1]
    assert seen[-1].stage == "done"
    assert len([name for name in there if name.endswith(".jpg")]) >= 10
    assert max(p.done for p in seen if p.stage == "checking") >= 10, "the pictures that were there are fetched again"
    assert [path.name for path in (tmp_path / "two").iterdir()] == ["go"]
    assert sorted(files(cache)) == [f"annotations/instances_{s}2017.json" for s in ("train", "val")]
    judged(photographs, out)


def killed(out, cache, module, stage, done):
    """Downloads in a process of its own, which is killed when it is as far as that; its child ends with it."""
    command = [sys.executable, "-c", SCRIPT, str(out), str(cache), module]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        for line in process.stdout:
            if line.split()[0] == stage and int(line.split()[1]) >= done:
                family = psutil.Process(process.pid).children(recursive=True)
                process.send_signal(signal.SIGKILL)
                break
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive, "the child outlived its parent"
    assert not out.exists()


def judged(source, out):
    """The folder has the pictures of the source unchanged and all annotations of the classes, crowds too."""
    wanted = set(COCO_TEN.values())
    for split in ("train", "val"):
        data, found = load(source, split), load(out, split)
        ids = {image["id"] for image in found["images"]}
        assert found["annotations"] == [
            a for a in data["annotations"] if a["category_id"] in wanted and a["image_id"] in ids
        ]
        assert {a["image_id"] for a in data["annotations"] if a["category_id"] in wanted} <= ids
        assert any(a["iscrowd"] for a in found["annotations"])
        assert {c["id"] for c in found["categories"]} == wanted
        assert found["info"]["subset"] == TEN.to_dict()
        there = {path.name: path.read_bytes() for path in (out / f"{split}2017").iterdir()}
        assert there == {
            i["file_name"]: (source / f"{split}2017" / i["file_name"]).read_bytes() for i in found["images"]
        }


def test_each_way_to_fail_has_its_reason_and_holds_up_nothing_else(coco, server, tmp_path, monkeypatch):
    monkeypatch.setattr(child, "MODULE", "core.datasets.coco2017.worker")
    pictures = [{k: i[k] for k in ("id", "file_name", "width", "height")} for i in load(coco, "train")["images"]]
    ways = ["404", "503", "garbage", "text", "empty", "half", "cut", "other size"]
    for how, picture in zip(ways, pictures, strict=False):
        server.fail(f"train2017/{picture['file_name']}", how)
    with Fetcher() as fetching:

        def ask(**request):
            return [answer for answer in fetching.ask({"folder": str(tmp_path), **request}, tmp_path) if answer]

        *answers, end = ask(do="pictures", split="train", pictures=pictures)
        assert end == {"done": True, "reason": None}
        reasons = {answer["id"]: answer["reason"] for answer in answers}
        assert len(answers) == len(reasons) == len(pictures)
        assert [reasons[picture["id"]] for picture in pictures] == [
            "HTTP 404", "HTTP 503", "not a picture", "not a picture", "an empty file", "cut off", "cut off",
            "other size: 50 × 20", *[None] * (len(pictures) - len(ways)),
        ]  # fmt: skip
        for answer in answers:
            path = Path(answer["file"])
            assert path.exists() == (answer["reason"] is None)
            if path.exists():
                assert path.read_bytes() == (coco / "train2017" / path.name).read_bytes()
                assert answer["bytes"] == path.stat().st_size
        for how, reason in [
            ("404", "HTTP 404"), ("503", "HTTP 503"), ("garbage", "not a zip file"), ("text", "not a zip file"),
            ("empty", "not a zip file"), ("half", "not a zip file"), ("cut", "cut off"),
        ]:  # fmt: skip
            server.fail(ZIP, how)
            assert ask(do="annotations")[-1]["reason"] == reason, how


# With what starts at once.


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
    assert {name: subset.to_dict() for name, subset in unfinished(tmp_path).items()} == {"out": FEW.to_dict()}
    run(tmp_path / "out", unfinished(tmp_path)["out"], cache)
    assert unfinished(tmp_path) == {}
    assert is_whole(tmp_path / "out", FEW)


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


@pytest.mark.parametrize("what", ["file", "folder", "other subset", "picture missing", "picture empty", "link"])
def test_a_folder_with_something_else_is_not_touched(server, cache, tmp_path, what):
    out = tmp_path / "data" / "out"
    out.parent.mkdir()
    if what == "file":
        out.write_text("mine")
    elif what == "folder":
        out.mkdir()
        (out / "mine.txt").write_text("mine")
    elif what == "link":
        out.symlink_to(tmp_path)
    else:
        run(out, Subset(("cat",)) if what == "other subset" else FEW, cache)
        picture = next((out / "train2017").iterdir())
        if what == "picture missing":
            picture.unlink()
        elif what == "picture empty":
            picture.write_bytes(b"")
    assert not is_whole(out, FEW)
    before = files(tmp_path)
    with pytest.raises(DataError, match="out holds something else .* choose another folder"):
        download(out, FEW, cache)
    assert files(tmp_path) == before


def test_an_empty_folder_may_be_filled(server, cache, tmp_path):
    (tmp_path / "out").mkdir()
    run(tmp_path / "out", FEW, cache)
    assert is_whole(tmp_path / "out", FEW)


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


def test_a_picture_without_an_answer_is_given_up_after_a_while_and_tried_again(
    server, cache, tmp_path, names, monkeypatch
):
    monkeypatch.setattr(child, "STALL_SECONDS", 2)
    server.fail(names[0], "hang", times=2)
    server.fail(names[1], "503", times=2)
    run(tmp_path / "out", FEW, cache)
    assert is_whole(tmp_path / "out", FEW)
    assert max(server.asked.count(name) for name in names[2:]) <= 2, "those that had come were fetched again"


def test_a_server_that_never_answers_is_told(server, cache, tmp_path, names, monkeypatch):
    monkeypatch.setattr(child, "STALL_SECONDS", 1)
    for name in names:
        server.fail(name, "hang")
    assert "12 of 12 pictures could not be fetched" in (said := refused(tmp_path / "out", cache))
    assert "(no answer)" in said


def test_a_child_that_dies_is_started_again_and_in_the_end_told(server, cache, tmp_path, names, monkeypatch):
    monkeypatch.setenv("QUICK_FETCH_DEATH", names[0])
    said = refused(tmp_path / "out", cache)
    assert f"among them {names[0]} (the fetching process ended: something broke)" in said


def test_without_a_network_it_is_said_at_once(server, cache, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert refused(tmp_path / "out", tmp_path / "none") == (
        "COCO's annotations cannot be fetched: COCO's server cannot be reached; check the network, "
        "then start the download again, and it goes on where it stopped."
    )
    assert "The pictures cannot be fetched: COCO's server cannot be reached" in refused(tmp_path / "out", cache)


@pytest.mark.parametrize(
    ("how", "reason"),
    [("503", "HTTP 503"), ("half", "not a zip file"), ("cut", "cut off"), ("hang", "no answer")],
)
def test_annotations_that_do_not_come_are_told_and_leave_nothing(server, tmp_path, how, reason, monkeypatch):
    monkeypatch.setattr(child, "STALL_SECONDS", 1)
    monkeypatch.setattr(child, "START_SECONDS", 1)
    server.fail(ZIP, how)
    said = refused(tmp_path / "out", tmp_path / "cache")
    assert said.startswith(f"COCO's annotations cannot be fetched ({reason}):")
    assert not list((tmp_path / "cache").glob("annotations/*"))
    server.heal()
    run(tmp_path / "out", FEW, tmp_path / "cache")
    assert is_whole(tmp_path / "out", FEW)


@pytest.mark.parametrize("text", [b"", b"{}", b"[1]", b'{"images": [', b"no JSON"])
def test_annotations_of_another_kind_are_never_kept(server, coco, tmp_path, monkeypatch, text):
    whole = {path.name: path.read_bytes() for path in (coco / "annotations").iterdir()}
    monkeypatch.setattr(server, "zip", zip_of({**whole, "instances_train2017.json": text}))
    said = refused(tmp_path / "out", tmp_path / "cache")
    assert "instances_train2017.json in it is damaged" in said
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
    said = f"The disk of {tmp_path / '.out.partial'} is full: free some space, then start the download again"
    assert said in refused(tmp_path / "out", cache)
    monkeypatch.delenv("QUICK_FETCH_FULL")
    run(tmp_path / "out", FEW, cache)
    assert is_whole(tmp_path / "out", FEW)


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
    assert is_whole(tmp_path / "out", FEW)


def test_two_downloads_into_one_folder_are_kept_apart(server, cache, tmp_path):
    first = download(tmp_path / "out", FEW, cache)
    next(first)
    with pytest.raises(DataError, match="Another download works in .*out.partial"):
        run(tmp_path / "out", FEW, cache)
    for _ in first:
        pass
    assert is_whole(tmp_path / "out", FEW)


def test_two_downloads_fetch_the_annotations_once(server, tmp_path):
    first = download(tmp_path / "one", FEW, tmp_path / "cache")
    next(first)
    with pytest.raises(DataError, match="Another download works in .*cache: wait until it has ended"):
        run(tmp_path / "two", FEW, tmp_path / "cache")
    first.close()
    run(tmp_path / "two", FEW, tmp_path / "cache")
    assert is_whole(tmp_path / "two", FEW)


def test_a_download_that_another_thread_stops_lets_the_next_one_in_and_leaves_no_lock(server, cache, tmp_path):
    first = download(tmp_path / "out", FEW, cache)
    next(first)
    stopping = threading.Thread(target=first.close)
    stopping.start()
    stopping.join()
    run(tmp_path / "out", FEW, cache)
    assert is_whole(tmp_path / "out", FEW) and not list(tmp_path.rglob("*.lock"))


# The child by itself.


@pytest.mark.parametrize(
    ("error", "reason"),
    [(FULL, "disk full"), (ImportError("no module"), "FiftyOne cannot be imported: no module"),
     (RuntimeError("strange"), "RuntimeError: strange"), (KeyError("x"), "not what COCO has there")],
)  # fmt: skip
def test_errors_without_a_server_have_a_reason_too(error, reason):
    assert worker.reason_of(error, "") == reason


def test_a_full_disk_is_known_also_as_the_cause_of_another_error():
    error = RuntimeError("x")
    error.__cause__ = FULL
    assert worker.reason_of(error, "") == "disk full"


def test_a_bomb_is_not_opened(tmp_path):
    Image.new("L", (20_000, 20_000)).save(tmp_path / "bomb.jpg")
    assert worker.check_picture(tmp_path / "bomb.jpg", 640, 480)[1].startswith("other size")
    assert not (tmp_path / "bomb.jpg").exists()


def test_the_child_ends_with_its_input_and_prints_nothing_of_others(tmp_path):
    command = [sys.executable, "-m", "tests.core.datasets.coco2017.quick_fetch"]
    done = subprocess.run(command, input="", capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_child_that_cannot_start_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(child, "MODULE", "core.no_such_file")
    with Fetcher() as fetching, pytest.raises(Stalled, match="ended: .*No module named core.no_such_file"):
        list(fetching.ask({"do": "check", "folder": str(tmp_path), "pictures": []}, tmp_path))


def test_a_closed_fetcher_has_no_child(tmp_path):
    with Fetcher() as fetching:
        asking = fetching.ask({"do": "check", "folder": str(tmp_path), "pictures": []}, tmp_path)
        next(asking)
        child = psutil.Process(fetching.pid)
        asking.close()
    started = time.monotonic()
    while child.is_running() and time.monotonic() - started < 10:
        time.sleep(0.05)
    assert not child.is_running()
