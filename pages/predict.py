"""Predict: try it on my own picture. Any model of the store on pictures from this computer or its camera."""

import time
from functools import partial
from pathlib import Path

import streamlit as st

from core import DataError
from core.datasets.split import CocoSplit
from core.evaluation.selection import Selection
from core.inference.own_pictures import ENDINGS, MEGAPIXELS
from core.inference.predictions import coco_images, prediction_table
from core.labels import LabelMap
from ui.choose import built_in
from ui.choose.score import take_score, the_score
from ui.gallery import component as gallery
from ui.predict import asking
from ui.predict.asking import ANSWERS
from ui.predict.boxes import box_table, offer_downloads, speed
from ui.server import cache, services
from ui.server.background import background_tasks
from ui.server.uploads import MOST_BYTES, MOST_PICTURES
from ui.text import plain

KEY, PAGE, REFUSED, TAKEN, ROUND, TASK, DRAWN = (
    f"predict {what}" for what in ("key", "page", "refused", "taken", "round", "task", "drawn")
)
GALLERY, CAMERA = "predict gallery", "predict camera"
FEW = 12  # pictures that are asked about without a click
DRAW_SECONDS = 3.0  # between two drawings of the boxes while there come more
TOLD = 5  # refused pictures that are named
TRIED = 6  # pictures of the built-in data set
NOTHING = LabelMap(("object",), (1,))  # the classes of a model that has not said anything yet


def turn_page() -> None:
    """From the gallery: one page on or back; the page itself keeps it in range."""
    st.session_state[PAGE] += st.session_state[GALLERY].turn


def clear(key: str) -> None:
    """A button's callback: all pictures, and what was said of them."""
    services.uploads().forget(key)
    stop_other(None)
    for name in (KEY, REFUSED, ANSWERS):
        st.session_state.pop(name, None)


def stop_other(name: str | None) -> None:
    """Ends the task that this session began last, unless it is the one of that name."""
    last = st.session_state.get(TASK)
    if last not in (None, name) and (task := background_tasks().find(last)):
        task.stop()


def bring(key: str) -> list[tuple[str, str, memoryview]]:
    """The uploader and, if it is switched on, the camera: their new pictures as (id, name, bytes)."""
    turn = st.session_state.setdefault(ROUND, 0)  # new widgets, empty again, for the next pictures
    files = st.file_uploader(
        "Pictures", [*ENDINGS, ".heic", ".heif"], accept_multiple_files=True, key=f"predict files {turn}",
        help=f"At most {MOST_PICTURES} at a time, {MOST_BYTES / 1e9:g} GB in all, each of at most {MEGAPIXELS} "
             "megapixels. They stay on the machine that runs the app, and are deleted when it ends. Transparent parts "
             "become white.",
    )  # fmt: skip
    if st.toggle("Camera", key=CAMERA, persist_state="session", help="Of the computer that shows this page."):
        photo = st.camera_input("Take a picture", key=f"predict photo {turn}", label_visibility="collapsed")
        files = [*files, photo] if photo else files
    taken = st.session_state.setdefault(TAKEN, set())
    return [(file.file_id, file.name, file.getbuffer()) for file in files if file.file_id not in taken]


def take(key: str, brought: list[tuple[str, str, memoryview]]) -> None:
    """Keeps the pictures, or the sentences on why not, and shows the page on which the first new one is."""
    uploads, refused, first = services.uploads(), [], len(services.uploads().of(key))
    st.session_state[REFUSED] = refused
    bar = st.progress(0.0)
    for done, (file_id, name, data) in enumerate(brought):
        bar.progress(done / len(brought), f"Reading {plain(name)}")
        st.session_state[TAKEN].add(file_id)
        try:
            uploads.add(key, name, data)
        except DataError as error:
            refused.append(str(error))
    st.session_state[ROUND] += 1
    st.session_state[PAGE] = first // gallery.PER_PAGE + 1
    st.rerun()


