"""The page Data under AppTest: how it is opened, what it shows, and what it should show by plain counting."""

import json
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.own_folders import LAYOUTS
from tests.ui.gallery.columns import by_image
from ui.charts import component as chart_room
from ui.choose import data_source
from ui.server.background import background_tasks

ROOT = Path(__file__).parents[2]
SHELL = str(ROOT / "ui/shell.py")
PAGE = "../pages/data.py"
SPLITS = {"train": "Training", "val": "Validation"}
PATIENCE = 20


@pytest.fixture(autouse=True)
def a_desk_of_its_own():
    background_tasks.clear()
    yield
    background_tasks().stop_all(PATIENCE)
    background_tasks.clear()


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
    """The page once no task runs any more."""
    for task in list(background_tasks()._all.values()):
        task.join(PATIENCE)
        assert not task.is_running
    return checked(app.run())


def components(app) -> list[dict]:
    return [json.loads(one.proto.json)[0] for one in app.get("bidi_component")]


def charts(app) -> dict[str, dict]:
    found = [json.loads(data["chart"]) for data in components(app) if "chart" in data]
    return {one["key"]: one for one in found}


def gallery(app) -> dict | None:
    """What the gallery in sight shows; None without one."""
    pages = [json.loads(data["page"]) for data in components(app) if "page" in data]
    return next((page for page in pages if page.get("plain")), None)


def truths(app) -> list[dict]:
    """All boxes of the gallery in sight."""
    return [box for boxes in by_image(gallery(app)["models"][0]["truths"]) for box in boxes]


def shown_ids(app) -> list[tuple[str, int]]:
    """The images of the page of the gallery, as (split, id)."""
    return [(image["source"].split("/")[-2], int(image["id"])) for image in gallery(app)["images"]]


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


def listed(app) -> list[tuple]:
    """The rows of the list of problems; empty where there is none."""
    frames = [frame.value for frame in app.dataframe if "Problem" in frame.value]
    return [tuple(row) for row in frames[0].itertuples(index=False)] if frames else []


def select(app, row: int):
    """The page after a click on a row of the list."""
    key = next(frame.key for frame in app.dataframe if "Problem" in frame.value)
    app.session_state[key] = {"selection": {"rows": [row], "columns": [], "cells": []}}
    return checked(app.run())


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


def deadline(is_true) -> None:
    """Waits until it is."""
    for _ in range(400):
        if is_true():
            return
        threading.Event().wait(0.05)
    raise AssertionError("it never was")
