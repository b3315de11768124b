"""How long the Data page takes on a data set as large as COCO's, in the app itself and a real browser.

In: such annotation files (`large.py`). Out: the time from opening the page in a new tab to its numbers and to its first
chart, and from choosing another class to the new numbers. The data set takes the built-in one's place, with which a new
tab opens.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.large import TRAIN, VAL, write_annotations
from core.charts.datasets.statistics import dataset_charts
from core.charts.to_json import to_json
from core.datasets.demo import BUILT_IN, draw_dataset
from core.datasets.layouts import find_splits
from core.datasets.split import CocoSplit, examine_split
from core.datasets.statistics import dataset_statistics
from core.labels import COCO_TEN
from tests.chromium import CHROMIUM, FLAGS
from tests.serving import served

CHART, CARD = ".dlc-plot .main-svg", "[data-testid=stMainBlockContainer] strong"
MINUTE, CALM = 60_000, 1500  # milliseconds; so long the charts of the choice before may still be drawn


def measure_filter(splits: dict[str, CocoSplit], rounds: int = 5) -> float:
    """Return the median seconds of what the server does when other classes are chosen."""
    classes, times = list(COCO_TEN), []
    for number in range(rounds + 1):
        begin = time.perf_counter()
        for chart in dataset_charts(dataset_statistics(splits, classes[: len(classes) - number % 2])):
            to_json(chart)
        times.append(time.perf_counter() - begin)
    return statistics.median(times[1:])  # the first makes the columns


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


def open_repeatedly(window, address: str, rounds: int = 3) -> tuple[object, float, float]:
    """Return the last of some tabs, and the medians of their seconds."""
    openings = []
    for _ in range(rounds):
        if openings:
            openings[-1][0].close()
        openings.append(open_page(window, address))
    return openings[-1][0], *(statistics.median(one[i] for one in openings) for i in (1, 2))


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


def measure_page(folder: Path, train: Path) -> None:
    """Print what a user waits for on 118,000 images; `train` is their annotation file."""
    if not CHROMIUM:
        print("Data page: not measured, for want of Chromium")
        return
    data = folder / "data" / BUILT_IN[0].folder
    for _ in draw_dataset(data, train=2, val=1, size=64):
        pass
    files = {name: place.json_path for name, place in find_splits(data).items()}
    with open_browser(folder) as (window, url):
        address = f"{url}/data"
        # the app sees that the built-in pictures are there, the browser compiles the scripts
        open_repeatedly(window, address)
        small = open_repeatedly(window, address)
        files["train"].unlink()
        files["train"].hardlink_to(train)
        write_annotations(files["val"], *VAL, seed=1)
        reading = open_page(window, address)
        small[0].close()
        large = open_repeatedly(window, address)
        added = [choose_class(large[0], name) for name in ("sheep", "cow", "horse", "bear", "zebra")]
    splits = {name: examine_split(place, name) for name, place in find_splits(data).items()}
    print(f"the Data page on {TRAIN[0] + VAL[0]:,} images, read before (the same page on 3 images):")
    print(f"    opened in a new tab: numbers after {large[1]:.1f} s ({small[1]:.1f} s), "
          f"the first chart after {large[2]:.1f} s ({small[2]:.1f} s)")  # fmt: skip
    print(f"    opened for the first time: the first chart after {reading[2]:.1f} s")
    print(f"    another class chosen: the new numbers after {statistics.median(added):.2f} s, "
          f"of which the server counts for {measure_filter(splits):.2f} s")  # fmt: skip
