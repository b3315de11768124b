"""Several at once as a user sees it, in a real browser: two values and two seeds, queued on Train, judged on Compare.

The trainings are real and tiny. Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be
there.
"""

import re

import pytest
from playwright.sync_api import expect

from core.datasets.demo import BUILT_IN, draw_dataset
from tests import pages_in_browser
from tests.chromium import needs_chromium
from tests.pages_in_browser import MINUTE, chart_named, link, query_of, traces_of
from tests.serving import served

pytestmark = needs_chromium
page = pages_in_browser.page


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    for _ in draw_dataset(root / "data" / BUILT_IN[0].folder, train=8, val=4, size=64):
        pass
    with served(root, engine=True) as url:
        yield url


def test_a_sweep_is_queued_followed_and_judged(page, address):
    page.goto(link(address, "", epochs="1", shortest_edge="48", longest_edge="64"))
    expect(page.get_by_text("8 train + 4 val images")).to_be_visible(timeout=MINUTE)
    page.get_by_text("Several at once").click()
    values = page.get_by_role("textbox", name="Values, a setting a line")
    values.fill("lr=1e-4,4e-4")
    values.press("Control+Enter")
    seeds = page.get_by_role("spinbutton", name="Seeds")
    seeds.fill("2")
    seeds.press("Enter")
    page.get_by_role("button", name="Queue 4 trainings").click()

    expect(page.get_by_text(re.compile(r"\d of 4 trainings have ended"))).to_be_visible(timeout=MINUTE)
    expect(page.get_by_role("button", name="Stop all")).to_be_visible()
    assert query_of(page)["experiment"][0].startswith("sweep-")
    expect(page.get_by_text("4 of 4 trainings have ended")).to_be_visible(timeout=4 * MINUTE)
    expect(page.get_by_text(re.compile(r"^Best: lr 0\.000[14], AP \d+\.\d, the mean of 2 seeds"))).to_be_visible()
    chart = chart_named(page, "Learning rate against AP")
    assert traces_of(chart)[:1] == ["trainings"]

    page.reload()
    expect(page.get_by_text("4 of 4 trainings have ended")).to_be_visible(timeout=MINUTE)
    expect(page.get_by_role("button", name="Stop all")).to_have_count(0)
