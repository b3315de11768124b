"""What tests serve to a browser is complete: a page of a test never complains of what the test did not write."""

from tests.chromium import CHROMIUM, FLAGS, needs_chromium
from tests.serving import served_page

pytestmark = needs_chromium


def test_the_first_page_of_a_browser_misses_nothing(browser):
    """A browser asks for a server's icon once in its life, soon after its first page."""
    with served_page("<!doctype html><p>Here.") as address:
        fresh = browser.browser_type.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        page, complaints = fresh.new_page(), []
        page.on("console", lambda message: complaints.append((message.text, message.location["url"])))
        page.goto(address)
        page.wait_for_timeout(300)
        fresh.close()
    assert not complaints
