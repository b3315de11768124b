"""The forms of Train and Data in a real browser: what is typed and chosen is there after a reload and after Back.

Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

import shutil

import pytest
from playwright.sync_api import expect

from tests import pages_in_browser
from tests.chromium import needs_chromium
from tests.pages_in_browser import choose, link, wait_for_query

pytestmark = needs_chromium
address, page = pages_in_browser.address, pages_in_browser.page


@pytest.fixture(scope="module")
def folder(shared, tmp_path_factory):
    """A data set of the user's own, whose path has a comma and spaces."""
    return shutil.copytree(shared.root / "data/street", tmp_path_factory.mktemp("own") / "my birds, 2 (new)")


@pytest.mark.ci
def test_train_keeps_a_typed_path_that_is_left_and_its_settings_over_a_reload_and_back(page, address, folder):
    page.goto(address)
    choose(page, "Data set", "Another folder …")
    field = page.get_by_role("textbox", name="Data set: path or name")
    field.fill(f' "{folder}" ')
    field.press("Tab")  # a select box would drop it here
    wait_for_query(page, data=folder)
    page.get_by_role("spinbutton", name="Epochs").fill("3")
    page.get_by_role("spinbutton", name="Epochs").press("Enter")
    wait_for_query(page, epochs=3)
    page.reload()
    expect(field).to_have_value(str(folder))
    expect(page.get_by_role("spinbutton", name="Epochs")).to_have_value("3")
    page.get_by_role("link", name="Errors").click()
    page.wait_for_url("**/errors*")
    page.get_by_role("link", name="Train").click()
    expect(field).to_have_value(str(folder))
    wait_for_query(page, data=folder, epochs=3)


def test_back_is_not_caught_by_a_fresh_form(page, address):
    page.goto(link(address, "data"))
    page.get_by_role("link", name="Train").click()
    epochs = page.get_by_role("spinbutton", name="Epochs")
    epochs.fill("4")
    epochs.press("Enter")
    wait_for_query(page, epochs=4)
    page.go_back()
    page.wait_for_url(lambda url: "epochs" not in url)
    page.go_back()
    page.wait_for_url("**/data*")


@pytest.mark.ci
def test_data_keeps_its_folder_and_classes_over_a_reload(page, address, folder):
    page.goto(link(address, "data"))
    page.get_by_text("A folder of mine", exact=True).click()
    field = page.get_by_role("textbox", name="Folder")
    field.fill(f"file://{str(folder).replace(' ', '%20')}")
    field.press("Tab")
    wait_for_query(page, source="folder", folder=folder)
    page.reload()
    expect(field).to_have_value(str(folder))
    expect(page.get_by_role("tab", name="Contents")).to_be_visible()
