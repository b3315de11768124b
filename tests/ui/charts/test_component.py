"""ui/charts/chart.js with core/charts/draw.js, in a real browser against the real routes, without Streamlit around it.

Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageColor

from core.charts.chart import Chart, faint
from core.datasets.split import FEW
from tests.chromium import needs_chromium
from tests.serving import served_page
from ui.charts import component
from ui.server.scripts import address as script

PAGE = """<!doctype html>
<style>:root { --st-chart-categorical-colors: #2f5bd0,#c2620a,#12834a,#7a4cc2,#d0312d,#66738a; --st-font: sans-serif;
--st-text-color: #1b2430; --st-border-color: #d6dde6; --st-background-color: #ffffff; --st-gray-color: #66738a;
--st-green-color: #12834a; --st-red-color: #d0312d; }
.dark { --st-chart-categorical-colors: #86a5ff,#f2a65a,#3fcf86,#b795f5,#ff6b66,#93a0b5; --st-text-color: #e4e9f0;
--st-background-color: #12161d; }
%s</style>
<script type="module">
import chart from "%s"
window.told = []
window.show = (data, key = "host") => {
  let host = document.getElementById(key)
  if (!host) {
    host = document.createElement("div")
    host.id = key
    host.innerHTML = '<figure class="dl-chart"></figure>'
    document.body.append(host)
  }
  const setTriggerValue = (name, value) => told.push([key, name, value])
  window.leave = chart({ parentElement: host, data, setTriggerValue })
}
</script>
"""
EVIL = '<img src=x onerror="window.hacked = true"> & <a href="https://example.org">%{x}</a>'
NAMES = ["person", "car", EVIL]

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def address():
    """The route of plotly.js, and a page with nothing but the component, on a free port."""
    html = PAGE % ((component.HERE / "chart.css").read_text(), script("ui/charts/chart.js"))
    with served_page(html) as url:
        yield url


def open_page(browser, address):
    """The component's page of a laptop's size, and what goes wrong on it: a script, or a look elsewhere."""
    opened, problems = browser.new_context(viewport={"width": 1280, "height": 720}).new_page(), []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("request", lambda asked: asked.url.startswith((address, "blob:", "data:")) or problems.append(asked.url))
    opened.goto(address)
    opened.wait_for_function("typeof show === 'function'")
    return opened, problems


@pytest.fixture(scope="module")
def loaded(browser, address):
    """A page on which Plotly is there already: to load it takes a second."""
    opened, problems = open_page(browser, address)
    opened.add_script_tag(url="/api/plotly.js")
    yield opened, problems
    opened.context.close()


@pytest.fixture
def page(loaded):
    """That page with nothing on it."""
    opened, problems = loaded
    opened.set_viewport_size({"width": 1280, "height": 720})
    opened.mouse.move(0, 0)
    opened.evaluate("""() => {
        told.length = 0
        document.documentElement.className = ""
        document.querySelectorAll("body > div").forEach((made) => made.remove())
    }""")
    yield opened
    assert not opened.evaluate("Boolean(window.hacked)")
    assert not problems


@pytest.fixture
def fresh(browser, address):
    """A page of its own, on which Plotly has not been loaded."""
    opened, problems = open_page(browser, address)
    yield opened
    opened.context.close()
    assert not problems


def bars(names=NAMES, n=4210, **other) -> Chart:
    """AP by class, each bar opening its class."""
    ap = np.linspace(10, 30, len(names))
    trace = {
        "type": "bar", "x": names, "y": ap, "marker": {"color": [faint(n)] * len(names)}, "text": names,
        "customdata": [{"score": "0.5", "class": [name]} for name in names],
        "hovertemplate": "<b>%{x}</b><br>AP %{y:.1f}<extra></extra>",
    }  # fmt: skip
    rows = [(name, float(value) / 3, None) for name, value in zip(names, ap, strict=True)]
    made = Chart("class-ap", "AP by class", f"Of {EVIL}", n, "objects", [trace], {}, ("class", "AP", "gain"), rows)
    return replace(made, **other)


def heat() -> Chart:
    names = NAMES[:2]
    trace = {
        "type": "heatmap", "x": names, "y": names, "z": np.array([[5, 1], [2, 7]]), "texttemplate": "%{z}",
        "colorscale": "@scale", "customdata": [[{"true": a, "predicted": p} for p in names] for a in names],
    }  # fmt: skip
    rows = [("person", "person", 5), ("person", "car", 1), ("car", "person", 2), ("car", "car", 7)]
    return Chart("confusion", "Confusion", "", 15, "objects", [trace], {}, ("annotated", "predicted", "n"), rows)


def show(page, chart, clickable=True, key="host", drawn=True):
    page.evaluate("([data, key]) => { show(data, key) }", [component.chart_data(chart, clickable), key])
    if drawn:
        wait_until_drawn(page, key)


def wait_until_drawn(page, key="host"):
    page.wait_for_selector(f"#{key} .dlc-plot .main-svg")


def told(page):
    return page.evaluate("told")


def centre_of(page, selector):
    page.locator(selector).first.scroll_into_view_if_needed()
    box = page.locator(selector).first.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def download(page, name):
    with page.expect_download() as asked:
        page.get_by_role("button", name=name).click()
    return asked.value.suggested_filename, asked.value.path()


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


def test_a_name_with_markup_stays_text_everywhere(page):
    show(page, bars(names=["person", EVIL, "<b>bold</b>"]))
    assert page.locator(".dlc-note").inner_text() == f"Of {EVIL}"
    texts = page.locator(".bars text").all_text_contents()
    assert texts == ["person", EVIL, "<b>bold</b>"]
    page.mouse.move(*centre_of(page, ".bars .point:nth-child(3) path"))
    page.wait_for_selector(".hovertext")
    assert page.locator(".hovertext").text_content().startswith("<b>bold</b>")
    assert "AP 30.0" in page.locator(".hovertext").text_content()
    page.get_by_role("button", name="as a table").click()
    assert EVIL in page.locator(".dlc-table").inner_text()
    assert page.locator("#host img, #host a").count() == 0


def test_names_on_an_axis_are_neither_numbers_nor_dates_nor_endless(page):
    names = ["1", "10", "2024-01-01", "kitchen table with a very long name indeed"]
    show(page, bars(names=names))
    ticks = page.locator(".xtick text").all_text_contents()
    assert ticks == [*names[:3], "kitchen table with a very long …"]


def test_a_number_with_its_sign_is_shown_with_it(page):
    chart = heat()
    chart.traces[0] |= {"z": [[1.25, -3], [0, 100]], "texttemplate": "%{z:+.1f}"}
    chart.layout["xaxis"] = {"title": "predicted"}  # Plotly itself takes no text for a title any more
    show(page, chart)
    texts = page.locator(".heatmap-label text").all_text_contents()
    assert [text.replace("\N{MINUS SIGN}", "-") for text in texts] == ["+1.3", "-3.0", "+0.0", "+100.0"]
    assert page.locator(".xtitle").text_content() == "predicted"


@pytest.mark.parametrize("theme", ["", "dark"])
@pytest.mark.parametrize("scale", ["@scale", "@diverging"])
def test_text_on_the_cells_of_a_heat_map_is_readable(page, theme, scale):
    page.evaluate("theme => { document.documentElement.className = theme }", theme)
    chart = heat()
    chart.traces[0]["colorscale"] = scale
    show(page, chart)
    text = page.locator(".heatmap-label text").first.evaluate("text => getComputedStyle(text).fill")
    cells = page.evaluate("document.querySelector('.dlc-plot').data[0].colorscale.map(([, color]) => color)")
    assert all(contrast(ImageColor.getrgb(text), ImageColor.getrgb(cell)) >= 4.5 for cell in cells)


def contrast(one, other):
    """WCAG 2's contrast ratio."""
    shares = np.array([one, other]) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    dark, light = np.sort(linear @ [0.2126, 0.7152, 0.0722])
    return (light + 0.05) / (dark + 0.05)


def test_error_bars_have_the_themes_colours(page):
    page.evaluate("document.documentElement.className = 'dark'")
    x, error = NAMES[:2], {"type": "data", "array": [1, 1]}
    traces = [
        {"type": "scatter", "x": x, "y": [1, 2], "marker": {"color": ["@1", "@2"]}, "error_y": error | own}
        for own in ({}, {"color": "@2"})
    ]
    show(page, Chart("shift", "Shift", "", 4210, "objects", traces, {}, ("class",), [("person",)]))
    strokes = page.locator(".yerror").evaluate_all("bars => bars.map((bar) => getComputedStyle(bar).stroke)")
    assert strokes == ["rgb(228, 233, 240)"] * 2 + ["rgb(242, 166, 90)"] * 2


def test_a_name_that_looks_like_a_colour_stays_a_name(page):
    show(page, bars(names=["@1", "@good"]))
    assert page.locator(".xtick text").all_text_contents() == ["@1", "@good"]
    assert page.locator(".bars .point path").first.evaluate("path => getComputedStyle(path).fill") == "rgb(47, 91, 208)"


def test_the_csv_is_the_rows_in_full_precision(page):
    rows = [('a "quoted", name', 1 / 3, None), ("two\nlines", float("nan"), True), (EVIL, 1e-9, 123456789)]
    show(page, bars(rows=rows))
    name, path = download(page, "Download AP by class as CSV")
    assert name == "class-ap.csv"
    found = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
    assert found[0] == ["class", "AP", "gain"]
    assert [row[0] for row in found[1:]] == [row[0] for row in rows]
    assert float(found[1][1]) == 1 / 3 and float(found[3][1]) == 1e-9
    assert [row[2] for row in found[1:]] == ["", "true", "123456789"] and found[2][1] == ""


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


def test_what_rests_on_few_is_greyed_and_says_so(page):
    show(page, bars(n=FEW - 1))
    assert page.locator(".dlc-few").inner_text() == "only 19 objects: too few to say much"
    assert float(page.locator(".dlc-plot").evaluate("box => getComputedStyle(box).opacity")) < 0.5
    show(page, bars(n=FEW))
    assert not page.locator(".dlc-few").is_visible()
    assert page.locator(".dlc-plot").evaluate("box => getComputedStyle(box).opacity") == "1"


def test_a_chart_of_nothing_is_drawn_without_a_word_of_error(page):
    show(page, Chart("none", "Nothing", "", 0, "objects", [], {}, ("class",), []))
    assert page.locator(".dlc-few").inner_text() == "no objects: nothing to say"
    assert page.get_by_role("button", name="as CSV").is_disabled()


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


def test_the_plot_has_a_name_for_who_does_not_see_it(page):
    show(page, bars(note="Bars are AP."))
    assert page.get_by_role("img", name="AP by class. Bars are AP.").count() == 1


def test_the_place_is_as_high_before_plotly_has_loaded_as_after(fresh):
    held = []
    fresh.route("**/api/plotly.js", lambda route: held.append(route))
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


def test_a_name_with_half_a_surrogate_pair_is_drawn_and_opened(page):
    show(page, bars(names=["person", "cut\ud83d"]))
    page.mouse.click(*centre_of(page, ".bars .point:nth-child(2) path"))
    page.wait_for_function("told.length > 0")
    assert page.evaluate("told[0][2].class[0].charCodeAt(3)") == 0xD83D


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


def test_a_legend_that_needs_fewer_lines_in_a_wider_place_stays_above_the_bars(page):
    page.set_viewport_size({"width": 400, "height": 720})
    one = bars()
    layout = {"yaxis": {"autorange": "reversed"}, "barmode": "stack"}
    show(
        page, replace(one, layout=layout, traces=[flat(one.traces[0]) | {"name": f"Longer name {i}"} for i in range(4)])
    )
    high = page.locator(".legend").bounding_box()["height"]
    page.set_viewport_size({"width": 1280, "height": 720})
    page.wait_for_function(
        """high => {
            const boxes = [".legend", ".nsewdrag"].map((at) => document.querySelector(at).getBoundingClientRect())
            const [legend, bars] = boxes
            return legend.height < high / 2 && Math.abs(legend.bottom - bars.top) < 2
        }""",
        arg=high,
    )


def flat(trace: dict) -> dict:
    """The same bars from left to right."""
    return trace | {"orientation": "h", "x": trace["y"], "y": trace["x"]}


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
