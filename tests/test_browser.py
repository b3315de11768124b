"""The whole loop as a user sees it, in a real browser: click Train, watch the curves, look at the errors.

Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there. With DETR_LAB_SHOTS, a
folder, the run is a whole one, and the pages are left there as pictures: the README's come from here.
"""

import os
import re
from pathlib import Path

import pytest

from tests.chromium import needs_chromium
from tests.serving import served

MINUTE = 60_000
SHOTS = os.environ.get("DETR_LAB_SHOTS")
EPOCHS = 10 if SHOTS else 2

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The app with an empty root folder of its own."""
    with served(tmp_path_factory.mktemp("root")) as url:
        yield url


@pytest.fixture
def page(browser):
    """A page of a laptop's size, on which no script may fail."""
    context = browser.new_context(viewport={"width": 1280, "height": 720}, color_scheme="light")
    opened, problems = context.new_page(), []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.set_default_timeout(MINUTE)
    yield opened
    context.close()
    assert not problems


def picture(page, name: str) -> None:
    """A picture of the page as on a desk's screen, where the doctor's remarks stand beside the curves."""
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        before = page.viewport_size
        page.set_viewport_size({"width": 1680, "height": 945})
        page.wait_for_timeout(1500)
        page.screenshot(path=Path(SHOTS) / f"{name}.png")
        page.set_viewport_size(before)


def points(page, plot: str, trace: int = 0) -> int:
    return page.evaluate(
        "([plot, trace]) => document.querySelector(`.dl-plot-${plot} .dl-canvas`)?.data?.[trace]?.x.length ?? 0",
        [plot, trace],
    )


def wait_for_points(page, plot: str, more_than: int, trace: int = 0) -> None:
    page.wait_for_function(
        "([plot, trace, n]) => document.querySelector(`.dl-plot-${plot} .dl-canvas`)?.data?.[trace]?.x.length > n",
        arg=[plot, trace, more_than],
        timeout=2 * MINUTE,
    )


def x_range(page, plot: str) -> list[float]:
    return page.evaluate(f"() => document.querySelector('.dl-plot-{plot} .dl-canvas').layout.xaxis.range")


def zoom_in(page, plot: str) -> None:
    """Drag over the middle of a chart."""
    box = page.locator(f".dl-plot-{plot} .nsewdrag").first.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.05 * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], middle, steps=5)
    page.mouse.up()


def test_click_train_watch_the_curves_and_look_at_the_errors(address, page):
    page.goto(address)
    train = page.get_by_role("button", name="Train", exact=True).last
    train.wait_for(timeout=3 * MINUTE)  # the first start draws the built-in data set
    assert page.get_by_role("combobox", name="Model").input_value() == "Starter model (built in)"
    epochs = page.get_by_role("spinbutton", name="Epochs")
    epochs.fill(str(EPOCHS))
    epochs.press("Tab")
    train.click()

    # the curves appear, training and validation, and go on moving
    for plot in ("loss", "loss_ce", "loss_bbox", "loss_giou"):
        wait_for_points(page, plot, 1)
        wait_for_points(page, plot, 0, trace=2)
    assert page.get_by_role("button", name="Stop").first.is_visible()
    assert (
        f"Epoch 1 of {EPOCHS}" in page.locator(".dl-place").inner_text()
    )  # what was typed just before the click counts
    before = points(page, "loss_ce")
    zoom_in(page, "loss_ce")
    zoomed = x_range(page, "loss_ce")
    assert zoomed != x_range(page, "loss_bbox")
    top = page.locator(".dl-plot-loss_ce").bounding_box()
    wait_for_points(page, "loss_bbox", before + 2)
    assert x_range(page, "loss_ce") == zoomed, "the zoom was lost"
    assert page.locator(".dl-plot-loss_ce").bounding_box() == top, "the page jumped"

    # a reload and a second tab see the same run, which goes on
    page.reload()
    wait_for_points(page, "loss_ce", before)
    tab = page.context.new_page()
    tab.goto(address)
    wait_for_points(tab, "loss_ce", before)
    tab.close()
    picture(page, "live")

    look = page.get_by_role("button", name="Look at the errors")
    look.wait_for(timeout=5 * MINUTE)
    assert page.locator(".dl-chip").inner_text().endswith("Finished")
    assert points(page, "ap", 1) == 1 + EPOCHS  # the untouched model first
    picture(page, "train")
    look.click()
    look_at_the_errors(page)


def look_at_the_errors(page) -> None:
    page.locator(".gallery .cell").first.wait_for()
    assert re.search(r"run=\d{8}-", page.url)
    assert page.locator(".gallery .cell").count() == 24
    page.wait_for_function(
        """() => { const all = [...document.querySelectorAll("*")].flatMap(e => [e, ...(e.shadowRoot ?
        e.shadowRoot.querySelectorAll("*") : [])]); const pictures = all.filter(e => e.matches(".gallery .cell img"));
        return pictures.length && pictures.slice(0, 6).every(i => i.complete && i.naturalWidth > 0) }"""
    )
    boxes = page.locator(".gallery .grid svg rect")
    first = boxes.count()
    assert first > 24
    picture(page, "errors")

    # the slider acts in the browser: fewer predictions, without the server
    slider = page.locator(".gallery .toolbar input[type=range]").first
    slider.fill("0.95")
    assert boxes.count() != first
    slider.fill("0.5")
    assert boxes.count() == first

    page.locator(".gallery .cell").first.click()
    large = page.get_by_role("dialog")
    large.locator("svg rect").first.wait_for()
    good = {"Correct", "Found", "Crowd", "In a crowd", "Seen wrongly"}
    for row in large.locator("tbody tr").all():
        verdict = row.locator("td").last.inner_text()
        assert ("wrong" in (row.get_attribute("class") or "")) == (verdict not in good), verdict
    picture(page, "large")
    page.keyboard.press("Escape")

    # a filter, and the next page
    page.get_by_role("button", name=re.compile("^Missed")).click()
    page.wait_for_function("() => !document.body.innerText.includes('100 of 100 validation images')")
    assert page.locator(".gallery .cell").count() > 0
