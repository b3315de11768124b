"""The report as text, and opened from the disk in a real browser (skipped without Chromium)."""

import base64
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from PIL import Image

from core.charts.chart import SCROLLED, Chart
from core.charts.training import training_charts
from core.datasets.split import FEW
from core.export.html import MetricsTable, package_versions, report_html
from tests.chromium import needs_chromium

EVIL = '</script><script>window.hacked = true</script><img src="//example.org/x" onerror="window.hacked = true">'
BARS = Chart(
    "class-ap", "AP by class", "Longer is better.", 4210, "objects",
    [{"type": "bar", "x": ["person", EVIL], "y": [40, 20.5], "marker": {"color": "@1"}}],
    {"yaxis": {"title": "AP, %"}}, ("class", "AP"), [("person", 0.4), (EVIL, 0.205)],
)  # fmt: skip
EVIL_BARS = replace(BARS, title=EVIL, note=EVIL, unit=EVIL, key="evil", n=3)
METRICS = MetricsTable(
    [
        ("AP", 0.4, 0.3, 0.1, 0.05, 0.15),
        ("AP50", 0.6, 0.62, -0.02, -0.05, 0.01),
        ("APs", 0.1, 0.2, -0.1, -0.2, -0.05),
        ("APm", None, None, None, None, None),
    ],
    "Intervals of 1,000 resamples.",
)
CURVES = {f"train/{name}": (list(range(1, 41)), [4 / i for i in range(1, 41)]) for name in ("loss", "loss_ce")}


def made(title="Night street", facts=(), metrics=METRICS, sections=(), pictures=(), config=None) -> str:
    return report_html(title, facts, metrics, sections, pictures, config or {})


class Texts(HTMLParser):
    """What stands on the page: elements by name, and the words outside scripts and styles."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.words, self.silent = [], "", False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.silent = tag in ("script", "style")

    def handle_endtag(self, tag):
        self.silent = False

    def handle_data(self, data):
        self.words += "" if self.silent else data

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


def table_rows(html: str) -> list[list[str]]:
    """The cells of the first table."""
    body = html[html.index("<table") : html.index("</table>")]
    rows = re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
    return [[re.sub("<.*?>", "", cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", row)] for row in rows]


def test_a_report_of_nothing_is_a_page_with_its_title():
    page = Texts(made(metrics=MetricsTable([])))
    assert "Night street" in page.words and not page.all("table")[1:]  # the versions alone
    assert "Pictures" not in page.words and "Settings" not in page.words


def test_metrics_stand_beside_the_baselines_in_percent():
    assert table_rows(made()) == [
        ["Metric, %", "this model", "baseline", "change", "interval"],
        ["AP", "40.0", "30.0", "+10.0", "+5.0 to +15.0"],
        ["AP50", "60.0", "62.0", "-2.0", "-5.0 to +1.0"],
        ["APs", "10.0", "20.0", "-10.0", "-20.0 to -5.0"],
        ["APm", "–", "–", "–", "–"],
    ]
    assert "Intervals of 1,000 resamples." in made()


def test_only_a_change_beyond_doubt_has_a_colour():
    assert re.findall(r'<td class="(\w+)">(.*?)<', made()) == [("up", "+10.0"), ("down", "-10.0")]


def test_without_a_baseline_an_interval_is_of_the_metric_itself():
    alone = MetricsTable([("AP", 0.4, None, None, 0.35, 0.45)])
    assert table_rows(made(metrics=alone)) == [["Metric, %", "this model", "interval"], ["AP", "40.0", "35.0 to 45.0"]]
    bare = MetricsTable([("AP", 0.4, None, None, None, None)])
    assert table_rows(made(metrics=bare)) == [["Metric, %", "this model"], ["AP", "40.0"]]


def test_nothing_from_a_file_becomes_markup():
    page = Texts(
        made(EVIL, [(EVIL, EVIL)], MetricsTable([(EVIL, 0.1, None, None, None, None)], EVIL), [(EVIL, [EVIL_BARS])],
             [(EVIL, Image.new("RGB", (8, 8)))], {EVIL: EVIL, "nested": {"a": [EVIL]}})
    )  # fmt: skip
    assert [attrs.get("id") for attrs in page.all("script")] == ["charts", None, None]
    assert all(attrs["src"].startswith("data:image/webp") for attrs in page.all("img"))
    assert page.words.count(EVIL) >= 10


def test_the_charts_json_is_what_was_given():
    html = made(sections=[("Classes", [EVIL_BARS, BARS])])
    found = json.loads(re.search(r'id="charts">(.*?)</script>', html, re.DOTALL)[1])
    assert [chart["title"] for chart in found] == [EVIL, "AP by class"]
    assert found[1]["rows"] == [["person", 0.4], [EVIL, 0.205]]


def test_sections_stand_in_the_order_given_and_empty_ones_are_left_out():
    html = made(sections=[("Training", training_charts(CURVES)), ("Boxes", []), ("Classes", [BARS])], config={"a": 1})
    headings = re.findall(r"<h2>(.*?)</h2>", html)
    assert headings == ["COCO metrics", "Training", "Classes", "Settings", "Versions"]
    assert re.findall(r'<a href="#part-\d+">(.*?)</a>', html) == headings


def test_a_chart_on_few_objects_says_so():
    html = made(sections=[("Classes", [replace(BARS, n=FEW - 1), replace(BARS, n=FEW)])])
    assert Texts(html).words.count("only 19 objects: too few to say much") == 1
    assert re.findall(r'<figure class="(.*?)"', html) == ["chart few", "chart"]


@pytest.mark.parametrize("size", [(3000, 1500), (1500, 3000), (20, 10)])
def test_a_picture_is_in_the_file_with_its_longest_side_within_1000_pixels(size):
    image = Image.new("RGBA", size, "red")
    (attrs,) = Texts(made(pictures=[("000001.jpg", image)])).all("img")
    with Image.open(io.BytesIO(base64.b64decode(attrs["src"].split(",")[1]))) as kept:
        assert max(kept.size) == min(1000, max(size))
    assert attrs["alt"] == "000001.jpg" and image.size == size and image.mode == "RGBA"


def test_settings_are_readable():
    config = {"classes": ["person", "car"], "amp": True, "seed": None, "lr": 1e-5, "sizes": [480, 512], "name": ""}
    rows = re.findall(r"<tr>(.*?)</tr>", made(config=config).split('class="settings"')[1])
    cells = [re.sub(r"</th><td>", "=", row) for row in rows]
    assert [re.sub("<.*?>", "", cell) for cell in cells] == [
        "classes=person, car", "amp=yes", "seed=–", "lr=1e-05", "sizes=[480, 512]", "name=–"
    ]  # fmt: skip


def test_versions_name_what_the_figures_come_from():
    found = package_versions()
    assert {"detr-lab", "python", "hotcoco", "pycocotools"} <= set(found) and all(found.values())


@pytest.fixture(scope="module")
def opened(browser, tmp_path_factory):
    """The report, opened from the disk; whatever it says on the console or asks for beside itself is kept."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    folded = replace(BARS, title="All classes", on_request=True, height=5000)
    sections = [("Training", training_charts(CURVES)), ("Classes", [BARS, EVIL_BARS, folded])]
    path.write_text(
        made(EVIL, [("Run", EVIL)], METRICS, sections, [(EVIL, Image.new("RGB", (64, 32)))], {"data": EVIL}),
        encoding="utf-8",
    )
    page = browser.new_context(viewport={"width": 1280, "height": 720}, color_scheme="light").new_page()
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda asked: asked.url == path.as_uri() or said.append(asked.url))
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-drawn]")
    yield page, said
    page.context.close()


