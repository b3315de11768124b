"""One image of the gallery in large, in a real browser by itself: its boxes and their table, zoom.

Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

import pytest
from playwright.sync_api import expect

from tests.chromium import needs_chromium
from tests.ui.gallery import lone_gallery
from tests.ui.gallery.actions import (
    area,
    check,
    click,
    drag,
    large,
    lines,
    move_to,
    open_large,
    painted,
    press,
    row,
    show,
    slide,
    spot,
    title,
    under,
    wheel,
    zoom,
)

TRUTH, FOUND_BY, TAKEN_FOR, DOG = "10 10 70 60", "10 10 70 55", "120 10 180 58", "120 10 180 60"  # of the first image
MISSED = "10 110 70 160"

pytestmark = needs_chromium
lone, opened, page = lone_gallery.lone, lone_gallery.opened, lone_gallery.page  # fixtures


# Boxes and their table


def test_in_large_are_all_boxes_and_a_row_of_each(page, lone):
    show(page, lone.page())
    open_large(page)
    assert title(page) == "000001.png"
    assert large(page).locator(".place").inner_text() == "240 × 180 px · 1 of 7"
    rows = [r.locator("td").all_inner_texts() for r in large(page).locator("tbody tr").all()]
    assert rows == [
        ["Prediction", "car", "0.90", "0.90", "medium", "Correct"],
        ["Prediction", "dog", "0.70", "0.00", "small", "Background"],
        ["Prediction", "car", "0.60", "0.96", "medium", "Classification error"],
        ["Prediction", "car", "0.55", "1.00", "medium", "In a crowd"],
        ["Prediction", "dog", "0.50", "0.40", "small", "Localization error"],
        ["Ground truth", "car", "", "", "medium", "Found"], ["Ground truth", "dog", "", "", "medium", "Seen wrongly"],
        ["Ground truth", "car", "", "", "medium", "Missed"], ["Ground truth", "car", "", "", "medium", "Crowd"],
        ["Ground truth", "dog", "", "", "medium", "Seen wrongly"],
    ]  # fmt: skip
    assert len(lines(page)) == 10 and lines(page, ".hot") == lines(page, ".dim") == []
    slide(page, 0.8, bar=1)
    assert large(page).locator("tbody tr").count() == len(lines(page)) == 6
    assert page.locator(".toolbar .score output").first.inner_text() == "0.80", "both toolbars say the same"
    check(page, "Only errors", bar=1)
    assert set(lines(page)) == {DOG, MISSED, "190 60 230 90"}
    assert {r.locator("td").last.inner_text() for r in large(page).locator("tbody tr").all()} == {"Missed"}
    press(page, "e", "g")
    assert lines(page) == [FOUND_BY] and large(page).locator("tbody tr").count() == 6, "the table says all"


def test_an_image_without_boxes_says_so(page, lone):
    show(page, lone.page())
    open_large(page, 2)
    assert large(page).locator("table caption").inner_text() == "No ground truth, and no prediction with this score."
    click(page, 100, 100)
    assert lines(page) == [] and title(page) == "000003.png"


@pytest.mark.parametrize("place, hot, partner, says", [
    ((40, 57), TRUTH, [FOUND_BY], "car · Found · annotation 1001"),  # below the prediction, within the object
    ((40, 30), FOUND_BY, [TRUTH], "car · score 0.900 · IoU 0.90 · Correct · query"),  # of two the smaller
    ((150, 30), TAKEN_FOR, [DOG], "car · score 0.600 · IoU 0.96 · Classification error · query"),
    ((40, 130), MISSED, [], "car · Missed · annotation 1003"),
    ((90, 75), "80 65 100 85", [], "dog · score 0.700 · IoU 0.00 · Background · query"),
    ((150, 130), "130 110 170 150", ["120 100 200 160"], "car · score 0.550 · IoU 1.00 · In a crowd · query"),
])  # fmt: skip
def test_a_click_brings_out_a_box_and_what_belongs_to_it(page, lone, place, hot, partner, says):
    show(page, lone.page())
    open_large(page)
    click(page, *place)
    page.mouse.move(*spot(page, 110, 90))  # away from it: only what was clicked is left
    painted(page)
    about = large(page).locator(".about")
    assert lines(page, ".hot") == [hot] and lines(page, ".partner") == partner
    assert set(lines(page, ".faded")) == set(lines(page)) - {hot, *partner}
    assert about.locator("b").inner_text().startswith(says)
    assert ("Its ground truth" in about.inner_text()) == bool(partner and "query" in says)
    assert ("Its prediction" in about.inner_text()) == bool(partner and "query" not in says)
    assert large(page).locator("tr.chosen").count() == 1
    click(page, *place)
    page.mouse.move(*spot(page, 110, 90))
    painted(page)
    assert lines(page, ".hot") == lines(page, ".faded") == [] and large(page).locator("tr.chosen").count() == 0
    click(page, *place)
    click(page, 110, 170)  # nothing is there
    assert lines(page, ".faded") == [] and about.locator("b").count() == 0


def test_a_row_does_the_same_by_a_click_and_by_enter_and_keeps_the_focus(page, lone):
    show(page, lone.page())
    open_large(page)
    row(page, 2).hover()
    assert lines(page, ".hot") == [TAKEN_FOR] and lines(page, ".partner") == [DOG] and lines(page, ".faded") == []
    row(page, 2).click()
    page.mouse.move(5, 5)
    painted(page)
    assert lines(page, ".hot") == [TAKEN_FOR] and lines(page, ".partner") == [DOG] and len(lines(page, ".faded")) == 8
    expect(row(page, 2)).to_have_attribute("aria-selected", "true")
    row(page, 2).focus()
    press(page, "Tab", "Enter")
    expect(row(page, 3)).to_have_attribute("aria-selected", "true")
    expect(row(page, 3)).to_be_focused()
    assert lines(page, ".hot") == ["130 110 170 150"]
    press(page, "Enter")
    assert lines(page, ".faded") == []


def test_what_was_chosen_goes_with_its_score_and_comes_back(page, lone):
    show(page, lone.page())
    open_large(page)
    click(page, 150, 30)
    slide(page, 0.65, bar=1)
    assert lines(page, ".faded") == [] and large(page).locator(".about b").count() == 0
    slide(page, 0.5, bar=1)
    assert lines(page, ".hot") == [TAKEN_FOR] and large(page).locator(".about b").count() == 1


def test_the_box_under_the_pointer_says_what_it_is_until_the_pointer_leaves(page, lone):
    show(page, lone.page())
    open_large(page)
    tip = large(page).locator(".tip")
    expect(tip).to_be_hidden()
    move_to(page, 40, 30)
    assert tip.inner_text().startswith("car · score 0.900 · IoU 0.90 · Correct · query")
    assert lines(page, ".hot") == [FOUND_BY] and lines(page, ".partner") == [TRUTH] and lines(page, ".faded") == []
    move_to(page, 150, 155)
    assert tip.inner_text() == "car · Crowd · annotation 1004"
    move_to(page, 110, 90)
    expect(tip).to_be_hidden()
    move_to(page, 40, 30)
    row(page, 6).hover()
    expect(tip).to_be_hidden()
    assert lines(page, ".hot") == [DOG]
    move_to(page, 40, 30)
    press(page, "ArrowRight")
    assert title(page) == "000002.png"
    expect(tip).to_be_hidden()


# Zoom


def test_the_wheel_zooms_at_the_pointer_as_near_as_24_times_and_not_further_than_whole(page, lone):
    show(page, lone.page())
    open_large(page)
    assert zoom(page) == pytest.approx(1, abs=0.01)
    at = spot(page, 160, 90)  # in the middle of the height, which does not fill the stage at first
    page.mouse.move(*at)
    for _ in range(4):
        before = under(page, at)
        wheel(page, 240)
        assert under(page, at) == pytest.approx(before, abs=0.5)
    assert zoom(page) > 3
    at = at[0] - 90, at[1] + 70
    page.mouse.move(*at)
    before = under(page, at)
    wheel(page, -150)
    assert under(page, at) == pytest.approx(before, abs=0.5) and zoom(page) < 4
    for _ in range(4):
        wheel(page, 3000)
    assert zoom(page) == pytest.approx(24, rel=0.01)
    for _ in range(4):
        wheel(page, -3000)
    assert zoom(page) == pytest.approx(1, abs=0.01)


def test_keys_zoom_in_and_out_and_back_to_whole(page, lone):
    show(page, lone.page())
    open_large(page)
    for keys, times in (("+", 1.5), ("=", 2.25), ("-", 1.5), ("0", 1), ("-", 1)):
        press(page, *keys)
        assert zoom(page) == pytest.approx(times, rel=0.01), keys
    press(page, "f")
    nearer = zoom(page)
    assert nearer > 1.5
    press(page, "f")
    assert zoom(page) == pytest.approx(1, abs=0.01)
    for name, times in (("Nearer", 1.5), ("Further away", 1), ("Full size", nearer)):
        large(page).get_by_role("button", name=name).click()
        painted(page)
        assert zoom(page) == pytest.approx(times, rel=0.01), name
    press(page, "ArrowRight")
    assert zoom(page) == pytest.approx(1, abs=0.01), "another image is whole at first"


def test_a_drag_moves_the_picture_as_far_as_it_goes_and_chooses_nothing(page, lone):
    show(page, lone.page())
    open_large(page)
    press(page, "+", "+", "+")
    start = spot(page, 120, 90)
    held = under(page, start)
    drag(page, start, (60, -40))
    assert under(page, (start[0] + 60, start[1] - 40)) == pytest.approx(held, abs=0.5)
    room = large(page).locator(".stage").bounding_box()
    for _ in range(4):
        drag(page, start, (300, 200))
    left = area(page)
    assert (left["x"], left["y"]) == pytest.approx((room["x"], room["y"]), abs=1), "no gap at its corner"
    for _ in range(8):
        drag(page, start, (-300, -200))
    right = area(page)
    assert right["x"] + right["width"] == pytest.approx(room["x"] + room["width"], abs=1)
    assert right["y"] + right["height"] == pytest.approx(room["y"] + room["height"], abs=1)
    assert lines(page, ".faded") == [] and large(page).locator("tr.chosen").count() == 0
    press(page, "0")
    drag(page, spot(page, 40, 30), (2, 1))  # a hand that trembles
    assert large(page).locator("tr.chosen").count() == 1


def test_boxes_stay_on_the_picture_and_can_be_clicked_however_near_it_is(page, lone):
    show(page, lone.page())
    open_large(page)
    at = spot(page, 90, 75)
    page.mouse.move(*at)
    for _ in range(3):
        wheel(page, 500)
    corner = (
        large(page)
        .locator("path.box.mark-prediction.wrong")
        .first.evaluate("""(one) => {
        const { a, d, e, f } = one.getScreenCTM(), { x, y } = one.getBBox()
        return [a * x + e, d * y + f]
    }""")
    )
    assert corner == pytest.approx(spot(page, 80, 65), abs=1) and zoom(page) > 4
    page.mouse.click(*at)
    painted(page)
    assert "80 65 100 85" in lines(page, ".hot")
    page.mouse.dblclick(*at)
    painted(page)
    assert zoom(page) == pytest.approx(1, abs=0.01)
    page.mouse.dblclick(*at)
    painted(page)
    assert zoom(page) == pytest.approx(3, rel=0.01)
