"""From image to image in large, in a real browser: other pages, two models, epochs, and why a box is there.

Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

import pytest
from playwright.sync_api import expect

from core.evaluation.selection import Selection
from core.evaluation.tide import detection_table
from tests.chromium import needs_chromium
from tests.core.coco_cases import gt_of, result
from tests.ui.gallery import lone_gallery
from tests.ui.gallery.actions import (
    area,
    cell,
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
    told,
    wheel,
    zoom,
)
from tests.ui.gallery.columns import sent
from tests.ui.gallery.lone_gallery import frames_page, samples_page
from ui.gallery.component import Item, Model

TRUTH, FOUND_BY, TAKEN_FOR, DOG = "10 10 70 60", "10 10 70 55", "120 10 180 58", "120 10 180 60"  # of the first image
MISSED = "10 110 70 160"

pytestmark = needs_chromium
lone, opened, page = lone_gallery.lone, lone_gallery.opened, lone_gallery.page  # fixtures


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
