"""Augmentation in a real browser: the pictures change as the switches do, before anything is trained.

Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

import re

from playwright.sync_api import expect

from tests import pages_in_browser
from tests.chromium import needs_chromium
from tests.pages_in_browser import MINUTE, at_rest, choose, link, wait_for_query

pytestmark = needs_chromium
address, page = pages_in_browser.address, pages_in_browser.page

TITLE = "The first training images as the model will see them"


def picture(page) -> str:
    """The address of the picture that is shown, once it is drawn."""
    shown = page.get_by_test_id("stImage").locator("img")
    expect(shown).to_be_visible(timeout=2 * MINUTE)  # the process that draws it begins
    expect(page.get_by_test_id("stSpinner")).to_have_count(0, timeout=MINUTE)
    page.wait_for_function("() => document.querySelector('[data-testid=stImage] img')?.naturalWidth > 300")
    return shown.get_attribute("src")


def test_the_preview_changes_as_kinds_are_switched(page, shared):
    page.goto(link(shared.address, "", data=shared.root / "data/street"))
    page.get_by_text("More settings").click()
    page.get_by_text("Preview", exact=True).click()
    expect(page.get_by_text(TITLE)).to_be_visible()
    addresses = [picture(page)]

    def has_changed() -> None:
        expect(page.get_by_test_id("stImage").locator("img")).not_to_have_attribute(
            "src", addresses[-1], timeout=MINUTE
        )
        addresses.append(picture(page))

    augmentation = page.get_by_role("combobox", name=re.compile("^Augmentation"))  # the label goes on
    choose(page, "Augmentation", "photographs")
    wait_for_query(page, augment="flip, zoom, colour, blur and noise")
    has_changed()
    at_rest(page)
    page.get_by_role("button", name="mosaic", exact=True).click()
    expect(augmentation).to_have_value("own choice")
    has_changed()
    at_rest(page)
    page.get_by_role("button", name="Epoch 1 · next").click()
    has_changed()
    assert len(set(addresses)) == 4
    page.reload()
    page.get_by_text("More settings").click()
    expect(augmentation).to_have_value("own choice")
