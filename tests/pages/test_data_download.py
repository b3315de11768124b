"""The COCO subset on the page Data: the form, what it refuses, and a download from the first click to the end."""

import shutil

import pytest

from core.datasets.coco2017 import child, pictures
from core.datasets.coco2017 import download as download_room
from core.datasets.split import read_split
from core.labels import COCO_TEN
from tests.core.datasets.coco2017.coco_server import ZIP, make_coco, serving
from tests.own_folders import mine, write_json
from tests.pages.data_page import (  # noqa: F401 (one is a fixture)
    SPLITS,
    a_desk_of_its_own,
    cards,
    checked,
    deadline,
    one_error,
    open_page,
    settled,
)
from ui.choose import data_source
from ui.data import download
from ui.server.background import background_tasks

# The subset of COCO


def coco(store, name="coco10", **how):
    return mine(store.data_dir / name, "coco 2017", **how)


def test_without_a_subset_of_coco_there_is_the_form(store):
    app = open_page(data_source=data_source.COCO)
    assert app.multiselect(key=download.CLASSES).value == list(COCO_TEN)
    assert len(app.multiselect(key=download.CLASSES).options) == 80
    assert app.button(key="download") and not app.error and not cards(app)
    assert any("Up to 5,000 pictures, about 0.8 GB" in c.value for c in app.caption)


def test_a_subset_that_was_downloaded_is_shown_and_another_can_be_made(store):
    coco(store)
    coco(store, "more", train=12)
    app = open_page(data_source=data_source.COCO)
    assert app.selectbox(key=data_source.SUBSET).options == ["coco10", "more", data_source.NEW]
    assert cards(app)["train"][0] == 9
    assert cards(checked(app.selectbox(key=data_source.SUBSET).set_value("more").run()))["train"][0] == 12
    app = checked(app.selectbox(key=data_source.SUBSET).set_value(data_source.NEW).run())
    assert app.button(key="download") and not cards(app)


def test_a_subset_that_was_deleted_meanwhile_gives_way_to_the_form(store):
    folder = coco(store)
    app = open_page(data_source=data_source.COCO)
    assert cards(app)
    shutil.rmtree(folder)
    app = checked(app.run())
    assert app.button(key="download") and not cards(app)


@pytest.mark.parametrize(
    "name", ["", " ", "..", "../x", "a/b", "a\\b", ".hidden", "-x", "x" * 200, "a\nb", "a b", "<b>"]
)
def test_a_name_that_is_no_folders_is_refused_before_anything_happens(store, name):
    app = open_page(data_source=data_source.COCO, coco_name=name)
    assert "is no folder's" in one_error(app)
    assert not [b for b in app.button if b.key == "download"] and not background_tasks()._all


@pytest.mark.parametrize("key, value, says", [
    (download.CLASSES, [], "No class is chosen"),
    (download.TRAIN, -1, "-1"),
    (download.VAL, -500, "-500"),
    (download.SEED, -3, "-3"),
    (download.TRAIN, 10**12, "1000000000000"),
])  # fmt: skip
def test_numbers_out_of_range_and_no_class_are_refused_with_a_sentence(store, key, value, says):
    app = open_page(data_source=data_source.COCO, **{key: value})
    assert says in one_error(app)
    assert not [b for b in app.button if b.key == "download"] and not background_tasks()._all


def test_a_name_that_is_taken_is_refused_and_what_is_there_stays(store):
    before = sorted((store.data_dir / "street").rglob("*"))
    app = open_page(data_source=data_source.COCO, coco_name="street")
    app = settled(app.button(key="download").click().run())
    assert "street holds something else" in one_error(app)
    assert sorted((store.data_dir / "street").rglob("*")) == before


def test_a_download_begins_with_what_the_form_says_and_its_result_is_shown_once(store, monkeypatch):
    asked = []

    def fetched(out, subset):
        asked.append((out, subset))
        yield None
        coco(store, out.name)

    monkeypatch.setattr(download, "download", fetched)
    app = open_page(data_source=data_source.COCO, coco_name="new", coco_train=7, coco_val=3, coco_empty=20)
    app = settled(app.button(key="download").click().run())
    ((out, subset),) = asked
    assert out == store.data_dir / "new"
    assert subset.to_dict() == {
        "classes": sorted(COCO_TEN), "max_train": 7, "max_val": 3, "empty_share": 0.2, "seed": 0
    }  # fmt: skip
    assert cards(app)["train"][0] == 9 and app.session_state[data_source.SUBSET] == "new"
    app.session_state[data_source.SOURCE] = data_source.BUILT_IN
    assert cards(checked(app.run()))["val"][0] == 30, "shown again although something else was chosen"


