"""A page of the gallery as the browser gets it; its boxes are tried in test_columns.py, its scripts in a browser."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from core.datasets.split import SIZES
from core.evaluation.ordering import SortOrder, sorted_objects
from core.evaluation.selection import Selection
from core.evaluation.table import ErrorType, read_table, table_metadata
from core.evaluation.threshold import count_errors
from core.evaluation.tide import detection_table
from tests.core.coco_cases import gt_of, result
from tests.ui.gallery.columns import by_image, sent
from tests.ui.gallery.pages import PLAIN, SOURCE, boxes_of, page_maker
from ui.gallery import component as gallery
from ui.gallery import paging
from ui.gallery.component import Item, Model


@pytest.fixture
def page(finished, store):
    return page_maker(finished, store)


# Pages


def test_the_pages_together_show_every_image_once(page):
    ids = [image["id"] for number in (1, 2) for image in page(number=number)["images"]]
    assert ids == [str(item.image_id) for item in page.items] and len(ids) == 30


@pytest.mark.parametrize("per", paging.PAGE_SIZES)
def test_a_page_says_where_it_is(page, per):
    items = page.items * 7  # 210
    pages = [page(items=items, per=per, number=n + 1) for n in range(paging.page_count(items, per))]
    assert [one["first"] for one in pages] == [1 + per * n for n in range(-(-210 // per))]
    assert {(one["pages"], one["total"]) for one in pages} == {(len(pages), 210)}
    assert [len(one["images"]) for one in pages] == [per] * (210 // per) + [210 % per] * (210 % per > 0)


@pytest.mark.parametrize(("items", "pages"), [(0, 1), (1, 1), (24, 1), (25, 2), (48, 2), (49, 3)])
def test_an_empty_selection_has_one_empty_page_and_a_full_one_no_second(items, pages):
    assert paging.page_count([None] * items) == pages


def test_without_images_there_is_a_page_with_nothing(page):
    data = json.loads(sent(page(items=[]))["page"])
    assert (data["images"], data["ahead"], data["total"], data["pages"]) == ([], [], 0, 1)
    assert boxes_of(data["models"][0]) == []


def test_an_image_says_where_it_is_how_large_and_what_it_is_called(page):
    for image in page()["images"]:
        entry = page.images.image_by_id[int(image["id"])]
        assert image == {
            "id": str(entry["id"]), "source": f"{SOURCE}/{entry['id']}", "name": entry["file_name"],
            "w": entry["width"], "h": entry["height"], "crop": None, "lit": None,
        }  # fmt: skip


def test_a_part_of_an_image_keeps_what_it_shows_and_what_it_is_about(page):
    some = page.items[3].image_id
    items = [Item(some, (3, 4, 50, 40), ("truth", 7)), Item(some, (0, 0, 9, 9), ("query", 0)), Item(some)]
    images = json.loads(sent(page(items=items))["page"])["images"]
    assert [image["crop"] for image in images] == [[3, 4, 50, 40], [0, 0, 9, 9], None]
    assert [image["lit"] for image in images] == [["truth", "7"], ["query", 0], None]
    assert {image["id"] for image in images} == {str(some)}


def test_the_boxes_that_core_lists_are_items_and_what_each_is_about_is_among_its_images_boxes(page):
    """Items may be any sequence with these three fields."""
    names = {image_id: image["file_name"] for image_id, image in page.images.image_by_id.items()}
    found = sorted_objects(page.table, PLAIN, SortOrder.WORST, False, names)
    assert len(found) > paging.PER_PAGE
    data = json.loads(sent(page(items=found))["page"])
    boxes = {kind: by_image(data["models"][0][kind]) for kind in ("truths", "predictions")}
    for place, (image, item) in enumerate(zip(data["images"], found, strict=False)):
        kind, key = {"truth": ("truths", "id"), "query": ("predictions", "query")}[image["lit"][0]]
        lit = [box for box in boxes[kind][place] if box[key] == image["lit"][1]]
        assert len(lit) == 1 and image["crop"] == list(item.crop)
        x1, y1, x2, y2 = image["crop"]
        assert x1 - 1 <= lit[0]["x1"] <= lit[0]["x2"] <= x2 + 1 and y1 - 1 <= lit[0]["y1"] <= lit[0]["y2"] <= y2 + 1
    assert data["ahead"] and all(image["crop"] for image in data["ahead"])


@pytest.mark.parametrize("per", [24, 7])
def test_ahead_are_the_pictures_of_the_next_page(page, per):
    for number in range(1, paging.page_count(page.items, per) + 1):
        assert page(number=number, per=per)["ahead"] == page(number=number + 1, per=per)["images"]
    assert page(number=number, per=per)["ahead"] == [], "there is nothing after the last"


# What the browser decides by


def test_classes_are_all_that_were_evaluated_whether_they_occur_or_not(page):
    assert gallery.class_names(page.table) == sorted(table_metadata(page.table).classes)
    assert page(items=page.items[:1])["classes"] == gallery.class_names(page.table)
    assert len({box["class"] for box in boxes_of(page(items=page.items[:1])["models"][0])}) < len(page()["classes"])


@pytest.mark.parametrize("score", [0.05, 0.31, 0.5, 0.9])
def test_the_errors_of_all_pages_together_are_the_tables(page, score):
    """As boxes.js judges: the sum over all images must be the page's counts."""
    threshold, counted = np.float32(score), dict.fromkeys(count_errors(page.table), 0)
    for number in (1, 2):
        data = json.loads(sent(page(number=number))["page"])
        types = [ErrorType(next(t for t in ErrorType if t.label == said["label"])).value for said in data["types"]]
        for boxes in by_image(data["models"][0]["predictions"]):
            for box in boxes:
                if box["error"] is not None and np.float32(box["score"]) >= threshold:
                    counted[types[int(box["error"])]] += 1
        for boxes in by_image(data["models"][0]["truths"]):
            for box in boxes:
                reached = [s for s in (box["match"], box["pointed"]) if s is not None and np.float32(s) >= threshold]
                counted[types[data["missed"]]] += not box["crowd"] and not reached
    assert counted == count_errors(page.table, score)


