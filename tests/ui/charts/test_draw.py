"""core/charts/draw.js as ui/charts/chart.js uses it in a real browser: names stay text, colours are the theme's.

Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

from dataclasses import replace

import numpy as np
import pytest
from PIL import ImageColor

from core.charts.chart import Chart
from core.datasets.split import FEW
from tests.chromium import needs_chromium
from tests.ui.charts import lone_chart
from tests.ui.charts.lone_chart import EVIL, NAMES, bars, centre_of, heat, show

pytestmark = needs_chromium
address, loaded, page, fresh = lone_chart.address, lone_chart.loaded, lone_chart.page, lone_chart.fresh  # fixtures


def contrast(one, other):
    """WCAG 2's contrast ratio."""
    shares = np.array([one, other]) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    dark, light = np.sort(linear @ [0.2126, 0.7152, 0.0722])
    return (light + 0.05) / (dark + 0.05)


def flat(trace: dict) -> dict:
    """The same bars from left to right."""
    return trace | {"orientation": "h", "x": trace["y"], "y": trace["x"]}


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


def test_the_plot_has_a_name_for_who_does_not_see_it(page):
    show(page, bars(note="Bars are AP."))
    assert page.get_by_role("img", name="AP by class. Bars are AP.").count() == 1


def test_a_name_with_half_a_surrogate_pair_is_drawn_and_opened(page):
    show(page, bars(names=["person", "cut\ud83d"]))
    page.mouse.click(*centre_of(page, ".bars .point:nth-child(2) path"))
    page.wait_for_function("told.length > 0")
    assert page.evaluate("told[0][2].class[0].charCodeAt(3)") == 0xD83D


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
