"""The page Data: every source, every number against plain counting, every bad input a sentence."""

import json
import os
import shutil
import threading
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
import streamlit as st
from PIL import Image
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from core import download as download_room
from core import fetcher, transfer
from core.check import check
from core.coco import read_split
from core.convert import home
from core.labels import COCO_TEN
from core.layouts import list_datasets
from tests.core.coco_server import ZIP, make_coco, serving
from tests.core.convert.folders import voc, yolo
from tests.own_folders import LAYOUTS, add, labels, mine, spotless, write, write_json, write_single
from ui import chart as chart_room
from ui import data_source, download, form, problems, server
from ui.work import desk

ROOT = Path(__file__).parents[2]
SHELL = str(ROOT / "ui/shell.py")
PAGE = "../pages/data.py"
SPLITS = {"train": "Training", "val": "Validation"}
PATIENCE = 20


@pytest.fixture(autouse=True)
def no_search_for_components(monkeypatch):
    """Streamlit looks through every installed package for components at each new AppTest: half a second."""
    monkeypatch.setattr(manifest_scanner, "scan_component_manifests", list)


@pytest.fixture(autouse=True)
def a_desk_of_its_own():
    desk.clear()
    yield
    desk().stop_all(PATIENCE)
    desk.clear()


def open_page(folder=None, **state) -> AppTest:
    """The page, with a folder of one's own typed in; `state` goes into the session before, as `data_view="Images"`."""
    app = AppTest.from_file(SHELL, default_timeout=60)
    app.switch_page(PAGE)
    if folder is not None:
        choose(app, folder)
    for key, value in state.items():
        app.session_state[key.replace("_", " ")] = value
    return checked(app.run())


def choose(app, folder) -> AppTest:
    app.session_state[data_source.SOURCE] = data_source.OWN
    app.session_state[data_source.TYPED] = str(folder)
    return app


def turn_to(app, folder) -> AppTest:
    """The same page with this folder. AppTest sends no option that the select box has not had: it is left before."""
    app.session_state[data_source.SOURCE] = data_source.BUILT_IN
    return checked(choose(checked(app.run()), folder).run())


def checked(app):
    assert not app.exception, app.exception
    return app


def settled(app):
    """The page once nothing is at work any more."""
    for work in list(desk()._all.values()):
        work.join(PATIENCE)
        assert not work.is_running
    return checked(app.run())


def components(app) -> list[dict]:
    return [json.loads(one.proto.json) for one in app.get("bidi_component")]


def charts(app) -> dict[str, dict]:
    found = [json.loads(data["chart"]) for data in components(app) if "chart" in data]
    return {one["key"]: one for one in found}


def gallery(app) -> dict | None:
    """What the gallery in sight shows; None without one."""
    return next((data for data in components(app) if data.get("plain")), None)


def shown_ids(app) -> list[tuple[str, int]]:
    """The images of the page of the gallery, as (split, id)."""
    return [(image["source"].split("/")[-2], image["id"]) for image in gallery(app)["images"]]


def is_open(app) -> str:
    return app.session_state["data view"]


def cards(app) -> dict[str, tuple[int, int, int, int]]:
    """By split: images, objects, images with an object and without."""
    found = {}
    for name, title in SPLITS.items():
        head = [m.value for m in app.markdown if m.value.startswith(f"**{title}**")]
        if head:
            place = [m.value for m in app.markdown if m.value.startswith("**")].index(head[0])
            below = [c.value for c in app.caption if "with objects of the classes" in c.value][place]
            numbers = [*head[0].split("·")[1:], *below.split(",  ")[0].split(" without")[0].split(" classes, ")]
            found[name] = tuple(int(part.split()[0].replace(",", "")) for part in numbers)
    return found


def count(data: dict, classes=None) -> tuple[int, int, int, int]:
    """The same by plain counting in a COCO dict."""
    names = {c["id"]: c["name"] for c in data["categories"]}
    own = [a for a in data["annotations"] if classes is None or names[a["category_id"]] in classes]
    objects = [a for a in own if not a["iscrowd"]]
    filled = {a["image_id"] for a in objects}
    crowded = {a["image_id"] for a in own} - filled
    images = {image["id"] for image in data["images"]}
    return len(images), len(objects), len(filled), len(images - filled - crowded)


def on_disk(folder: Path, layout: str = "coco") -> dict[str, dict]:
    names = {"train": "train", "val": "valid" if layout == "roboflow" else "val"}
    return {name: json.loads((folder / LAYOUTS[layout][0].format(own)).read_text()) for name, own in names.items()}


def one_error(app) -> str:
    """The only error, a sentence, word for word."""
    assert len(app.error) == 1, app.error
    said = app.error[0].value.replace("\\", "")
    assert said.endswith(".") and "\n" not in said
    return said


# Sources


def test_the_built_in_scenes_are_there_at_first(store):
    app = open_page()
    assert cards(app) == {name: count(data) for name, data in on_disk(store.data_dir / "street").items()}
    assert app.session_state[data_source.SOURCE] == data_source.BUILT_IN