def test_a_download_that_fails_says_why_and_can_be_gone_on_with(store, monkeypatch):
    def fails(out, subset):
        yield None
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(download, "download", fails)
    partial = store.data_dir / ".new_one.partial"
    partial.mkdir()
    settings = {"classes": ["car"], "max_train": 2, "max_val": 0, "empty_share": 0.0, "seed": 0}
    write_json(partial / "subset.json", settings)
    app = open_page(data_source=data_source.COCO, coco_name="new_one")
    app = settled(app.button(key="continue new_one").click().run())
    assert "failed" in one_error(app) and "Input/output error" in one_error(app)
    assert app.button(key="continue new_one") and app.button(key="download")
    assert any("2 + all images of 1 class" in c.value for c in app.caption)


@pytest.fixture
def server_of_coco(tmp_path, monkeypatch):
    """COCO's server on this machine, and a downloader that starts at once."""
    monkeypatch.setattr(child, "MODULE", "tests.core.datasets.coco2017.quick_fetch")
    with serving(make_coco(tmp_path / "coco")) as served:
        for name, value in served.environment.items():
            monkeypatch.setenv(name, value)
        yield served


def test_a_download_is_watched_stopped_gone_on_with_and_shown(store, server_of_coco):
    """The whole way: the form, the annotations, the pictures, Stop in the middle, Continue, the subset on the page."""
    for path in sorted((server_of_coco.folder / "train2017").iterdir())[8:]:
        server_of_coco.fail(f"train2017/{path.name}", "hang")
    classes = ["person", "bicycle", "car", "bus", "truck", "cat", "dog"]
    form_says = {"coco_classes": classes, "coco_train": 0, "coco_val": 4, "coco_name": "seven"}
    app = open_page(data_source=data_source.COCO, **form_says)
    app = checked(app.button(key="download").click().run())
    deadline(
        lambda: (
            background_tasks().find("download").latest and background_tasks().find("download").latest.stage == "images"
        )
    )
    deadline(lambda: len(server_of_coco.asked) > 6)
    app = checked(app.run())
    assert "Pictures: " in app.get("progress")[0].proto.text and not [b for b in app.button if b.key == "download"]
    app.button(key="stop download").click().run()
    app = settled(app)
    assert "was stopped" in app.info[0].value and not app.error and not app.get("progress")
    assert not (store.data_dir / "seven").exists()
    before = server_of_coco.asked.count(ZIP)
    server_of_coco.heal()
    app = settled(app.button(key="continue seven").click().run())
    assert not app.error and app.session_state[data_source.SUBSET] == "seven"
    found = {name: read_split(store.data_dir / "seven", name) for name in SPLITS}
    assert {name: len(split.images) for name, split in found.items()} == {n: one[0] for n, one in cards(app).items()}
    for split in found.values():
        for image in split.images:
            original = server_of_coco.folder / split.image_path(image).relative_to(store.data_dir / "seven")
            assert split.image_path(image).read_bytes() == original.read_bytes()
    assert cards(app)["val"][0] == 4 and cards(app)["train"][0] > 8
    assert app.multiselect(key="data classes").options == classes
    assert server_of_coco.asked.count(ZIP) == before, "the annotations came again"


@pytest.mark.parametrize("how, says", [("404", "404"), ("503", "503"), ("garbage", ""), ("empty", ""), ("half", "")])
def test_a_server_that_fails_gives_one_sentence_and_the_way_to_go_on(store, server_of_coco, monkeypatch, how, says):
    monkeypatch.setattr(pictures, "PAUSES", ())
    monkeypatch.setattr(download_room, "PAUSES", ())
    server_of_coco.fail(ZIP, how)
    app = open_page(data_source=data_source.COCO, coco_classes=["person"], coco_train=2, coco_val=2, coco_name="one")
    app = settled(app.button(key="download").click().run())
    assert says in one_error(app)
    assert app.button(key="download") and app.button(key="continue one") and not cards(app)


def test_what_was_left_of_a_download_can_be_deleted_and_nothing_else(store):
    partial = store.data_dir / ".old.partial"
    partial.mkdir()
    settings = {"classes": ["car"], "max_train": 3, "max_val": 2, "empty_share": 0.0, "seed": 0}
    write_json(partial / "subset.json", settings)
    before = sorted(path for path in store.data_dir.iterdir() if path != partial)
    app = open_page(data_source=data_source.COCO)
    app = checked(app.button(key="delete old").click().run())
    assert not [b for b in app.button if b.key == "continue old"]
    assert sorted(store.data_dir.iterdir()) == before


def test_how_the_last_download_ended_can_be_dismissed(store):
    def fails():
        yield None
        raise OSError("it broke")

    background_tasks().start(download.TASK, fails, "The download failed").join(20)
    app = open_page(data_source=data_source.COCO)
    assert "it broke" in one_error(app)
    assert not checked(app.button(key="dismiss").click().run()).error
