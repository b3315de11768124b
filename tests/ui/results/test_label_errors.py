"""Likely label errors as cards, on a small page of their own."""

import json

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.evaluation.draw import GREEN, RED
from core.evaluation.findings import label_errors as findings
from core.runs.evaluated.imports import import_results
from core.runs.marks import Mark, Marks
from tests.core.coco_cases import gt_of, result
from ui.results import label_errors

NAVY, GREY = (0, 0, 128), (152, 162, 179)
CAR = (40, 20, 50, 40)
WRONG, MISSING = result(1, 2, CAR, 0.95), result(2, 1, (100, 50, 20, 20), 0.9)
UNSURE = result(1, 2, (150, 5, 9, 9), 0.6)


@pytest.fixture
def run_of(store, tmp_path):
    """Makes an imported run: a car on image 1, which has a picture, nothing on image 2, which has none."""

    def make(*results, categories=("car", "dog")):
        folder = tmp_path / "set"
        folder.mkdir()
        gt = gt_of((1, 1, CAR), images=2, categories=categories)
        (folder / "gt.json").write_text(json.dumps(gt))
        (folder / "dt.json").write_text(json.dumps(list(results)))
        Image.new("RGB", (200, 100), NAVY).save(folder / "1.jpg", quality=95)
        return import_results(store, folder / "gt.json", folder / "dt.json")

    return make


def page():
    import streamlit as st

    from ui.results import label_errors
    from ui.server import cache, services

    run = services.store().get(st.session_state.run)
    (evaluation,) = services.store().evaluations(run.id)
    table, classes = cache.table_of(evaluation), st.session_state.classes
    name = (run.id, evaluation.created)
    score, opened = st.session_state.from_score, st.session_state.opened
    label_errors.show_label_errors(run, table, name, score, classes, opened.append)


def shown(run, score=0.5, classes=None, **state):
    app = AppTest.from_function(page, default_timeout=30)
    for name, value in {"run": run.id, "from_score": score, "classes": classes, "opened": [], **state}.items():
        app.session_state[name] = value
    return checked(app.run())


def checked(app):
    assert not app.exception, app.exception
    return app


def words(app) -> list[str]:
    return [card.value for card in app.markdown]


@pytest.fixture
def cut_outs(monkeypatch):
    """The pictures of the cards, in the order in which they are drawn."""
    made, draw = [], label_errors.draw_crop
    monkeypatch.setattr(label_errors, "draw_crop", lambda *args: made.append(draw(*args)) or made[-1])
    return made


@pytest.mark.parametrize("results", [[], [result(1, 1, CAR)], [result(2, 1, (9, 9, 9, 9), 0.3)]])
def test_where_nothing_contradicts_the_labels_a_sentence_says_so(run_of, results):
    app = shown(run_of(*results))
    assert app.info[0].value.startswith("No confident prediction contradicts the labels")
    assert not app.checkbox and not app.button and not app.get("download_button")


def test_a_card_says_what_is_doubted_the_likeliest_first(run_of):
    app = shown(run_of(UNSURE, MISSING, WRONG))
    assert words(app) == [
        "**Wrong label** · dog 0.95, annotated car",
        "**Missing label** · car 0.90, nothing annotated",
        "**Missing label** · dog 0.60, nothing annotated",
    ]
    assert len(app.checkbox) == len(app.button) == 3
    assert app.caption[0].value.startswith("3 places")
    addresses = [picture.url for card in app.get("image") for picture in card.proto.imgs]
    assert [address.partition(",")[0] for address in addresses] == ["data:image/jpeg;base64"] * 3


@pytest.mark.parametrize("score, count, said", [(0.05, 3, "0.50"), (0.7, 2, "0.70"), (0.95, 1, "0.95")])
def test_only_confident_predictions_count_whatever_the_pages_score_is(run_of, score, count, said):
    app = shown(run_of(WRONG, MISSING, UNSURE), score)
    assert len(app.checkbox) == count
    assert f"score {said} or more" in app.caption[0].value


@pytest.mark.parametrize("name, count", [("car", 2), ("dog", 2), ("bus", 0)])
def test_of_a_class_there_is_what_is_predicted_or_annotated_as_it(run_of, name, count):
    app = shown(run_of(WRONG, MISSING, UNSURE, categories=("car", "dog", "bus")), classes=(name,))
    assert len(app.checkbox) == count


def test_names_from_files_are_no_markup(run_of):
    app = shown(run_of(WRONG, categories=(":red[car] *x*", "<b>dog</b>")))
    assert words(app) == [r"**Wrong label** · \<b\>dog\</b\> 0.95, annotated \:red\[car\] \*x\*"]


# Cut-outs


def test_the_prediction_is_red_and_the_doubted_annotation_green(run_of, cut_outs):
    shown(run_of(WRONG, MISSING))
    wrong, missing = (np.asarray(picture) for picture in cut_outs)
    assert wrong.shape == missing.shape == (label_errors.SIDE, label_errors.SIDE, 3)
    assert (wrong == RED).all(axis=2).any() and (wrong == GREEN).all(axis=2).any()
    assert (missing == RED).all(axis=2).any() and not (missing == GREEN).all(axis=2).any()