def test_the_built_in_scenes_are_drawn_where_there_are_none(store, monkeypatch, drawn):
    shutil.rmtree(store.data_dir / "street")

    def draw(folder):
        yield 0, 1
        shutil.copytree(drawn, folder)

    monkeypatch.setattr(server, "draw_dataset", draw)
    assert cards(open_page())["val"][0] == 30


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_folder_in_each_usual_layout_is_shown(store, tmp_path, layout):
    folder = mine(tmp_path / "mine", layout)
    app = open_page(folder)
    assert cards(app) == {name: count(data) for name, data in on_disk(folder, layout).items()}
    assert not app.error and len(charts(app)) >= 7


def test_one_json_beside_pictures_is_split_so_that_both_parts_have_each_class(store, tmp_path):
    data = labels(1, 40, ("car", "dog", "rare"), objects=2)
    folder = write_single(tmp_path / "mine", data)
    app = open_page(folder)
    found = cards(app)
    assert tuple(map(sum, zip(*found.values(), strict=True))) == count(data)
    assert 0 < found["val"][0] < found["train"][0]
    rows = charts(app)["objects-by-class"]["rows"]
    assert {(row[0], row[1]) for row in rows if row[2]} == {(c, s) for c in ("car", "dog", "rare") for s in SPLITS}
    server._splits.clear()
    assert cards(open_page(folder)) == found, "another split at the next start"


@pytest.mark.parametrize("make", [yolo, voc])
def test_a_yolo_or_voc_folder_is_converted_once_into_the_data_folder(store, tmp_path, monkeypatch, make):
    folder = make(tmp_path / "mine", *(("a", "b", "c") if make is voc else ()))
    before = sorted(path for path in folder.rglob("*"))
    app = open_page(folder)
    target = home(folder, store.data_dir)
    assert sum(images for images, *_ in cards(app).values()) == sum(1 for p in before if p.suffix == ".png")
    assert target in list_datasets(store.data_dir) and sorted(folder.rglob("*")) == before
    monkeypatch.setattr(data_source, "convert", lambda *_: 1 / 0)
    again = settled(open_page(folder))
    assert cards(again) == cards(app) and not again.error
    assert "converted once to COCO" in next(c.value for c in again.caption if "converted" in c.value)


def test_labels_that_have_changed_are_converted_again_when_asked_or_at_the_next_visit(store, tmp_path):
    folder = yolo(tmp_path / "mine")
    app = settled(open_page(folder))
    before = cards(app)["train"][1]
    (folder / "labels/train/train.txt").write_text("0 0.5 0.5 0.2 0.4\n0 0.2 0.2 0.1 0.1\n1 0.8 0.8 0.1 0.1\n")
    assert cards(checked(app.run()))["train"][1] == before == 1
    assert cards(checked(app.button(key="convert again").click().run()))["train"][1] == 3
    (folder / "labels/train/train.txt").write_text("")
    assert cards(open_page(folder))["train"][1] == 0


def test_a_yolo_folder_that_is_broken_gives_a_sentence_and_leaves_nothing(store, tmp_path):
    folder = yolo(tmp_path / "mine", label="0 0.5 0.5 nonsense\n")
    before = sorted(store.data_dir.iterdir())
    app = open_page(folder)
    assert "labels/" in one_error(app) and not cards(app)
    assert sorted(store.data_dir.iterdir()) == before
    assert one_error(checked(app.run()))
    (folder / "labels/train/train.txt").write_text("0 0.5 0.5 0.2 0.4\n")
    (folder / "labels/val/val.txt").write_text("0 0.5 0.5 0.2 0.4\n")
    assert cards(checked(app.run()))["train"][1] == 1, "mended, and still refused"


def a_file(tmp_path):
    path = tmp_path / "a file.txt"
    path.write_text("")
    return path


def nothing_in_it(tmp_path):
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


def truncated(tmp_path):
    folder = mine(tmp_path / "mine")
    path = folder / "annotations/instances_val.json"
    path.write_bytes(path.read_bytes()[:-40])
    return folder


def no_coco(tmp_path):
    folder = mine(tmp_path / "mine")
    write_json(folder / "annotations/instances_train.json", {"images": 3, "annotations": [], "categories": []})
    return folder


