"""Other ways to show images in the gallery, in a real browser: parts, boxes of one kind, two models, epochs.

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
from tests.ui.gallery.actions import (
    boxes,
    captions,
    cell,
    corners,
    large,
    open_large,
    painted,
    press,
    show,
    slide,
    told,
)
from tests.ui.gallery.columns import sent
from tests.ui.gallery.lone_gallery import frames_page, samples_page
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


def test_two_models_may_count_from_a_score_each_which_the_slider_moves_together(page, lone):
    models = [Model("First", lone.table, score=0.3), Model("Second", lone.table)]
    show(page, lone.page(models=models, layout="beside"))

    def counts_from(before, after):
        assert captions(page)[0] == f"{lone.errors(1, before)} → {lone.errors(1, after)} errors"
        shown = page.locator(".legend-pair").first.inner_text().split("\n")
        assert shown == [f"left: First from {before:.2f}", f"right: Second from {after:.2f}"]

    assert lone.errors(1, 0.3) != lone.errors(1, 0.5)
    counts_from(0.3, 0.5)
    slide(page, 0.75)
    counts_from(0.55, 0.75)


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
