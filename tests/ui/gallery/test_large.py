"""One image of the gallery in large, in a real browser by itself: its boxes and their table, zoom, epochs, two models.

Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

import pytest
from playwright.sync_api import expect

from core.evaluation.selection import Selection
from core.evaluation.tide import detection_table
from tests.chromium import needs_chromium
from tests.core.coco_cases import gt_of, result
from tests.ui.gallery import lone_gallery
from tests.ui.gallery.columns import sent
from tests.ui.gallery.lone_gallery import (
    cell,
    check,
    frames_page,
    large,
    lines,
    open_large,
    painted,
    press,
    samples_page,
    show,
    slide,
    spot,
    told,
    under,
)
from ui.gallery.component import Item, Model

TRUTH, FOUND_BY, TAKEN_FOR, DOG = "10 10 70 60", "10 10 70 55", "120 10 180 58", "120 10 180 60"  # of the first image
MISSED = "10 110 70 160"

pytestmark = needs_chromium
lone, opened, page = lone_gallery.lone, lone_gallery.opened, lone_gallery.page  # fixtures


def click(page, x: float, y: float, stage=0) -> None:
    page.mouse.click(*spot(page, x, y, stage))
    painted(page)


def move_to(page, x: float, y: float, stage=0) -> None:
    page.mouse.move(*spot(page, x, y, stage))
    painted(page)


def wheel(page, up: int) -> None:
    """Turns the wheel, and waits until the page has heard of it."""
    page.evaluate("""() => {
        const once = { once: true, capture: true, passive: true }
        window.wheeled = new Promise((go) => addEventListener("wheel", go, once))
    }""")
    page.mouse.wheel(0, -up)
    page.evaluate("wheeled.then(() => {})")
    painted(page)


def row(page, n: int):
    return large(page).locator("tbody tr").nth(n)


def area(page, stage=0) -> dict:
    return large(page).locator(".stage .frame").nth(stage).bounding_box()


def zoom(page, stage=0) -> float:
    """How many times larger than whole."""
    room = large(page).locator(".stage").nth(stage).bounding_box()
    return area(page, stage)["width"] / min(room["width"], room["height"] * 240 / 180)


def title(page) -> str:
    return large(page).locator("h2").inner_text()


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
    assert page.locator(".toolbar output").first.inner_text() == "0.80", "both toolbars say the same"
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


def drag(page, start: tuple, by: tuple) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(start[0] + by[0] / 2, start[1] + by[1] / 2, steps=3)
    page.mouse.move(start[0] + by[0], start[1] + by[1], steps=3)
    page.mouse.up()
    painted(page)


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


# From image to image


def test_arrows_turn_and_over_the_pages_end_the_next_page_begins_with_its_first(page, lone):
    show(page, lone.page(marked=[]))
    open_large(page, 2)
    press(page, "ArrowRight")
    assert title(page) == "000004.png" and told(page) == []
    press(page, "ArrowRight", "ArrowRight", "ArrowRight")
    assert told(page) == [["turn", 1]], "one page, however impatient the finger"
    show(page, lone.page(2, marked=[]))
    assert title(page) == "000005.png" and large(page).is_visible()
    assert large(page).locator(".place").inner_text() == "240 × 180 px · 5 of 7"
    press(page, "ArrowLeft")
    assert told(page) == [["turn", -1]]
    show(page, lone.page(1, marked=[]))
    assert title(page) == "000004.png"
    show(page, lone.page(2, marked=[]))
    expect(large(page)).to_be_hidden()


def test_an_image_stays_in_large_where_a_new_page_has_it_too(page, lone):
    show(page, lone.page(per=7))
    open_large(page, 0)
    press(page, "+")
    click(page, 150, 30)
    show(page, lone.page(per=7, selection=Selection(0.6), items=lone.items()[::-1]))
    assert title(page) == "000001.png" and zoom(page) == pytest.approx(1.5, rel=0.01)
    assert lines(page, ".hot") == [TAKEN_FOR] and len(lines(page)) == lone.rows(1, 0.6).num_rows
    assert large(page).locator(".place").inner_text() == "240 × 180 px · 7 of 7"
    expect(large(page).get_by_role("button", name="Next image")).to_be_disabled()
    press(page, "ArrowLeft")
    assert title(page) == "000002.png"


def test_at_the_very_ends_there_is_no_way_on(page, lone):
    show(page, lone.page())
    open_large(page)
    expect(large(page).get_by_role("button", name="Previous image")).to_be_disabled()
    press(page, "ArrowLeft")
    large(page).get_by_role("button", name="Next image").click()
    painted(page)
    assert title(page) == "000002.png"
    show(page, lone.page(2))
    open_large(page, 2)
    expect(large(page).get_by_role("button", name="Next image")).to_be_disabled()
    press(page, "ArrowRight")
    assert told(page) == [] and title(page) == "000007.png"


def test_who_closes_the_image_while_the_next_page_comes_is_not_brought_back(page, lone):
    show(page, lone.page())
    open_large(page, 3)
    press(page, "ArrowRight", "Escape")
    assert told(page) == [["turn", 1]]
    show(page, lone.page(2))
    expect(large(page)).to_be_hidden()


@pytest.mark.parametrize("way", ["Escape", "button", "beside"])
def test_it_closes_and_the_focus_is_on_its_cell(page, lone, way):
    show(page, lone.page())
    open_large(page)
    press(page, "ArrowRight")
    if way == "Escape":
        press(page, "Escape")
    elif way == "button":
        large(page).get_by_role("button", name="Close").click()
    else:
        page.mouse.click(3, 3)
    expect(large(page)).to_be_hidden()
    expect(cell(page, 1)).to_be_focused()


def test_a_part_of_an_image_is_whole_in_large_with_its_box_chosen(page, lone):
    query = next(r["query"] for r in lone.rows(1, 0.6).to_pylist() if r["score"] == pytest.approx(0.6))
    items = [Item(1, (110, 0, 190, 70), ("query", query)), Item(1, (0, 90, 90, 170), ("truth", 1003))]
    show(page, lone.page(items=items))
    open_large(page)
    assert len(lines(page)) == 10 and lines(page, ".dim") == []
    assert lines(page, ".hot") == [TAKEN_FOR] and lines(page, ".partner") == [DOG]
    assert "Classification error" in large(page).locator(".about b").inner_text()
    expect(large(page).locator(".stage img")).to_have_js_property("naturalWidth", 240)
    press(page, "ArrowRight")
    assert lines(page, ".hot") == [MISSED] and "1003" in large(page).locator(".about b").inner_text()
    press(page, "Escape")
    assert cell(page, 0).locator("path.box:not(.dim)").count() == 2, "the cell is as it was"


# Two models, and epochs


def test_beside_each_other_both_pictures_move_alike(page, lone):
    models = [Model("Untouched", lone.tables[0]), Model("Best", lone.table)]
    show(page, lone.page(models=models, layout="beside"))
    open_large(page)
    assert large(page).locator(".stage-caption").all_inner_texts() == ["Untouched", "Best"]
    assert (len(lines(page)), len(lines(page, stage=1))) == (5, 10)
    at = spot(page, 60, 40, stage=1)
    page.mouse.move(*at)
    wheel(page, 700)
    assert zoom(page) == pytest.approx(zoom(page, 1)) and zoom(page) > 2
    drag(page, spot(page, 80, 50), (-50, 20))
    rooms = [large(page).locator(".stage").nth(n).bounding_box() for n in (0, 1)]
    left, right = (area(page, n) for n in (0, 1))
    assert (left["x"] - rooms[0]["x"], left["y"]) == pytest.approx((right["x"] - rooms[1]["x"], right["y"]), abs=0.5)
    press(page, "0")
    assert zoom(page, 1) == pytest.approx(1, abs=0.01)
    click(page, 40, 59, stage=1)  # below the prediction, however small the picture
    page.mouse.move(5, 5)
    painted(page)
    assert lines(page, ".hot") == lines(page, ".hot", 1) == [TRUTH], "it is the same object"
    assert lines(page, ".partner", 1) == [FOUND_BY]
    about = large(page).locator(".about b")
    expect(about).to_have_text("car · Found · annotation 1001")
    click(page, 40, 59)
    expect(about).to_have_count(0)  # the same object again: it is no longer chosen
    click(page, 40, 59)
    expect(about).to_have_text("car · Missed · annotation 1001")  # by the model on the left
    assert large(page).locator("tr.chosen td").all_inner_texts()[0] == "Ground truth"


def test_over_each_other_the_table_says_whose_box_it_is(page, lone):
    models = [Model("Middle", lone.tables[1]), Model("Best", lone.table)]
    show(page, lone.page(models=models, layout="over"))
    open_large(page)
    whose = large(page).locator("tbody tr td:first-child").all_inner_texts()
    assert (whose.count("Middle"), whose.count("Best"), whose.count("Ground truth")) == (3, 5, 5)
    assert len(lines(page, ".of-before")) == 3 and len(lines(page)) == 13
    large(page).locator("tbody tr", has_text="Middle").first.click()
    page.mouse.move(5, 5)
    painted(page)
    assert large(page).locator("tr.chosen").count() == 1 and lines(page, ".hot.of-before") == lines(page, ".hot")
    large(page).locator("tbody tr", has_text="Best").first.click()  # of the same query
    page.mouse.move(5, 5)
    painted(page)
    assert large(page).locator("tr.chosen").inner_text().startswith("Best")
    assert len(lines(page, ".hot")) == 1 and lines(page, ".hot.of-before") == []


def test_of_epochs_the_slider_in_large_shows_the_same_box_at_each(page, lone):
    show(page, frames_page(lone, asked="/api/why/none/{}"))
    open_large(page)
    scrub = large(page).locator(".epochs .scrub")
    expect(scrub.locator("output")).to_have_text("epoch 2")
    assert len(lines(page)) == 10
    click(page, 150, 30)
    scrub.get_by_role("slider", name="Epoch").fill("0")
    painted(page)
    expect(scrub.locator("output")).to_have_text("epoch 0")
    assert len(lines(page)) == 5 and large(page).locator("tbody tr").count() == 5
    assert page.locator(".gallery > .scrub output").inner_text() == "epoch 0", "the page is at the same epoch"
    large(page).locator("tbody tr", has_text="Missed").first.click()
    painted(page)
    with page.expect_request("**/api/why/none/epoch0/1?gt=*"):
        press(page, "w")
    press(page, "ArrowRight")
    assert title(page) == "000002.png" and scrub.locator("output").inner_text() == "epoch 0"


def test_playing_ends_with_the_image(page, lone):
    show(page, frames_page(lone))
    open_large(page)
    large(page).get_by_role("slider", name="Epoch").fill("0")
    painted(page)
    play = large(page).get_by_role("button", name="Play")
    play.evaluate("one => { one.click(); one.closest('dialog').close() }")  # before it takes its second step
    page.wait_for_timeout(1300)  # longer than an epoch lasts
    assert page.locator(".gallery > .scrub output").inner_text() == "epoch 1"


def test_an_image_can_be_followed_through_the_kept_epochs_of_its_run(page, lone):
    show(page, lone.page(models=[Model("Best", lone.table, boxes=f"/api/boxes/{lone.run.id}")]))
    open_large(page)
    scrub = large(page).locator(".epochs .scrub")
    expect(scrub.locator("output")).to_have_text("as on the page")
    assert len(lines(page)) == 10
    for at, (label, boxes) in enumerate((("baseline", 5), ("epoch 1", 8), ("epoch 2", 10))):
        scrub.get_by_role("slider", name="Epoch").fill("1" if at != 1 else "0")
        scrub.get_by_role("slider", name="Epoch").fill(str(at))
        painted(page)
        expect(scrub.locator("output")).to_have_text(label)
        assert len(lines(page)) == large(page).locator("tbody tr").count() == boxes
        assert scrub.locator("figure").inner_text() == f"AP\n{10 * at}.0"
    press(page, "Escape")
    assert page.locator(".grid .errors").first.inner_text() == "4 errors", "the page is as it was"
    open_large(page)
    expect(scrub.locator("output")).to_have_text("as on the page")


# Why, and what has none


def test_why_asks_about_the_chosen_box_and_a_refusal_is_a_sentence(page, lone):
    show(page, lone.page(models=[Model("Best", lone.table, f"/api/why/{lone.run.id}/none")]))
    open_large(page)
    assert large(page).locator(".ask").count() == 0
    press(page, "w")
    click(page, 150, 30)
    query = next(r["query"] for r in lone.rows(1, 0.6).to_pylist() if r["score"] == pytest.approx(0.6))
    with page.expect_request(f"**/api/why/{lone.run.id}/none/1?query={query}"):
        large(page).get_by_role("button", name="Why this box?").click()
    said = large(page).locator(".why [role=alert]")
    expect(said).to_be_visible()
    with page.expect_request(f"**/api/why/{lone.run.id}/none/1?gt=1003"):
        click(page, 40, 130)  # once asked, every box that is chosen is asked about
    assert large(page).locator(".ask").inner_text() == "Why was it missed?"
    click(page, 150, 155)
    expect(large(page).locator(".about b")).to_contain_text("Crowd")
    assert large(page).locator(".ask").count() == 0 and large(page).locator(".why").inner_text() == ""


def test_without_ground_truth_a_row_says_nothing_of_right_and_wrong(page, lone):
    table = detection_table(gt_of(images=7), [result(1, 1, (10, 10, 60, 45), 0.9)])
    show(page, lone.page(models=[Model("Best", table)], bare=True))
    open_large(page)
    head = [*large(page).locator("th").all_inner_texts(), *row(page, 0).locator("td").all_inner_texts()]
    assert head == ["Class", "Score", "Size", "Width × height", "car", "0.90", "medium", "60 × 45 px"]
    click(page, 40, 30)
    assert large(page).locator(".about b").inner_text().startswith("car · score 0.900 · query")
    assert large(page).locator("tr.wrong, path.wrong").count() == 0
    slide(page, 0.95, bar=1)
    assert large(page).locator("table caption").inner_text() == "Nothing with this score."


def test_of_ground_truth_alone_a_row_says_the_class_and_the_size(page, lone):
    show(page, sent(samples_page(lone)))
    open_large(page)
    assert large(page).locator("th").all_inner_texts() == ["Box", "Class", "Size", "Width × height", ""]
    assert row(page, 0).locator("td").all_inner_texts() == ["Ground truth", "car", "medium", "60 × 50 px", ""]
    assert row(page, 3).locator("td").last.inner_text() == "Crowd"
    move_to(page, 40, 30)
    assert large(page).locator(".tip").inner_text() == "car · annotation 1001", "nobody has looked for it"
    move_to(page, 150, 130)
    assert large(page).locator(".tip").inner_text() == "car · Crowd · annotation 1004"
    press(page, "ArrowRight", "ArrowRight")
    assert large(page).locator("table caption").inner_text() == "No objects of these classes."


def test_a_page_of_one_score_opens_at_that_score(page, lone):
    show(page, lone.page(selection=Selection(0.3, error="background")))
    open_large(page)
    assert len(lines(page)) == lone.rows(1, 0.3).num_rows == 12
    assert sorted(set(lines(page)) - set(lines(page, ".dim"))) == ["80 20 100 40", "80 65 100 85"]
