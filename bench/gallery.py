"""How quick the gallery is on 5,000 images and 500,000 detections, in the app itself and a real browser.

In: nothing. Out: what a user waits for: the first page in a new tab, the next page, a filter; the server's work for a
page; how many pictures a second the screen shows while the score slider moves over 96 of them; and whether the server's
memory grows over 500 pages. The 5,000 pictures are links to a few drawn scenes.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import psutil

from bench.detections import synthetic_detections
from bench.page import open_browser, require_chromium
from bench.table import Bench, Figures, Row, once
from core.config import TrainConfig
from core.datasets.street.scenery import draw_scene
from core.evaluation.coco_eval import evaluate
from core.evaluation.table import write_table
from core.evaluation.tide import detection_table
from core.runs.schema import Status
from core.runs.store import RunStore

IMAGES, PER_IMAGE, SCENES = 5000, 100, 20
PAGES = 500
TURNS = 30  # pages on, and back
SLIDES = 120  # steps of the slider
CELL = ".gallery .cell"
SHOWN = """n => {
  const root = document.querySelector("[data-testid=stBidiComponentRegular]")?.shadowRoot ??
    [...document.querySelectorAll("*")].map((e) => e.shadowRoot).find((r) => r?.querySelector(".gallery"))
  const cells = [...(root?.querySelectorAll(".cell") ?? [])].slice(0, n)
  const first = cells[0]?.getAttribute("aria-label")
  const isDrawn = cells.length === n && cells.every((cell) => {
    const { top } = cell.getBoundingClientRect(), image = cell.querySelector("img")
    return top > innerHeight || image.complete && image.naturalWidth && cell.querySelector(".boxes")
  })
  return isDrawn ? first : null
}"""
SLIDE = """async steps => {
  const root = [...document.querySelectorAll("*")].map((e) => e.shadowRoot).find((r) => r?.querySelector(".gallery"))
  const slider = root.querySelector(".toolbar input[type=range]"), times = []
  for (let i = 0; i < steps; i++) {
    slider.value = 0.05 + 0.9 * Math.abs(((2 * i) / steps) % 2 - 1)
    slider.dispatchEvent(new Event("input", { bubbles: true }))
    times.push(await new Promise((done) => requestAnimationFrame(done)))
  }
  return times
}"""


def make_store(root: Path, per_image: int = PER_IMAGE) -> str:
    """Make a finished run with a detection table under `root`, of so many detections an image; returns its id."""
    folder = root / "data/large"
    gt, detections, label_map = synthetic_detections(IMAGES, per_image)
    pictures = folder / "val"
    pictures.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(SCENES):
        draw_scene(rng, (640, 480)).image.save(pictures / f"scene{number}.jpg", quality=88)
    for image in gt["images"]:
        image["file_name"] = f"{image['id']:012}.jpg"
        (pictures / image["file_name"]).hardlink_to(pictures / f"scene{image['id'] % SCENES}.jpg")
    (folder / "annotations").mkdir()
    (folder / "train").mkdir()
    few = {**gt, "images": gt["images"][:1], "annotations": gt["annotations"][:7]}
    (folder / "annotations/instances_val.json").write_text(json.dumps(gt))
    (folder / "annotations/instances_train.json").write_text(json.dumps(few))
    store = RunStore(root)
    run = store.create(TrainConfig(data=str(folder), epochs=1).to_dict())
    write_table(detection_table(gt, detections, label_map), store.table_path(run.id, 0))
    store.add_evaluation(run.id, 0, 0, evaluate(gt, detections, label_map).to_dict(), is_best=True, has_table=True)
    store.update(run.id, status=Status.FINISHED, epoch=1, epochs=1, label_map=label_map.to_dict())
    store.close()
    return run.id


def wait_for_change(tab, action: Callable[[], object], count: int = 24) -> float:
    """Return the seconds from the action to a page of other images, with all pictures in sight and their boxes."""
    before = tab.evaluate(SHOWN, count)
    begin = time.perf_counter()
    action()
    tab.wait_for_function(f"([n, before]) => {{ const now = ({SHOWN})(n); return now && now !== before }}",
                          arg=[count, before], polling=5)  # fmt: skip
    return time.perf_counter() - begin


def open_gallery(window, address: str) -> tuple[object, float]:
    """Return a new tab, and the seconds until its first page is there."""
    tab = window.new_page()
    begin = time.perf_counter()
    tab.goto(address, wait_until="commit")
    tab.wait_for_function(SHOWN, arg=24, polling=5)
    return tab, time.perf_counter() - begin


def click_to_gallery(window, url: str) -> tuple[float, float]:
    """Return the seconds until a new tab shows Predict, empty yet, and those from a click there to the gallery."""
    tab = window.new_page()
    begin = time.perf_counter()
    tab.goto(f"{url}/predict", wait_until="commit")
    tab.get_by_role("heading", name="Predict").wait_for()
    started = time.perf_counter() - begin
    tab.wait_for_timeout(2000)
    begin = time.perf_counter()
    tab.get_by_role("link", name="Errors").evaluate("link => link.click()")
    tab.wait_for_function(SHOWN, arg=24, polling=5)
    arrived = time.perf_counter() - begin
    tab.close()
    return started, arrived


def server_process(root: Path) -> psutil.Process:
    """Return the process of the app that this process serves with the root folder `root`."""
    return next(child for child in psutil.Process().children() if _serves(child, root))


def _serves(process: psutil.Process, root: Path) -> bool:
    try:
        return "streamlit" in process.cmdline() and process.environ().get("DETR_LAB_ROOT") == str(root)
    except psutil.Error:  # it has just ended
        return False


def turn_pages(tab, count: int, key: str) -> list[float]:
    """Return the seconds for each of `count` pages on or back."""
    return [wait_for_change(tab, lambda: tab.keyboard.press(key)) for _ in range(count)]


def choose_filters(tab) -> list[float]:
    """Return the seconds for each filter by error type."""
    seconds = []
    for name in ("Missed", "Localization error", "Classification error", "Background", "Duplicate"):
        choice = tab.get_by_role("button", name=re.compile(f"^{name} · "))
        seconds.append(wait_for_change(tab, lambda choice=choice: choice.evaluate("button => button.click()")))
        tab.wait_for_timeout(1000)
    return seconds


def slide(window, address: str) -> list[float]:
    """Return the milliseconds between two pictures of the screen while the slider moves over 96 images."""
    tab = window.new_page()
    tab.goto(f"{address}?per=96")
    tab.wait_for_function(SHOWN, arg=96, polling=5)
    tab.wait_for_timeout(3000)
    times = tab.evaluate(SLIDE, SLIDES)
    tab.close()
    return [after - before for before, after in pairwise(times)]


@once
def measure_gallery(bench: Bench) -> dict[str, list[float]]:
    """Return what a user of Errors waits for, by the names of ROWS."""
    require_chromium()
    folder = bench.folder / "gallery"
    make_store(folder)
    figures: dict[str, list[float]] = {name: [] for name in WORDS}
    with open_browser(folder) as (window, url):
        address = f"{url}/errors"
        for _ in range(bench.rounds + 1):  # the first compiles the scripts
            tab, waiting = open_gallery(window, address)
            figures["gallery-tab"].append(waiting)
            tab.wait_for_timeout(2000)
        del figures["gallery-tab"][0]
        for _ in range(bench.rounds):
            empty, click = click_to_gallery(window, url)
            figures["gallery-empty"].append(empty)
            figures["gallery-click"].append(click)
        server = server_process(folder)
        for name, key in (("gallery-thumbnails", "ArrowRight"), ("gallery-server", "ArrowLeft")):
            before = sum(server.cpu_times()[:2])
            figures["gallery-turn"] += turn_pages(tab, TURNS, key)
            tab.wait_for_timeout(2000)
            figures[name].append((sum(server.cpu_times()[:2]) - before) / TURNS)
        figures["gallery-filter"] += choose_filters(tab)
        figures["gallery-slider"] += [milliseconds / 1e3 for milliseconds in slide(window, address)]
        tab.get_by_role("button", name="All errors · ").click()
        tab.wait_for_timeout(1000)
        before = server.memory_info().rss
        for i in range(PAGES // 100):
            turn_pages(tab, 100, ("ArrowRight", "ArrowRight", "ArrowLeft", "ArrowLeft")[i % 4])
        after = server.memory_info().rss
        figures["gallery-memory"].append(after / 1e6)
        figures["gallery-growth"].append((after - before) / 1e6)
    return figures


def measure_one(name: str, bench: Bench) -> Figures:
    return Figures(measure_gallery(bench)[name])


WORDS = {
    "gallery-empty": "an empty page of the app, in a new tab",
    "gallery-tab": f"the gallery on {IMAGES:,} images, {IMAGES * PER_IMAGE:,} detections, in a new tab: its first page",
    "gallery-click": "… after a click on Errors",
    "gallery-turn": "… the next page",
    "gallery-filter": "… a filter",
    "gallery-server": "… the server's work for a page",
    "gallery-thumbnails": "… for one whose thumbnails are to be made",
    "gallery-slider": "… the score slider over 96 images: between two pictures of the screen",
    "gallery-memory": f"… the server's memory after {PAGES} pages",
    "gallery-growth": f"… by how much it grew over {PAGES} pages",
}
UNITS = {"gallery-memory": "MB", "gallery-growth": "MB"}
ROWS = [Row(name, words, partial(measure_one, name), UNITS.get(name, "s")) for name, words in WORDS.items()]
