import dataclasses
import json

import numpy as np
import pytest

from core.selection import Selection, count_errors, image_rows
from core.table import about, read_table
from ui import gallery, server

PLAIN = Selection(0.5)


@pytest.fixture
def page(finished, store):
    """Makes a page's data: page(selection, number)."""
    table = read_table(store.table_path(finished.id, 0))
    images = server.validation_images(finished)

    def make(selection=PLAIN, number=1):
        ids = gallery.chosen_images((finished.id,), selection, False, table, images)
        return gallery.page_data(finished, table, images, ids, number, selection)

    make.table, make.images = table, images
    return make


def test_the_pages_together_show_every_image_once(page):
    ids = [image["id"] for number in (1, 2) for image in page(number=number)["images"]]
    assert sorted(ids) == sorted(page.images.image_by_id)


def test_a_page_is_plain_json(page):
    data = page()
    assert json.loads(json.dumps(data))["images"] == data["images"]


def test_an_images_boxes_are_the_tables_at_every_score_of_the_slider(page):
    data = page()
    for image in data["images"]:
        rows = image_rows(page.table, image["id"], gallery.LOWEST_SCORE)
        truths = [r for r in rows if r["kind"] == "ground_truth"]
        found = [r for r in rows if r["kind"] == "detection"]
        assert [data["classes"][box[4]] for box in image["truths"]] == [r["class_name"] for r in truths]
        assert [data["classes"][box[4]] for box in image["predictions"]] == [r["class_name"] for r in found]
        assert [np.float32(box[6]) for box in image["predictions"]] == [np.float32(r["score"]) for r in found]
        assert [box[:4] for box in image["truths"]] == [
            [pytest.approx(r[side], abs=0.06) for side in ("x1", "y1", "x2", "y2")] for r in truths
        ]


@pytest.mark.parametrize("score", [0.05, 0.31, 0.5, 0.9])
def test_the_errors_that_the_browser_counts_are_the_tables(page, score):
    """As boxes.js judges: the sum over all images must be the page's counts."""
    threshold, counted = np.float32(score), dict.fromkeys(count_errors(page.table), 0)
    types = list(counted)
    for number in (1, 2):
        for image in page(number=number)["images"]:
            for *_, shown, _iou, error, _crowd in image["predictions"]:
                if error is not None and np.float32(shown) >= threshold:
                    counted[types[error]] += 1
            for *_, crowd, match, pointed in image["truths"]:
                reached = [s for s in (match, pointed) if s is not None and np.float32(s) >= threshold]
                counted["missed"] += not crowd and not reached
    assert counted == count_errors(page.table, score)


def test_the_signature_changes_with_what_is_shown_and_only_then(page):
    signatures = [
        page()["signature"],
        page(number=2)["signature"],
        page(dataclasses.replace(PLAIN, score=0.6))["signature"],
        page(dataclasses.replace(PLAIN, sizes=("small",)))["signature"],
        page(dataclasses.replace(PLAIN, pair=("car", "")))["signature"],
    ]
    assert len(set(signatures)) == len(signatures)
    assert page()["signature"] == signatures[0]


def test_an_empty_selection_has_one_empty_page(page):
    assert gallery.page_count([]) == 1
    nothing = Selection(0.5, error="duplicate")
    assert page(nothing)["images"] == [] and page(nothing)["total"] == 0


def test_chosen_images_come_by_file_name_when_asked(page):
    some = dataclasses.replace(PLAIN, images=tuple(sorted(page.images.image_by_id, reverse=True)[:5]))
    by_name = gallery.chosen_images(("x",), some, True, page.table, page.images)
    names = [page.images.image_by_id[i]["file_name"] for i in by_name]
    assert names == sorted(names) and set(by_name) == set(some.images)


def test_classes_are_all_that_were_evaluated_whether_they_occur_or_not(page):
    assert gallery.class_names(page.table) == sorted(about(page.table).classes)
    assert page()["classes"] == gallery.class_names(page.table)


def test_without_a_cell_the_browser_decides_by_itself(page):
    """A ground truth has nine items, a prediction ten; one more would say whether it belongs to a cell."""
    images = page(dataclasses.replace(PLAIN, classes=("car",), error="missed"))["images"]
    assert {len(box) for image in images for box in image["truths"]} == {9}
    assert {len(box) for image in images for box in image["predictions"]} <= {10}


@pytest.mark.parametrize("missed", [False, True])
def test_of_a_cell_the_boxes_say_whether_they_belong_to_it(page, missed):
    names = {row["class_name"] for row in page.table.to_pylist() if row["any_score"] is not None}
    pair = (sorted(names)[0], "" if missed else sorted(names)[0])
    data = page(dataclasses.replace(PLAIN, score=0.3, pair=pair))
    for image in data["images"]:
        assert any(box[-1] for box in image["truths"])
        for *_, label, _size, _crowd, _match, _pointed, chosen in image["truths"]:
            assert not chosen or data["classes"][label] == pair[0]
        for *_, label, _size, _score, _iou, _error, _crowd, chosen in image["predictions"]:
            assert chosen is (not missed and data["classes"][label] == pair[1])


def test_file_names_that_look_like_html_stay_text(page):
    """The browser sets names as textContent only; nothing in the scripts could make them markup."""
    for name in ("gallery.js", "boxes.js", "curves.js", "plots.js"):
        script = (gallery.HERE / name).read_text()
        for dangerous in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert dangerous not in script, f"{name} uses {dangerous}"
