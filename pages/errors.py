"""Errors: where does the model err, and how? The validation images of a run with their ground truth and predictions.

As images, as single boxes cut out, or at every evaluated epoch. What is shown is in the address
(`ui/choose/address.py`), so a link opens exactly that.
"""

from dataclasses import replace
from functools import partial

import pyarrow as pa
import streamlit as st

from core import LabError
from core.evaluation.ordering import ObjectCrops, SortOrder
from core.evaluation.selection import Selection, selected_rows
from core.evaluation.threshold import count_errors
from core.runs.evaluated.images import why_no_model, words_of_part
from core.runs.models import RunModel
from ui.choose.address import Address, Query, new_address, remember, write_address
from ui.choose.data_notice import show_data_notice
from ui.choose.labels import images_of, labels_query, pick_labels, table_of
from ui.choose.run_picker import TableKey, evaluated_runs, pick_evaluated_model, show_empty_page
from ui.choose.score import apply_iou, current_iou, iou_query, take_gallery_iou, take_gallery_score
from ui.errors import alike, filters
from ui.errors.listing import VIEWS, list_anew, list_boxes, list_items
from ui.errors.mark_and_export import show_mark_and_export
from ui.gallery import component as gallery
from ui.gallery import watch
from ui.gallery.columns import class_names
from ui.gallery.paging import PAGE_SIZES, PER_PAGE, page_count, page_of, turn_page
from ui.server import cache, services
from ui.server.attributes import attributes_of
from ui.text import plain

PAGE, PER, VIEW, SHOWN = "page", "per page", "errors view", "shown"
RUN_PICKER, GALLERY = "errors run", "gallery"
ADDRESS = ("run", "model", *filters.NAMES, *alike.NAMES, "view", "per", "page", "labels", "iou")


def apply_address(address: Address, classes: list[str]) -> None:
    """Set all that is shown as a link says."""
    filters.apply_address(address, classes)
    alike.apply_address(address)
    apply_iou(address)
    view, per, page = (address.get(name, [""])[0] for name in ("view", "per", "page"))
    remember(VIEW, view if view in VIEWS else "images")
    remember(PER, next((n for n in PAGE_SIZES if str(n) == per), PER_PAGE))
    remember(PAGE, int(page) if page.isdecimal() and len(page) < 9 else 1)


def keep_first(per_page: int) -> None:
    """Go to the page that has what came first on the current one, of `per_page` before; a callback of "Per page"."""
    st.session_state[PAGE] = (st.session_state[PAGE] - 1) * per_page // st.session_state[PER] + 1


def ask_for_alike() -> None:
    """Show single boxes, those most like the one that the gallery says; a callback."""
    alike.take_gallery_box(GALLERY)
    remember(VIEW, "objects")
    remember(PAGE, 1)


@st.cache_data(show_spinner=False, max_entries=64)
def error_counts(key: TableKey, selection: Selection, _table: pa.Table) -> dict[str, int]:
    """Count the selected errors of each type, whichever type is selected; `key` names the table."""
    return count_errors(_table, selection.score, selected_rows(_table, replace(selection, error=None)))


def show_numbers(image_ids: list[int], objects: ObjectCrops | None) -> None:
    """Say how much is selected, and whether the score is above that of every prediction."""
    text = f"{len(image_ids):,} of {len(images.image_by_id):,} {plain(words_of_part(run))}"
    highest = gallery.highest_score(table)
    if objects is not None:
        one, many = ("box", "boxes") if chosen.selects_boxes or like_boxes else ("error", "errors")
        if view == "labels" and not like_boxes:
            one, many = "likely label error", "likely label errors"
        text = f"{len(objects):,} {one if len(objects) == 1 else many} on {text}"
    if highest < chosen.score:
        text += f" · no prediction reaches {chosen.score:.2f}, the highest score is {highest:.2f}"
    if like_boxes and (words := alike.sentence_on(like_boxes, (page - 1) * per_page, page * per_page)):
        text += f" · {words}" if view == "objects" else ""
    st.caption(plain(text), width="content")


def show_nothing_selected() -> None:
    """Say why there is nothing to show, and what to do."""
    if chosen.marked and not marked:
        st.info("No image is marked yet: take the filter **Marked images** back, point at an image and press **m**.")
    elif view == "labels":
        st.info("No prediction with this score contradicts the labels: lower the score to see less likely cases.")
    elif view == "objects" and not chosen.selects_boxes:
        st.info("There is no error to show: choose **Images** to see what was found, or another score.")
    else:
        subject = "box is" if view == "objects" else "image has"
        st.info(f"No {subject} what the filters ask for: lower the score, or clear a filter.")


