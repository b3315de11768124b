"""Every page in a real browser: whatever can be used there has a name that a screen reader can say, as Chromium's rules
for names make them out, also inside the components; and axe-core finds nothing serious or critical, light and dark.

Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests import pages_in_browser
from tests.chromium import needs_chromium
from tests.pages_in_browser import CELLS, at_rest, settled

pytestmark = [*needs_chromium, pytest.mark.ci]
address, page = pages_in_browser.address, pages_in_browser.page
USED = (
    "button", "link", "checkbox", "switch", "radio", "radiogroup", "combobox", "textbox", "searchbox", "slider",
    "spinbutton", "tab", "menuitem", "option", "dialog", "navigation", "toolbar",
)  # fmt: skip
SEVERE = ("serious", "critical")
# what axe may find, one by one: (rule, what its selector ends in, why it stays)
KNOWN: tuple[tuple[str, str, str], ...] = ()
NAMELESS = re.compile(rf"^\s*- '?({'|'.join(USED)})(?! \")\b.*$", re.MULTILINE)


def bring_pictures(page):
    assert_named(page)
    page.get_by_role("button", name="Try pictures of the built-in data set").click()
    page.locator(CELLS).first.wait_for()


def show_large(page):
    page.locator(CELLS).first.click()
    large = page.get_by_role("dialog")
    large.locator("tbody tr").first.click()
    expect(large.locator("p.chosen")).to_be_visible()


def open_all(page):
    """What lies behind buttons of Errors."""
    page.get_by_text("More filters").click()
    page.get_by_text("Crowds", exact=True).wait_for()
    page.get_by_role("button", name="Mark or export").click()
    page.get_by_text("Mark all", exact=True).wait_for()


def expand(page):
    """What lies behind the form's headings."""
    closed = page.locator("details:not([open]) > summary")
    for left in reversed(range(closed.count())):
        at_rest(page)
        closed.first.click()
        expect(closed).to_have_count(left)


def every_tab(page):
    for tab in page.get_by_role("tab").all():
        # a tab that is drawn anew between the press and the release of a click does not take it
        expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
        tab.click()
        expect(tab).to_have_attribute("aria-selected", "true")
        expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
        settled(page)
        assert_named(page)


SEEN = {  # what there is to wait for, and what is done then
    "data": ("text=Training ·", every_tab),
    "": (".dl-curves, .stButton", expand),
    "results": (".dlc-plot .main-svg", every_tab),
    "errors": (CELLS, open_all),
    "errors?view=objects": (CELLS, show_large),
    "errors?view=watch": (CELLS, show_large),
    "compare": (CELLS, show_large),
    "runs": ("[data-testid=stDataFrame]", every_tab),
    "predict": ("text=Drop pictures", bring_pictures),
}


def assert_named(page) -> None:
    said = page.locator("body").aria_snapshot()
    assert [found[0] for found in NAMELESS.finditer(said)] == []


def severe(page, **options) -> list[str]:
    """What axe finds serious or critical, but for what is known."""
    asked = {"resultTypes": ["violations"], "preload": False, "iframes": False} | options
    found = Axe().run(page, options=asked).response["violations"]
    return [
        f"{one['id']} ({one['impact']}): {node['target']}: {node['failureSummary']}"
        for one in found if one["impact"] in SEVERE for node in one["nodes"]
        if not any(one["id"] == rule and str(node["target"][-1]).endswith(end) for rule, end, _ in KNOWN)
    ]  # fmt: skip


def assert_accessible(page) -> None:
    """Light, and of what differs, colours, dark."""
    assert severe(page) == []
    page.emulate_media(color_scheme="dark")
    expect(page.get_by_test_id("stApp")).to_have_css("color-scheme", "dark")
    page.wait_for_timeout(300)  # colours pass over into others
    assert severe(page, runOnly=["color-contrast"]) == [], "dark"


@pytest.mark.parametrize("path", SEEN)
def test_whatever_can_be_used_has_a_name_and_axe_finds_nothing_severe(page, address, path):
    there, act = SEEN[path]
    page.goto(f"{address}/{path}")
    page.locator(there).first.wait_for()
    act(page)
    assert_named(page)
    assert_accessible(page)


def test_axe_finds_what_cannot_be_read_also_inside_a_component(page, address):
    page.goto(f"{address}/predict")
    page.get_by_text("Drop pictures of your own").wait_for()
    page.evaluate(
        """() => { const host = document.body.appendChild(document.createElement("div"))
        host.attachShadow({ mode: "open" }).innerHTML = "<p style='color: #aaa; background: #fff'>grey</p>"
        host.style = "position: fixed; inset: 40% auto auto 40%; z-index: 9999999" }"""
    )
    assert [found.split()[0] for found in severe(page)] == ["color-contrast"]


def test_what_has_no_name_is_found_also_inside_a_component(page, address):
    page.goto(f"{address}/predict")
    page.get_by_text("Drop pictures of your own").wait_for()
    page.evaluate(
        """() => { const host = document.body.appendChild(document.createElement("div"))
        host.attachShadow({ mode: "open" }).innerHTML = "<button></button><input type=range><button>named</button>" }"""
    )
    found = [match[1] for match in NAMELESS.finditer(page.locator("body").aria_snapshot())]
    assert found == ["button", "slider"]
