"""Errors: show me. The validation images of a run with what was there and what was found, by kind of error.

As images, as single boxes cut out, or at every evaluated epoch. What is shown is in the address
(`ui/choose/address.py`), so a link opens exactly that.
"""

from dataclasses import replace
from functools import partial

import pyarrow as pa
import streamlit as st

from core import LabError
from core.datasets.split import CocoSplit
from core.evaluation.ordering import Objects, Order, found_images, found_objects
from core.evaluation.selection import Selection, count_errors, selected_rows
from ui.choose.address import new_address, write_address
from ui.choose.run_picker import evaluated_runs, pick_evaluated_model, remember, show_empty_page
from ui.choose.score import take_gallery_score
from ui.errors import filters
from ui.errors.mark_and_export import show_mark_and_export
from ui.gallery import component as gallery
from ui.gallery import watch
from ui.gallery.columns import class_names
from ui.gallery.paging import PAGE_SIZES, PER_PAGE, page_count, page_of, turn_page
from ui.server import cache, services

PAGE, PER, VIEW, SHOWN = "page", "per page", "errors view", "shown"
VIEWS = {"images": "Images", "objects": "Objects", "watch": "Watch it learn"}
RUN_PICKER, GALLERY = "errors run", "gallery"
ADDRESS = ("run", "model", *filters.NAMES, "view", "per", "page")


def follow(address: dict[str, list[str]], classes: list[str]) -> None:
    """Sets all that is shown as a link says."""
    filters.follow(address, classes)
    view, per, page = (address.get(name, [""])[0] for name in ("view", "per", "page"))
    remember(VIEW, view if view in VIEWS else "images")
    remember(PER, next((n for n in PAGE_SIZES if str(n) == per), PER_PAGE))
    remember(PAGE, int(page) if page.isdecimal() and len(page) < 9 else 1)


def keep_place(before: int) -> None:
    """A callback of another page size: what came first on the page stays on it."""
    st.session_state[PAGE] = (st.session_state[PAGE] - 1) * before // st.session_state[PER] + 1


@st.cache_data(show_spinner=False, max_entries=64)
def counts_of(key: tuple, selection: Selection, _table: pa.Table) -> dict[str, int]:
    """How many errors of each type the selection finds, whichever type it asks for; `key` names the table."""
    return count_errors(_table, selection.score, selected_rows(_table, replace(selection, error=None)))


@st.cache_data(show_spinner=False, max_entries=64)
def images_of(
    key: tuple, selection: Selection, order: Order, reverse: bool, _table: pa.Table, _images: CocoSplit
) -> list[int]:
    return found_images(_table, selection, order, reverse, names_of(_images))


@st.cache_resource(show_spinner=False, max_entries=4)  # each holds on to its table
def objects_of(
    key: tuple, selection: Selection, order: Order, reverse: bool, _table: pa.Table, _images: CocoSplit
) -> Objects:
    return found_objects(_table, selection, order, reverse, names_of(_images))


def names_of(images: CocoSplit) -> dict[int, str]:
    return {image_id: image["file_name"] for image_id, image in images.image_by_id.items()}


def say_what_is_found(images: CocoSplit, ids: list[int], objects: Objects | None) -> None:
    """How much there is, and why there may be less than one expects."""
    text, highest = f"{len(ids):,} of {len(images.image_by_id):,} validation images", gallery.highest_score(table)
    if objects is not None:
        words = ("box", "boxes") if asked.is_about_boxes else ("error", "errors")
        text = f"{len(objects):,} {words[len(objects) != 1]} on {text}"
    if highest < asked.score:
        text += f" · no prediction reaches {asked.score:.2f}, the highest score is {highest:.2f}"
    st.caption(text, width="content")


def say_why_there_is_nothing() -> None:
    """And what to do."""
    if asked.marked and not marked:
        st.info("No image is marked yet: take the filter **Marked images** back, point at an image and press **m**.")
    elif view == "objects" and not asked.is_about_boxes:
        st.info("There is no error to show: choose **Images** to see what was found, or another score.")
    else:
        what = "box is" if view == "objects" else "image has"
        st.info(f"No {what} what the filters ask for: lower the score, or clear a filter.")


if not (found := evaluated_runs(services.store())):
    show_empty_page("Errors")
address = new_address(RUN_PICKER, ADDRESS)
with st.sidebar:
    looked = pick_evaluated_model(found, RUN_PICKER, address)
    run, evaluation = looked.run, looked.evaluation
    try:
        table, images = cache.table_of(evaluation), cache.validation_images(run)
    except LabError as error:
        st.error(str(error))
        st.stop()
    classes = class_names(table)
    if address:
        follow(address, classes)
    st.session_state.setdefault(VIEW, "images")
    view = st.segmented_control("View", list(VIEWS), format_func=VIEWS.get, key=VIEW, required=True, width="stretch",
                                persist_state="session")  # fmt: skip
    asked = filters.pick_filters(classes)
    order, reverse = filters.pick_order() if view != "watch" else (Order.WORST, False)
marked = filters.marked_images(run.id)
selection = asked.among(marked) if asked.marked else asked
query = {"run": run.id, "model": looked.model, **asked.to_query(), **filters.order_query(order, reverse)}
query |= {"view": view} if view != "images" else {}

filters.show_counts(counts_of(looked.mark, selection, table), asked.error)
filters.show_chips(asked)
if view == "watch":
    write_address(query)
    watch.show_watch(run, table, images, asked, partial(take_gallery_score, watch.KEY))
    st.stop()

key = (*looked.mark, images.json_path.stat().st_mtime_ns)
objects = objects_of(key, selection, order, reverse, table, images) if view == "objects" else None
ids = images_of(key, selection, order, reverse, table, images) if objects is None else objects.image_ids
items = [gallery.Item(image_id) for image_id in ids] if objects is None else objects
per = st.session_state.setdefault(PER, PER_PAGE)
pages = page_count(items, per)
page = page_of(PAGE, SHOWN, (evaluation.table, asked, order, reverse, view), pages, keep=bool(address))
query |= {"per": str(per)} if per != PER_PAGE else {}
write_address(query | ({"page": str(page)} if page > 1 else {}))
if not ids:
    say_why_there_is_nothing()
    st.stop()
with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
    say_what_is_found(images, ids, objects)
    st.selectbox("Per page", PAGE_SIZES, format_func=lambda n: f"{n} a page", key=PER, width=120,
                 label_visibility="collapsed", on_change=keep_place, args=(per,), persist_state="session")  # fmt: skip
    st.pagination(pages, key=PAGE, max_visible_pages=5, width=300, persist_state="session")
    on_page = [item.image_id for item in items[(page - 1) * per : page * per]]
    show_mark_and_export(run, looked, table, images, ids, on_page, asked)
label = "Imported" if run.is_imported else f"{looked.model.capitalize()} · epoch {evaluation.epoch}"
why = None if run.is_imported else f"/api/why/{run.id}/{looked.model}"
model = gallery.Model(label, table, why, f"/api/boxes/{run.id}", evaluation.epoch)
data = gallery.page_data(images, f"/api/image/{run.id}", items, page, per, [model], asked)
gallery.show_page(
    data, GALLERY, partial(turn_page, PAGE, GALLERY), partial(take_gallery_score, GALLERY),
    partial(filters.take_gallery_mark, GALLERY, run.id), marked,
)  # fmt: skip
