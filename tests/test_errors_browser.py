"""Errors as a user sees it, in a real browser: filters, orders, pages, keys, links and marks.

What is shown is compared with the detection table, worked out plainly (tests/table_by_hand.py). Needs Chromium;
skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from core.datasets.split import read_split
from core.evaluation.ordering import SortOrder
from core.evaluation.table import ErrorType, read_table
from core.runs.store import RunStore
from tests import pages_in_browser, table_by_hand
from tests.chromium import needs_chromium
from tests.invented import VAL, draw_street, invented_run
from tests.pages_in_browser import (
    BOXES,
    CELLS,
    SECOND,
    SIZE,
    all_drawn,
    bright,
    choose,
    expect_names,
    number_on,
    open_errors,
    query_of,
    settled,
    shown_names,
    strict_page,
    wait_for_query,
)

pytestmark = needs_chromium
address, context, page = pages_in_browser.address, pages_in_browser.context, pages_in_browser.page


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A root folder with a drawn data set and one run of three epochs."""
    root = tmp_path_factory.mktemp("root")
    store = RunStore(root)
    invented_run(store, draw_street(root), (0.2, 0.4, 0.5, 0.6))
    store.close()
    return root


@pytest.fixture(scope="module")
def frame(root):
    """The best model's detection table, at score 0.5."""
    names = {image["id"]: image["file_name"] for image in read_split(root / "data/street", "val").images}
    return table_by_hand.frame_of(read_table(next(root.glob("runs/*/tables/epoch_0003.parquet"))), names)


@pytest.fixture(scope="module")
def everything(context, address):
    """A page with all images on it, of which the second is marked."""
    with strict_page(context, address) as opened:
        open_errors(opened, address, per=96)
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


def mark(page, place: int) -> str:
    """Marks an image by the key; returns its name."""
    page.locator(CELLS).nth(place).hover()
    page.keyboard.press("m")
    page.locator(CELLS).nth(place).locator(".star").wait_for()
    return shown_names(page)[place]


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


def test_objects_are_single_boxes_cut_out_each_named(page, address, frame):
    open_errors(page, address, per=96)
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


def test_pages_are_turned_by_buttons_by_arrows_and_over_the_end_in_large(page, address, frame):
    names = table_by_hand.images(frame)
    open_errors(page, address)
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


@pytest.mark.parametrize("per", [48, 96])
def test_more_images_a_page_keep_the_place(page, address, frame, per):
    names = table_by_hand.images(frame)
    open_errors(page, address, page=3)
    expect_names(page, names[48:])
    choose(page, "Per page", f"{per} a page")
    expect_names(page, names[48:] if per == 48 else names)
    wait_for_query(page, per=per)


# Keys, and the slider


def test_every_key_acts_on_the_page(page, address):
    open_errors(page, address)
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


def test_the_score_slider_needs_no_server(page, address):
    traffic = []
    page.on("websocket", lambda ws: [ws.on(kind, lambda _: traffic.append("ws")) for kind in
                                     ("framesent", "framereceived")])  # fmt: skip
    page.on("request", lambda asked: traffic.append(asked.url))
    open_errors(page, address)
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


def test_an_address_shows_the_same_elsewhere_after_a_reload_and_back_and_forth(page, address, browser, frame):
    rows = frame.error == "missed"
    names = table_by_hand.images(frame, rows, "box")
    assert len(names) > 24
    open_errors(page, address)
    page.get_by_role("button", name=re.compile("^Missed · ")).click()
    choose(page, "Order", "Smallest first")
    expect_names(page, names[:24])
    page.get_by_role("button", name="Page 2").click()
    expect_names(page, names[24:48])
    other = browser.new_context(viewport=SIZE)
    with strict_page(other, address) as elsewhere:
        elsewhere.goto(page.url)
        expect_names(elsewhere, names[24:48])
        assert query_of(elsewhere) == query_of(page)
    other.close()
    page.reload()
    expect_names(page, names[24:48])
    page.get_by_role("link", name="Results").click()
    page.wait_for_url("**/results?*")
    page.get_by_role("tab", name="Metrics").wait_for()
    page.go_back()  # to Results as it was opened, without anything in its address
    page.wait_for_url("**/results?run=*")
    page.go_back()
    page.wait_for_url("**/errors?*")
    expect_names(page, names[24:48])
    page.get_by_role("button", name="Page 1").click()
    expect_names(page, names[:24])
    page.go_back()
    expect_names(page, names[24:48])
    page.go_forward()
    expect_names(page, names[:24])


def test_a_mark_is_there_after_a_reload_and_in_a_second_tab_until_it_is_taken_back(page, address, context):
    open_errors(page, address)
    name = mark(page, 7)
    stars = page.locator(f"{CELLS}.marked .name")
    page.reload()
    expect(stars.filter(has_text=name)).to_have_count(1)
    with strict_page(context, address) as second:
        open_errors(second, address)
        expect(second.locator(f"{CELLS}.marked .name").filter(has_text=name)).to_have_count(1)
        second.locator(CELLS).nth(7).hover()
        second.keyboard.press("m")
        expect(second.locator(f"{CELLS}.marked .name").filter(has_text=name)).to_have_count(0)
        expect(second.get_by_text(f"{VAL} of {VAL} validation images")).to_be_visible()
        page.reload()
        page.locator(f"{CELLS}[aria-label]").first.wait_for()
        expect(stars.filter(has_text=name)).to_have_count(0)
