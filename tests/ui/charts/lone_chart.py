"""A chart by itself in a real browser, beside the app's routes, without Streamlit; and what is done with it."""

from dataclasses import replace

import numpy as np
import pytest

from core.charts.chart import Chart, grey_if_few
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
    assert not problems, problems


@pytest.fixture
def fresh(browser, address):
    """A page of its own, on which Plotly has not been loaded."""
    opened, problems = open_page(browser, address)
    yield opened
    opened.context.close()
    assert not problems, problems


def bars(names=NAMES, n=4210, **other) -> Chart:
    """AP by class, each bar opening its class."""
    ap = np.linspace(10, 30, len(names))
    trace = {
        "type": "bar", "x": names, "y": ap, "marker": {"color": [grey_if_few(n)] * len(names)}, "text": names,
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
