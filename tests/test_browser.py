"""The whole loop as a user sees it, in a real browser: click Train, watch the curves, look at the errors.

On a data set of few images, drawn beforehand; that the first start draws one, is tested in tests/pages/.
Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

import re

import pytest
from playwright.sync_api import expect

from core.datasets.demo import BUILT_IN, draw_dataset
from core.training.events import START
from tests.chromium import needs_chromium
from tests.pages_in_browser import BOXES, CELLS, MINUTE, link
from tests.serving import served
from ui.live.start import PROCESS

EPOCHS, TRAIN, VAL = 2, 48, 30  # images
# keeps the names of the start's steps, each as it is at hand in the page
WATCH_START = """() => {
    window.steps = []
    new MutationObserver(() => {
        const name = document.querySelector(".dl-start li[data-state=now] b")?.textContent
        if (name && name !== steps.at(-1)) steps.push(name)
    }).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true })
}"""

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A root folder with a small data set in the built-in one's place."""
    root = tmp_path_factory.mktemp("root")
    for _ in draw_dataset(root / "data" / BUILT_IN[0].folder, BUILT_IN[0].look, train=TRAIN, val=VAL):
        pass
    return root


@pytest.fixture(scope="module")
def address(root):
    """The app as a user has it, with its engine."""
    with served(root, engine=True) as url:
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
    assert not problems, problems


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
    page.goto(link(address, "", threads=1))  # two would wait for each other on busy cores
    train = page.get_by_role("button", name="Train", exact=True).last
    train.wait_for()
    expect(page.get_by_role("combobox", name="Model")).to_have_value("Starter model (built in)")
    epochs = page.get_by_role("spinbutton", name="Epochs")
    epochs.fill(str(EPOCHS))
    epochs.press("Tab")
    page.evaluate(WATCH_START)
    train.click()

    # the curves appear, training and validation, and go on moving
    for plot in ("loss", "loss_ce", "loss_bbox", "loss_giou"):
        wait_for_points(page, plot, 1)
        wait_for_points(page, plot, 0, trace=2)
    steps = page.evaluate("steps")
    assert steps == sorted(steps, key=(PROCESS, *START).index) and steps[0] == PROCESS and len(steps) > 1
    page.get_by_role("button", name="Stop").first.wait_for()
    place = page.locator(".dl-place").inner_text()
    assert f"Epoch 1 of {EPOCHS}" in place, "what was typed just before the click counts"
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

    look = page.get_by_role("button", name="Look at the errors")
    look.wait_for(timeout=5 * MINUTE)
    assert page.locator(".dl-chip").inner_text().endswith("Finished")
    assert points(page, "ap", 1) == 1 + EPOCHS  # the untouched model first
    look.click()
    look_at_the_errors(page)
    evaluate_in_tiles_and_compare(page)


def look_at_the_errors(page) -> None:
    page.locator(CELLS).first.wait_for()
    assert re.search(r"run=\d{8}-", page.url)
    assert page.locator(CELLS).count() == 24
    wait_for_pictures(page)
    boxes = page.locator(BOXES)
    expect(page.locator(CELLS).first).to_have_attribute("aria-label", re.compile("Open in large"))
    first = boxes.count()
    assert first > 24

    # the slider acts in the browser: fewer predictions, without the server
    slider = page.locator(".gallery .toolbar .score input").first
    slider.fill("0.95")
    expect(boxes).not_to_have_count(first)
    slider.fill("0.5")
    expect(boxes).to_have_count(first)

    page.locator(CELLS).first.click()
    large = page.get_by_role("dialog")
    large.locator("path.box").first.wait_for(state="attached")
    good = {"Correct", "Found", "Crowd", "In a crowd", "Seen wrongly"}
    for row in large.locator("tbody tr").all():
        verdict = row.locator("td").last.inner_text()
        assert ("wrong" in (row.get_attribute("class") or "")) == (verdict not in good), verdict
    page.keyboard.press("Escape")

    # a filter, and the next page
    page.get_by_role("button", name=re.compile("^Missed")).click()
    expect(page.get_by_text(f"{VAL} of {VAL} validation images")).to_have_count(0)
    assert page.locator(CELLS).count() > 0


def wait_for_pictures(page) -> None:
    """Until the first six are there."""
    for place in range(min(6, page.locator(CELLS).count())):
        expect(page.locator(f"{CELLS} img").nth(place)).not_to_have_js_property("naturalWidth", 0, timeout=MINUTE)


def evaluate_in_tiles_and_compare(page) -> None:
    """The same model on the same images, cut into tiles: through the queue, in a process of its own."""
    page.get_by_role("link", name="Results").click()
    page.get_by_role("button", name="Evaluate a model").click()
    inputs = page.get_by_role("combobox", name="What the model sees")
    inputs.fill("2x2")
    inputs.press("Enter")
    inputs.press("Escape")
    page.get_by_role("button", name="Remove as it was trained").first.click()
    page.get_by_role("button", name="Evaluate", exact=True).click()
    expect(page.get_by_text(re.compile("^Evaluated: .*2 × 2 tiles"))).to_be_visible(timeout=2 * MINUTE)
    page.get_by_role("button", name="Compare", exact=True).click()
    page.wait_for_url("**/compare?*")
    expect(page.get_by_text(re.compile("evaluated after .* finds")).first).to_be_visible()
