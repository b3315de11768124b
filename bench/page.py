"""How long the Data page takes on a data set as large as COCO's, in the app itself and a real browser.

In: such annotation files (`large.py`). Out: the time from opening the page in a new tab to its numbers and to its first
chart, and from choosing another class to the new numbers. Its pictures are not there, which the page does not look for.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.large import TRAIN, VAL, large_file, write_annotations
from bench.table import Bench, Figures, NotMeasured, Row, once, take_turns
from core.charts.datasets.statistics import dataset_charts
from core.charts.to_json import to_json
from core.datasets.demo import draw_dataset
from core.datasets.layouts import SplitLocation, find_splits
from core.datasets.split import examine_split
from core.datasets.statistics import dataset_statistics
from core.labels import COCO_TEN
from tests.chromium import CHROMIUM, FLAGS
from tests.pages_in_browser import link
from tests.serving import served

CHART, CARD = ".dlc-plot .main-svg", "[data-testid=stMainBlockContainer] strong"
MINUTE, CALM = 60_000, 1500  # milliseconds; so long the charts of the choice before may still be drawn


@contextmanager
def open_browser(root: Path) -> Iterator[tuple[object, str]]:
    """Yield a browser's window and the app's address, with `root` as the app's root folder."""
    from playwright.sync_api import sync_playwright

    with served(root) as url, sync_playwright() as driver:
        window = driver.chromium.launch_persistent_context(  # as a user's own, which keeps compiled scripts
            root / "browser", executable_path=CHROMIUM, headless=True, args=FLAGS,
            viewport={"width": 1280, "height": 800},
        )  # fmt: skip
        window.set_default_timeout(MINUTE)
        yield window, url
        window.close()


def open_page(window, address: str) -> tuple[object, float, float]:
    """Return a new tab, and the seconds until it shows numbers, and until its first chart is drawn."""
    tab, times = window.new_page(), []
    begin = time.perf_counter()
    tab.goto(address, wait_until="commit")
    for awaited in (CARD, CHART):
        tab.locator(awaited).first.wait_for()
        times.append(time.perf_counter() - begin)
    return tab, *times


def close(opened: tuple[object, float, float]) -> tuple[object, float, float]:
    """Close the tab of `open_page`; return what that gave."""
    opened[0].close()
    return opened


def choose_class(tab, name: str) -> float:
    """Add a class; returns the seconds from the click to other numbers at the head of the page."""
    tab.wait_for_timeout(CALM)
    before = tab.locator(CARD).first.locator("xpath=..").inner_text()
    box = tab.get_by_role("combobox", name="Classes")
    box.fill(name)
    choice = tab.get_by_role("option", name=name, exact=True)
    choice.wait_for()
    begin = time.perf_counter()
    choice.click()
    tab.wait_for_function(
        "([card, before]) => document.querySelector(card).parentElement.innerText !== before",
        arg=[CARD, before], polling=10,
    )  # fmt: skip
    return time.perf_counter() - begin


@once
def measure_page(bench: Bench) -> dict[str, list[float]]:
    """Return what a user waits for on 118,000 images, by the names of ROWS."""
    require_chromium()
    root = bench.folder / "page"
    small, large = root / "data/small", root / "data/large"
    for folder in (small, large):
        for _ in draw_dataset(folder, train=2, val=1, size=64):
            pass
    files = {name: place.json_path for name, place in find_splits(large).items()}
    files["train"].unlink()
    files["train"].hardlink_to(large_file(bench))
    write_annotations(files["val"], *VAL, seed=1)
    figures: dict[str, list[float]] = {name: [] for name in WORDS}
    with open_browser(root) as (window, url):
        addresses = [link(url, "data", source="folder", folder=one, class_=list(COCO_TEN)) for one in (small, large)]
        close(open_page(window, addresses[0]))  # the browser compiles the scripts
        for _ in range(bench.rounds):
            figures["page-small"].append(close(open_page(window, addresses[0]))[2])
        first = open_page(window, addresses[1])
        figures["page-first"].append(first[2])
        for _ in range(bench.rounds):
            _, numbers, chart = close(open_page(window, addresses[1]))
            figures["page-numbers"].append(numbers)
            figures["page-chart"].append(chart)
        figures["page-class"] += [choose_class(first[0], name) for name in ("sheep", "cow", "horse", "bear", "zebra")]
    figures["page-server"] += charts_for_other_classes(find_splits(large))
    return figures


def charts_for_other_classes(places: dict[str, SplitLocation], rounds: int = 5) -> list[float]:
    """Return the seconds of what the server does when other classes are chosen."""
    splits = {name: examine_split(place, name) for name, place in places.items()}
    classes = list(COCO_TEN)

    def make_charts(number: int) -> None:
        for chart in dataset_charts(dataset_statistics(splits, classes[: len(classes) - number % 2])):
            to_json(chart)

    make_charts(1)  # which makes the columns
    return list(take_turns(make_charts, rounds=rounds).ours)


def require_chromium() -> None:
    """Raise NotMeasured where there is no browser."""
    if not CHROMIUM:
        raise NotMeasured("there is no Chromium")


def measure_one(name: str, bench: Bench) -> Figures:
    return Figures(measure_page(bench)[name])


WORDS = {
    "page-small": "the Data page on 3 images, in a new tab: until the first chart",
    "page-first": f"… on {TRAIN[0] + VAL[0]:,} images that were never read",
    "page-numbers": "… on these once they are read: until the numbers",
    "page-chart": "… until the first chart",
    "page-class": "… another class chosen there: until the new numbers",
    "page-server": "… the server's work for that",
}
ROWS = [Row(name, words, partial(measure_one, name)) for name, words in WORDS.items()]
