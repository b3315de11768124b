"""`python -m bench.start`: what a new user waits for, from the very first start to the end of the demo's training.

In an empty root folder and a real browser, which stays open on the page. Four minutes on two cores.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from tests.chromium import CHROMIUM, FLAGS
from tests.serving import served

MINUTE = 60_000  # milliseconds
POINTS = "() => document.querySelector('.dl-plot-loss .dl-canvas')?.data?.[0]?.x.length > 1"


def main() -> None:
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        begin = time.perf_counter()
        with served(Path(folder)) as url:
            page.goto(url)
            click = page.get_by_role("button", name="Train", exact=True).last
            click.wait_for(timeout=3 * MINUTE)
            print(f"Train can be clicked {time.perf_counter() - begin:.0f} s after the start", flush=True)
            begin = time.perf_counter()
            click.click()
            page.wait_for_function(POINTS, timeout=3 * MINUTE)
            print(f"curves {time.perf_counter() - begin:.0f} s after the click", flush=True)
            page.get_by_role("button", name="Look at the errors").wait_for(timeout=10 * MINUTE)
            print(f"finished {time.perf_counter() - begin:.0f} s after the click")
        browser.close()


if __name__ == "__main__":
    main()
