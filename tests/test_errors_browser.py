"""Errors as a user sees it, in a real browser: filters, orders, pages, keys, links and marks.

What is shown is compared with the detection table, worked out plainly (tests/table_by_hand.py). Needs Chromium;
skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from core.evaluation.ordering import SortOrder
from core.evaluation.table import ErrorType
from tests import errors_in_browser, pages_in_browser, table_by_hand
from tests.chromium import needs_chromium
from tests.errors_in_browser import mark
from tests.invented import VAL
from tests.pages_in_browser import (
    CELLS,
    all_drawn,
    bright,
    choose,
    expect_names,
    number_on,
    open_errors,
    query_of,
    shown_names,
    strict_page,
    wait_for_query,
)

pytestmark = needs_chromium
address, page = pages_in_browser.address, pages_in_browser.page
frame = errors_in_browser.frame


@pytest.fixture(scope="module")
def everything(context, shared):
    """A page with all images on it, of which the second is marked."""
    with strict_page(context, shared.address) as opened:
        open_errors(opened, shared.address, run=shared.runs.marked, per=96)
        mark(opened, 1)
        opened.get_by_text("More filters").click()
        yield opened


@pytest.fixture
def filtered(everything, frame):
    """That page without a filter, in its first order."""
    if (clear := everything.get_by_role("button", name="Clear all filters")).is_visible():
        clear.click()
    expect_names(everything, table_by_hand.images(frame))
    return everything


# Filters


def of_class(page):
    choose(page, "Class", "car")
    page.keyboard.press("Escape")  # closes the list


def of_type(page):
    page.get_by_role("button", name=re.compile("^Localization error · ")).click()


def of_sizes(page):
    for name in ("small", "large"):
        page.get_by_role("button", name=name, exact=True).click()


def up_to_score(page):
    slide(page, "Score up to", 0.7)


def of_iou(page):
    slide(page, "IoU from and to — end", 0.5)
    slide(page, "IoU from and to — start", 0.1)


def tick(name):
    return lambda page: page.get_by_test_id("stSidebar").get_by_text(name, exact=True).click()


def slide(page, slider: str, to: float) -> None:
    """Moves a slider of the sidebar by its keys."""
    thumb = page.get_by_role("slider", name=slider)
    while (left := round(100 * (to - float(before := thumb.input_value())))) != 0:
        step = "Page" if abs(left) >= 10 else "Arrow"
        thumb.press(step + ({"Page": "Up", "Arrow": "Right"} if left > 0 else {"Page": "Down", "Arrow": "Left"})[step])
        expect(thumb).not_to_have_value(before)


def at_border(f):
    return f.truncated.eq(True) | f.points.isin(f.gt_id[f.truncated.eq(True) & f.is_truth])


FILTERS = {  # what a user does, which rows are asked for, what the address then says
    "class": (of_class, lambda f: f.class_name == "car", {"class": ["car"]}),
    "error type": (of_type, lambda f: f.error == "localization", {"error": ["localization"]}),
    "size": (of_sizes, lambda f: f["size"].isin(["small", "large"]), {"size": ["small", "large"]}),
    "score range": (up_to_score, lambda f: f.score <= np.float32(0.7), {"score_to": ["0.7"]}),
    "IoU range": (
        of_iou, lambda f: ~f.is_truth & f.best.between(np.float32(0.1), np.float32(0.5)),
        {"iou_from": ["0.1"], "iou_to": ["0.5"]},
    ),
    "border": (tick("At the border"), at_border, {"truncated": ["1"]}),
    "crowds": (tick("Crowds"), lambda f: f.is_crowd | f.crowd_only.eq(True), {"crowd": ["1"]}),
    "marked": (tick("Marked images"), lambda f: f.name == table_by_hand.images(f)[1], {"marked": ["1"]}),
}  # fmt: skip


@pytest.mark.few(4)
@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_shows_and_counts_exactly_the_tables_boxes(filtered, frame, name):
    act, asked, says = FILTERS[name]
    act(filtered)
    rows = asked(frame) & frame.there
    assert 0 < rows.sum() < frame.there.sum()
    expect_names(filtered, table_by_hand.images(frame, rows))
    expect(filtered.get_by_text(f"{frame.name[rows].nunique()} of {VAL} validation images")).to_be_visible()
    wait_for_query(filtered, **says)
    counted = rows if name != "error type" else frame.there  # each button says how many a click on it would show
    for kind in ErrorType:
        assert number_on(filtered, kind.label) == (frame.error[counted] == kind.value).sum(), kind
    assert bright(filtered) == rows.sum()


@pytest.mark.ci
@pytest.mark.parametrize("reverse", [False, True])
def test_every_order_is_the_tables(filtered, frame, reverse):
    if reverse:
        filtered.get_by_text("The other way round").click()
    for order in [*reversed(SortOrder)]:
        choose(filtered, "Order", order.label)
        expect_names(filtered, table_by_hand.images(frame, None, order.value, reverse))
    if reverse:
        filtered.get_by_text("The other way round").click()
        expect_names(filtered, table_by_hand.images(frame))


def test_objects_are_single_boxes_cut_out_each_named(page, shared, frame):
    open_errors(page, shared.address, run=shared.runs.marked, per=96)
    page.get_by_test_id("stSidebar").get_by_text("Objects", exact=True).click()
    wrong = frame.error.notna()
    first = table_by_hand.boxes(frame, wrong)[:96]
    names = page.locator(f"{CELLS} .name")
    expect(names).to_have_count(96)
    expect(page.get_by_text(re.compile(rf"^{wrong.sum()} errors on \d+ of {VAL} validation images"))).to_be_visible()
    with all_drawn(page):
        assert shown_names(page) == first
    assert all("crop=" in src for src in page.locator(f"{CELLS} img").evaluate_all("all => all.map((i) => i.src)"))
    page.get_by_role("button", name=re.compile("^Duplicate · ")).click()
    doubles = table_by_hand.boxes(frame, frame.error == "duplicate")
    expect(names).to_have_count(len(doubles))
    with all_drawn(page):
        assert shown_names(page) == doubles


# Pages


def test_pages_are_turned_by_buttons_by_arrows_and_over_the_end_in_large(page, shared, frame):
    names = table_by_hand.images(frame)
    open_errors(page, shared.address, run=shared.runs.marked)
    expect_names(page, names[:24])
    page.get_by_role("button", name="Page 3").click()
    expect_names(page, names[48:])
    assert query_of(page)["page"] == ["3"]
    page.get_by_role("button", name="Previous page").click()
    expect_names(page, names[24:48])
    page.keyboard.press("ArrowRight")
    expect_names(page, names[48:])
    page.keyboard.press("ArrowRight")  # there is none after the last
    page.keyboard.press("ArrowLeft")
    expect_names(page, names[24:48])
    page.keyboard.press("ArrowLeft")
    expect_names(page, names[:24])
    page.locator(CELLS).last.click()
    title = page.get_by_role("dialog").locator("h2")
    expect(title).to_have_text(names[23])
    page.keyboard.press("ArrowRight")
    expect(title).to_have_text(names[24])
    page.keyboard.press("ArrowLeft")
    expect(title).to_have_text(names[23])
    page.get_by_role("button", name="Next image").click()
    expect(title).to_have_text(names[24])
    page.keyboard.press("ArrowRight")
    expect(title).to_have_text(names[25])
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect_names(page, names[24:48])
    assert query_of(page)["page"] == ["2"]


@pytest.mark.ci
@pytest.mark.parametrize("per", [48, 96])
def test_more_images_a_page_keep_the_place(page, shared, frame, per):
    names = table_by_hand.images(frame)
    open_errors(page, shared.address, run=shared.runs.marked, page=3)
    expect_names(page, names[48:])
    choose(page, "Per page", f"{per} a page")
    expect_names(page, names[48:] if per == 48 else names)
    wait_for_query(page, per=per)
