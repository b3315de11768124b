"""Predict: what does a model find on my own picture? Any model of the store, on pictures from this computer."""

import time
from functools import partial
from pathlib import Path

import streamlit as st

from core.datasets.split import CocoSplit
from core.evaluation.selection import Selection
from core.inference.own_pictures import OwnPicture
from core.inference.predictions import coco_images, prediction_table
from core.labels import LabelMap
from ui.choose.score import current_score, take_gallery_score
from ui.gallery import component as gallery
from ui.gallery.paging import PER_PAGE, current_page, page_count, turn_page
from ui.predict.answers import ANSWERS, Answers, answers_of, preload, start_predicting
from ui.predict.boxes import offer_downloads, show_box_table, speed
from ui.predict.model_picker import ModelChoice, pick_model
from ui.predict.pictures import (
    PAGE,
    clear_pictures,
    pick_pictures,
    sample_pictures,
    session_key,
    show_refused,
    take_pictures,
)
from ui.refusal import show_refusal
from ui.server import services
from ui.server.background import background_tasks
from ui.text import plain

TASK, DRAWN = "predict task", "predict drawn"  # in the session
GALLERY = "predict gallery"
FEW = 12  # pictures that are predicted without a click
DRAW_SECONDS = 3.0  # between two drawings of the boxes while more come
UNKNOWN_CLASSES = LabelMap(("object",), (1,))  # until the model has answered


def clear(key: str) -> None:
    """Delete all pictures and answers; a button's callback."""
    clear_pictures(key)
    stop_other_task(None)
    st.session_state.pop(ANSWERS, None)


def stop_other_task(name: str | None) -> None:
    """Stop the task that this session started last, unless it is the one of that name."""
    last = st.session_state.get(TASK)
    if last not in (None, name) and (task := background_tasks().find(last)):
        task.stop()


def show_empty_page(key: str, choice: ModelChoice) -> None:
    """Say what to do while there is no picture, and end the page; the model is loaded meanwhile."""
    preload(choice)
    st.title("Predict")
    st.info("Drop pictures of your own into the field on the left, or take one with the camera.")
    if st.button("Try pictures of the built-in data set", key="predict built in", icon=":material/photo_library:"):
        take_pictures(key, sample_pictures())
    st.stop()


def predict(name: str, choice: ModelChoice, pictures: dict[int, OwnPicture], answers: Answers) -> None:
    """Start the task for the pictures without an answer: few at once, more at a click; show how far it is."""
    stop_other_task(name)
    task, missing = background_tasks().find(name), answers.missing(pictures)
    st.session_state[DRAWN] = len(answers.predictions), time.monotonic()
    if task and task.is_running:
        show_progress(name, choice.label, answers)
        return
    if not missing:
        background_tasks().forget(name)
        return
    if task and task.error:
        show_refusal(task.error, icon=":material/error:")
    is_held = task is not None and (task.error or task.stopped)
    count = f"{len(missing)} picture{'s' * (len(missing) > 1)}"
    if is_held or len(missing) > FEW:
        if not st.button(f"Predict {count}", key="predict now", type="primary", icon=":material/play_arrow:"):
            return
        background_tasks().forget(name)
    st.session_state[TASK] = name
    start_predicting(name, choice, missing, answers)
    show_progress(name, choice.label, answers)


@st.fragment(run_every=0.5)
def show_progress(name: str, label: str, answers: Answers) -> None:
    """Show how far the task is; run the page again at its end, and every few seconds for the boxes so far."""
    task, (drawn, drawn_at) = background_tasks().find(name), st.session_state[DRAWN]
    is_old = len(answers.predictions) > drawn and time.monotonic() - drawn_at > DRAW_SECONDS
    if task is None or not task.is_running or is_old:
        st.rerun()
    done, total = task.latest or (0, 1)
    with st.container(horizontal=True, vertical_alignment="center"):
        text = f"{done:,} of {total:,} pictures" if answers.label_map else f"Loading {plain(label)} …"
        st.progress(done / total, text, width=420)
        st.button("Stop", key="predict stop", icon=":material/stop:", on_click=task.stop)


key = session_key()
with st.sidebar:
    choice = pick_model(services.store())
    new_pictures = pick_pictures()
    pictures = services.uploads().of(key)
    if pictures:
        st.button("Clear", key="predict clear", icon=":material/delete_sweep:", width="stretch", on_click=clear,
                  args=(key,), help="Deletes all pictures here.")  # fmt: skip
if choice is None:
    st.title("Predict")
    st.info("Type the folder of a checkpoint, or a model's name on the Hugging Face hub, on the left.")
    st.stop()
name = f"predict {key} {choice.key}"
if new_pictures:
    background_tasks().forget(name)
    take_pictures(key, new_pictures)
show_refused()
if not pictures:
    show_empty_page(key, choice)

answers, score = answers_of(choice), current_score()
head = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center")
predict(name, choice, pictures, answers)
table = prediction_table(pictures, answers.predictions, answers.label_map or UNKNOWN_CLASSES)
pages = page_count(list(pictures))
page = current_page(PAGE, pages)
with head:
    st.caption(speed(pictures, answers, choice.label))
    if pages > 1:
        st.pagination(pages, key=PAGE, width=340)
for number, sentence in answers.refused.items():
    if number in pictures:
        st.warning(f"{plain(pictures[number].name)}: {plain(sentence)}")

split = CocoSplit("own", Path(), Path(), coco_images(pictures), [], [])
items = [gallery.Item(number) for number in pictures]
model = gallery.Model(choice.label, table)
data = gallery.page_data(
    split, f"/api/upload/{key}", items, page, PER_PAGE, [model], Selection(score), bare=True
)  # fmt: skip
gallery.show_page(data, GALLERY, partial(turn_page, PAGE, GALLERY), partial(take_gallery_score, GALLERY))
if answers.predictions:
    offer_downloads(pictures, answers, table, score, choice.label)
    show_box_table(pictures, answers, score)