def test_error_types_say_what_they_are(page):
    data = page()
    assert [(t["label"], t["short"], t["description"]) for t in data["types"]] == [
        (t.label, t.short, t.description) for t in ErrorType
    ]
    assert data["types"][data["missed"]]["label"] == "Missed" and data["sizes"] == SIZES


@pytest.mark.parametrize(("selection", "filter_"), [
    (PLAIN, {"classes": [], "sizes": [], "error": None}),
    (Selection(0.4, classes=("car", "none such")), {"classes": ["car"], "sizes": [], "error": None}),
    (Selection(0.4, sizes=("large", "small")), {"classes": [], "sizes": [2, 0], "error": None}),
    (Selection(0.4, error="missed"), {"classes": [], "sizes": [], "error": 5}),
    (Selection(0.4, error=ErrorType.BOTH), {"classes": [], "sizes": [], "error": 2}),
])  # fmt: skip
def test_filters_are_places_in_the_lists_that_go_with_them(page, selection, filter_):
    data = json.loads(sent(page(selection))["page"])
    filter_["classes"] = [data["classes"].index(name) for name in filter_["classes"]]
    assert (data["filter"], data["score"]) == (filter_, selection.score)


@pytest.mark.parametrize("restricts", [
    {}, {"classes": ("car",), "error": "missed", "sizes": ("small",)}, {"images": (4, 5)}, {"marked": True},
])  # fmt: skip
def test_what_the_browser_can_decide_by_itself_is_not_said_of_each_box(page, restricts):
    model = page(replace(PLAIN, **restricts))["models"][0]
    assert "chosen" not in model["truths"] and "chosen" not in model["predictions"]


