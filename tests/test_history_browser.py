"""The browser's Back, in a real browser: one press leads to the page before, whichever page completes its address.

Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from core import PROJECT
from tests import pages_in_browser
from tests.chromium import needs_chromium
from tests.pages_in_browser import CELLS, choose, open_errors, wait_for_query

pytestmark = needs_chromium
address, page = pages_in_browser.address, pages_in_browser.page


def go(page, name: str) -> None:
    """Opens a page by the navigation, and waits until it has completed its address."""
    page.get_by_role("link", name=name, exact=True).click()
    page.wait_for_url(re.compile(rf"/{name.lower()}\?.*run="))
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()


@pytest.mark.few(1)
@pytest.mark.parametrize("name", ["Errors", "Results", "Compare"])
def test_one_press_of_back_leads_to_the_page_before(page, address, name):
    page.goto(address)
    page.locator(".dl-chip").wait_for()
    go(page, name)
    page.go_back()
    page.wait_for_url(lambda url: urlsplit(url).path == "/")
    page.locator(".dl-chip").wait_for()
    page.go_forward()
    page.wait_for_url(re.compile(rf"/{name.lower()}\?.*run="))


def test_one_press_leads_from_errors_to_the_results_and_from_there_to_train(page, address):
    page.goto(address)
    page.locator(".dl-chip").wait_for()
    for name in ("Results", "Errors"):
        go(page, name)
    page.go_back()
    page.wait_for_url(re.compile(r"/results\?"))
    page.go_back()
    page.wait_for_url(lambda url: urlsplit(url).path == "/")
    page.locator(".dl-chip").wait_for()


@pytest.mark.ci
def test_a_filter_that_a_user_sets_is_an_entry_of_its_own(page, address):
    open_errors(page, address)
    choose(page, "Class", "car")
    page.keyboard.press("Escape")
    wait_for_query(page, **{"class": "car"})
    page.go_back()
    expect(page).not_to_have_url(re.compile("class=car"))
    page.locator(CELLS).first.wait_for()


@pytest.fixture
def scripted(context):
    """A page of its own with nothing but a button, and a function that lets its script arrive."""
    opened, waiting = context.new_page(), []
    body = "<button>Train</button><script type=module src=/script.js></script>"
    opened.route("http://lab.test/**", lambda route: route.fulfill(body=body, content_type="text/html"))
    opened.route("http://lab.test/script.js", lambda route, _: waiting.append(route))
    opened.goto("http://lab.test/data", wait_until="commit")
    opened.get_by_role("button").wait_for()

    def arrive():
        script = (PROJECT / "ui/js/history.js").read_text() + "\nkeepHistoryShort()"
        waiting.pop().fulfill(body=script, content_type="text/javascript")
        opened.locator("html[data-detr-lab-history]").wait_for()

    yield opened, arrive
    opened.close()


def entries_added_by(page, address: str) -> int:
    return page.evaluate(
        """to => {
            const before = navigation.currentEntry.index
            history.pushState({}, "", to)
            return navigation.currentEntry.index - before
        }""",
        address,
    )


def test_a_click_before_the_script_came_counts(scripted):
    page, arrive = scripted
    page.get_by_role("button").click()
    arrive()
    assert entries_added_by(page, "/data?epochs=4") == 1


def test_a_page_that_answers_only_after_a_second_back_adds_nothing(scripted):
    page, arrive = scripted
    arrive()
    for address in ("/", "/?epochs=4"):
        page.get_by_role("button").click()
        assert entries_added_by(page, address) == 1
    page.go_back()
    page.go_back()
    assert [entries_added_by(page, late) for late in ("/", "/data")] == [0, 0]
    page.get_by_role("button").click()
    assert entries_added_by(page, "/errors") == 1
