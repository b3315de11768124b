"""Errors as a user sees it, in a real browser: keys, the score slider, links and marks.

What is shown is compared with the detection table, worked out plainly (tests/table_by_hand.py). Needs Chromium;
skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

import re

import pytest
from playwright.sync_api import expect

from tests import errors_in_browser, pages_in_browser, table_by_hand
from tests.chromium import needs_chromium
from tests.errors_in_browser import mark
from tests.invented import VAL
from tests.pages_in_browser import (
    BOXES,
    CELLS,
    SECOND,
    SIZE,
    choose,
    expect_names,
    open_errors,
    query_of,
    settled,
    shown_names,
    strict_page,
)

pytestmark = needs_chromium
address, page = pages_in_browser.address, pages_in_browser.page
frame = errors_in_browser.frame


# Keys, and the slider


def test_every_key_acts_on_the_page(page, shared):
    open_errors(page, shared.address, run=shared.runs.keys)
    predictions, truths = page.locator(f"{BOXES}.mark-prediction"), page.locator(f"{BOXES}:not(.mark-prediction)")
    expect(page.locator(CELLS).first).to_have_attribute("aria-label", re.compile("Open in large"))
    shown = {"p": predictions, "g": truths, "l": page.locator(f"{CELLS} .label")}
    for key, kind in shown.items():
        n = kind.count()
        assert n > 0
        page.keyboard.press(key)
        expect(kind).to_have_count(0)
        page.keyboard.press(key)
        expect(kind).to_have_count(n)
    right = page.locator(f"{BOXES}.mark-truth:not(.wrong)")
    expect(right.first).to_be_attached()
    before = right.count()
    page.keyboard.press("e")
    settled(page)
    assert right.count() < before
    page.keyboard.press("e")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.locator(CELLS).nth(4).hover()
    page.keyboard.press("f")
    large = page.get_by_role("dialog")
    expect(large.locator("h2")).to_have_text(shown_names(page)[4])
    page.keyboard.press("Escape")
    expect(large).to_have_count(0)


def test_the_score_slider_needs_no_server(page, shared):
    traffic = []
    page.on("websocket", lambda ws: [ws.on(kind, lambda _: traffic.append("ws")) for kind in
                                     ("framesent", "framereceived")])  # fmt: skip
    page.on("request", lambda asked: traffic.append(asked.url))
    open_errors(page, shared.address, run=shared.runs.keys)
    assert "ws" in traffic
    calm(page, traffic)
    boxes, slider = page.locator(BOXES), page.get_by_role("slider", name="Show from score")
    counts = [boxes.count()]
    for score in ("0.3", "0.7", "0.95"):
        slider.fill(score)
        settled(page)
        counts.append(boxes.count())
    area = slider.bounding_box()
    page.mouse.move(area["x"] + area["width"] - 2, area["y"] + area["height"] / 2)
    page.mouse.down()
    page.mouse.move(area["x"] + 2, area["y"] + area["height"] / 2, steps=20)
    page.mouse.up()
    settled(page)
    assert counts[1] > counts[0] > counts[2] > counts[3] and boxes.count() >= counts[1]
    page.wait_for_timeout(600)
    assert traffic == []


def calm(page, traffic: list) -> None:
    """Waits until there has been no traffic for a second: the next page's pictures are fetched ahead."""
    while traffic:
        traffic.clear()
        page.wait_for_timeout(SECOND)


# Links, and marks


@pytest.mark.ci
def test_an_address_shows_the_same_elsewhere_after_a_reload_and_back_and_forth(page, shared, browser, frame):
    rows = frame.error == "missed"
    names = table_by_hand.images(frame, rows, "box")
    assert len(names) > 24
    open_errors(page, shared.address, run=shared.runs.keys)
    page.get_by_role("button", name=re.compile("^Missed · ")).click()
    choose(page, "Order", "Smallest first")
    expect_names(page, names[:24])
    page.get_by_role("button", name="Page 2").click()
    expect_names(page, names[24:48])
    other = browser.new_context(viewport=SIZE)
    with strict_page(other, shared.address) as elsewhere:
        elsewhere.goto(page.url)
        expect_names(elsewhere, names[24:48])
        assert query_of(elsewhere) == query_of(page)
    other.close()
    page.reload()
    expect_names(page, names[24:48])
    page.get_by_role("link", name="Results").click()
    page.wait_for_url("**/results?*")
    page.get_by_role("tab", name="Metrics").wait_for()
    page.go_back()  # one press, though Results has completed its address
    page.wait_for_url("**/errors?*")
    expect_names(page, names[24:48])
    page.get_by_role("button", name="Page 1").click()
    expect_names(page, names[:24])
    page.go_back()
    expect_names(page, names[24:48])
    page.go_forward()
    expect_names(page, names[:24])


@pytest.mark.ci
def test_a_mark_is_there_after_a_reload_and_in_a_second_tab_until_it_is_taken_back(page, shared, context):
    open_errors(page, shared.address, run=shared.runs.keys)
    name = mark(page, 7)
    stars = page.locator(f"{CELLS}.marked .name")
    page.reload()
    expect(stars.filter(has_text=name)).to_have_count(1)
    with strict_page(context, shared.address) as second:
        open_errors(second, shared.address, run=shared.runs.keys)
        expect(second.locator(f"{CELLS}.marked .name").filter(has_text=name)).to_have_count(1)
        second.locator(CELLS).nth(7).hover()
        second.keyboard.press("m")
        expect(second.locator(f"{CELLS}.marked .name").filter(has_text=name)).to_have_count(0)
        expect(second.get_by_text(f"{VAL} of {VAL} validation images")).to_be_visible()
        page.reload()
        page.locator(f"{CELLS}[aria-label]").first.wait_for()
        expect(stars.filter(has_text=name)).to_have_count(0)
