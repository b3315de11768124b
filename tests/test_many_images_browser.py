"""Errors on 5,000 images with 200,000 detections, in a real browser: first page, last page, a filter, and memory.

How quick that is, `make bench` measures. Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it
must be there.
"""

import re
from itertools import cycle

import pyarrow as pa
import pytest
from playwright.sync_api import expect

from bench.gallery import IMAGES, make_store, server_process
from core.datasets.split import read_split
from core.evaluation.table import read_table
from core.evaluation.threshold import visible
from tests import pages_in_browser, table_by_hand
from tests.chromium import needs_chromium
from tests.pages_in_browser import (
    BOXES,
    CELLS,
    all_drawn,
    expect_names,
    number_on,
    open_errors,
    query_of,
    shown_names,
)

pytestmark = [*needs_chromium, pytest.mark.ci]
address, page = pages_in_browser.own_address, pages_in_browser.page
PER = 96  # images a page
LAST = -(-IMAGES // PER)
WARM, TURNS = 20, 60
MOST_GROWN = 20e6  # bytes


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    make_store(root, per_image=40)
    return root


@pytest.fixture(scope="module")
def frame(root):
    """The detection table at score 0.5."""
    table = read_table(next(root.glob("runs/*/tables/*.parquet")))
    names = {image["id"]: image["file_name"] for image in read_split(root / "data/large", "val").images}
    return table_by_hand.frame_of(table.filter(pa.array(visible(table, 0.5))), names)


def test_the_first_and_the_last_page_and_a_filter_are_the_tables(page, address, frame):
    names = table_by_hand.images(frame)
    open_errors(page, address, per=PER)
    expect_names(page, names[:PER])
    page.get_by_role("button", name=f"Page {LAST}", exact=True).click()
    expect_names(page, names[PER * (LAST - 1) :])
    with all_drawn(page):
        assert page.locator(BOXES).count() == (frame.name.isin(shown_names(page)) & frame.there).sum()
    rows = (frame.error == "duplicate") & (frame["size"] == "large")
    page.get_by_role("button", name=re.compile("^Duplicate · ")).click()
    page.get_by_role("button", name="large", exact=True).click()
    found = table_by_hand.images(frame, rows)
    expect(page.get_by_text(f"{len(found):,} of {IMAGES:,} validation images")).to_be_visible()
    expect_names(page, found[:PER])
    assert number_on(page, "Duplicate") == rows.sum()


@pytest.fixture
def bare(context):
    """A page that fetches no pictures: of 10,000 they would take most of the time."""
    opened = context.new_page()
    opened.set_viewport_size({"width": 1000, "height": 400})  # little to draw
    network = context.new_cdp_session(opened)
    network.send("Network.enable")
    network.send("Network.setBlockedURLs", {"urls": ["*/api/image/*"]})
    yield opened
    opened.close()


def test_turning_pages_does_not_fill_the_servers_memory(bare, address, root):
    """Were only the JSON of a page's boxes kept at each turn, 60 turns would add about 30 MB (tried).

    The bound is less than that; without a leak it is some MB. The first turns do not count: the allocator and
    Streamlit's caches, which are bounded, fill then.
    """
    open_errors(bare, address, per=PER)
    server = server_process(root)
    pages = cycle([*range(1, LAST), *range(LAST, 1, -1)])  # there and back, for ever
    last = turn_pages(bare, pages, next(pages), WARM)
    for _ in range(2):  # something else may have needed memory meanwhile, a leak grows each time
        before = server.memory_info().rss
        last = turn_pages(bare, pages, last, TURNS)
        grown = server.memory_info().rss - before
        if grown < MOST_GROWN:
            break
    assert int(query_of(bare).get("page", ["1"])[0]) == last
    assert bare.locator(CELLS).count() > 0
    assert grown < MOST_GROWN


def turn_pages(page, pages, last: int, turns: int) -> int:
    """Turn so often, from page `last` to the next ones; return the one that is shown then."""
    for _, number in zip(range(turns), pages, strict=False):
        page.keyboard.press("ArrowRight" if number > last else "ArrowLeft")
        expect(page.locator(".foot span")).to_contain_text(f"{PER * (number - 1) + 1:,}–")
        last = number
    return last
