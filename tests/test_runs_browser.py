"""Runs as a user sees it, in a real browser: from the table to curves over each other, to a saved view, and back.

Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

import pytest
from playwright.sync_api import expect

from tests import pages_in_browser
from tests.chromium import needs_chromium
from tests.pages_in_browser import (
    at_rest,
    choose,
    choose_row,
    link,
    query_of,
    wait_for_query,
)
from tests.shared_app import NEWER, OLDER

pytestmark = needs_chromium
address, page = pages_in_browser.address, pages_in_browser.page
VIEW = "<b>two</b> *runs*"


def open_runs(page, address, **query):
    page.goto(link(address, "runs", **query))
    page.get_by_test_id("stDataFrame").wait_for()
    at_rest(page)


def choose_by_name(page, *names: str) -> None:
    rows = page.get_by_test_id("stDataFrame").locator("tbody tr")
    for name in names:
        choose_row(page, next(i for i, row in enumerate(rows.all()) if name in row.text_content()))
        at_rest(page)


def drawn(page) -> list[dict]:
    """The traces of the curves: name, x and y."""
    page.locator(".dlr-plot .main-svg").first.wait_for()
    return page.locator(".dlr-plot").evaluate("box => box.data.map(({ name, x, y }) => ({ name, x, y }))")


def test_from_the_table_to_curves_to_a_saved_view_and_back(page, address, shared):
    open_runs(page, address)
    expect(page.get_by_test_id("stDataFrame").locator("tbody tr")).to_have_count(len(vars(shared.runs)))
    choose_by_name(page, OLDER, NEWER)
    wait_for_query(page, chosen=[shared.runs.newer, shared.runs.older])  # in the order of the table
    expect(page.get_by_role("button", name="Compare these two")).to_be_enabled()
    expect(page.locator(".dlr-table tbody tr")).to_have_count(2)
    expect(page.locator(".dlr-table tbody th")).to_have_text([NEWER, OLDER])
    assert [trace["name"] for trace in drawn(page)] == ["*newer* &lt;b>", OLDER]
    choose(page, "Metric", "AP, validation")
    page.get_by_role("radio", name="By epoch").click()
    wait_for_query(page, metric="val/AP", by="epoch")
    expect(page.locator(".dlr-plot .xtitle")).to_have_text("epoch")
    assert [trace["x"] for trace in drawn(page)] == [[0, 1, 2], [0, 1]]
    slider = page.get_by_role("slider", name="Smoothing")
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    wait_for_query(page, smooth="3")
    expect(page.locator(".dlr-plot .scatterlayer .trace")).to_have_count(4)
    raw, smooth, *_ = drawn(page)
    assert smooth["y"][0] == raw["y"][0] and smooth["y"][-1] != raw["y"][-1]

    page.get_by_role("button", name="Saved views").click()
    page.get_by_label("Save this view as").fill(VIEW)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text(VIEW, exact=True)).to_be_visible()
    saved = query_of(page)
    page.goto(link(address, "results", run=shared.runs.grown))
    page.get_by_role("button", name="Saved views · 1").click()
    page.get_by_role("button", name="Open view").click()
    expect(page.locator(".dlr-table tbody th")).to_have_text([NEWER, OLDER])
    assert query_of(page) == saved
    expect(page.locator(".dlr-plot .xtitle")).to_have_text("epoch")


@pytest.mark.ci
def test_two_rows_are_compared(page, address, shared):
    open_runs(page, address)
    choose_by_name(page, OLDER, NEWER)
    page.get_by_role("button", name="Compare these two").click()
    page.wait_for_url("**/compare?*")
    expect(page.get_by_text(f"{NEWER} · best after {OLDER} · best")).to_be_visible()
    assert (query_of(page)["before"], query_of(page)["run"]) == ([shared.runs.older], [shared.runs.newer])


@pytest.mark.ci
def test_what_is_chosen_stays_so_when_a_search_hides_it(page, address, shared):
    open_runs(page, address, chosen=shared.runs.older, search="newer")
    expect(page.get_by_text("1 chosen, 1 of them not in sight")).to_be_visible()
    choose_by_name(page, NEWER)
    wait_for_query(page, chosen=[shared.runs.older, shared.runs.newer])
    page.get_by_role("button", name="Choose none").click()
    expect(page.locator(".dlr-plot")).to_have_count(0)
    assert "chosen" not in query_of(page)
