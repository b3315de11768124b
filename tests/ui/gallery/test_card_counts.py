"""What a card of the gallery counts below its picture, in a real browser: what passes the page's filters, of how much.

Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

from dataclasses import replace

import pytest

from core.evaluation.selection import Selection
from tests.chromium import needs_chromium
from tests.ui.gallery import lone_gallery
from tests.ui.gallery.actions import captions, cell, painted, press, show, slide
from tests.ui.gallery.columns import sent
from tests.ui.gallery.lone_gallery import samples_page
from ui.gallery.component import Item, Model

pytestmark = needs_chromium
lone, opened, page = lone_gallery.lone, lone_gallery.opened, lone_gallery.page  # fixtures


def counted(n: int, everything: int | None = None) -> str:
    number = n if everything is None else everything
    return f"{f'{n} of {everything}' if everything else number or 'no'} error{'' if number == 1 else 's'}"


FILTERS = (
    Selection(0.5, classes=("dog",)), Selection(0.5, error="missed"), Selection(0.5, error="localization"),
    Selection(0.5, sizes=("small",)), Selection(0.5, score_to=0.6), Selection(0.5, iou=(0.2, 0.9)),
    Selection(0.5, crowd=True), Selection(0.5, truncated=True), Selection(0.5, pair=("dog", "car")),
    Selection(0.5, classes=("car",), error="background"),
)  # fmt: skip


@pytest.mark.parametrize("selection", FILTERS)
def test_cards_count_what_passes_the_filters_and_say_of_how_many(page, lone, selection):
    show(page, lone.page(selection=selection, per=7))
    for score in (0.5,) if selection.pair or selection.score_to < 1 else (0.5, 0.3, 0.71):
        slide(page, score)
        asked = replace(selection, score=score)
        errors = [(lone.errors(i, score, chosen=asked), lone.errors(i, score)) for i in range(1, 8)]
        assert captions(page) == [counted(*one) for one in errors], score
        grey = page.locator(".grid .cell .errors").evaluate_all("all => all.map((one) => one.matches('.none'))")
        assert grey == [n == 0 for n, _ in errors]


def test_the_label_of_a_card_counts_what_passes_the_filters(page, lone):
    show(page, lone.page())
    name = lone.split.image_by_id[1]["file_name"]
    assert cell(page, 0).get_attribute("aria-label") == f"{name}: 5 objects, 5 predictions, 4 errors. Open in large."
    show(page, lone.page(selection=Selection(0.5, classes=("dog",), images=(1,))))
    assert cell(page, 0).get_attribute("aria-label") == (
        f"{name}: 2 of 5 objects, 2 of 5 predictions, 2 of 4 errors. Open in large."
    )  # fmt: skip
    show(page, lone.page(selection=Selection(0.5, images=(1,), marked=True)))
    assert captions(page)[0] == counted(4), "a filter of images leaves all boxes of them"


def test_of_two_models_each_counts_what_passes_and_a_part_says_its_box(page, lone):
    """Compare's pages highlight the changed boxes; a part of an image is about one box, and its label counts too."""
    models = [Model("Untouched", lone.tables[0]), Model("Best", lone.table)]
    chosen = Selection(0.5, classes=("dog",))
    for layout in ("beside", "over"):
        show(page, lone.page(models=models, layout=layout, selection=chosen))
        numbers = [(lone.errors(1, 0.5, table, chosen), lone.errors(1, 0.5, table)) for table in
                   (lone.tables[0], lone.table)]  # fmt: skip
        assert captions(page)[0] == " → ".join(f"{n} of {everything}" for n, everything in numbers) + " errors"
    show(page, lone.page(items=[Item(1, (0, 90, 90, 170), ("truth", 1003))], selection=Selection(0.5, error="missed")))
    assert captions(page) == ["60 × 50 px"]
    assert "car · missed: 1 of 5 objects, 0 of 5 predictions, 1 of 4 errors." in cell(page, 0).get_attribute(
        "aria-label"
    )


def test_every_epoch_of_watch_it_learn_counts_what_passes(page, lone):
    chosen = Selection(0.5, classes=("car",))
    models = [Model(f"epoch {e}", lone.tables[e]) for e in (0, 1, 2)]
    frames = [{"epoch": e, "AP": 0.1 * e} for e in (0, 1, 2)]
    show(page, lone.page(models=models, layout="frames", frames=frames, selection=chosen, per=7))
    for epoch in (2, 1, 0):
        painted(page)
        table = lone.tables[epoch]
        assert captions(page) == [
            counted(lone.errors(i, 0.5, table, chosen), lone.errors(i, 0.5, table)) for i in range(1, 8)
        ]
        press(page, "ArrowLeft")


def test_of_a_data_set_objects_of_other_classes_and_those_without_the_problem_are_the_rest(page, lone):
    show(page, sent(samples_page(lone, classes=("dog",))))
    assert captions(page)[:5] == ["2 of 5 objects", "0 of 3 objects", "no objects", "0 of 1 object", "6 of 12 objects"]
    show(page, sent(samples_page(lone, boxes=(1001, 1004))))
    assert captions(page)[:2] == ["2 of 5 objects", "0 of 3 objects"]
    assert "2 of 5 objects. Open in large." in cell(page, 0).get_attribute("aria-label")
