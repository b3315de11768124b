"""Results of a hundred classes in a real browser: the matrix of those that matter, all on request, no endless chart.

Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

import itertools
import json
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from core.charts.chart import SCROLLED
from core.charts.confusion import MOST_IN_FOCUS
from core.runs.imports import import_results
from core.runs.store import RunStore
from tests import pages_in_browser
from tests.chromium import needs_chromium
from tests.pages_in_browser import CELLS, bright, chart_named, click_point, link, points_of, query_of, strict_page

pytestmark = needs_chromium
address, context, page = pages_in_browser.address, pages_in_browser.context, pages_in_browser.page
CLASSES, IMAGES, PER_IMAGE = 100, 40, 25
TAKEN_FOR_NEXT, NOT_FOUND = 7, 5  # every so many objects


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A root folder with imported results: the first classes are the most frequent ones, and confused with the next."""
    root = tmp_path_factory.mktemp("root")
    rng = np.random.default_rng(0)
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 200, "height": 200} for i in range(1, IMAGES + 1)]
    objects, results = [], []
    for image in images:
        Image.new("RGB", (200, 200), "grey").save(root / image["file_name"])
        for place in range(PER_IMAGE):
            number, label = len(objects) + 1, int(CLASSES * rng.random() ** 3)
            box = [40 * (place % 5), 40 * (place // 5), 30, 30]
            common = {"image_id": image["id"], "bbox": box}
            objects.append({"id": number, "category_id": label + 1, "area": 900, "iscrowd": 0} | common)
            if number % NOT_FOUND:
                taken_for = (label + 1) % CLASSES if number % TAKEN_FOR_NEXT == 0 else label
                results.append({"category_id": taken_for + 1, "score": 0.9} | common)
    categories = [{"id": i + 1, "name": f"class {i}"} for i in range(CLASSES)]
    (root / "gt.json").write_text(json.dumps({"images": images, "annotations": objects, "categories": categories}))
    (root / "dt.json").write_text(json.dumps(results))
    store = RunStore(root)
    import_results(store, root / "gt.json", root / "dt.json", root)
    store.close()
    return root


def open_matrix(page, address):
    page.goto(link(address, "results", view="confusion"))
    return chart_named(page, "Confusion matrix")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1920, "dark")])
def test_the_worst_classes_are_shown_first_and_all_on_request(browser, address, width, scheme):
    size = {"width": width, "height": 720}
    made = browser.new_context(viewport=size, color_scheme=scheme)
    with strict_page(made, address) as page:
        chart = open_matrix(page, address)
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


def test_a_cell_of_either_matrix_opens_its_boxes_and_a_summed_one_nothing(page, address):
    chart = open_matrix(page, address)
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


def test_the_table_of_all_classes_opens_the_boxes_of_its_rows(page, address):
    open_matrix(page, address)
    page.get_by_text("All classes", exact=True).last.click()
    whole = chart_named(page, "Confusion matrix of all classes")
    whole.get_by_role("button", name="as a table").click()
    expect(whole.locator("tbody tr").first.get_by_role("button")).to_have_text("Show")


def test_a_chart_of_all_classes_scrolls_in_its_place(page, address):
    page.goto(link(address, "results", view="figures"))
    area = chart_named(page, "AP by class").locator(".dlc-area")
    assert area.bounding_box()["height"] == SCROLLED
    assert area.evaluate("area => area.scrollHeight") > SCROLLED
    area.focus()
    page.keyboard.press("End")
    page.wait_for_function("area => area.scrollTop > 0", arg=area.element_handle())
