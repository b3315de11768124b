"""The gallery's IoU slider in a real browser: what boxes are at it, in every case and on the page.

Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

import re
from types import SimpleNamespace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import expect

from core.evaluation.matching import THRESHOLDS
from core.evaluation.selection import Selection
from core.evaluation.table import ERROR_TYPES, ErrorType
from core.evaluation.tide import detection_table
from tests.chromium import needs_chromium
from tests.core.coco_cases import cases
from tests.core.evaluation.at_iou.test_verdicts import matches, tide_at, whole
from tests.core.evaluation.test_tide import in_class_order
from tests.ui.gallery import lone_gallery
from tests.ui.gallery.actions import boxes, captions, cell, large, open_large, painted, press, show, slide, told
from tests.ui.gallery.columns import sent
from tests.ui.gallery.lone_gallery import frames_page, samples_page
from ui.gallery import component as gallery
from ui.gallery.component import Item, Model
from ui.server.scripts import address as script

pytestmark = needs_chromium
lone, opened, page = lone_gallery.lone, lone_gallery.opened, lone_gallery.page  # fixtures

JUDGE = """async ([path, data, iou, score]) => {
    const { judge, unpack } = await import(path), page = JSON.parse(data)
    const view = { data: page, iou, score, show: { onlyErrors: false } }
    return page.images.map((image, i) => {
        const boxes = unpack(page, page.models[0], i, image)
        judge({ ...view, iou: 0.5 }, boxes, 0) // nothing of another IoU stays behind
        const { predictions, truths } = judge(view, boxes, 0)
        const said = ({ error, crowd, gt, query }) => [query, error, crowd, gt]
        return { predictions: predictions.map(said), truths: truths.map(({ error }) => error) }
    })
}"""


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cases().map(whole), st.integers(0, 9), st.sampled_from([0.05, 0.3, 0.5, 0.75]))
def test_the_browsers_verdicts_are_pycocotools_matches_and_hotcocos_error_types(page, case, level, score):
    gt, results = in_class_order(case[0]), case[1]
    ids = [image["id"] for image in gt["images"]]
    split = SimpleNamespace(image_by_id={image["id"]: image for image in gt["images"]})
    items, models = [Item(i) for i in ids], [Model("Best", detection_table(gt, results))]
    data = sent(gallery.page_data(split, "/api/image/1", items, 1, 24, models, Selection(score)))["page"]
    iou = 0.5 + 0.05 * level
    judged = page.evaluate(JUDGE, [script("ui/gallery/overlay/boxes.js"), data, iou, score])
    there = [row for row in results if row["score"] >= score]
    wrong = [p[1] for one in judged for p in one["predictions"]] + [t for one in judged for t in one["truths"]]
    counts = {kind.value: wrong.count(i) for i, kind in enumerate(ERROR_TYPES)}
    assert counts == tide_at(gt, there, float(THRESHOLDS[level]))
    shown = matches(gt, results, level)
    for image_id, one in zip(ids, judged, strict=True):
        for query, error, crowd, truth in one["predictions"]:
            found = -1 if crowd else int(truth) if error is None else None
            assert found == shown[image_id, query]


def slide_iou(page, iou: float, bar=0) -> None:
    page.locator(".toolbar .iou input").nth(bar).fill(str(iou))
    painted(page)


def test_the_slider_recolours_counts_and_says_what_stays_at_a_half(page, lone):
    show(page, lone.page())
    before = (boxes(page, 0), captions(page))
    note = page.locator(".gallery > .toolbar .iou-note")
    expect(note).to_be_hidden()
    slide_iou(page, 0.95)  # of the first image's boxes one has 0.9, another 0.96, of another class
    assert captions(page)[0] == "5 errors" and captions(page) != before[1]
    expect(note).to_have_text("Colours at IoU 0.95. Filters, order and the numbers around: 0.50.")
    told(page)
    press(page, "I")
    assert told(page) == [["iou", 0.9]]
    expect(page.locator(".toolbar .iou output").first).to_have_text("0.90")
    press(page, *"IIIIIIIIII")
    assert (boxes(page, 0), captions(page)) == before and told(page)[-1] == ["iou", 0.5]
    expect(note).to_be_hidden()


def test_in_large_it_says_the_same_of_each_box(page, lone):
    show(page, lone.page())
    open_large(page)
    slide_iou(page, 0.95, bar=1)
    row = large(page).locator("tbody tr", has_text="0.90").first
    expect(row).to_contain_text("Localization error")
    expect(row).to_have_attribute("title", re.compile(r"IoU 0\.1 to 0\.95\)"))
    expect(large(page).locator(".iou-note")).to_be_visible()
    press(page, "Escape")
    assert page.locator(".toolbar .iou input").first.input_value() == "0.95"


def test_what_the_filters_chose_stays_bright_and_the_page_gives_the_iou(page, lone):
    chosen = Selection(0.5, error=ErrorType.LOCALIZATION.value)
    data = lone.page(selection=chosen)
    show(page, data)
    bright = cell(page, 0).locator("path.box:not(.dim)").evaluate_all("all => all.map((one) => one.getAttribute('d'))")
    slide(page, 0.5)
    show(page, data | {"iou": 0.9})
    assert page.locator(".toolbar .iou output").first.inner_text() == "0.90"
    again = cell(page, 0).locator("path.box:not(.dim)").evaluate_all("all => all.map((one) => one.getAttribute('d'))")
    assert bright and again == bright


def test_frames_have_it_and_ground_truth_alone_has_none(page, lone):
    show(page, frames_page(lone))
    at_half = captions(page)
    slide_iou(page, 0.95)
    assert captions(page) != at_half
    show(page, sent(samples_page(lone)), "samples")
    expect(page.locator("#samples .toolbar .iou").first).to_be_hidden()


def test_tab_reaches_all_of_the_toolbar_and_focus_returns_from_what_was_opened(page, lone):
    show(page, lone.page())
    held = """() => { const one = document.querySelector("#host").shadowRoot.activeElement
        const words = one?.type === "range" ? one.parentElement.firstChild.textContent : one?.textContent.trim()
        return one && [words, getComputedStyle(one).outlineStyle] }"""
    page.locator(".toolbar input[type=checkbox]").first.focus()
    reached = []
    for _ in range(6):
        press(page, "Tab")
        reached.append(page.evaluate(held))
    assert [name for name, _ in reached[-3:]] == ["Correct from IoU", "Show from score", "?"]
    assert {style for _, style in reached} == {"solid"}, "the focus is seen"
    press(page, "Enter")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    press(page, "Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
    assert page.evaluate(held)[0] == "?"
    press(page, "Tab", "Enter")  # the first picture
    expect(large(page)).to_be_visible()
    press(page, "Escape")
    expect(large(page)).to_be_hidden()
    assert page.evaluate("document.querySelector('#host').shadowRoot.activeElement.className") == "cell"
