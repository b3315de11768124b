"""Every source of the page Data: what it makes of good and of bad folders, and the way from there to Train."""

import os
import shutil

import pytest
from PIL import Image

from core.datasets.convert.to_coco import default_target
from core.datasets.demo import BUILT_IN as SCENES
from core.datasets.layouts import list_datasets
from core.labels import COCO_TEN
from tests.core.datasets.convert.folders import voc, yolo
from tests.own_folders import LAYOUTS, add, labels, mine, spotless, write, write_json, write_single
from tests.pages.data_page import (  # noqa: F401 (one is a fixture)
    SPLITS,
    a_desk_of_its_own,
    cards,
    charts,
    checked,
    components,
    count,
    listed,
    on_disk,
    one_error,
    open_page,
    select,
    settled,
    shown_ids,
    turn_to,
)
from ui.choose import built_in, data_source
from ui.server import cache
from ui.train import form

# Sources


def test_the_built_in_scenes_are_there_at_first(store):
    app = open_page()
    assert cards(app) == {name: count(data) for name, data in on_disk(store.data_dir / "street").items()}
    assert app.session_state[data_source.SOURCE] == data_source.BUILT_IN


def test_the_built_in_scenes_are_drawn_where_there_are_none(store, monkeypatch, drawn):
    shutil.rmtree(store.data_dir / "street")

    def draw(one, data_dir):
        yield 0, 1
        shutil.copytree(drawn, data_dir / one.folder)

    monkeypatch.setattr(built_in, "draw_built_in", draw)
    assert cards(open_page())["val"][0] == 30


def test_the_scenes_with_a_new_class_are_drawn_when_they_are_chosen(store, few_scenes):
    app = open_page()
    assert not (store.data_dir / "scooters").exists()
    checked(app.radio(key=data_source.WHICH).set_value(SCENES[1]).run())
    assert not app.error and cards(app) == {n: count(d) for n, d in on_disk(store.data_dir / "scooters").items()}
    assert "scooter" in app.multiselect(key="data classes").options and not app.multiselect(key="data classes").value
    checked(app.button(key="train on this").click().run())
    assert app.session_state[form.FIELD + "data"] == str(store.data_dir / "scooters")
    assert app.session_state[form.FIELD + "classes"] == []


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
    cache._splits.clear()
    assert cards(open_page(folder)) == found, "another split at the next start"


@pytest.mark.parametrize("make", [yolo, voc])
def test_a_yolo_or_voc_folder_is_converted_once_into_the_data_folder(store, tmp_path, monkeypatch, make):
    folder = make(tmp_path / "mine", *(("a", "b", "c") if make is voc else ()))
    before = sorted(path for path in folder.rglob("*"))
    app = open_page(folder)
    target = default_target(folder, store.data_dir)
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
    (two_files, "instances_train2014.json and annotations/instances_train2017.json"),
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


def test_a_path_may_begin_at_home_or_at_the_root_and_have_blanks_around_it(store, tmp_path, monkeypatch):
    folder = mine(tmp_path / "mine")
    expected = cards(open_page(folder))
    assert cards(open_page(f"  {folder}\n")) == expected
    assert cards(open_page(os.path.relpath(folder, store.root))) == expected
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cards(open_page("~/mine")) == expected


def test_the_data_sets_under_data_are_offered_but_the_built_in_one(store):
    mine(store.data_dir / "first")
    mine(store.data_dir / "second", "roboflow")
    app = open_page(data_source=data_source.OWN)
    assert app.selectbox(key=data_source.KEPT).options == ["first", "second"]


def test_a_folder_with_only_validation_images_is_shown_after_another_split_was_chosen(store, tmp_path):
    both = mine(tmp_path / "both")
    val = write(tmp_path / "validation only", {"val": labels(1, 9)})
    app = open_page(both, data_view="Images", samples_split="train")
    assert {split for split, _ in shown_ids(app)} == {"train"}
    app = turn_to(app, val)
    assert set(cards(app)) == {"val"} and len(shown_ids(app)) > 0


def test_of_a_folder_with_only_training_images_validation_is_drawn(store, tmp_path):
    app = settled(open_page(write(tmp_path / "train only", {"train": labels(1, 9)})))
    assert set(cards(app)) == {"train", "val"} and not app.button(key="train on this").disabled


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


# Train on this


def test_what_has_no_training_images_cannot_be_trained_on(store, tmp_path):
    app = settled(open_page(write(tmp_path / "mine", {"val": spotless(1)})))
    assert app.button(key="train on this").disabled and set(cards(app)) == {"val"}


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
    assert app.text_input(key=form.FIELD + "data typed").value == str(folder)
    assert app.multiselect(key=form.FIELD + "classes").value == chosen
    checked(app.button(key="train").click().run())
    (run,) = store.runs()
    assert run.config["data"] == str(folder) and run.config["classes"] == chosen


def test_of_a_converted_folder_the_conversion_is_trained_on(store, tmp_path):
    folder = yolo(tmp_path / "mine")
    app = settled(open_page(folder))
    app.button(key="train on this").click().run()
    app.switch_page("../pages/train.py")
    assert checked(app.run()).selectbox(key=form.FIELD + "data").value == str(default_target(folder, store.data_dir))


def test_the_built_in_scenes_are_trained_on_with_all_classes(store):
    app = open_page()
    app.button(key="train on this").click().run()
    app.switch_page("../pages/train.py")
    app = checked(app.run())
    assert app.selectbox(key=form.FIELD + "data").value == str(store.data_dir / "street")
    names = {c["name"] for c in on_disk(store.data_dir / "street")["train"]["categories"]}
    assert set(app.multiselect(key=form.FIELD + "classes").value) in (set(), names & set(COCO_TEN))


def test_a_path_may_stand_in_quotes_and_a_file_leads_to_its_folder(store, tmp_path):
    folder = mine(tmp_path / "mine", "coco", train=4, val=3)
    assert cards(open_page(f'"{folder}"'))["train"][0] == 4
    said = one_error(open_page(folder / "annotations/instances_train.json"))
    assert said.endswith("instances_train.json is a file: choose the folder that holds it and its pictures.")
