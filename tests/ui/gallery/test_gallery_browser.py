"""The gallery's grid in a real browser by itself: boxes, toolbar, keys, marks, pages. test_gallery_large.py opens one.

Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

from types import SimpleNamespace

import pyarrow as pa
import pytest
from playwright.sync_api import expect

from core.evaluation.selection import Selection
from core.evaluation.tide import detection_table
from tests.chromium import needs_chromium
from tests.core.coco_cases import gt_of, result
from tests.ui.gallery import lone_gallery
from tests.ui.gallery.columns import sent
from tests.ui.gallery.lone_gallery import (
    boxes,
    captions,
    cell,
    check,
    corners,
    frames_page,
    large,
    open_large,
    painted,
    press,
    samples_page,
    show,
    slide,
    told,
)
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
        assert page.locator(".toolbar output").first.inner_text() == f"{score:.2f}"
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
    assert page.locator(".toolbar output").first.inner_text() == "0.30", "another page keeps the slider's place"


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
    assert told(page) == [["mark", {"id": 3, "on": True}]]
    expect(cell(page, 2).locator(".star")).to_be_visible()
    assert "marked" in cell(page, 2).get_attribute("aria-label")
    press(page, "m", "f")
    assert told(page) == [["mark", {"id": 3, "on": False}]]
    expect(large(page).locator("h2")).to_have_text("000003.png")
    press(page, "m")
    assert told(page) == [["mark", {"id": 3, "on": True}]]
    expect(large(page).get_by_role("button", name="Marked")).to_have_attribute("aria-pressed", "true")
    large(page).get_by_role("button", name="Marked").click()
    assert told(page) == [["mark", {"id": 3, "on": False}]]
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
    before = page.locator(".toolbar output").first.inner_text()
    press(page, "p", "ArrowRight")
    assert not page.get_by_role("checkbox", name="Predictions").first.is_checked()
    assert float(page.locator(".toolbar output").first.inner_text()) == pytest.approx(float(before) + 0.01)
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


# Other ways to show it


def test_a_cell_may_be_a_part_of_an_image_with_one_box_brought_out(page, lone):
    items = [
        Item(1, (110, 0, 190, 70), ("query", query_of(lone, 0.6))), Item(1, (0, 90, 90, 170), ("truth", 1003)),
        Item(1, (-5, -5, 300, 200), ("query", query_of(lone, 0.9))),
    ]  # fmt: skip
    with page.expect_response(lambda got: "crop=110,0,190,70" in got.url) as got:
        show(page, lone.page(items=items))
    assert got.value.status == 200
    assert cell(page, 0).locator("svg").get_attribute("viewBox") == "110 0 80 70"
    expect(cell(page, 0).locator("img")).to_have_js_property("naturalWidth", 80)
    bright = [corners(drawn(page, n, ":not(.dim)")) for n in range(3)]
    assert [set(one) for one in bright] == [
        {"120 10 180 60", "120 10 180 58"}, {"10 110 70 160"}, {"10 10 70 60", "10 10 70 55"}
    ]  # fmt: skip
    names = page.locator(".grid .cell .name").all_inner_texts()
    assert names == ["car 0.60 · classification error", "car · missed", "car 0.90 · correct"]
    assert captions(page) == ["IoU 0.96", "60 × 50 px", "IoU 0.90"]
    slide(page, 0.95)
    assert [set(corners(drawn(page, n, ":not(.dim)"))) for n in range(2)] == [{"120 10 180 60"}, {"10 110 70 160"}]


def query_of(lone, score: float) -> int:
    return next(row["query"] for row in lone.rows(1, score).to_pylist() if row["score"] == pytest.approx(score))


def drawn(page, place: int, kind="") -> list[str]:
    found = cell(page, place).locator(f"path.box{kind}")
    return found.evaluate_all("all => all.map((one) => one.getAttribute('d'))")


def test_without_ground_truth_nothing_is_right_or_wrong(page, lone):
    table = detection_table(gt_of(images=7), [result(1, 1, (10, 10, 60, 45), 0.9), result(1, 2, (80, 10, 60, 45), 0.4)])
    show(page, lone.page(models=[Model("Best", table)], bare=True))
    for name in ("Ground truth", "Only errors"):
        expect(page.get_by_role("checkbox", name=name).first).to_be_hidden()
    assert boxes(page, 0) == [["mark-prediction"]] and captions(page)[:2] == ["1 box", "no boxes"]
    slide(page, 0.3)
    press(page, "g", "e")
    assert captions(page)[0] == "2 boxes" and boxes(page, 0) == [["mark-prediction"]] * 2
    assert cell(page, 0).locator(".label").all_inner_texts() == [
        "car .90",
        "dog .40",
    ]


def test_ground_truth_alone_is_neither_found_nor_missed(page, lone):
    show(page, sent(samples_page(lone)))
    for name in ("Predictions", "Only errors"):
        expect(page.get_by_role("checkbox", name=name).first).to_be_hidden()
    expect(page.locator(".toolbar .score").first).to_be_hidden()
    assert captions(page) == ["5 objects", "3 objects", "no objects", "1 object", "12 objects", "1 object", "1 object"]
    assert {mark for n in range(7) for box in boxes(page, n) for mark in box} == {"mark-truth", "mark-crowd"}
    press(page, "p", "e")
    assert [len(boxes(page, n)) for n in range(3)] == [5, 3, 0], "there is no toggle, and so no key, for these"
    named = cell(page, 0).locator(".label").all_inner_texts()
    assert sorted(named) == ["car", "car", "car", "dog", "dog"]


EVIL = '<img src=x onerror="alert(1)"><script>alert(2)</script>'


def test_names_that_look_like_html_are_shown_as_they_are(page, lone):
    """The page fixture finds the request for x and the box that pops up."""
    gt = gt_of((1, 1, (10, 10, 60, 50)), (1, 2, (90, 10, 60, 50)), categories=(EVIL, "dog"))
    gt["images"][0]["file_name"] = EVIL
    table = detection_table(gt, [result(1, 1, (10, 10, 60, 45))])
    split = SimpleNamespace(image_by_id={1: gt["images"][0]})
    for layout in ("one", "over", "beside", "frames"):
        models = [Model(EVIL, table)] * (1 if layout == "one" else 2)
        frames = [{"epoch": e, "AP": 0.1} for e in (0, 1)] if layout == "frames" else None
        show(
            page, sent(gallery.page_data(split, lone.source, [Item(1)], 1, 4, models, Selection(), layout, frames), [])
        )
        assert cell(page, 0).locator(".name").inner_text() == EVIL
        assert any(EVIL in label for label in cell(page, 0).locator(".label").all_inner_texts())
        open_large(page)
        assert large(page).locator("h2").inner_text() == EVIL
        large(page).locator("tbody tr").first.click()
        painted(page)
        assert EVIL in large(page).locator(".about").inner_text() and EVIL in large(page).locator("tbody").inner_text()
        press(page, "Escape")
    assert page.locator("img[src='x'], .gallery script").count() == 0


# Two models, and epochs


def test_two_models_beside_each_other_have_a_picture_each_and_two_counts(page, lone):
    models = [Model("Untouched", lone.tables[0]), Model("Best", lone.table)]
    show(page, lone.page(models=models, layout="beside"))
    before, after = (lone.errors(1, 0.5, table) for table in (lone.tables[0], lone.table))
    assert captions(page)[0] == f"{before} → {after} errors"
    windows = cell(page, 0).locator(".window")
    assert [windows.nth(n).locator("path.box").count() for n in (0, 1)] == [5, len(FIRST)]
    assert page.locator(".legend-pair").first.inner_text().split("\n") == ["left: Untouched", "right: Best"]


def test_two_models_over_each_other_share_a_picture_and_the_last_ones_ground_truth(page, lone):
    models = [Model("Middle", lone.tables[1]), Model("Best", lone.table)]
    show(page, lone.page(models=models, layout="over"))
    assert page.locator(".grid .cell .window").count() == 4
    names = boxes(page, 0)
    own = [lone.rows(1, 0.5, table).filter(pa.compute.is_valid(lone.rows(1, 0.5, table)["score"])).num_rows
           for table in (lone.tables[1], lone.table)]  # fmt: skip
    assert sum("of-before" in name for name in names) == own[0] > 0
    assert sum("mark-prediction" in name for name in names) == sum(own)
    assert sum("mark-prediction" not in name for name in names) == 5
    assert page.locator(".legend-pair").first.inner_text().split("\n") == ["Middle", "Best"]


def test_of_epochs_the_last_is_shown_and_slider_play_and_arrows_show_others(page, lone):
    show(page, frames_page(lone))
    scrub = page.locator(".gallery > .scrub")
    says = scrub.locator("output")

    def is_shown(epoch):
        expect(says).to_have_text(f"epoch {epoch}")
        painted(page)
        assert captions(page) == [counted(lone.errors(i, 0.5, lone.tables[epoch])) for i in range(1, 8)]
        assert len(boxes(page, 0)) == lone.rows(1, 0.5, lone.tables[epoch]).num_rows

    is_shown(2)
    assert scrub.locator("figure").all_inner_texts() == ["AP\n20.0", "loss_ce\n0.500"]
    press(page, "ArrowLeft")
    is_shown(1)
    press(page, "ArrowLeft", "ArrowLeft", "ArrowLeft")
    is_shown(0)
    scrub.get_by_role("slider", name="Epoch").fill("1")
    is_shown(1)
    press(page, "ArrowRight")  # the slider has the focus: its own
    is_shown(2)
    says.evaluate("""(one) => {
        window.played = []
        new MutationObserver(() => played.push(one.textContent)).observe(one, { childList: true })
    }""")
    scrub.get_by_role("button", name="Play").click()
    expect(says).to_have_text("epoch 2")
    expect(scrub.get_by_role("button", name="Play")).to_be_visible()
    assert page.evaluate("played") == ["epoch 0", "epoch 1", "epoch 2"]
    is_shown(2)
    assert told(page) == []


def test_a_new_epoch_moves_on_who_watches_the_last_and_nobody_else(page, lone):
    says = page.locator(".gallery > .scrub output")
    show(page, frames_page(lone, (0, 1)))
    expect(says).to_have_text("epoch 1")
    show(page, frames_page(lone, (0, 1, 2)))
    expect(says).to_have_text("epoch 2")
    show(page, frames_page(lone, (0, 1)))
    press(page, "ArrowLeft")
    show(page, frames_page(lone, (0, 1, 2)))
    expect(says).to_have_text("epoch 0")
    show(page, lone.page())
    expect(page.locator(".gallery > .scrub")).to_be_hidden()
    assert captions(page)[0] == counted(4)


def test_the_model_gets_ready_once_when_the_pointer_comes_over_a_picture(page, lone):
    asked = []
    page.on("request", lambda one: "/api/why/" in one.url and asked.append(one.url))
    show(page, lone.page(models=[Model("Untouched", lone.tables[0]), Model("Best", lone.table, "/api/why/none/best")],
                         layout="beside"))  # fmt: skip
    page.mouse.move(5, 5)
    painted(page)
    assert asked == []
    with page.expect_request("**/api/why/warm?run=none&model=best"):
        cell(page, 1).hover()
    cell(page, 0).hover()
    painted(page)
    assert len(asked) == 1