def pictures_alone(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.new("RGB", (9, 9)).save(folder / "a.png")
    return folder


def two_files(tmp_path):
    folder = mine(tmp_path / "mine", "coco 2017")
    shutil.copy(folder / "annotations/instances_train2017.json", folder / "annotations/instances_train2014.json")
    return folder


@pytest.mark.parametrize("make, says", [
    (lambda p: p / "not there", "not there"),
    (a_file, "a file.txt"),
    (nothing_in_it, "empty"),
    (truncated, "instances_val.json is not valid JSON"),
    (no_coco, "instances_train.json is not a COCO annotation file"),
    (pictures_alone, "pictures"),
    (two_files, "instances_train2014.json and instances_train2017.json"),
    (lambda _: "~nobody-of-this-name/data", "nobody-of-this-name"),
    (lambda _: "a\0b", "no folder"),
    (lambda _: "x" * 5000, ""),
    (lambda _: "**bold** <b>", "**bold** <b>"),
])  # fmt: skip
def test_what_is_no_data_set_gives_one_sentence(store, tmp_path, make, says):
    app = open_page(make(tmp_path))
    assert says in one_error(app)
    assert not cards(app) and not components(app) and not app.get("traceback")


def test_without_a_folder_the_page_says_what_to_do(store):
    app = open_page(data_source=data_source.OWN)
    assert "Choose a folder" in app.info[0].value and not app.error
    assert "Choose a folder" in open_page("   ").info[0].value


def test_a_path_may_begin_at_home_or_at_the_project_and_have_blanks_around_it(store, tmp_path, monkeypatch):
    folder = mine(tmp_path / "mine")
    expected = cards(open_page(folder))
    assert cards(open_page(f"  {folder}\n")) == expected
    assert cards(open_page(os.path.relpath(folder, ROOT))) == expected
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cards(open_page("~/mine")) == expected


def test_the_data_sets_under_data_are_offered_but_the_built_in_one(store):
    mine(store.data_dir / "first")
    mine(store.data_dir / "second", "roboflow")
    app = open_page(data_source=data_source.OWN)
    assert app.selectbox(key=data_source.TYPED).options == ["first", "second"]


def test_a_folder_with_only_training_images_is_shown_after_another_split_was_chosen(store, tmp_path):
    both = mine(tmp_path / "both")
    train = write(tmp_path / "train only", {"train": labels(1, 9)})
    app = open_page(both, data_view="Images", samples_split="val")
    assert {split for split, _ in shown_ids(app)} == {"val"}
    app = turn_to(app, train)
    assert set(cards(app)) == {"train"} and len(shown_ids(app)) > 0


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "**bold** `code` $x$", ":red[x] [a](http://b)", "a\nb"])
def test_names_from_files_never_become_markup(store, tmp_path, name):
    odd = name.replace("/", "")
    train, val = labels(1, 9, (name, "dog")), labels(101, 5, (name, "dog"))
    for image in train["images"][:3]:
        image["file_name"] = f"{odd} {image['id']}.png"
    train["images"][4]["file_name"] = f"{odd} is missing.png"
    add(train, 1, 1, (3, 3, 1, 1))
    folder = write(tmp_path / f"of {odd}", {"train": train, "val": val})
    (folder / "train" / train["images"][4]["file_name"]).unlink()
    app = settled(open_page(folder))
    for view in ("Contents", "Images", "Problems"):
        app.session_state["data view"] = view
        checked(app.run())
        assert_no_markup(app, name)
        assert_no_markup(app, odd)
    for row in range(len(listed(app))):
        assert_no_markup(select(app, row), odd)
    assert name in app.multiselect(key="data classes").options


def assert_no_markup(app, name):
    for kind in ("markdown", "caption", "error", "info", "warning", "success", "expander", "subheader", "title"):
        for one in app.get(kind):
            text = getattr(one, "value", None) or getattr(one, "label", "")
            assert name not in text, f"{name!r} stands as it is in a {kind}: {text!r}"


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
    assert not [b for b in app.button if b.key == "download"] and not desk()._all


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
    assert not [b for b in app.button if b.key == "download"] and not desk()._all


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
    monkeypatch.setattr(fetcher, "MODULE", "tests.core.quick_fetch")
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
    deadline(lambda: desk().find("download").latest and desk().find("download").latest.stage == "images")
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
    monkeypatch.setattr(transfer, "PAUSES", ())
    monkeypatch.setattr(download_room, "PAUSES", ())
    server_of_coco.fail(ZIP, how)
    app = open_page(data_source=data_source.COCO, coco_classes=["person"], coco_train=2, coco_val=2, coco_name="one")
    app = settled(app.button(key="download").click().run())
    assert says in one_error(app)
    assert app.button(key="download") and app.button(key="continue one") and not cards(app)


# What is in it


def test_chosen_classes_restrict_every_number(store, tmp_path):
    folder = mine(tmp_path / "mine", classes=("car", "dog", "bus"), train=20, val=12)
    app = open_page(folder)
    app = checked(app.multiselect(key="data classes").set_value(["bus", "car"]).run())
    data = on_disk(folder)
    assert cards(app) == {name: count(one, ("bus", "car")) for name, one in data.items()}
    assert [row[0] for row in charts(app)["objects-by-class"]["rows"]].count("dog") == 0
    for row in charts(app)["objects-by-class"]["rows"]:
        ids = {c["name"]: c["id"] for c in data[row[1]]["categories"]}
        own = [a for a in data[row[1]]["annotations"] if a["category_id"] == ids[row[0]]]
        assert row[2:4] == [len(own), len({a["image_id"] for a in own})]
    app.session_state["data view"] = "Images"
    page = gallery(checked(app.run()))
    assert page["classes"] == ["car", "bus"]
    assert all(page["classes"][truth[4]] != "dog" for image in page["images"] for truth in image["truths"])


def test_crowds_are_counted_apart(store, tmp_path):
    train, val = labels(1, 9), labels(101, 5)
    add(train, 1, 1, (3, 3, 90, 90), iscrowd=1)
    folder = write(tmp_path / "mine", {"train": train, "val": val})
    app = open_page(folder)
    assert cards(app)["train"] == count(train)
    assert "1 crowds" in next(c.value for c in app.caption if "crowds" in c.value)


@pytest.mark.parametrize("names, chosen", [
    (("zebra", *COCO_TEN, "apple"), True), (tuple(COCO_TEN), False), (("zebra", *list(COCO_TEN)[1:]), False),
])  # fmt: skip
def test_the_ten_are_chosen_at_first_where_all_of_them_and_more_are_there(store, tmp_path, names, chosen):
    folder = mine(tmp_path / "mine", classes=names, train=30, val=30)
    app = open_page(folder)
    assert sorted(app.multiselect(key="data classes").value) == (sorted(COCO_TEN) if chosen else [])
    assert cards(app) == {n: count(d, COCO_TEN if chosen else None) for n, d in on_disk(folder).items()}


