"""Results of a hundred classes in a real browser: the matrix of those that matter, all on request, no endless chart.

Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

import itertools
import re

import pytest
from playwright.sync_api import expect

from core.charts.chart import SCROLLED
from core.charts.confusion import MOST_IN_FOCUS
from tests import pages_in_browser
from tests.chromium import needs_chromium
from tests.pages_in_browser import CELLS, bright, chart_named, click_point, link, points_of, query_of, strict_page
from tests.shared_app import CLASSES

pytestmark = [*needs_chromium, pytest.mark.ci]
address, page = pages_in_browser.address, pages_in_browser.page


def open_matrix(page, shared):
    page.goto(link(shared.address, "results", run=shared.runs.many_classes, view="confusion"))
    return chart_named(page, "Confusion matrix")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1920, "dark")])
def test_the_worst_classes_are_shown_first_and_all_on_request(browser, shared, width, scheme):
    size = {"width": width, "height": 720}
    made = browser.new_context(viewport=size, color_scheme=scheme)
    with strict_page(made, shared.address) as page:
        chart = open_matrix(page, shared)
        assert len({point["y"] for point in points_of(chart)}) == MOST_IN_FOCUS + 2
        expect(chart.locator(".dlc-note")).to_contain_text(re.compile(r"\d+ % of all errors lie in their rows"))
        ticks = chart.locator(".ytick text").evaluate_all("all => all.map((tick) => tick.getBoundingClientRect())")
        assert len(ticks) == MOST_IN_FOCUS + 2
        ticks.sort(key=lambda tick: tick["top"])
        assert all(one["bottom"] <= other["top"] + 1 for one, other in itertools.pairwise(ticks))
        assert chart.locator(".dlc-plot").bounding_box()["height"] < size["height"]
        page.get_by_text("All classes", exact=True).last.click()
        whole = chart_named(page, "Confusion matrix of all classes")
        assert whole.locator(".dlc-plot").evaluate("box => box.data[0].z.length") == CLASSES + 1
        page.get_by_text("Percent of a row", exact=True).click()
        expect(whole.locator(".dlc-note")).to_contain_text("in percent of each row")
    made.close()


def test_a_cell_of_either_matrix_opens_its_boxes_and_a_summed_one_nothing(page, shared):
    chart = open_matrix(page, shared)
    (row,) = {point["at"][0] for point in points_of(chart) if "other classes" in point["y"]}
    click_point(chart, [row, row])
    confused = next(p for p in points_of(chart) if p["text"] and p["opens"] and int(p["text"]) > 0 and not_right(p))
    click_point(chart, confused["at"])
    page.wait_for_url("**/errors?*")
    page.locator(CELLS).first.wait_for()
    query = query_of(page)
    assert {name: query[name][0] for name in ("true", "predicted")} == {
        name: confused["opens"][name] for name in ("true", "predicted")
    }
    assert bright(page, "mark-prediction") == int(confused["text"])


def not_right(point) -> bool:
    return point["opens"]["true"] != point["opens"]["predicted"] and point["opens"]["predicted"] != ""


def test_the_table_of_all_classes_opens_the_boxes_of_its_rows(page, shared):
    open_matrix(page, shared)
    page.get_by_text("All classes", exact=True).last.click()
    whole = chart_named(page, "Confusion matrix of all classes")
    whole.get_by_role("button", name="as a table").click()
    expect(whole.locator("tbody tr").first.get_by_role("button")).to_have_text("Show")


def test_a_chart_of_all_classes_scrolls_in_its_place(page, shared):
    page.goto(link(shared.address, "results", run=shared.runs.many_classes, view="figures"))
    area = chart_named(page, "AP by class").locator(".dlc-area")
    assert area.bounding_box()["height"] == SCROLLED
    assert area.evaluate("area => area.scrollHeight") > SCROLLED
    area.focus()
    page.keyboard.press("End")
    page.wait_for_function("area => area.scrollTop > 0", arg=area.element_handle())
