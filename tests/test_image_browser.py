"""One image on Errors, in a real browser: at every epoch, why a box is there, and whatever its names are.

Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

import re

import pytest
from playwright.sync_api import expect

from core.evaluation.table import read_table, table_metadata
from core.evaluation.threshold import visible
from tests import pages_in_browser
from tests.chromium import needs_chromium
from tests.pages_in_browser import (
    BOXES,
    CELLS,
    MINUTE,
    all_drawn,
    chart_named,
    link,
    open_errors,
    settled,
    shown_names,
    wait_for_query,
)
from tests.shared_app import ODD

pytestmark = needs_chromium
address, page = pages_in_browser.address, pages_in_browser.page


@pytest.fixture(scope="module")
def runs(shared):
    """Runs by what they are good for: the ids of `grown` (four epochs) and `odd` (names)."""
    return shared.runs


def choose_box(page, place: int, kind: str) -> None:
    """Opens an image in large and chooses its first row of a kind in the table of boxes."""
    page.locator(CELLS).nth(place).click()
    page.get_by_role("dialog").locator("tbody tr").filter(has_text=kind).first.click()


# Watch it learn


def test_the_scrubber_shows_the_boxes_of_each_epoch(page, address, shared, runs):
    open_errors(page, address, run=runs.grown, view="watch")
    slider = page.get_by_role("slider", name="Epoch").first
    drawn = []
    for epoch in (3, 0, 1, 2):
        slider.fill(str(epoch))
        expect(page.locator(".scrub output").first).to_have_text(f"epoch {epoch}" if epoch else "baseline")
        table = read_table(next(shared.root.glob(f"runs/{runs.grown}/**/*watched*/epoch_{epoch:04}.parquet")))
        with all_drawn(page):
            assert page.locator(CELLS).count() == len(table_metadata(table).image_ids) == 24
            assert page.locator(BOXES).count() == visible(table, 0.5).sum()
            drawn.append(page.locator(f"{BOXES}.mark-missed").count())
    assert drawn[1] > drawn[2] > drawn[3] > drawn[0], "fewer are missed with every epoch"


@pytest.mark.ci
def test_play_goes_through_the_epochs_to_the_last(page, address, runs):
    open_errors(page, address, run=runs.grown, view="watch")
    names = page.locator(".scrub output").first
    expect(names).to_have_text("epoch 3")
    page.get_by_role("button", name="Play").first.click()
    for said in ("baseline", "epoch 1", "epoch 2", "epoch 3"):
        expect(names).to_have_text(said)
    expect(page.get_by_role("button", name="Play").first).to_be_visible()


@pytest.mark.ci
def test_in_large_an_image_shows_its_boxes_at_every_epoch(page, address, runs):
    open_errors(page, address, run=runs.grown, view="watch")
    watched = shown_names(page)
    open_errors(page, address, run=runs.grown, order="name", per=96)
    place = shown_names(page).index(watched[0])
    page.locator(CELLS).nth(place).click()
    large = page.get_by_role("dialog")
    slider = large.get_by_role("slider", name="Epoch")
    expect(slider).to_have_value("3")
    before = page.locator(CELLS).nth(place).get_attribute("aria-label")
    boxes = large.locator("path.box")
    corners = boxes.evaluate_all("all => all.map((one) => one.getAttribute('d'))")
    slider.fill("0")
    expect(large.locator(".scrub output")).to_have_text("baseline")
    settled(page)
    assert boxes.evaluate_all("all => all.map((one) => one.getAttribute('d'))") != corners
    slider.fill("3")
    settled(page)
    assert boxes.evaluate_all("all => all.map((one) => one.getAttribute('d'))") == corners
    assert page.locator(CELLS).nth(place).get_attribute("aria-label") == before


# Why


def test_a_real_model_says_why_a_box_is_there_and_why_an_object_was_missed(page, address, runs):
    open_errors(page, address, run=runs.grown, model="untouched")
    choose_box(page, 0, "Prediction")
    large = page.get_by_role("dialog")
    said = re.search(r"query (\d+)", large.locator("p.chosen").inner_text())[1]
    large.get_by_role("button", name="Why this box?").click()
    answer = large.locator(".why")
    expect(answer.get_by_role("heading", name=re.compile(f"^Query {said}: "))).to_be_visible(timeout=2 * MINUTE)
    expect(answer.locator(".why-table tbody tr")).to_have_count(3)  # the starter's decoder layers
    expect(answer.locator(".why-note")).to_contain_text("another step")  # the box was made up
    answer.get_by_role("button", name="Decoder layer 1").click()
    lit = "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)"
    assert large.locator("canvas.heat").evaluate(lit)
    assert large.locator(".extra polyline, .extra rect").count() > 0
    page.keyboard.press("Escape")
    page.get_by_role("button", name=re.compile("^Missed · ")).click()
    wait_for_query(page, error="missed")
    choose_box(page, 0, "Missed")
    large.get_by_role("button", name="Why was it missed?").click()
    expect(answer.locator(".why-table tbody tr").first).to_be_visible(timeout=MINUTE)
    expect(answer.get_by_role("alert")).to_have_count(0)


# Names


@pytest.mark.ci
@pytest.mark.parametrize("path", ["errors", "errors?view=objects&score=0.3", "compare", "results"])
def test_names_that_look_like_html_stay_text(page, address, runs, path):
    """The page fixture finds the request for x as well."""
    name, _, query = path.partition("?")
    asked = dict(pair.split("=") for pair in query.split("&") if pair) | ({"class": ODD} if name == "errors" else {})
    page.goto(link(address, name, run=runs.odd, **asked))
    expect(page.get_by_role("combobox", name={"compare": "After"}.get(name, "Run"))).to_have_value(re.compile(ODD))
    if name == "results":
        chart_named(page, "AP by class")
        page.get_by_role("tab", name="Images").click()
        expect(page.get_by_test_id("stDataFrame").locator("td").filter(has_text=ODD).first).to_be_attached()
    elif name == "compare":
        chart_named(page, "Change of AP by class and size")
        chart_named(page, "Objects fixed and broken, by class")
    if name != "results":
        cell = page.locator(CELLS).first
        expect(cell.locator(".name")).to_contain_text(ODD)
        cell.click()
        expect(page.get_by_role("dialog").locator("h2")).to_contain_text(ODD)
        expect(page.get_by_role("dialog").locator("td").filter(has_text=ODD).first).to_be_visible()
    assert page.evaluate("window.hacked") is None
    assert page.locator("img[src='x']").count() == 0
