"""The gallery's grid in a real browser by itself: boxes, toolbar, pages.

Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

import pytest
from playwright.sync_api import expect

from core.evaluation.selection import Selection
from tests.chromium import needs_chromium
from tests.ui.gallery import lone_gallery
from tests.ui.gallery.actions import boxes, captions, cell, check, corners, large, press, show, slide, told
from tests.ui.gallery.columns import sent
from ui.gallery import component as gallery
from ui.gallery.component import Item, Model

FIRST = {  # the boxes of the first image at score 0.5
    "10 10 70 60": "mark-truth", "120 10 180 60": "mark-truth", "10 110 70 160": "mark-missed wrong",
    "120 100 200 160": "mark-crowd", "190 60 230 90": "mark-truth", "10 10 70 55": "mark-prediction",
    "80 65 100 85": "mark-prediction wrong", "120 10 180 58": "mark-prediction wrong",
    "130 110 170 150": "mark-prediction", "190 60 230 72": "mark-prediction wrong",
}  # fmt: skip

pytestmark = needs_chromium
lone, opened, page = lone_gallery.lone, lone_gallery.opened, lone_gallery.page  # fixtures


def counted(n: int) -> str:
    return f"{n or 'no'} error{'' if n == 1 else 's'}"


# Boxes


def test_boxes_lie_where_the_table_says_and_say_what_they_are(page, lone):
    show(page, lone.page())
    found = cell(page, 0).locator("path.box")
    drawn = corners(found.evaluate_all("all => all.map((one) => one.getAttribute('d'))"))
    assert dict(zip(drawn, map(" ".join, boxes(page, 0)), strict=True)) == FIRST
    assert cell(page, 0).locator("svg").get_attribute("viewBox") == "0 0 240 180"
    expect(cell(page, 0).locator("img")).to_have_js_property("naturalWidth", 240)
    assert [len(boxes(page, place)) for place in range(4)] == [lone.rows(i, 0.5).num_rows for i in (1, 2, 3, 4)]


def test_a_picture_that_is_gone_is_marked_as_lost_and_its_boxes_stay(page, lone):
    data = gallery.page_data(
        lone.split, "/api/image/none", lone.items(), 1, 2, [Model("Best", lone.table)], Selection()
    )
    show(page, sent(data))
    expect(page.locator(".grid .frame.lost")).to_have_count(2)
    assert len(boxes(page, 0)) == len(FIRST)


# The toolbar

SCORES = (0.05, 0.29, 0.3, 0.31, 0.4, 0.41, 0.5, 0.51, 0.55, 0.56, 0.6, 0.61, 0.7, 0.71, 0.9, 0.91, 0.95)


def test_the_slider_shows_and_counts_what_the_table_does_also_at_exactly_a_score(page, lone):
    show(page, lone.page(per=7))
    told(page)
    for score in SCORES:
        slide(page, score)
        assert captions(page) == [counted(lone.errors(i, score)) for i in range(1, 8)], score
        assert [len(boxes(page, n)) for n in range(7)] == [lone.rows(i, score).num_rows for i in range(1, 8)], score
        assert page.locator(".toolbar .score output").first.inner_text() == f"{score:.2f}"
    assert told(page) == [], "the slider needs no server"


def test_a_score_can_be_counted_with_and_then_the_slider_is_there(page, lone):
    show(page, lone.page())
    use = page.locator(".toolbar .use").first
    expect(use).to_be_hidden()
    slide(page, 0.7)
    use.click()
    assert told(page) == [["score", 0.7]]
    show(page, lone.page(selection=Selection(0.7)))
    expect(use).to_be_hidden()
    slide(page, 0.3)
    show(page, lone.page(2, Selection(0.7)))
    assert page.locator(".toolbar .score output").first.inner_text() == "0.30", "another page keeps the slider's place"


TOGGLES = {  # the boxes of the first image that go when it is clicked
    "Ground truth": {line for line, mark in FIRST.items() if "prediction" not in mark},
    "Predictions": {line for line, mark in FIRST.items() if "prediction" in mark},
    "Labels": set(),
    # what is right; of the ground truth what no wrong prediction points to. 1001 was found, and rightly
    "Only errors": {"10 10 70 60", "120 100 200 160", "10 10 70 55", "130 110 170 150"},
}


@pytest.mark.parametrize(("name", "key"), list(zip(TOGGLES, "gple", strict=True)))
def test_a_toggle_and_its_key_hide_and_show(page, lone, name, key):
    show(page, lone.page())
    labels = cell(page, 0).locator(".label").count()
    box = page.get_by_role("checkbox", name=name).first
    assert box.is_checked() == (name != "Only errors") and labels > 0
    for act in (lambda: check(page, name), lambda: press(page, key)):
        act()
        assert box.is_checked() == (name == "Only errors")
        drawn = cell(page, 0).locator("path.box").evaluate_all("all => all.map((one) => one.getAttribute('d'))")
        assert set(corners(drawn)) == set(FIRST) - TOGGLES[name]
        assert (cell(page, 0).locator(".label").count() == 0) == (name == "Labels")
        assert captions(page)[0] == counted(4), "what is hidden counts all the same"
        act()
        assert len(boxes(page, 0)) == len(FIRST) and cell(page, 0).locator(".label").count() == labels


def test_labels_name_the_errors_first_and_never_lie_on_each_other(page, lone):
    show(page, lone.page(per=7))
    words = cell(page, 0).locator(".label").all_inner_texts()
    assert words[:2] == ["dog .70\nbackground", "car .60\ncls"] and "dog .50\nloc" in words
    assert len(words) <= 4
    for place in range(7):
        places = (
            cell(page, place).locator(".label").evaluate_all("all => all.map((one) => one.getBoundingClientRect())")
        )
        for i, a in enumerate(places):
            for b in places[:i]:
                apart = a["left"] >= b["right"] or b["left"] >= a["right"] or a["top"] >= b["bottom"]
                assert apart or b["top"] >= a["bottom"]


@pytest.mark.parametrize(("selection", "bright"), [
    (Selection(0.5, classes=("dog",)), {"120 10 180 60", "190 60 230 90", "80 65 100 85", "190 60 230 72"}),
    (Selection(0.5, error="missed"), {"10 110 70 160"}),
    (Selection(0.5, error="localization"), {"190 60 230 72"}),
    (Selection(0.5, sizes=("small",)), {"80 65 100 85", "190 60 230 72"}),
    (Selection(0.5, crowd=True), {"120 100 200 160", "130 110 170 150"}),
    (Selection(0.5, pair=("dog", "car")), {"120 10 180 60", "120 10 180 58"}),
    (Selection(0.5), set(FIRST)),
])  # fmt: skip
def test_what_is_not_asked_for_is_dim(page, lone, selection, bright):
    show(page, lone.page(selection=selection))
    found = cell(page, 0).locator("path.box:not(.dim)")
    drawn = set(corners(found.evaluate_all("all => all.map((one) => one.getAttribute('d'))")))
    if selection.sizes:  # 40 × 30 of 1005 is medium, 40 × 12 of what should be it small
        assert lone.table["size"].to_pylist().count("small") > 0
    assert drawn == bright


# Pages


def test_buttons_and_arrows_ask_for_the_next_page_and_not_beyond_the_ends(page, lone):
    show(page, lone.page())
    foot = page.locator(".foot")
    assert foot.inner_text().split("\n") == ["‹ Previous", "1–4 of 7", "Next ›"]
    expect(foot.get_by_role("button", name="Previous")).to_be_disabled()
    press(page, "ArrowLeft")
    assert told(page) == []
    press(page, "ArrowRight")
    foot.get_by_role("button", name="Next").click()
    assert told(page) == [["turn", 1], ["turn", 1]]
    show(page, lone.page(2))
    assert foot.inner_text().split("\n")[1] == "5–7 of 7" and page.locator(".grid .cell").count() == 3
    press(page, "ArrowRight", "ArrowLeft")
    foot.get_by_role("button", name="Previous").click()
    assert told(page) == [["turn", -1], ["turn", -1]]


def test_one_page_has_no_foot_and_no_image_no_cell(page, lone):
    show(page, lone.page(per=24))
    assert not page.locator(".foot").is_visible() and page.locator(".grid .cell").count() == 7
    show(page, lone.page(items=[]))
    assert page.locator(".grid .cell").count() == 0
    press(page, "f", "m", "ArrowRight", "g", "Enter")
    assert told(page) == [] and not large(page).is_visible()


def test_the_next_pages_pictures_are_fetched_ahead(page, lone):
    items = [*lone.items()[:4], Item(7, (3, 4, 200, 150))]
    with page.expect_request(lambda asked: asked.url.endswith("/7?w=320&crop=3,4,200,150")):
        show(page, lone.page(items=items))


def test_what_is_far_below_is_drawn_once_it_is_near(page, lone):
    show(page, lone.page(items=lone.items() * 12, per=84))
    assert boxes(page, 0) and boxes(page, 77) == []
    cell(page, 77).scroll_into_view_if_needed()
    expect(cell(page, 77).locator("path.box")).to_have_count(len(FIRST))
    check(page, "Predictions")
    assert len(boxes(page, 77)) == len(FIRST) - len(TOGGLES["Predictions"])


def test_the_same_page_again_is_not_drawn_anew_and_another_one_is(page, lone):
    show(page, lone.page())
    cell(page, 0).evaluate("one => { one.dataset.seen = 1 }")
    show(page, lone.page(marked=[2]))
    assert cell(page, 0).get_attribute("data-seen") == "1"
    show(page, lone.page(selection=Selection(0.6)))
    assert cell(page, 0).get_attribute("data-seen") is None
