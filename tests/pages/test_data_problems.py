"""The problems on the page Data: the list, the images of each, and what a look at the pictures finds later."""

import json
import shutil
import threading
from pathlib import Path

import pytest

from core.datasets.check import check_dataset
from core.keep_result import KeepResult
from tests.own_folders import add, labels, mine, spotless, write, write_json, write_single
from tests.pages.data_page import (  # noqa: F401 (one is a fixture)
    PATIENCE,
    SPLITS,
    a_desk_of_its_own,
    checked,
    count,
    deadline,
    gallery,
    listed,
    one_error,
    open_page,
    select,
    settled,
    shown_ids,
    truths,
)
from ui.data import problems
from ui.server.background import background_tasks

# Problems


ODD = {
    "a category without a name": lambda d: d["categories"][0].pop("name"),
    "a category whose name is a list": lambda d: d["categories"][0].update(name=["a"]),
    "a category without an id": lambda d: d["categories"][0].pop("id"),
    "an image without a file name": lambda d: d["images"][0].pop("file_name"),
    "an image without a width": lambda d: d["images"][0].pop("width"),
    "an image whose width is text": lambda d: d["images"][0].update(width="240"),
    "an image twice": lambda d: d["images"][0].update(id=2),
    "an image without an id": lambda d: d["images"][0].update(id=None),
    "an image elsewhere": lambda d: d["images"][0].update(file_name="../../x.png"),
}
BROKEN = {
    "two categories of one name": lambda d: d["categories"][0].update(name="dog"),  # and in validation they are two
    "boxes of corners": lambda d: [a.update(bbox=[60 + a["id"] % 99, 90, 239, 179]) for a in d["annotations"]],
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


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_entry_is_listed_and_the_rest_can_be_trained_on(store, tmp_path, odd):
    folder = mine(tmp_path / "mine")
    path = folder / "annotations/instances_train.json"
    data = json.loads(path.read_text())
    ODD[odd](data)
    write_json(path, data)
    app = settled(open_page(folder, data_view="Problems"))
    assert {row[0] for row in listed(app)} & {"left out", "repaired"}
    for row in range(len(listed(app))):
        select(app, row)
    checked(app)


def test_the_list_is_what_the_check_finds(store, tmp_path):
    folder = faulty(tmp_path / "mine")
    report = finish(check_dataset(folder))
    app = settled(open_page(folder, data_view="Problems"))
    assert [(row[2], row[3], row[4]) for row in listed(app)] == [
        (p.kind.counted(p.count), p.kind.advice, p.count) for p in report.problems
    ]
    assert {row[0] for row in listed(app)} == {"left out", "repaired", "look at"} and len(listed(app)) > 6
    assert not app.button(key="train on this").disabled


def finish(steps):
    work = KeepResult(steps)
    list(work)
    return work.result


def faulty(folder: Path) -> Path:
    """A folder with problems of many kinds, none of them fatal."""
    train, val = labels(1, 9), labels(101, 6)
    add(train, 2, 1, (20, 90, 40, 40))
    add(train, 2, 1, (21, 90, 40, 40))  # labelled twice
    add(train, 3, 2, (150, 100, 1, 40))  # tiny, and another one
    add(train, 3, 1, (170, 100, 40, 1))
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
    ("narrower or lower", {("train", 3)}, 2),
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
    brought_out = [truth.get("chosen", True) for truth in truths(app)]
    if boxes is not None:
        assert sum(brought_out) == boxes < len(brought_out)
    else:
        assert all(brought_out)


def test_a_box_of_a_class_that_is_not_chosen_is_shown_all_the_same(store, tmp_path):
    app = settled(open_page(faulty(tmp_path / "mine"), data_view="Problems"))
    app = checked(app.multiselect(key="data classes").set_value(["dog"]).run())
    app = select(app, row_about(app, "labelled twice"))
    assert sum(truth["chosen"] for truth in truths(app)) == 2


def test_an_image_that_is_not_among_the_fewer_ones_is_shown_all_the_same(store, tmp_path):
    app = settled(open_page(faulty(tmp_path / "mine"), data_view="Problems", fewer_train=1, fewer_val=1))
    for words, image in (("labelled twice", 2), ("narrower or lower", 3), ("beyond the border", 4)):
        assert shown_ids(select(app, row_about(app, words))) == [("train", image)]


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
    assert any("car: 6" in m.value and "dog: 6" in m.value for m in app.markdown)


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
    assert not [m for m in app.markdown if "negative size" in m.value and "used" not in m.value]  # besides the totals


def test_the_pictures_are_looked_at_in_the_background_and_found_out_then(store, tmp_path, monkeypatch):
    folder = mine(tmp_path / "mine")
    (folder / "train/000006.png").unlink()
    may_go_on, look = threading.Event(), problems.check_pictures_and_leaks

    def slow(splits):
        yield 3, 14
        assert may_go_on.wait(PATIENCE)
        return (yield from look(splits))

    monkeypatch.setattr(problems, "check_pictures_and_leaks", slow)
    app = open_page(folder, data_view="Problems")
    deadline(lambda: background_tasks()._all and all(task.latest for task in background_tasks()._all.values()))
    app = checked(app.run())
    assert "3 of 14" in app.get("progress")[0].proto.text
    assert not [row for row in listed(app) if "missing" in row[2]] and len(listed(app)) > 0
    may_go_on.set()
    app = settled(app)
    assert listed(app)[row_about(app, "missing")][0] == "left out" and not app.get("progress")


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
    assert not background_tasks()._all and not any("missing" in row[2] for row in listed(app))
    assert any("all 14 of them" in c.value for c in app.caption)
    app = settled(app.button(key="look at pictures").click().run())
    assert any("missing" in row[2] for row in listed(app))
    assert not [b for b in app.button if b.key == "look at pictures"]


def test_a_look_that_fails_is_a_sentence_and_nothing_is_called_well(store, tmp_path, monkeypatch):
    def fails(splits):
        yield 1, 2
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(problems, "check_pictures_and_leaks", fails)
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
