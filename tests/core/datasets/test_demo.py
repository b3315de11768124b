"""The demo data set: real COCO, the same bytes every time, and whole or not there."""

import contextlib
import io
import json
import os
import shutil
from dataclasses import replace

import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from core import DataError
from core.datasets import demo
from core.datasets.demo import BUILT_IN, DEMO_CLASSES, draw_built_in, draw_dataset, is_complete
from core.labels import COCO_TEN

# pycocotools 2.0.11 has not caught up with NumPy 2 when it decodes a mask.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SMALL = {"train": 6, "val": 3, "size": 96}


def draw(out, **changes):
    """Draws to the end; the progress it told."""
    return list(draw_dataset(out, **{**SMALL, **changes}))


def files(folder):
    """Every file's bytes by its name inside the folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def load(folder, split):
    return json.loads((folder / "annotations" / f"instances_{split}.json").read_text())


def open_coco(folder, split):
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(folder / "annotations" / f"instances_{split}.json")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """40 pictures, so that crowds and empty scenes are among them; tests must not change it."""
    out = tmp_path_factory.mktemp("data") / "demo"
    draw(out, train=30, val=10, look="day")
    return out


@pytest.mark.parametrize("wrong", [
    {"look": "noon"}, {"train": 0}, {"val": 0}, {"seed": -1}, {"size": 63}, {"size": 4000}, {"processes": 0},
    {"extra": ["moped"]},
])  # fmt: skip
def test_a_wrong_setting_is_refused_before_anything_is_written(tmp_path, wrong):
    with pytest.raises(DataError, match=str(next(iter(wrong.values()))).strip("[]")):
        draw_dataset(tmp_path / "demo", **{**SMALL, **wrong})
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_every_picture_and_ends_when_the_folder_is_there(tmp_path):
    out = tmp_path / "demo"
    seen = []
    for done, total in draw_dataset(out, **SMALL):
        seen.append(done)
        assert total == 9
        assert out.exists() == (done == total)
    assert seen == list(range(1, 10))


def test_several_processes_draw_the_same_bytes(tmp_path):
    draw(tmp_path / "one", train=20)
    assert draw(tmp_path / "two", train=20, processes=2)[-1] == (23, 23)
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_drawing_in_several_processes_can_be_left(tmp_path):
    steps = draw_dataset(tmp_path / "demo", train=5000, val=1, size=64, processes=2)
    next(steps)
    steps.close()  # 5,000 scenes more would take a minute
    assert list(tmp_path.iterdir()) == []


def test_a_further_class_is_in_the_file_where_it_is_asked_for(tmp_path, drawn):
    draw(tmp_path / "scooters", train=60, look="day", extra=("scooter",))
    coco = open_coco(tmp_path / "scooters", "train")
    assert [c["name"] for c in coco.loadCats(coco.getCatIds())] == [*DEMO_CLASSES, "scooter"]
    assert coco.getAnnIds(catIds=[101]) and coco.cats[101]["supercategory"] == "vehicle"
    assert load(tmp_path / "scooters", "val")["info"]["settings"]["extra"] == ["scooter"]
    assert 101 not in open_coco(drawn, "train").cats and "extra" not in load(drawn, "val")["info"]["settings"]


def test_built_in_data_sets_are_of_their_own_folders_and_look(tmp_path, monkeypatch):
    for one in BUILT_IN:
        small = replace(one, train=2, val=1)
        assert list(draw_built_in(small, tmp_path))[-1] == (3, 3)
        settings = load(tmp_path / one.folder, "train")["info"]["settings"]
        assert (settings["look"], settings.get("extra", [])) == (one.look, list(one.extra))


def test_the_same_settings_give_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        draw(tmp_path / name, seed=4)
    draw(tmp_path / "other", seed=5)
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert files(tmp_path / "one") != files(tmp_path / "other")


def test_a_larger_data_set_begins_with_the_pictures_of_the_smaller(tmp_path):
    draw(tmp_path / "small")
    draw(tmp_path / "large", train=8, val=4)
    small, large = files(tmp_path / "small"), files(tmp_path / "large")
    for number in range(1, 7):
        name = f"train/{number:012d}.jpg"
        assert small[name] == large[name]
    assert small["val/000000000007.jpg"] == large["val/000000000009.jpg"]


def test_no_picture_occurs_twice_and_none_in_both_splits_or_looks(tmp_path, drawn):
    draw(tmp_path / "dusk", train=30, val=10, look="dusk")
    boxes = [
        json.dumps([a["bbox"] for a in load(folder, split)["annotations"] if a["image_id"] == image["id"]])
        for folder in (drawn, tmp_path / "dusk")
        for split in ("train", "val")
        for image in load(folder, split)["images"]
    ]
    boxes = [one for one in boxes if one != "[]"]
    assert len(boxes) > 60
    assert len(set(boxes)) == len(boxes)


def test_ids_are_unique_over_both_splits(drawn):
    train, val = load(drawn, "train"), load(drawn, "val")
    for table in ("images", "annotations"):
        ids = [row["id"] for data in (train, val) for row in data[table]]
        assert len(set(ids)) == len(ids)
        assert min(ids) == 1
    for data in (train, val):
        assert {a["image_id"] for a in data["annotations"]} <= {image["id"] for image in data["images"]}


@pytest.mark.parametrize("split", ["train", "val"])
def test_the_file_has_what_coco_asks_for(drawn, split):
    data = load(drawn, split)
    assert set(data) == {"info", "licenses", "images", "annotations", "categories"}
    assert {c["name"]: c["id"] for c in data["categories"]} == COCO_TEN
    assert tuple(c["name"] for c in data["categories"]) == DEMO_CLASSES
    assert all(c["supercategory"] for c in data["categories"])
    for image in data["images"]:
        with Image.open(drawn / split / image["file_name"]) as picture:
            assert picture.size == (image["width"], image["height"]) == (96, 72)
    assert len(list((drawn / split).iterdir())) == len(data["images"])


def test_pycocotools_reads_it_and_finds_the_same_boxes_in_the_masks(drawn):
    coco = open_coco(drawn, "train")
    crowds = 0
    for annotation in coco.loadAnns(coco.getAnnIds()):
        mask = coco.annToMask(annotation)
        assert coco_mask.toBbox(coco.annToRLE(annotation)).tolist() == annotation["bbox"]
        if annotation["iscrowd"]:
            crowds += 1
            assert mask.sum() == annotation["area"]
        assert mask.sum() >= annotation["area"] > 0  # a polygon fills holes
    assert crowds > 0
    assert any(not coco.getAnnIds(imgIds=[i]) for i in coco.getImgIds()), "no scene without objects"


@pytest.mark.parametrize(("size", "sides"), [(320, (320, 240)), (64, (64, 48)), (100, (100, 75))])
def test_the_longest_side_is_what_was_asked_for(tmp_path, size, sides):
    draw(tmp_path / "demo", train=1, val=1, size=size)
    assert [(i["width"], i["height"]) for i in load(tmp_path / "demo", "val")["images"]] == [sides]


@pytest.mark.parametrize("steps", [1, 7, 8])
def test_stopping_midway_leaves_nothing_behind(tmp_path, steps):
    drawing = draw_dataset(tmp_path / "deep" / "demo", **SMALL)
    for _ in range(steps):
        next(drawing)
    drawing.close()
    assert list((tmp_path / "deep").iterdir()) == []


def test_a_failure_midway_leaves_nothing_behind_and_says_where(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(DataError, match="demo: No space left on device"):
        draw(tmp_path / "demo")
    assert list(tmp_path.iterdir()) == []


def test_a_whole_data_set_is_not_drawn_again(tmp_path, monkeypatch):
    draw(tmp_path / "demo")
    before = files(tmp_path / "demo")
    monkeypatch.setattr(demo, "draw_scenes", None)
    assert draw(tmp_path / "demo") == [(9, 9)]
    assert files(tmp_path / "demo") == before


def test_pictures_of_an_earlier_drawing_are_replaced(tmp_path, monkeypatch):
    draw(tmp_path / "demo")
    monkeypatch.setattr(demo, "DRAWING", demo.DRAWING + 1)
    assert len(draw(tmp_path / "demo")) > 1
    assert load(tmp_path / "demo", "val")["info"]["settings"]["drawing"] == demo.DRAWING


def test_other_settings_replace_it_and_a_stop_midway_keeps_the_old_one(tmp_path):
    draw(tmp_path / "demo")
    before = files(tmp_path / "demo")
    drawing = draw_dataset(tmp_path / "demo", **{**SMALL, "seed": 7})
    next(drawing)
    drawing.close()
    assert files(tmp_path / "demo") == before
    draw(tmp_path / "demo", seed=7, train=2)
    assert len(load(tmp_path / "demo", "train")["images"]) == 2
    assert is_complete(tmp_path / "demo")
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


def test_a_failed_exchange_keeps_the_old_data_set(tmp_path, monkeypatch):
    draw(tmp_path / "demo")
    before = files(tmp_path / "demo")
    replace = os.replace

    def refuse_new(source, target):
        if str(source).endswith(".partial"):
            raise PermissionError(13, "Permission denied")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse_new)
    with pytest.raises(DataError, match="Permission denied"):
        draw(tmp_path / "demo", seed=7)
    assert files(tmp_path / "demo") == before
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


@pytest.mark.parametrize("damage", [
    lambda out: (out / "val" / "000000000008.jpg").unlink(),
    lambda out: shutil.rmtree(out / "train"),
    lambda out: (out / "annotations" / "instances_val.json").unlink(),
    lambda out: (out / "annotations" / "instances_train.json").write_text('{"info": {"descr'),
])  # fmt: skip
def test_a_damaged_data_set_is_not_complete_and_is_drawn_anew(tmp_path, damage):
    out = tmp_path / "demo"
    draw(out)
    before = files(out)
    assert is_complete(out)
    damage(out)
    assert not is_complete(out)
    draw(out)
    assert files(out) == before


def test_a_missing_an_empty_and_a_foreign_folder_are_not_complete(tmp_path):
    assert not is_complete(tmp_path / "nowhere")
    assert not is_complete(tmp_path)
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "instances_train.json").write_text('{"info": {}, "images": []}')
    (tmp_path / "annotations" / "instances_val.json").write_text("[1, 2]")
    assert not is_complete(tmp_path)


def test_a_folder_with_other_things_is_never_touched(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match="mine holds something else"):
        draw_dataset(tmp_path / "mine", **SMALL)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file holds something else"):
        draw_dataset(tmp_path / "file", **SMALL)
    draw(tmp_path / "demo")
    (tmp_path / "demo" / "notes.txt").write_text("kept beside the demo")
    with pytest.raises(DataError, match="demo holds something else"):
        draw_dataset(tmp_path / "demo", **{**SMALL, "seed": 1})
    assert (tmp_path / "demo" / "notes.txt").exists()


def test_an_empty_folder_is_used(tmp_path):
    (tmp_path / "demo").mkdir()
    draw(tmp_path / "demo")
    assert is_complete(tmp_path / "demo")