def test_a_choice_of_classes_goes_with_data_of_other_classes_and_outlives_another_page(store, tmp_path):
    first, other = mine(tmp_path / "first"), mine(tmp_path / "other", classes=("cat", "dog"))
    app = open_page(first)
    app = checked(app.multiselect(key="data classes").set_value(["dog"]).run())
    app.switch_page("../pages/train.py")
    checked(app.run())
    app.switch_page(PAGE)
    assert checked(app.run()).multiselect(key="data classes").value == ["dog"]
    assert turn_to(app, other).multiselect(key="data classes").value == []


def test_every_chart_says_on_how_many_it_rests(store, tmp_path):
    folder = mine(tmp_path / "mine")
    numbers = {"objects-per-image": "14 images", "shared-images": "9 images"}
    for key, chart in charts(open_page(folder)).items():
        assert numbers.get(key, "18 objects") in chart["caption"]
        assert chart["note"].strip() and chart["rows"]


# A click on a chart


class Clickable:
    """In place of a component: a button that does what a click on a point does."""

    def __call__(self, key, data, on_open_change=None):
        st.button(key, key=f"click {key}", on_click=on_open_change)


def clicked(app, key, target):
    """The page after a click on a point with this `customdata`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chart_room, "_component", Clickable())
        app.session_state["data view"] = "Contents"
        app.run()
        app.session_state[f"chart {key}"] = SimpleNamespace(open=target)
        return checked(app.button(key=f"click chart {key}").click().run())


def images_by_counting(data, name=None, other=None, size=None, split=None, classes=None) -> list[tuple[str, int]]:
    limits = {"small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, 1e12)}
    found = []
    for part, one in data.items():
        names = {c["id"]: c["name"] for c in one["categories"]}
        for image in one["images"]:
            own = [a for a in one["annotations"] if a["image_id"] == image["id"] and not a["iscrowd"]]
            own = [a for a in own if classes is None or names[a["category_id"]] in classes]
            low, high = limits[size] if size else (0, 1e12)
            fits = any(
                (name is None or names[a["category_id"]] == name) and low <= a["area"] < high for a in own
            )  # fmt: skip
            with_other = other is None or any(names[a["category_id"]] == other for a in own)
            if fits and with_other and split in (None, part):
                found.append((part, image["id"]))
    return sorted(found)


def test_a_click_on_any_point_of_any_chart_opens_exactly_its_images(store, tmp_path):
    folder = mine(tmp_path / "mine", classes=("car", "dog", "bus"), train=13, val=9)
    data, app = on_disk(folder), open_page(folder)
    targets = {}
    for key, chart in charts(app).items():
        for trace in chart["traces"]:
            flat = trace.get("customdata") or []
            for one in flat if trace["type"] != "heatmap" else [cell for row in flat for cell in row]:
                if one:
                    targets.setdefault((key, tuple(sorted(one))), []).append(one)
    assert {key for key, _ in targets} >= {"objects-by-class", "size-by-class", "shared-images"}
    for (key, _), several in targets.items():
        for target in several[:: max(1, len(several) // 3)]:
            app = clicked(app, key, target)
            assert is_open(app) == "Images"
            asked = dict(target)
            expected = images_by_counting(data, asked.pop("class", None), asked.pop("with", None), **asked)
            assert sorted(shown_ids(app)) == expected != [], f"{key}: {target}"


def test_a_click_counts_the_objects_that_the_chart_counts(store, tmp_path):
    """Of a bar for a class and a split: as many objects of it on the images as the bar says."""
    folder = mine(tmp_path / "mine", train=13, val=9)
    app = open_page(folder)
    for name, split, objects, images, *_ in charts(app)["objects-by-class"]["rows"]:
        page = gallery(clicked(app, "objects-by-class", {"class": name, "split": split}))
        own = page["classes"].index(name)
        assert len(page["images"]) == images
        assert sum(truth[4] == own for image in page["images"] for truth in image["truths"]) == objects


def test_a_click_takes_the_place_of_what_was_asked_for_before(store, tmp_path):
    folder = mine(tmp_path / "mine", train=13, val=9)
    before = {"samples_split": "val", "samples_class": "dog", "samples_with": "car", "samples_size": "large"}
    app = open_page(folder, data_view="Images", **before)
    app = clicked(app, "objects-by-class", {"class": "car", "split": "train"})
    assert sorted(shown_ids(app)) == images_by_counting(on_disk(folder), "car", split="train")


# Fewer images


def test_fewer_images_restrict_the_numbers_and_the_images(store, tmp_path):
    folder = mine(tmp_path / "mine", train=30, val=20)
    app = open_page(folder, fewer_train=8, fewer_val=4)
    assert {name: found[0] for name, found in cards(app).items()} == {"train": 8, "val": 4}
    assert all(found[3] == 0 for found in cards(app).values())
    app.session_state["data view"] = "Images"
    app = checked(app.run())
    assert Counter(split for split, _ in shown_ids(app)) == {"train": 8, "val": 4}
    assert app.button(key="train on this").disabled


def test_a_share_of_the_fewer_images_is_empty_and_another_seed_takes_others(store, tmp_path):
    folder = mine(tmp_path / "mine", train=40, val=40)
    app = open_page(folder, fewer_train=10, fewer_val=10, fewer_empty=20, data_view="Images")
    assert {found[0]: found[3] for found in cards(app).values()} == {10: 2}
    first = sorted(shown_ids(app))
    app.session_state["fewer seed"] = 1
    other = sorted(shown_ids(checked(app.run())))
    app.session_state["fewer seed"] = 0
    assert sorted(shown_ids(checked(app.run()))) == first != other


def test_more_than_there_are_is_all_of_them(store, tmp_path):
    folder = mine(tmp_path / "mine")
    app = open_page(folder, fewer_train=1000)
    assert cards(app)["train"][2] == cards(app)["train"][0] == 6


@pytest.mark.parametrize("key, value", [("fewer train", -1), ("fewer val", -100), ("fewer train", 10**10)])
def test_numbers_out_of_range_are_one_sentence(store, tmp_path, key, value):
    app = open_page(mine(tmp_path / "mine"), **{key: value})
    assert str(value) in one_error(app)


def test_fewer_images_of_a_class_that_one_split_lacks(store, tmp_path):
    """As Roboflow writes them: each file lists its own categories."""
    folder = write(tmp_path / "m", {"train": labels(1, 12, ("car", "dog")), "val": labels(101, 8, ("car",))})
    app = open_page(folder, fewer_train=4)
    assert cards(app)["train"][0] == 4 and cards(app)["val"][0] == 6


def test_fewer_images_are_kept_as_a_data_set_of_links_which_is_then_shown(store, tmp_path):
    folder = mine(tmp_path / "mine", train=30, val=20)
    app = open_page(folder, fewer_train=8, fewer_val=4, fewer_empty=25, fewer_name="few")
    before, numbers = sorted(folder.rglob("*")), cards(app)
    app = checked(app.button(key="keep").click().run())
    target = store.data_dir / "few"
    assert target in list_datasets(store.data_dir) and sorted(folder.rglob("*")) == before
    for name in SPLITS:
        split = read_split(target, name)
        assert (target / name).is_symlink() and len(split.images) == numbers[name][0]
        assert all(split.image_path(image).is_file() for image in split.images)
    assert cards(app) == numbers and not app.error
    assert app.session_state[data_source.TYPED] == str(target)
    assert not app.button(key="train on this").disabled
    assert "few" in app.selectbox(key=data_source.TYPED).options


def test_only_the_chosen_classes_are_kept(store, tmp_path):
    folder = mine(tmp_path / "mine", train=30, val=20)
    app = open_page(folder)
    app = checked(app.multiselect(key="data classes").set_value(["dog"]).run())
    app.session_state["fewer train"] = 5
    app = checked(checked(app.run()).button(key="keep").click().run())
    assert [c["name"] for c in read_split(store.data_dir / "part", "train").categories] == ["dog"]
    assert app.multiselect(key="data classes").options == ["dog"] and cards(app)["train"][0] == 5


@pytest.mark.parametrize(
    "name, says", [("street", "is there already"), ("../x", "is no folder's"), ("", "is no folder's")]
)
def test_a_name_that_is_taken_or_none_is_a_sentence_and_everything_stays(store, tmp_path, name, says):
    folder = mine(tmp_path / "mine", train=30, val=20)
    app = open_page(folder, fewer_train=8, fewer_name=name)
    before, numbers = sorted(store.root.rglob("data/**/*")), cards(app)
    app = checked(app.button(key="keep").click().run())
    assert says in one_error(app)
    assert sorted(store.root.rglob("data/**/*")) == before and cards(app) == numbers
    assert not checked(app.run()).error, "told again"


def test_keeping_twice_under_one_name_is_refused(store, tmp_path):
    folder = mine(tmp_path / "mine", train=30, val=20)
    app = checked(open_page(folder, fewer_train=8).button(key="keep").click().run())
    app.session_state["fewer train"] = 4
    app = checked(turn_to(app, folder).button(key="keep").click().run())
    assert "is there already" in one_error(app)
    assert len(read_split(store.data_dir / "part", "train").images) == 8


@pytest.mark.parametrize("layout", ["roboflow", "under images", "single"])
def test_other_layouts_are_kept_too(store, tmp_path, layout):
    if layout == "single":
        folder = write_single(tmp_path / "mine", labels(1, 40))
    else:
        folder = mine(tmp_path / "mine", layout, train=30, val=20)
    app = open_page(folder, fewer_train=8, fewer_val=4)
    numbers = cards(app)
    app = checked(app.button(key="keep").click().run())
    assert not app.error and cards(app) == numbers
    assert {name: len(read_split(store.data_dir / "part", name).images) for name in SPLITS} == {"train": 8, "val": 4}


# Images


FILTERS = [
    {}, {"split": "val"}, {"name": "dog"}, {"other": "car"}, {"size": "small"}, {"name": "car", "other": "dog"},
    {"name": "dog", "size": "medium", "split": "train"}, {"name": "car", "other": "car"},
    {"name": "dog", "other": "car", "size": "small", "split": "train"},
]  # fmt: skip


def test_filters_combine(store, tmp_path):
    folder = mine(tmp_path / "mine", train=12, val=11)
    data, app = on_disk(folder), open_page(folder, data_view="Images")
    for asked in FILTERS:
        app.session_state["samples split"] = asked.get("split")
        app.session_state["samples class"] = asked.get("name", "Any")
        app.session_state["samples with"] = asked.get("other", "Any")
        app.session_state["samples size"] = asked.get("size")
        expected = images_by_counting(data, **asked)
        assert sorted(shown_ids(checked(app.run()))) == expected, asked
        assert f"{len(expected)} of 23 images" in [c.value for c in app.caption]


def test_where_no_image_fits_the_page_says_so(store, tmp_path):
    app = open_page(mine(tmp_path / "mine"), data_view="Images", samples_size="large")
    assert "No image has what is asked for" in app.info[0].value
    assert gallery(app) is None


def test_of_classes_that_are_not_chosen_no_image_can_be_asked_for(store, tmp_path):
    folder = mine(tmp_path / "mine", classes=("car", "dog", "bus"), train=20, val=10)
    app = open_page(folder, data_view="Images", samples_class="bus", samples_with="dog")
    app = checked(app.multiselect(key="data classes").set_value(["car", "dog"]).run())
    assert app.selectbox(key="samples class").value == "Any" and app.selectbox(key="samples with").value == "dog"
    expected = images_by_counting(on_disk(folder), other="dog", classes=("car", "dog"))
    assert sorted(shown_ids(app)) == expected


def test_pages_turn_and_hold_every_image_once_and_a_filter_begins_at_the_first(store, tmp_path):
    folder = mine(tmp_path / "mine", train=60, val=20)
    app = open_page(folder, data_view="Images")
    expected, pages, seen = images_by_counting(on_disk(folder)), gallery(app)["pages"], []
    assert (pages, gallery(app)["total"]) == (3, len(expected))
    for page in range(1, pages + 1):
        app.session_state["samples page"] = page
        seen += shown_ids(checked(app.run()))
    assert sorted(seen) == expected
    assert gallery(app)["page"] == 3
    app.session_state["samples class"] = "dog"
    assert gallery(checked(app.run()))["page"] == 1


def test_shuffle_changes_the_order_and_nothing_else_does(store, tmp_path):
    folder = mine(tmp_path / "mine", train=12, val=11)
    app = open_page(folder, data_view="Images")
    first = shown_ids(app)
    assert shown_ids(checked(app.run())) == first == shown_ids(open_page(folder, data_view="Images"))
    app = checked(app.button(key="shuffle").click().run())
    assert sorted(shown_ids(app)) == sorted(first) and shown_ids(app) != first
    app.session_state["samples shuffle"] = 0
    assert shown_ids(checked(app.run())) == first


# Problems


def listed(app) -> list[tuple]:
    """The rows of the list of problems; empty where there is none."""
    frames = [frame.value for frame in app.dataframe if "Problem" in frame.value]
    return [tuple(row) for row in frames[0].itertuples(index=False)] if frames else []


def select(app, row: int):
    """The page after a click on a row of the list."""
    key = next(frame.key for frame in app.dataframe if "Problem" in frame.value)
    app.session_state[key] = {"selection": {"rows": [row], "columns": [], "cells": []}}
    return checked(app.run())


BROKEN = {
    "a category without a name": lambda d: d["categories"][0].pop("name"),
    "a category whose name is a list": lambda d: d["categories"][0].update(name=["a"]),
    "a category whose name is a number": lambda d: d["categories"][0].update(name=5),
    "a category without an id": lambda d: d["categories"][0].pop("id"),
    "two categories of one name": lambda d: d["categories"][0].update(name="dog"),
    "an image without a file name": lambda d: d["images"][0].pop("file_name"),
    "an image without a width": lambda d: d["images"][0].pop("width"),
    "an image whose width is text": lambda d: d["images"][0].update(width="240"),
    "an image twice": lambda d: d["images"][0].update(id=2),
    "an image without an id": lambda d: d["images"][0].update(id=None),
    "an image elsewhere": lambda d: d["images"][0].update(file_name="../../x.png"),
    "no images": lambda d: (d["images"].clear(), d["annotations"].clear()),
    "no annotations": lambda d: d["annotations"].clear(),
    "no categories": lambda d: d["categories"].clear(),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_data_that_cannot_be_trained_on_is_listed_and_train_is_out_of_reach(store, tmp_path, broken):
    folder = mine(tmp_path / "mine")
    path = folder / "annotations/instances_train.json"
    data = json.loads(path.read_text())
    BROKEN[broken](data)
    write_json(path, data)
    app = settled(open_page(folder, data_view="Problems"))
    assert listed(app)[0][0] == "✕ fatal"
    assert all(b.disabled for b in app.button if b.key == "train on this")
    for row in range(len(listed(app))):
        select(app, row)
    for view in ("Contents", "Images"):
        app.session_state["data view"] = view
        checked(app.run())


def test_the_list_is_what_the_check_finds(store, tmp_path):
    folder = faulty(tmp_path / "mine")
    report = finish(check(folder))
    app = settled(open_page(folder, data_view="Problems"))
    assert [(row[2], row[3], row[4]) for row in listed(app)] == [
        (p.kind.counted(p.count), p.kind.advice, p.count) for p in report.problems
    ]
    assert {row[0] for row in listed(app)} == {"left out", "repaired", "look at"} and len(listed(app)) > 6
    assert not app.button(key="train on this").disabled


def finish(steps):
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def faulty(folder: Path) -> Path:
    """A folder with problems of many kinds, none of them fatal."""
    train, val = labels(1, 9), labels(101, 6)
    add(train, 2, 1, (20, 90, 40, 40))
    add(train, 2, 1, (21, 90, 40, 40))  # labelled twice
    add(train, 3, 2, (150, 100, 1, 40))  # tiny
    add(train, 4, 2, (200, 100, 90, 40))  # beyond the border
    add(train, 4, 1, (0, 0, -5, 9))
    add(train, 5, 9, (0, 0, 5, 9))
    del train["annotations"][0]["area"]
    write(folder, {"train": train, "val": val})
    (folder / "train/000006.png").unlink()
    (folder / "train/000007.png").write_bytes(b"no picture")
    shutil.copy(folder / "train/000001.png", folder / "val/000101.png")
    return folder


def row_about(app, words: str) -> int:
    return next(i for i, row in enumerate(listed(app)) if words in row[2])


@pytest.mark.parametrize("words, images, boxes", [
    ("labelled twice", {("train", 2)}, 2),
    ("narrower or lower", {("train", 3)}, 1),
    ("beyond the border", {("train", 4)}, 1),
    ("missing", {("train", 6)}, None),
    ("cannot be read", {("train", 7)}, None),
    ("training and validation alike", {("val", 101)}, None),
])  # fmt: skip
def test_a_row_shows_its_images_with_only_its_boxes_brought_out(store, tmp_path, words, images, boxes):
    folder = faulty(tmp_path / "mine")
    app = settled(open_page(folder, data_view="Problems"))
    app = select(app, row_about(app, words))
    assert set(shown_ids(app)) == images
    truths = [truth for image in gallery(app)["images"] for truth in image["truths"]]
    assert all(len(truth) == 10 for truth in truths)
    if boxes is not None:
        assert sum(truth[-1] for truth in truths) == boxes < len(truths)
    else:
        assert all(truth[-1] for truth in truths)


def test_a_box_of_a_class_that_is_not_chosen_is_shown_all_the_same(store, tmp_path):
    app = settled(open_page(faulty(tmp_path / "mine"), data_view="Problems"))
    app = checked(app.multiselect(key="data classes").set_value(["dog"]).run())
    app = select(app, row_about(app, "labelled twice"))
    assert sum(truth[-1] for image in gallery(app)["images"] for truth in image["truths"]) == 2


def test_of_one_file_for_both_parts_also_the_images_of_the_other_part_are_shown(store, tmp_path):
    data = labels(1, 40)
    for image in data["images"]:
        add(data, image["id"], 1, (150, 100, 1, 40))
    folder = write_single(tmp_path / "mine", data)
    app = settled(open_page(folder, data_view="Problems"))
    for image in data["images"]:
        add(data, image["id"], 2, (150, 100, 200, 40))  # beyond the border: told of the file
    write_json(folder / "labels.json", data)
    app = settled(checked(app.run()))
    app = select(app, row_about(app, "beyond the border"))
    assert gallery(app)["total"] == 40 and {split for split, _ in shown_ids(app)} <= set(SPLITS)


def test_what_has_no_image_is_told_in_words(store, tmp_path):
    folder = mine(tmp_path / "mine")
    app = settled(open_page(folder, data_view="Problems"))
    app = select(app, row_about(app, "fewer than 20 objects"))
    assert gallery(app) is None
    assert any("car\\: 6" in m.value and "dog\\: 6" in m.value for m in app.markdown)


def test_a_chosen_row_stays_only_as_long_as_the_list_is_the_same(store, tmp_path):
    """Fatal ones come first: with them the row of that number is about something else."""
    train, val = labels(1, 9), labels(101, 6)
    folder = write(tmp_path / "mine", {"train": train, "val": val})
    app = settled(open_page(folder, data_view="Problems"))
    app = select(app, 0)
    chosen = [m.value for m in app.markdown if "classes with fewer" in m.value]
    assert chosen
    add(train, 3, 2, (150, 100, 0, 40))
    write_json(folder / "annotations/instances_train.json", train)
    app = settled(checked(app.run()))
    assert "negative size" in listed(app)[0][2]
    assert not [m for m in app.markdown if "negative size" in m.value]


def test_the_pictures_are_looked_at_in_the_background_and_found_out_then(store, tmp_path, monkeypatch):
    folder = mine(tmp_path / "mine")
    (folder / "train/000006.png").unlink()
    may_go_on, look = threading.Event(), problems.look_through

    def slow(splits):
        yield 3, 14
        assert may_go_on.wait(PATIENCE)
        return (yield from look(splits))

    monkeypatch.setattr(problems, "look_through", slow)
    app = open_page(folder, data_view="Problems")
    deadline(lambda: desk()._all and all(work.latest for work in desk()._all.values()))
    app = checked(app.run())
    assert "3 of 14" in app.get("progress")[0].proto.text
    assert not [row for row in listed(app) if "missing" in row[2]] and len(listed(app)) > 0
    may_go_on.set()
    app = settled(app)
    assert listed(app)[row_about(app, "missing")][0] == "left out" and not app.get("progress")


def deadline(is_true) -> None:
    """Waits until it is."""
    for _ in range(400):
        if is_true():
            return
        threading.Event().wait(0.05)
    raise AssertionError("it never was")


def test_pictures_that_were_replaced_are_looked_at_again_when_asked(store, tmp_path):
    folder = mine(tmp_path / "mine")
    kept = (folder / "train/000006.png").read_bytes()
    (folder / "train/000006.png").unlink()
    app = settled(open_page(folder, data_view="Problems"))
    assert any("missing" in row[2] for row in listed(app))
    (folder / "train/000006.png").write_bytes(kept)
    app = settled(checked(app.button(key="look again").click().run()))
    assert listed(app) and not any("missing" in row[2] for row in listed(app))


def test_the_pictures_of_large_data_are_looked_at_only_when_asked(store, tmp_path, monkeypatch):
    monkeypatch.setattr(problems, "AT_ONCE", 13)
    folder = mine(tmp_path / "mine")
    (folder / "train/000006.png").unlink()
    app = settled(open_page(folder, data_view="Problems"))
    assert not desk()._all and not any("missing" in row[2] for row in listed(app))
    assert any("all 14 of them" in c.value for c in app.caption)
    app = settled(app.button(key="look at pictures").click().run())
    assert any("missing" in row[2] for row in listed(app))
    assert not [b for b in app.button if b.key == "look at pictures"]


def test_a_look_that_fails_is_a_sentence_and_nothing_is_called_well(store, tmp_path, monkeypatch):
    def fails(splits):
        yield 1, 2
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(problems, "look_through", fails)
    folder = write(tmp_path / "mine", {"train": spotless(1), "val": spotless(101)})
    app = settled(open_page(folder, data_view="Problems"))
    assert "could not be looked at" in one_error(app) and not app.success


def test_where_nothing_is_wrong_the_page_says_so(store, tmp_path):
    folder = write(tmp_path / "mine", {"train": spotless(1), "val": spotless(101)})
    app = settled(open_page(folder, data_view="Problems"))
    assert "Nothing is wrong" in app.success[0].value
    assert not app.dataframe and not app.error and not app.warning


def test_fatal_problems_are_told_where_the_charts_are(store, tmp_path):
    folder = write(tmp_path / "mine", {"train": labels(1, 9), "val": labels(101, 1)})
    app = settled(open_page(folder))
    assert "see Problems" in app.warning[0].value
    assert app.button(key="train on this").disabled


def test_fatal_problems_of_the_pictures_hold_a_training_back_too(store, tmp_path):
    folder = mine(tmp_path / "mine")
    shutil.rmtree(folder / "val")
    (folder / "val").mkdir()
    app = settled(open_page(folder))
    assert app.button(key="train on this").disabled
    assert "see Problems" in app.warning[0].value


# Train on this


@pytest.mark.parametrize("split", SPLITS)
def test_what_has_no_validation_or_no_training_images_cannot_be_trained_on(store, tmp_path, split):
    app = settled(open_page(write(tmp_path / "mine", {split: spotless(1)})))
    assert app.button(key="train on this").disabled and set(cards(app)) == {split}


def test_classes_without_an_object_in_a_split_cannot_be_trained_on_alone(store, tmp_path):
    """The form on Train would drop a class that its split does not have, and train all others instead."""
    splits = {"train": labels(1, 12, ("car",)), "val": labels(101, 8, ("car", "dog"))}
    app = settled(open_page(write(tmp_path / "mine", splits)))
    assert not app.button(key="train on this").disabled
    app = checked(app.multiselect(key="data classes").set_value(["dog"]).run())
    assert app.button(key="train on this").disabled


@pytest.mark.parametrize("chosen", [[], ["dog"], ["car", "dog"]])
def test_train_on_this_fills_the_form_with_this_data_and_these_classes(store, tmp_path, chosen):
    folder = mine(tmp_path / "mine", "roboflow", classes=("car", "bus", "dog"), train=20, val=10)
    app = open_page(folder)
    app = checked(app.multiselect(key="data classes").set_value(chosen).run())
    app.button(key="train on this").click().run()  # AppTest does not follow to the page, but keeps the session
    app.switch_page("../pages/train.py")
    app = checked(app.run())
    assert app.selectbox(key=form.FIELD + "data").value == str(folder)
    assert app.multiselect(key=form.FIELD + "classes").value == chosen
    checked(app.button(key="train").click().run())
    (run,) = store.list()
    assert run.config["data"] == str(folder) and run.config["classes"] == chosen


def test_of_a_converted_folder_the_conversion_is_trained_on(store, tmp_path):
    folder = yolo(tmp_path / "mine")
    app = settled(open_page(folder))
    app.button(key="train on this").click().run()
    app.switch_page("../pages/train.py")
    assert checked(app.run()).selectbox(key=form.FIELD + "data").value == str(home(folder, store.data_dir))


def test_the_built_in_scenes_are_trained_on_with_all_classes(store):
    app = open_page()
    app.button(key="train on this").click().run()
    app.switch_page("../pages/train.py")
    app = checked(app.run())
    assert app.selectbox(key=form.FIELD + "data").value == str(store.data_dir / "street")
    names = {c["name"] for c in on_disk(store.data_dir / "street")["train"]["categories"]}
    assert set(app.multiselect(key=form.FIELD + "classes").value) in (set(), names & set(COCO_TEN))
