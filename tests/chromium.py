"""The browser of the tests that want one: the Chromium that is installed, without a screen; started once a worker."""

import gc
import os
import shutil
import warnings

import pytest

from tests.serving import served_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
FOR_MANY_PAGES = [
    "--js-flags=--no-maglev --no-opt",  # a page of a test is over before it would be worth compiling well
    "--process-per-site",  # whatever its port: scripts are then compiled once (see `context`)
]
SIZE = {"width": 1280, "height": 800}
WAIT = 30_000  # ms for a page on a busy machine
needs_chromium = [
    pytest.mark.skipif(
        not CHROMIUM and "DETR_LAB_NEEDS_BROWSER" not in os.environ, reason="there is no Chromium on this machine"
    ),
]


@pytest.fixture(scope="session")
def browser():
    """Chromium for all tests of a worker; what is to be forgotten stays in a context of the test's own."""
    from playwright.sync_api import sync_playwright

    assert CHROMIUM, "the browser test must run here, but there is no Chromium"
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS + FOR_MANY_PAGES)
        yield chromium
        chromium.close()
    del driver, chromium
    with warnings.catch_warnings(action="ignore"):  # the driver's loop is closed by the garbage collector
        gc.collect()


@pytest.fixture(scope="session")
def context(browser):
    """One for all pages, so that scripts and fonts are loaded once; a page that stays keeps their process."""
    made = browser.new_context(viewport=SIZE, color_scheme="light")
    made.set_default_timeout(WAIT)
    with served_page("") as address:
        made.new_page().goto(address)
        yield made
    made.close()