@pytest.fixture
def report(opened):
    """The opened report, of which nothing may go wrong."""
    page, said = opened
    yield page
    assert [text for text in said if not text.startswith("blob:")] == []
    assert not page.evaluate("Boolean(window.hacked)")


def test_the_script_inside_imports_nothing_and_says_no_name_twice():
    script = made().rpartition('<script type="module">')[2]
    assert not re.search(r"^import\b|\bimport\(", script, re.MULTILINE)
    names = re.findall(r"^(?:export )?(?:async )?(?:function|const|let) (\w+)", script, re.MULTILINE)
    assert {"resolve", "drawAll"} <= set(names) and len(names) == len(set(names))


class TestInABrowser:
    pytestmark = needs_chromium

    def test_every_chart_is_drawn_without_a_network(self, report):
        plots = report.locator(".charts > .chart .plot").count()
        assert plots == 4 and report.locator(".plot:has(.main-svg)").count() == plots
        assert report.locator(".bars .point").count() == 4

    def test_what_is_large_is_drawn_on_request_and_scrolls_in_its_place(self, report):
        fold = report.locator("details")
        fold.locator("summary").click()
        fold.locator(".main-svg").first.wait_for()
        assert fold.locator(".area").bounding_box()["height"] == SCROLLED
        assert fold.locator(".plot").bounding_box()["height"] == 5000
        fold.locator("summary").click()

    def test_names_stay_text(self, report):
        assert EVIL in report.locator("h1").inner_text()
        assert report.locator("img").count() == 1
        ticks = report.locator(".chart:has-text('AP by class') .xtick text").all_text_contents()
        assert ticks[0] == "person" and EVIL.startswith(ticks[1].removesuffix("…")) and len(ticks[1]) == 32

    def test_what_would_ask_the_network_is_forbidden(self, browser, tmp_path):
        path = tmp_path / "report.html"
        path.write_text(made(), encoding="utf-8")
        page, refused = browser.new_page(), []
        page.goto(path.as_uri())
        page.on("console", lambda message: refused.append("Content Security Policy" in message.text))
        script = "fetch('http://127.0.0.1:9/').then(() => 'came', () => 'refused')"
        assert page.evaluate(script) == "refused" and refused and all(refused)
        page.close()

    def test_a_chart_can_be_saved_as_csv_and_png(self, report):
        for kind in ("csv", "png"):
            with report.expect_download() as asked:
                report.get_by_role("button", name=f"Download AP by class as {kind.upper()}").click()
            assert asked.value.suggested_filename == f"class-ap.{kind}"
        with Image.open(asked.value.path()) as image:
            assert image.format == "PNG"

    def test_a_dark_system_gets_dark_charts_and_paper_light_ones(self, report):
        def text_color():
            return report.locator(".xtick text").first.evaluate("text => getComputedStyle(text).fill")

        light = text_color()
        report.emulate_media(color_scheme="dark")
        report.wait_for_function(
            "light => getComputedStyle(document.querySelector('.xtick text')).fill !== light", arg=light
        )
        report.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert text_color() == light and report.locator(".plot .main-svg").first.bounding_box()["width"] < 700
        report.evaluate("dispatchEvent(new Event('afterprint'))")
        assert text_color() != light
        report.emulate_media(color_scheme="light")

    def test_a_phone_shows_it_without_scrolling_sideways(self, report):
        report.set_viewport_size({"width": 390, "height": 800})
        report.wait_for_function("() => document.querySelector('.main-svg').clientWidth < 390")
        assert report.evaluate("document.documentElement.scrollWidth") <= 390
        report.set_viewport_size({"width": 1280, "height": 720})
