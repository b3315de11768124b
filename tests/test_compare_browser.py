"""Compare as a user sees it, in a real browser: from a cell of the AP matrix to the very pictures, in three clicks.

Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

import re

import pytest
from playwright.sync_api import expect

from core.findings.changes import Change, Changes, changes
from core.runs import RunStore
from core.table import read_table
from tests import pages_in_browser
from tests.chromium import needs_chromium
from tests.invented import draw_street, invented_run
from tests.pages_in_browser import (
    CELLS,
    SECOND,
    chart_named,
    choose_row,
    click_point,
    link,
    points_of,
    query_of,
)

OLDER, NEWER = "older", "*newer* <b>"
ALWAYS = {"run", "model", "before", "before_model", "view", "score"}  # in the address

pytestmark = needs_chromium
address, context, page = pages_in_browser.address, pages_in_browser.context, pages_in_browser.page


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A root folder with a drawn data set and two runs, of which the newer one is longer and finds fewer objects."""
    root = tmp_path_factory.mktemp("root")
    store, data = RunStore(root), draw_street(root)
    invented_run(store, data, (0.2, 0.7), name=OLDER)
    invented_run(store, data, (0.2, 0.3, 0.4), seed=1, name=NEWER)
    store.close()
    return root


@pytest.fixture(scope="module")
def found(root) -> Changes:
    store = RunStore(root)
    newer, older = (read_table(store.evaluations(run.id)[-1].table) for run in store.list())
    store.close()
    return changes(older, newer)


def asked(page) -> dict[str, list[str]]:
    return {name: values for name, values in query_of(page).items() if name not in ALWAYS}


def test_from_a_fall_of_ap_to_the_broken_objects_in_large(page, address, found):
    page.goto(link(address, "compare"))
    page.get_by_text("more than noise, since").wait_for()  # judged
    chart = chart_named(page, "Change of AP by class and size")
    falls = [p for p in points_of(chart) if p["text"].startswith("-") and p["x"] != "all"]
    cell = next(p for p in falls if found.number(Change.BROKEN, [p["y"]], [p["x"]]) > 1)
    n = found.number(Change.BROKEN, [cell["y"]], [cell["x"]])
    click_point(chart, cell["at"])
    page.wait_for_url("**change=broken*")
    assert asked(page) == {"change": ["broken"], "class": [cell["y"]], "size": [cell["x"]]}
    page.get_by_text(f"{n} objects on").wait_for()
    expect(page.locator(CELLS).first).to_be_in_viewport(timeout=30 * SECOND)
    page.locator(CELLS).first.click()
    expect(page.get_by_role("dialog").get_by_text("Before · epoch 1").first).to_be_visible()
    expect(page.get_by_role("dialog").get_by_text("After · epoch 2").first).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_text("Objects", exact=True).click()
    page.wait_for_url("**as=objects*")
    expect(page.locator(CELLS)).to_have_count(n, timeout=30 * SECOND)


def test_a_bar_shows_as_many_as_it_says(page, address, found):
    page.goto(link(address, "compare", as_="objects"))
    chart = chart_named(page, "False alarms, new and gone")
    bar = next(p for p in points_of(chart, 1) if p["opens"])
    click_point(chart, bar["at"], 1)
    page.wait_for_url("**change=new*")
    n = found.number(Change.NEW, [bar["y"]])
    assert bar["x"] == n
    page.get_by_text(re.compile(rf"^{n} false alarms? on")).wait_for()


def test_two_rows_of_all_runs_are_compared_by_a_click(page, address):
    page.goto(link(address, "compare", view="runs"))
    compare = page.get_by_role("button", name="Compare these two")
    expect(compare).to_be_disabled(timeout=30 * SECOND)
    chart = chart_named(page, "What the runs were trained with, and their AP")
    expect(chart.locator(".parcoords").first).to_be_attached()
    for place in (0, 1):
        choose_row(page, place)
    expect(compare).to_be_enabled(timeout=30 * SECOND)
    compare.click()
    page.wait_for_url("**view=changes*")
    page.get_by_text(f"{NEWER} · best after {OLDER} · best").wait_for()


def test_results_lead_here_and_back(page, address):
    page.goto(link(address, "results", view="boxes"))
    page.get_by_role("button", name="Compare with another run").click()
    page.wait_for_url("**/compare?*view=changes*")
    assert query_of(page)["run"] != query_of(page)["before"]
    chart_named(page, "Objects fixed and broken, by class")
    page.go_back()
    page.wait_for_url("**/results?*view=boxes*")
    expect(page.get_by_role("tab", selected=True)).to_have_text("Boxes", timeout=30 * SECOND)