def built_in_pictures() -> list[tuple[str, str, bytes]]:
    """A few of the built-in data set's validation pictures, which are drawn if they are not there."""
    if problem := built_in.draw_built_in_data():
        st.error(problem)
        st.stop()
    split = cache.images_of(built_in.built_in_folder(), "val")
    paths = [split.image_path(image) for image in split.images[:TRIED]]
    return [(str(path), path.name, path.read_bytes()) for path in paths]


def say_what_to_do(key: str, choice: asking.Choice) -> None:
    asking.get_ready(choice)
    st.title("Predict")
    st.info("Drop pictures of your own into the field on the left, or take one with the camera.")
    if st.button("Try pictures of the built-in data set", key="predict built in", icon=":material/photo_library:"):
        take(key, built_in_pictures())
    st.stop()


def tell_refused() -> None:
    refused = st.session_state.get(REFUSED, [])
    for sentence in refused[:TOLD]:
        st.error(plain(sentence), icon=":material/broken_image:")
    if len(refused) > TOLD:
        st.error(f"… and {len(refused) - TOLD} more pictures could not be taken.")


def ask(name: str, choice: asking.Choice, pictures: dict, answers: asking.Answers) -> None:
    """Begins to ask about the pictures without an answer: at once if they are few, else at a click. Shows how far."""
    stop_other(name)
    task, missing = background_tasks().find(name), answers.missing(pictures)
    st.session_state[DRAWN] = len(answers.predictions), time.monotonic()
    if task and task.is_running:
        watch(name, choice.label, answers)
        return
    if not missing:
        background_tasks().forget(name)
        return
    if task and task.error:
        st.error(plain(task.error), icon=":material/error:")
    is_held = task is not None and (task.error or task.stopped)
    count = f"{len(missing)} picture{'s' * (len(missing) > 1)}"
    if is_held or len(missing) > FEW:
        if not st.button(f"Predict {count}", key="predict now", type="primary", icon=":material/play_arrow:"):
            return
        background_tasks().forget(name)
    st.session_state[TASK] = name
    asking.begin(name, choice, missing, answers)
    watch(name, choice.label, answers)


@st.fragment(run_every=0.5)
def watch(name: str, label: str, answers: asking.Answers) -> None:
    """How far the task is; the whole page again when it has ended, and now and then for the boxes so far."""
    task, (drawn, when) = background_tasks().find(name), st.session_state[DRAWN]
    is_old = len(answers.predictions) > drawn and time.monotonic() - when > DRAW_SECONDS
    if task is None or not task.is_running or is_old:
        st.rerun()
    done, total = task.latest or (0, 1)
    with st.container(horizontal=True, vertical_alignment="center"):
        said = f"{done} of {total} pictures" if answers.label_map else f"Loading {plain(label)} …"
        st.progress(done / total, said, width=420)
        st.button("Stop", key="predict stop", icon=":material/stop:", on_click=task.stop)


key = st.session_state.setdefault(KEY, services.uploads().new_key())
with st.sidebar:
    choice = asking.pick_choice(services.store())
    brought = bring(key)
    pictures = services.uploads().of(key)
    if pictures:
        st.button("Clear", key="predict clear", icon=":material/delete_sweep:", width="stretch", on_click=clear,
                  args=(key,), help="Deletes all pictures here.")  # fmt: skip
name = f"predict {key} {choice.mark}"
if brought:
    background_tasks().forget(name)
    take(key, brought)
tell_refused()
if not pictures:
    say_what_to_do(key, choice)
answers = asking.answers_of(choice)
score = the_score()
head = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center")
ask(name, choice, pictures, answers)
label_map = answers.label_map or NOTHING
table = prediction_table(pictures, answers.predictions, label_map)
pages = gallery.page_count(list(pictures))
st.session_state[PAGE] = min(max(1, st.session_state.get(PAGE, 1)), pages)
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
gallery.show_page(
    gallery.page_data(split, f"/api/upload/{key}", items, st.session_state[PAGE], gallery.PER_PAGE, [model],
                      Selection(score), bare=True),
    GALLERY, turn_page, partial(take_score, GALLERY),
)  # fmt: skip
if answers.predictions:
    offer_downloads(pictures, answers, table, score, choice.label)
    box_table(pictures, answers, score)
