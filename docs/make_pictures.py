"""The pictures of the pages in README and stories: `python -m docs.make_pictures`, or `make pictures`, makes them anew.

In: nothing but the project, Chromium and the packages of requirements-dev.txt. Out: PNG files in docs/, or in the
folder that is named. The app is served with an empty root folder and the built-in demo trained in a real browser, as a
new user does it; then every page is pictured with what that run has left, and the story of small objects with another.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from tests.chromium import CHROMIUM, FLAGS
from tests.serving import served

if TYPE_CHECKING:
    from playwright.sync_api import Page

MINUTE = 60_000  # milliseconds
CALM = 1500  # until animations have ended and late charts are drawn
DESK = {"width": 1680, "height": 945}  # a screen on which the doctor's remarks stand beside the curves
CELLS = ".gallery .grid .cell"
MOST_BYTES = 400_000  # of a picture


def main() -> None:
    """Train the demo in a browser and picture the pages."""
    parser = argparse.ArgumentParser(description="Make the README's pictures anew.")
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path(__file__).parent, help="where they go; docs/ if not said"
    )
    parser.add_argument("--epochs", type=int, help="fewer than the demo's own, to try this command")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    make_pictures(arguments.folder, arguments.epochs)


def make_pictures(folder: Path, epochs: int | None) -> None:
    """Write a picture of each page, of a demo of so many epochs; None: of as many as it has by itself."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as root, served(Path(root), engine=True) as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        page = browser.new_page(viewport=DESK, color_scheme="light")
        page.set_default_timeout(3 * MINUTE)
        run = train(page, address, epochs)
        for name, show in PAGES.items():
            show(page, address, run)
            picture(page, folder / f"{name}.png")
        story = train(page, f"{address}/?preset=Small+objects", epochs)
        show_small_objects(page, address, run, story)
        picture(page, folder / "compare-small.png")
        show_runs(page, address, run, story)
        picture(page, folder / "runs.png")
        browser.close()


def train(page: Page, address: str, epochs: int | None) -> str:
    """Train as a new user does, by the form as it is at this address, and return the run's id."""
    page.goto(address)
    button = page.get_by_role("button", name="Train", exact=True).last
    button.wait_for(timeout=5 * MINUTE)  # the built-in data set is drawn first
    if epochs:
        field = page.get_by_role("spinbutton", name="Epochs")
        field.fill(str(epochs))
        field.press("Tab")
    button.click()
    page.get_by_role("button", name="Stop", exact=True).wait_for()
    page.get_by_role("button", name="Look at the errors").wait_for(timeout=30 * MINUTE)
    page.get_by_role("button", name="Look at the errors").click()
    page.wait_for_url("**/errors?*run=*")
    return re.search(r"run=([\w-]+)", page.url)[1]


def picture(page: Page, path: Path) -> None:
    """Write a picture of what is in sight."""
    page.mouse.move(0, DESK["height"] - 1)  # away from what would show a tooltip
    page.wait_for_timeout(CALM)
    page.screenshot(path=path)
    make_small(path)


def make_small(path: Path) -> None:
    """Give a PNG as many colours as fit into MOST_BYTES, 256 at most; small things keep theirs."""
    with Image.open(path) as image:
        whole = image.convert("RGB")
    for colours in (256, 192, 128, 96, 64):
        few = whole.quantize(colours, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
        few.save(path, optimize=True)
        if path.stat().st_size < MOST_BYTES:
            return


def show_train(page: Page, address: str, run: str) -> None:
    """Show the curves of the finished run."""
    page.goto(address)
    page.locator(".dl-plot-loss .main-svg").first.wait_for()
    page.locator(".dl-plot-ap .main-svg").first.wait_for()


def show_data(page: Page, address: str, run: str) -> None:
    """Show the charts of the data set."""
    page.goto(f"{address}/data")
    page.locator(".dlc-plot .main-svg").first.wait_for()


def show_results(page: Page, address: str, run: str) -> None:
    """Show the metrics, from the top."""
    page.goto(f"{address}/results?run={run}")
    chart = page.locator(".dl-chart").filter(has=page.get_by_role("heading", name="AP by class", exact=True))
    chart.locator(".dlc-area").scroll_into_view_if_needed()
    chart.locator(".dlc-plot .main-svg").first.wait_for()
    page.get_by_test_id("stMain").evaluate("main => main.scrollTo(0, 0)")


def show_errors(page: Page, address: str, run: str) -> None:
    """Show the first validation images, the worst first."""
    page.goto(f"{address}/errors?run={run}")
    wait_for_images(page)


def show_large(page: Page, address: str, run: str) -> None:
    """Show an image in large, with why one of its predictions is there."""
    show_errors(page, address, run)
    page.locator(CELLS).first.click()
    large = page.get_by_role("dialog")
    large.locator("tbody tr").filter(has_text="Prediction").first.click()
    large.get_by_role("button", name="Why this box?").click()
    large.locator(".why-table tbody tr").first.wait_for(timeout=3 * MINUTE)
    large.get_by_role("button", name="Mean of the decoder's layers").click()


def show_compare(page: Page, address: str, run: str) -> None:
    """Show what the training has changed."""
    page.goto(f"{address}/compare?run={run}")
    page.get_by_text("▲ and ▼: more than noise").wait_for()


def show_predict(page: Page, address: str, run: str) -> None:
    """Show the boxes on built-in pictures."""
    page.goto(f"{address}/predict")
    page.get_by_role("button", name="Try pictures of the built-in data set").click()
    page.get_by_text("a picture in the model").wait_for(timeout=3 * MINUTE)
    wait_for_images(page)


def show_small_objects(page: Page, address: str, before: str, after: str) -> None:
    """Show the small objects that a model finds and another does not."""
    pair = f"run={after}&model=best&before={before}&before_model=best"
    page.goto(f"{address}/compare?{pair}&scores=best&size=small&change=fixed&as=objects")
    page.get_by_text("▲ and ▼: more than noise").wait_for()
    wait_for_images(page)
    page.locator(CELLS).first.evaluate("cell => cell.scrollIntoView({ block: 'center' })")


def show_runs(page: Page, address: str, before: str, after: str) -> None:
    """Show both runs in the table, and AP of both over each other by minutes."""
    page.goto(f"{address}/runs?chosen={after}&chosen={before}&metric=val/AP&by=minutes")
    page.locator(".dvn-scroller").wait_for()
    page.locator(".js-plotly-plot .main-svg").first.wait_for()


def wait_for_images(page: Page) -> None:
    """Wait until the first six pictures are drawn."""
    page.locator(CELLS).first.wait_for()
    page.wait_for_function(
        "cells => [...document.querySelectorAll(cells + ' img')].slice(0, 6).every((one) => one.naturalWidth)",
        arg=CELLS,
    )


PAGES: dict[str, Callable[[Page, str, str], None]] = {
    "train": show_train,
    "data": show_data,
    "results": show_results,
    "errors": show_errors,
    "large": show_large,
    "compare": show_compare,
    "predict": show_predict,
}

if __name__ == "__main__":
    main()