if not (runs := evaluated_runs(services.store())):
    show_empty_page("Errors")
if RUN_PICKER not in st.session_state:  # the page was opened
    list_anew()
address = new_address(RUN_PICKER, ADDRESS)
with st.sidebar:
    viewed = pick_evaluated_model(runs, RUN_PICKER, address)
    run, evaluation = viewed.run, viewed.evaluation
    try:
        [viewed] = pick_labels([viewed], address)
        table, images = table_of(viewed), images_of(viewed)
    except LabError as error:
        st.error(plain(error))
        st.stop()
    classes = class_names(table)
    if address:
        apply_address(address, classes)
    st.session_state.setdefault(VIEW, "images")
    st.pills("View", list(VIEWS), format_func=VIEWS.__getitem__, key=VIEW, required=True, persist_state="session")
    view: str = st.session_state[VIEW]
    attributes = attributes_of(run, table)
    chosen = filters.pick_filters(classes, attributes)
    wanted = alike.asked()
    has_order = view in ("images", "objects") and not any(wanted)
    order, reverse = filters.pick_order() if has_order else (SortOrder.WORST, False)
marked = filters.marked_images(run.id)
selection = chosen.on_images(marked) if chosen.marked else chosen
selection = selection.on_images(attributes.images_of(chosen.slices)) if chosen.slices else selection
query: Query = {"run": run.id, "model": viewed.model, **chosen.to_query(), **filters.order_query(order, reverse)}
query |= {**wanted.to_query(), **labels_query(), **iou_query(), **({"view": view} if view != "images" else {})}

show_data_notice((run, table))
filters.show_error_types(error_counts(viewed.table_key, selection, table), chosen.error)
filters.show_chips(chosen)
if view == "watch":
    write_address(query)
    watch.show_watch(run, cache.table_of(evaluation), images, chosen, partial(take_gallery_score, watch.KEY))
    st.stop()

key = (evaluation.table, evaluation.created, images.json_path.stat().st_mtime_ns, viewed.may_correct)
like_boxes = alike.pick_boxes(viewed, table, wanted, selection, images) if any(wanted) else None
items, image_ids, objects, is_old = (
    list_boxes(like_boxes.boxes, view)
    if like_boxes
    else list_items(key, view, selection, order, reverse, table, images, viewed.labels)
)
per_page = st.session_state.setdefault(PER, PER_PAGE)
pages = page_count(items, per_page)
page = page_of(PAGE, SHOWN, (evaluation.table, chosen, wanted, order, reverse, view), pages, keep=bool(address))
query |= {"per": str(per_page)} if per_page != PER_PAGE else {}
write_address(query | ({"page": str(page)} if page > 1 else {}))
if not image_ids:
    show_nothing_selected()
    st.stop()

with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
    show_numbers(image_ids, objects)
    if is_old:
        st.button("List anew", key="list anew", icon=":material/refresh:", on_click=list_anew,
                  help="Labels were corrected since this was listed: it stays so while you go through it.")  # fmt: skip
    st.selectbox("Per page", PAGE_SIZES, format_func=lambda n: f"{n} a page", key=PER, width=120,
                 label_visibility="collapsed", on_change=keep_first, args=(per_page,),
                 persist_state="session")  # fmt: skip
    st.pagination(pages, key=PAGE, max_visible_pages=5, width=300, persist_state="session")
    on_page = [item.image_id for item in items[(page - 1) * per_page : page * per_page]]
    show_mark_and_export(viewed, table, images, image_ids, on_page, chosen)
model = gallery.Model(
    run.origin.capitalize() if run.is_imported else f"{RunModel(viewed.model).label} · epoch {evaluation.epoch}", table,
    None if why_no_model(run) else f"/api/why/{run.id}/{viewed.model}", f"/api/boxes/{run.id}", evaluation.epoch,
    f"/api/labels/{run.id}/{viewed.model}" if viewed.may_correct else None,
)  # fmt: skip
gallery.show_page(
    gallery.page_data(images, f"/api/image/{run.id}", items, page, per_page, [model], chosen,
                      alike=alike.why_not(viewed, table)),
    GALLERY, partial(turn_page, PAGE, GALLERY), partial(take_gallery_score, GALLERY),
    partial(filters.take_gallery_mark, GALLERY, run.id), marked, on_alike=ask_for_alike,
    iou=current_iou(), on_iou=partial(take_gallery_iou, GALLERY),
)  # fmt: skip
