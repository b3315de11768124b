"""ui/charts/chart.js in a real browser: what opens, what is saved, the table, when Plotly is loaded and drawn with.

Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

import csv
import io

import numpy as np
import pytest
from PIL import Image

from tests.chromium import needs_chromium
from tests.ui.charts import lone_chart
from tests.ui.charts.lone_chart import EVIL, bars, centre_of, download, heat, show, told, wait_until_drawn

pytestmark = needs_chromium
address, loaded, page, fresh = lone_chart.address, lone_chart.loaded, lone_chart.page, lone_chart.fresh  # fixtures


def test_a_click_on_a_bar_opens_what_its_customdata_says(page):
    show(page, bars())
    page.mouse.click(*centre_of(page, ".bars .point:nth-child(3) path"))
    page.wait_for_function("told.length > 0")
    assert told(page) == [["host", "open", {"score": "0.5", "class": [EVIL]}]]  # as it was, not made plain


def test_a_click_on_a_cell_of_a_heat_map_opens_that_cell(page):
    show(page, heat())
    box = page.locator(".nsewdrag").bounding_box()
    page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + 0.75 * box["height"])
    page.wait_for_function("told.length > 0")
    assert told(page) == [["host", "open", {"true": "person", "predicted": "car"}]]


def test_only_what_can_be_opened_has_a_pointer_and_a_hint(page):
    show(page, bars())
    show(page, bars(), clickable=False, key="closed")
    assert page.locator("#host .dlc-foot").inner_text() == "4,210 objects · Click to see these boxes"
    assert page.locator("#closed .dlc-foot").inner_text() == "4,210 objects"
    for key, pointer in (("host", True), ("closed", False)):
        page.mouse.move(*centre_of(page, f"#{key} .bars .point path"))
        page.wait_for_selector(f"#{key} .hovertext")
        assert page.locator(f"#{key} .dlc-target").count() == pointer
    page.mouse.click(*centre_of(page, "#closed .bars .point path"))
    assert told(page) == []


def test_the_csv_is_the_rows_in_full_precision(page):
    rows = [('a "quoted", name', 1 / 3, None), ("two\nlines", float("nan"), True), (EVIL, 1e-9, 123456789)]
    formulas = [('=HYPERLINK("http://a.b";"x")', -1.5, None), ("-0.5", 1, None), ("@a", 1, None), ("\t=a", 1, None)]
    show(page, bars(rows=rows + formulas))
    name, path = download(page, "Download AP by class as CSV")
    assert name == "class-ap.csv"
    found = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
    assert found[0] == ["class", "AP", "gain"]
    assert [row[0] for row in found[1:4]] == [row[0] for row in rows]
    assert [row[0] for row in found[4:]] == ['\'=HYPERLINK("http://a.b";"x")', "-0.5", "'@a", "'\t=a"]
    assert found[4][1] == "-1.5"
    assert float(found[1][1]) == 1 / 3 and float(found[3][1]) == 1e-9
    assert [row[2] for row in found[1:4]] == ["", "true", "123456789"] and found[2][1] == ""


def test_the_png_is_the_picture_at_twice_the_size_on_the_themes_ground(page):
    show(page, bars())
    name, path = download(page, "Download AP by class as PNG")
    assert name == "class-ap.png"
    with Image.open(path) as image:
        assert image.format == "PNG" and image.height == 2 * (320 + 60)
        assert image.convert("RGB").getpixel((2, 2)) == (255, 255, 255)
    page.evaluate("document.documentElement.classList.add('dark')")
    show(page, bars())
    with Image.open(download(page, "Download AP by class as PNG")[1]) as image:
        assert image.convert("RGB").getpixel((2, 2)) == (0x12, 0x16, 0x1D)


def test_without_a_mouse_each_row_of_the_table_opens_its_boxes(page):
    show(page, heat())
    before = page.locator("#host").bounding_box()
    page.get_by_role("button", name="as a table").press("Enter")
    assert page.locator("#host").bounding_box() == before
    assert not page.locator(".dlc-plot").is_visible()
    page.get_by_role("button", name="Show the boxes of car, person").press("Enter")
    assert told(page) == [["host", "open", {"true": "car", "predicted": "person"}]]
    page.get_by_role("button", name="as a table").press("Enter")
    assert page.locator(".dlc-plot").is_visible() and not page.locator(".dlc-table").is_visible()


def test_rows_that_are_not_the_points_open_nothing(page):
    show(page, bars(rows=[("person", 0.1, None)]))
    page.get_by_role("button", name="as a table").click()
    assert page.locator(".dlc-table td").first.inner_text() == "person"
    assert page.locator(".dlc-table button").count() == 0


def test_a_long_table_ends_with_a_word_on_the_rest(page):
    show(page, bars(rows=[(f"class {i}", i / 7, i) for i in range(1200)]))
    page.get_by_role("button", name="as a table").click()
    assert page.locator(".dlc-table tbody tr").count() == 500
    assert "The first 500 of 1,200 rows; the CSV has all." in page.locator(".dlc-table").inner_text()


def test_the_place_is_as_high_before_plotly_has_loaded_as_after(fresh):
    held = []
    fresh.route("**/api/plotly.js", lambda route: held.append(route))  # noqa: PLW0108 (Playwright takes no built-in)
    show(fresh, bars(), drawn=False)
    while not held:
        fresh.wait_for_timeout(10)
    before = fresh.locator("#host").bounding_box()
    held[0].continue_()
    wait_until_drawn(fresh)
    assert fresh.locator("#host").bounding_box() == before


def test_several_charts_load_plotly_once(fresh):
    asked = []
    fresh.on("request", lambda request: "plotly.js" in request.url and asked.append(request.url))
    for key in ("one", "two", "three"):
        show(fresh, bars(), key=key, drawn=False)
    fresh.evaluate("document.getElementById('three').scrollIntoView()")
    for key in ("one", "two", "three"):
        wait_until_drawn(fresh, key)
    assert len(asked) == 1


def test_a_failed_load_is_told_and_the_table_still_works(fresh):
    fresh.route("**/api/plotly.js", lambda route: route.abort())
    show(fresh, bars(), drawn=False)
    fresh.get_by_text("The chart could not be drawn: reload the page.").wait_for()
    fresh.get_by_role("button", name="as a table").click()
    assert fresh.locator(".dlc-table tbody tr").count() == 3


def test_a_load_that_fails_at_first_leaves_no_word_once_the_chart_is_there(fresh):
    fresh.route("**/api/plotly.js", lambda route: route.abort())
    show(fresh, bars(), drawn=False)
    fresh.get_by_text("The chart could not be drawn").wait_for()
    fresh.get_by_role("button", name="as PNG").click()  # nothing can be saved yet; that is no error in the page
    fresh.wait_for_function("window.detrLabPlotly === undefined")  # that load has failed too
    fresh.unroute("**/api/plotly.js")
    show(fresh, bars())
    assert not fresh.locator(".dlc-few").is_visible()


def test_a_chart_in_a_hidden_tab_is_drawn_when_it_is_shown(page):
    show(page, heat(), key="tab")
    page.evaluate("document.getElementById('tab').style.display = 'none'")
    show(page, bars(), key="tab", drawn=False)
    page.wait_for_timeout(100)
    assert page.locator(".bars").count() == 0
    page.evaluate("document.getElementById('tab').style.display = ''")
    page.wait_for_selector(".bars")
    width = page.locator(".dlc-plot .main-svg").first.bounding_box()["width"]
    assert width == pytest.approx(page.locator(".dlc-plot").bounding_box()["width"], abs=1)


def test_the_plot_follows_the_width_of_its_place(page):
    show(page, bars())
    page.set_viewport_size({"width": 700, "height": 720})
    page.wait_for_function(
        "document.querySelector('.main-svg').clientWidth === document.querySelector('.dlc-plot').clientWidth"
    )
    assert page.locator(".dlc-plot").bounding_box()["width"] < 700


def test_a_zoom_outlives_new_figures(page):
    show(page, bars())
    page.evaluate("Plotly.relayout(document.querySelector('.dlc-plot'), {'yaxis.range': [5, 12]})")
    data = bars(n=4300)
    data.traces[0]["y"] = np.array([1.0, 2.0, 3.0])
    show(page, data)
    page.get_by_text("4,300 objects").wait_for()
    page.wait_for_function("document.querySelector('.dlc-plot').data[0].y[2] === 3")
    assert page.evaluate("document.querySelector('.dlc-plot').layout.yaxis.range") == [5, 12]


def test_nothing_is_drawn_again_unless_something_has_changed(page):
    show(page, bars())
    page.evaluate(
        "() => { window.draws = 0; window.react = Plotly.react; Plotly.react = (...all) => (draws++, react(...all)) }"
    )
    show(page, bars())
    page.wait_for_timeout(50)
    assert page.evaluate("draws") == 0
    page.evaluate("document.documentElement.classList.add('dark')")
    show(page, bars())
    page.wait_for_function("draws === 1")
    assert (
        page.locator(".bars .point path").first.evaluate("path => getComputedStyle(path).fill") == "rgb(134, 165, 255)"
    )
    page.evaluate("() => { Plotly.react = window.react }")


def test_a_chart_that_leaves_takes_its_plot_along(page):
    show(page, bars())
    box = page.locator(".dlc-plot").element_handle()
    page.evaluate("leave()")  # and stays: new data came before its first call was through
    page.wait_for_timeout(50)
    assert page.locator(".main-svg").count() and box.evaluate("box => Boolean(box._fullLayout)")
    page.evaluate("host.remove(); leave()")
    page.wait_for_timeout(50)
    assert not box.evaluate("box => Boolean(box._fullLayout)")
