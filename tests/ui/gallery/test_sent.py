"""What the gallery hands to its component: three texts, a signature, marks; small, and as it is."""

import json
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from core.boxes import Detections
from core.evaluation.selection import Selection
from core.evaluation.table import read_table
from core.evaluation.tide import detection_table
from core.labels import LabelMap
from tests.core.coco_cases import gt_of, result
from tests.ui.gallery.columns import sent
from tests.ui.gallery.pages import PLAIN, SOURCE, page_maker
from ui.gallery import component as gallery
from ui.gallery.component import Item, Model

# What is sent


@pytest.fixture
def page(finished, store):
    return page_maker(finished, store)


def test_the_component_gets_three_texts_of_which_the_page_is_json_without_nan(page):
    told = sent(page(), marked=[4, 999])
    assert set(told) == {"signature", "page", "marked", "iou", "token"}
    assert re.fullmatch("[0-9a-f]{16}", told["signature"]) and isinstance(told["page"], str)

    def refuse(word):
        raise AssertionError(f"{word} is no JSON: the browser could not read the page")

    data = json.loads(told["page"], parse_constant=refuse)
    model = data["models"][0]
    assert None in model["truths"]["match"] and None in model["truths"]["pointed"]
    assert None in model["predictions"]["error"] and data["images"] == page()["images"]


@pytest.mark.parametrize(("marked", "told"), [(None, None), ([], []), ((9, 4, 999), ["4", "9"]), ({4: "x"}, ["4"])])
def test_marks_are_those_of_the_pages_images(page, marked, told):
    assert sent(page(), marked=marked)["marked"] == told


def test_an_image_that_comes_twice_is_marked_once(page):
    assert sent(page(items=page.items[:2] * 3), marked={4})["marked"] == ["4"]


def test_the_signature_changes_with_what_is_shown_and_only_then(page, finished, store):
    other = Model("Best", read_table(store.table_path(finished.id, 2)))
    first, part = page.items[0], (0, 0, 20, 20)
    pages = [
        {}, {"number": 2}, {"selection": replace(PLAIN, score=0.6)}, {"selection": replace(PLAIN, sizes=("small",))},
        {"selection": replace(PLAIN, pair=("car", ""))}, {"selection": replace(PLAIN, score_to=0.9)},
        {"selection": replace(PLAIN, marked=True)}, {"per": 48}, {"items": page.items[1:]},
        {"items": page.items[::-1]}, {"models": [other]}, {"models": [Model("Last", page.table)]},
        {"models": [Model("Best", page.table, "/api/why/1/best")]}, {"bare": True},
        {"models": [Model("Best", page.table, boxes="/api/boxes/1")]}, {"items": [first]},
        {"items": [Item(first.image_id, part)]}, {"items": [Item(first.image_id, part, ("truth", 1))]},
        {"models": [Model("Best", page.table), other], "layout": "over"},
        {"models": [Model("Best", page.table), other], "layout": "beside"},
    ]  # fmt: skip
    signatures = [sent(page(**how))["signature"] for how in pages]
    assert len(set(signatures)) == len(pages)
    assert [sent(page(**how))["signature"] for how in pages] == signatures
    assert {sent(page(), marked=marked)["signature"] for marked in (None, [], [4], [4, 5])} == {signatures[0]}


def test_96_pictures_with_100_predictions_each_are_less_than_two_megabytes():
    rng, n = np.random.default_rng(0), 96
    gt = gt_of(*((i % n + 1, i % 2 + 1, (*rng.uniform(0, 99, 2), 60.3, 40.7)) for i in range(12 * n)), images=n)
    corners = np.sort(rng.uniform(0, 640, (100 * n, 2, 2)).astype(np.float32), axis=1).reshape(-1, 4)
    found = Detections(
        np.repeat(np.arange(1, n + 1), 100), np.tile(np.arange(100), n), rng.integers(0, 2, 100 * n),
        rng.uniform(0.05, 1, 100 * n).astype(np.float32), corners,
    )  # fmt: skip
    table = detection_table(gt, found, LabelMap(("car", "dog"), (1, 2)))
    split = SimpleNamespace(image_by_id={image["id"]: image for image in gt["images"]})
    items = [Item(i) for i in range(1, n + 1)]
    selection = Selection(0.05, iou=(0.2, 1.0))  # so that `chosen` is among the columns
    told = sent(gallery.page_data(split, SOURCE, items, 1, n, [Model("Best", table)], selection))
    assert json.loads(told["page"])["models"][0]["predictions"]["n"] == [100] * n
    assert 300_000 < len(told["page"].encode()) < 2_000_000


def test_an_odd_name_of_a_file_or_class_comes_as_it_is(tmp_path):
    name = '<img src=x onerror=alert(1)> "\\ \u2028 自転車'
    gt = gt_of((1, 1, (0, 0, 9, 9)), categories=(name, "dog"))
    gt["images"][0]["file_name"] = name
    split = SimpleNamespace(image_by_id={1: gt["images"][0]})
    data = json.loads(
        sent(gallery.page_data(split, SOURCE, [Item(1)], 1, 24, [Model(name, detection_table(gt, []))], PLAIN))["page"]
    )
    assert (data["images"][0]["name"], data["classes"][0], data["models"][0]["label"]) == (name, name, name)


@pytest.mark.parametrize("results", [[], [0.3, 0.75, 0.5]])
def test_the_highest_score_is_that_of_any_prediction(results):
    table = detection_table(gt_of(), [result(1, 1, (9 * i, 0, 9, 9), score) for i, score in enumerate(results)])
    assert gallery.highest_score(table) == max(results, default=0)