@pytest.mark.parametrize("restricts", [
    {"pair": ("car", "")}, {"iou": (0.1, 0.6)}, {"score_to": 0.8}, {"truncated": True}, {"crowd": True},
])  # fmt: skip
def test_what_it_cannot_is(page, restricts):
    model = page(replace(PLAIN, **restricts))["models"][0]
    for kind in ("truths", "predictions"):
        assert len(model[kind]["chosen"]) == len(model[kind]["x1"])


@pytest.mark.parametrize("missed", [False, True])
def test_of_a_cell_the_boxes_say_whether_they_belong_to_it(page, missed):
    rows = page.table.to_pylist()
    names = {row["class_name"] for row in rows if row["any_score"] is not None}
    pair = (min(names), "" if missed else min(names))
    took = {row["gt_id"]: row["class_name"] for row in rows if row["kind"] == "ground_truth"}
    models = [page(replace(PLAIN, score=0.3, pair=pair), number)["models"][0] for number in (1, 2)]
    truths, predictions = (
        [box for model in models for boxes in by_image(model[kind]) for box in boxes if box["chosen"]]
        for kind in ("truths", "predictions")
    )
    own = gallery.class_names(page.table).index(pair[0])
    assert truths and {box["class"] for box in truths + predictions} == {own}
    in_cell = [row for row in rows if row["class_name"] == pair[1] and took.get(row["any_gt"]) == pair[0]]
    assert len(predictions) == len(in_cell) and bool(in_cell) is not missed


# Several models


def test_of_two_models_each_has_its_boxes_on_the_same_pictures(page, finished, store):
    other = read_table(store.table_path(finished.id, 2))
    models = [Model("Untouched", page.table, "/api/why/1/untouched"), Model("Last", other, None, "/api/boxes/1")]
    for layout in ("beside", "over"):
        data = json.loads(sent(page(models=models, layout=layout))["page"])
        alone = [json.loads(sent(page(models=[model]))["page"]) for model in models]
        assert (data["layout"], data["images"]) == (layout, alone[0]["images"])
        assert data["models"] == [one["models"][0] for one in alone] and data["models"][0] != data["models"][1]
    assert [(m["label"], m["why"], m["boxes"]) for m in data["models"]] == [
        ("Untouched", "/api/why/1/untouched", None), ("Last", None, "/api/boxes/1"),
    ]  # fmt: skip


def test_frames_have_a_model_each_and_what_is_not_known_of_them_is_null(page, finished, store):
    tables = [read_table(store.table_path(finished.id, epoch)) for epoch in (0, 2, 2)]
    frames = [{"epoch": e, "AP": 0.1 * e, "loss_ce": None, "loss_bbox": 0.5} for e in (0, 1, 2)]
    models = [Model(f"epoch {e}", table) for e, table in enumerate(tables)]
    data = json.loads(sent(page(models=models, layout="frames", frames=frames))["page"])
    assert (data["frames"], [m["label"] for m in data["models"]]) == (frames, ["epoch 0", "epoch 1", "epoch 2"])
    assert json.loads(sent(page())["page"])["frames"] is None
    for model, table in zip(data["models"], tables, strict=True):
        shown = {np.float32(box["score"]) for boxes in by_image(model["predictions"]) for box in boxes}
        assert shown <= {np.float32(s) for s in table["score"].to_pylist() if s is not None}


def test_without_ground_truth_a_page_is_bare():
    gt = gt_of(images=1)
    split = SimpleNamespace(image_by_id={image["id"]: image for image in gt["images"]})
    model = Model("Best", detection_table(gt, [result(1, 1, (0, 0, 9, 9))]))
    data = json.loads(
        sent(gallery.page_data(split, "/api/upload/1", [Item(1)], 1, 24, [model], PLAIN, bare=True))["page"]
    )
    assert data["bare"] is True and len(boxes_of(data["models"][0])) == 1
