"""Pages on paper: light, without controls, every chart and every picture with its boxes; and on a phone.

Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

import tomllib
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests import pages_in_browser
from tests.chromium import needs_chromium
from tests.pages_in_browser import CELLS, open_errors, strict_page

pytestmark = needs_chromium
address, page = pages_in_browser.address, pages_in_browser.page
ROOT = Path(__file__).resolve().parent.parent
CONTROLS = ("stSidebar", "stToolbar", "stPopover", "stSlider", "stFileUploader")
LIGHT = "rgb(255, 255, 255)"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
PAGES = {  # what there is to wait for
    "data": "text=Training ·", "": ".dl-curves .main-svg", "results": ".dl-chart h4",
    "errors": f"{CELLS}[aria-label]", "compare": f"{CELLS}[aria-label]", "predict": "text=Drop pictures",
}  # fmt: skip


def pdf_of(page) -> bytes:
    """The page as Chromium prints it, which tells the page so; it stays in that state to be looked at."""
    printed = page.pdf(format="A4", print_background=True)
    page.emulate_media(media="print")
    return printed


def assert_without_controls(page) -> None:
    for name in CONTROLS:
        for one in page.get_by_test_id(name).all():
            expect(one).to_be_hidden()
    assert page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor") == LIGHT


def test_results_on_paper_have_all_charts_of_the_open_tab_in_light_colours_also_from_the_dark_theme(page, address):
    page.emulate_media(color_scheme="dark")
    page.goto(f"{address}/results")
    page.locator(".dlc-plot .main-svg").first.wait_for()
    charts = page.locator(".dlc-plot:visible")
    expect(charts).to_have_count(4)
    assert pdf_of(page).startswith(b"%PDF")
    assert_without_controls(page)
    for chart in charts.all():
        assert chart.locator(".main-svg").first.evaluate("one => one.clientWidth") == 640, "as wide as paper"
        text = chart.locator(".main-svg text").first
        assert text.evaluate("one => getComputedStyle(one).fill") == "rgb(27, 36, 48)", "as on white"
    expect(page.get_by_role("tab", name="PR curves")).to_be_hidden()
    page.emulate_media(media="screen")
    expect(page.get_by_test_id("stSidebar")).to_be_visible()
    text = charts.first.locator(".main-svg text").first
    assert text.evaluate("one => getComputedStyle(one).fill") == "rgb(228, 233, 240)", "and then as before"


def test_errors_on_paper_have_every_picture_of_the_page_with_its_boxes_and_none_is_cut(page, address, shared):
    page.emulate_media(color_scheme="dark")
    open_errors(page, address, run=shared.runs.keys)
    printed = pdf_of(page)
    assert printed.count(b"/Subtype /Image") >= 24
    assert_without_controls(page)
    drawn = page.locator(CELLS).evaluate_all("all => all.map((one) => one.querySelectorAll('path.box').length)")
    assert len(drawn) == 24 and all(drawn), "also what was out of sight"
    assert {one.evaluate("one => getComputedStyle(one).breakInside") for one in page.locator(CELLS).all()[:3]} == {
        "avoid"
    }
    assert page.locator(CELLS).first.evaluate("one => getComputedStyle(one).backgroundColor") == LIGHT
    expect(page.locator(".gallery > .toolbar input").first).to_be_hidden()
    expect(page.locator(".gallery > .toolbar .score output").first).to_be_visible()  # what the boxes go by is said


def test_the_colours_on_paper_are_the_light_themes():
    theme = tomllib.loads((ROOT / ".streamlit/config.toml").read_text())["theme"]["light"]
    css = (ROOT / "ui/assets/page.css").read_text()
    names = {"": "background", "-second": "secondaryBackground", "-text": "text", "-line": "border", "-blue": "primary",
             "-green": "green", "-red": "red"}  # fmt: skip
    for name, option in names.items():
        assert f"--paper{name}: {theme[option + 'Color']};" in css
    assert f"--paper-colors: {', '.join(theme['chartCategoricalColors'])};" in css


@pytest.fixture(scope="module")
def phone(browser, shared):
    held = browser.new_context(**PHONE)
    held.set_default_timeout(30_000)
    with strict_page(held, shared.address) as opened:
        yield opened
    held.close()


@pytest.mark.parametrize("path", PAGES)
def test_on_a_phone_no_page_scrolls_sideways_and_the_sidebar_is_closed(phone, shared, path):
    phone.goto(f"{shared.address}/{path}")
    phone.locator(PAGES[path]).first.wait_for()
    main = phone.get_by_test_id("stMain")
    assert main.evaluate("main => [main.scrollWidth, main.clientWidth]") == [390, 390]
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    assert phone.get_by_test_id("stSidebar").evaluate("bar => bar.getBoundingClientRect().right") <= 0


def test_on_a_phone_the_large_view_is_all_on_the_screen_swiped_and_pinched(phone, shared):
    open_errors(phone, shared.address, run=shared.runs.keys)
    phone.locator(CELLS).first.tap()
    large = phone.get_by_role("dialog")
    for control in (*large.locator("header button").all(), *large.locator(".toolbar input[type=range]").all()):
        area = control.bounding_box()
        assert area["x"] >= 0 and area["x"] + area["width"] <= 390
    title, frame, stage = large.locator("h2"), large.locator(".stage .frame"), large.locator(".stage").bounding_box()
    first, y = title.inner_text(), stage["y"] + stage["height"] / 2
    touch(phone, [[(300 - 20 * i, y)] for i in range(9)])
    expect(title).not_to_have_text(first)
    second, before = title.inner_text(), frame.bounding_box()["width"]
    touch(phone, [[(180 - 10 * i, y), (220 + 10 * i, y)] for i in range(9)])
    assert frame.bounding_box()["width"] == pytest.approx(5 * before, rel=0.01)
    assert title.inner_text() == second, "a pinch is no swipe"
    touch(phone, [[(300 - 20 * i, y)] for i in range(9)])
    assert title.inner_text() == second, "near, a finger moves the picture"
    large.get_by_role("button", name="Close").tap()
    expect(large).to_be_hidden()


def touch(page, ways: list) -> None:
    """Moves fingers over the screen, each step a list of their places."""
    session = page.context.new_cdp_session(page)
    for step, places in enumerate(ways):
        points = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": "touchMove" if step else "touchStart", "touchPoints": points})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_timeout(400)  # a tap meanwhile would only stop what still moves
