"""The browser of the tests that want one: the Chromium that is installed, without a screen."""

import os
import shutil

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
needs_chromium = [
    pytest.mark.skipif(
        not CHROMIUM and "DETR_LAB_NEEDS_BROWSER" not in os.environ, reason="there is no Chromium on this machine"
    ),
    # asyncio's loop of the browser's driver is closed by the garbage collector, after the test
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    assert CHROMIUM, "the browser test must run here, but there is no Chromium"
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield chromium
        chromium.close()
