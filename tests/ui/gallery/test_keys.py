"""The gallery's keys and marks in a real browser.

Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

import pytest
from playwright.sync_api import expect

from tests.chromium import needs_chromium
from tests.ui.gallery import lone_gallery
from tests.ui.gallery.actions import (
    cell,
    large,
    open_large,
    press,
    show,
    told,
)

pytestmark = needs_chromium
lone, opened, page = lone_gallery.lone, lone_gallery.opened, lone_gallery.page  # fixtures


# Keys


def test_arrows_go_from_cell_to_cell_where_one_has_the_focus(page, lone):
    show(page, lone.page())
    cell(page, 1).focus()
    press(page, "ArrowRight")
    expect(cell(page, 2)).to_be_focused()
    press(page, "ArrowLeft", "ArrowLeft")
    expect(cell(page, 0)).to_be_focused()
    assert told(page) == []
    press(page, "Enter")
    expect(large(page).locator("h2")).to_have_text("000001.png")
    press(page, "Escape")
    expect(cell(page, 0)).to_be_focused()


@pytest.mark.parametrize("way", ["pointer", "focus"])
def test_f_opens_and_m_marks_the_image_that_is_meant(page, lone, way):
    show(page, lone.page(marked=[]))
    (cell(page, 2).hover if way == "pointer" else cell(page, 2).focus)()
    press(page, "m")
    assert told(page) == [["mark", {"id": "3", "on": True}]]
    expect(cell(page, 2).locator(".star")).to_be_visible()
    assert "marked" in cell(page, 2).get_attribute("aria-label")
    press(page, "m", "f")
    assert told(page) == [["mark", {"id": "3", "on": False}]]
    expect(large(page).locator("h2")).to_have_text("000003.png")
    press(page, "m")
    assert told(page) == [["mark", {"id": "3", "on": True}]]
    expect(large(page).get_by_role("button", name="Marked")).to_have_attribute("aria-pressed", "true")
    large(page).get_by_role("button", name="Marked").click()
    assert told(page) == [["mark", {"id": "3", "on": False}]]
    press(page, "Escape")
    expect(cell(page, 2).locator(".star")).to_be_hidden()


def test_marks_come_from_the_server_and_where_it_knows_none_nothing_can_be_marked(page, lone):
    show(page, lone.page(marked=[2, 4]))
    assert [cell(page, n).locator(".star").is_visible() for n in range(4)] == [False, True, False, True]
    show(page, lone.page(marked=[4]))
    assert [cell(page, n).locator(".star").is_visible() for n in range(4)] == [False, False, False, True]
    show(page, lone.page(), "other")
    page.evaluate("document.getElementById('host').remove()")
    cell(page, 1).hover()
    press(page, "m")
    open_large(page)
    press(page, "m")
    expect(large(page).get_by_role("button", name="Mark")).to_be_hidden()
    assert told(page) == []


def test_a_question_mark_lists_the_keys_and_escape_closes_the_list(page, lone):
    show(page, lone.page())
    help_ = page.get_by_role("dialog", name="Keys")
    press(page, "?")
    expect(help_).to_be_visible()
    press(page, "g", "ArrowRight", "e")
    assert page.get_by_role("checkbox", name="Ground truth").first.is_checked() and told(page) == []
    press(page, "Escape")
    expect(help_).to_be_hidden()
    open_large(page)
    press(page, "?", "Escape")
    expect(large(page)).to_be_visible()
    press(page, "Escape")
    page.get_by_role("button", name="Keys").first.click()
    help_.get_by_role("button", name="Close").click()
    expect(help_).to_be_hidden()


def test_letters_act_after_the_slider_was_moved_and_its_arrows_are_its_own(page, lone):
    show(page, lone.page())
    page.locator(".toolbar .score input").first.click()
    before = page.locator(".toolbar .score output").first.inner_text()
    press(page, "p", "ArrowRight")
    assert not page.get_by_role("checkbox", name="Predictions").first.is_checked()
    assert float(page.locator(".toolbar .score output").first.inner_text()) == pytest.approx(float(before) + 0.01)
    assert told(page) == []


@pytest.mark.parametrize("how", ["Control", "Alt", "Meta"])
def test_shortcuts_of_the_browser_and_what_is_typed_elsewhere_are_left_alone(page, lone, how):
    show(page, lone.page())
    page.evaluate("document.body.prepend(Object.assign(document.createElement('div'), { id: 'x', tabIndex: 0 }))")
    page.evaluate("document.getElementById('x').append(document.createElement('textarea'))")
    press(page, f"{how}+g", f"{how}+ArrowRight")
    page.locator("textarea").focus()
    press(page, "g", "p", "e", "ArrowRight", "?")
    assert page.locator("textarea").input_value() == "gpe?" and told(page) == []
    assert page.get_by_role("checkbox", name="Ground truth").first.is_checked()


def test_a_gallery_out_of_sight_hears_no_keys_and_one_that_is_gone_neither(page, lone):
    show(page, lone.page())
    page.evaluate("document.getElementById('host').style.display = 'none'")
    press(page, "ArrowRight", "g")
    page.evaluate("document.getElementById('host').style.display = ''")
    assert told(page) == [] and page.get_by_role("checkbox", name="Ground truth").first.is_checked()
    page.evaluate("document.getElementById('host').remove(); leave()")
    page.wait_for_timeout(50)
    press(page, "ArrowRight")
    assert told(page) == []