def test_a_cut_out_shows_the_picture_and_is_grey_where_that_is_gone(run_of, cut_outs):
    shown(run_of(WRONG, MISSING))
    corners = [picture.getpixel((2, label_errors.SIDE - 3)) for picture in cut_outs]
    assert np.allclose(corners[0], NAVY, atol=6) and corners[1] == GREY


@pytest.mark.parametrize("content", [b"", b"no picture"])
def test_a_broken_picture_is_grey(run_of, cut_outs, tmp_path, content):
    run = run_of(WRONG)
    (tmp_path / "set/1.jpg").write_bytes(content)
    shown(run)
    assert cut_outs[0].getpixel((2, label_errors.SIDE - 3)) == GREY


def test_a_card_opens_its_whole_picture_at_the_score_of_the_page(run_of):
    app = shown(run_of(WRONG, MISSING), score=0.8)
    for i in range(2):
        checked(app.button[i].click().run())
    assert app.session_state.opened == [{"score": "0.8", "image": [str(image_id)]} for image_id in (1, 2)]


# Marks


def test_both_kinds_can_be_marked_and_are_offered_as_one_file(run_of, store):
    run = run_of(WRONG, MISSING)
    app = shown(run)
    assert not app.get("download_button")
    for i, label in enumerate(("Download 1 mark (COCO JSON)", "Download 2 marks (COCO JSON)")):
        checked(app.checkbox[i].check().run())
        assert app.get("download_button")[0].label == label
    kept = {mark.key for mark in Marks(store).all(run.id)}
    assert kept == {"annotation 1", "image 2 at 100 50 120 70 car"}


def test_a_mark_that_another_tab_made_or_removed_shows_with_the_next_run(run_of, store):
    run = run_of(WRONG, MISSING)
    app = shown(run)
    (evaluation,) = store.evaluations(run.id)
    mark = Mark.of(findings.label_errors(label_errors.cache.table_of(evaluation), 0.5)[1])
    Marks(store).add(run.id, mark)
    assert [box.value for box in checked(app.run()).checkbox] == [False, True]
    Marks(store).remove(run.id, mark.key)
    assert [box.value for box in checked(app.run()).checkbox] == [False, False]


def test_marks_are_offered_even_where_no_doubt_is_in_sight(run_of):
    run = run_of(MISSING)
    checked(shown(run).checkbox[0].check().run())
    app = shown(run, score=0.95)
    assert app.info and app.get("download_button")[0].label == "Download 1 mark (COCO JSON)"


# Pages


@pytest.fixture
def many(run_of):
    """Missing cars, each likelier than the next: a page and two more."""
    return run_of(*(result(2, 1, (14 * i, 5, 9, 9), 0.99 - 0.02 * i) for i in range(label_errors.PER_PAGE + 2)))


def test_what_does_not_fit_onto_a_page_is_on_the_next(many):
    first, second = (shown(many, **{label_errors.PAGE: number}) for number in (1, 2))
    assert (len(first.checkbox), len(second.checkbox)) == (label_errors.PER_PAGE, 2)
    least, most = (pick(text.split()[4] for text in words(app)) for app, pick in ((first, min), (second, max)))
    assert least == "0.77," > most == "0.75,"
    assert first.get("pagination")


def test_a_page_has_no_pages_if_one_is_enough(run_of):
    assert not shown(run_of(WRONG)).get("pagination")


@pytest.mark.parametrize("number, score, count", [(2, 0.95, 3), (99, 0.5, 2), (0, 0.5, label_errors.PER_PAGE)])
def test_a_page_that_there_is_not_any_more_gives_way_to_the_nearest(many, number, score, count):
    assert len(shown(many, score, **{label_errors.PAGE: number}).checkbox) == count


def test_a_badly_placed_box_and_a_duplicate_are_told_with_both_boxes(store, tmp_path, cut_outs):
    folder = tmp_path / "set"
    folder.mkdir()
    usual = [(image, 1, (0, 0, 40, 40)) for image in range(1, 21)]
    gt = gt_of(*usual, (21, 1, (20, 0, 40, 40)), (22, 1, (0, 0, 40, 40)), (22, 2, (0, 0, 40, 38)), images=22)
    (folder / "gt.json").write_text(json.dumps(gt))
    results = [result(image, 1, (0, 0, 40, 40), 0.9) for image in range(1, 23)]
    (folder / "dt.json").write_text(json.dumps(results))
    for image in (21, 22):
        Image.new("RGB", (200, 100), NAVY).save(folder / f"{image}.jpg", quality=95)
    run = import_results(store, folder / "gt.json", folder / "dt.json")
    app = shown(run)
    assert [text.split(" · ")[1] for text in words(app)] == [
        "dog on car, IoU 0.95", "car 0.90, IoU 0.33 with its label",
    ]  # fmt: skip
    for cut_out in map(np.asarray, cut_outs):
        assert (cut_out == RED).all(axis=2).any() and (cut_out == GREEN).all(axis=2).any()
    app.checkbox[0].check()
    checked(app.run())
    (mark,) = Marks(store).all(run.id)
    assert mark.kind.value == "duplicate label" and mark.gt_id == 23 and mark.score is None
