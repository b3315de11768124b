"""Slices as a user sees them, in a real browser: a click on one opens its images on Errors, and back leads back.

Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

import re

from playwright.sync_api import expect

from tests import pages_in_browser
from tests.chromium import needs_chromium
from tests.invented import VAL
from tests.pages_in_browser import (
    CELLS,
    at_rest,
    chart_named,
    click_point,
    link,
    points_of,
    query_of,
    settled,
    wait_for_query,
)  # fmt: skip

pytestmark = needs_chromium
address, page = pages_in_browser.address, pages_in_browser.page

BARS, HEAT = "AP by slice, against all other images", "Errors by slice"


def open_slices(page, shared) -> None:
    """Opens the tab; it is there once the pictures are measured."""
    page.goto(link(shared.address, "results", run=shared.runs.results, view="slices"))
    expect(page.get_by_text("All slices", exact=True)).to_be_visible()
    expect(page.get_by_text("Measuring brightness and sharpness")).to_have_count(0)
    page.locator(".dlc-plot").first.wait_for()
    is_measured = "() => document.querySelector('.dlc-plot')?.data?.[0].y.some((name) => name.startsWith('brightness'))"
    page.wait_for_function(is_measured)


def opened_on_errors(page) -> dict[str, list[str]]:
    page.wait_for_url("**/errors?*")
    page.locator(CELLS).first.wait_for()
    return query_of(page)


def test_a_click_on_a_slice_opens_its_images_and_back_leads_back(page, shared):
    open_slices(page, shared)
    chart = chart_named(page, BARS)
    point = next(point for point in points_of(chart) if point["y"].startswith("brightness: "))
    name, images = re.fullmatch(r"brightness: (.*) \((\d+)\)", point["y"]).groups()
    click_point(chart, point["at"])
    assert opened_on_errors(page)["slice"] == [f"brightness:{name}"]
    expect(page.get_by_text(f"{images} of {VAL} validation images")).to_be_visible()
    page.go_back()
    page.wait_for_url("**/results?*view=slices*")
    expect(page.get_by_role("tab", selected=True)).to_have_text("Slices")


def test_a_cell_opens_exactly_its_errors(page, shared):
    open_slices(page, shared)
    chart = chart_named(page, HEAT)
    point = next(point for point in points_of(chart) if point["text"] and "missed" in str(point["opens"]))
    click_point(chart, point["at"])
    query = opened_on_errors(page)
    assert query["error"] == ["missed"] and len(query["slice"]) == 1


def test_a_slice_is_chosen_in_the_sidebar_of_errors(page, shared):
    page.goto(link(shared.address, "errors", run=shared.runs.results))
    page.locator(CELLS).first.wait_for()
    at_rest(page)
    box = page.get_by_test_id("stMultiSelect").filter(has_text="Slice").get_by_role("combobox")
    box.click()
    option = page.get_by_role("option", name=re.compile("^objects: ")).first
    name = option.inner_text().removeprefix("objects: ")
    settled(page)
    option.click()
    wait_for_query(page, slice=f"objects:{name}")
    expect(page.get_by_text(f"{VAL} of {VAL} validation images")).to_have_count(0)
    page.keyboard.press("Escape")  # the list of slices
    page.get_by_role("button", name=f"objects: {name}").last.click()  # the chip above the pictures
    expect(page.get_by_text(f"{VAL} of {VAL} validation images")).to_be_visible()
    assert "slice" not in query_of(page)
