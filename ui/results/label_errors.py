"""Likely label errors as cards: a cut-out of the picture, what may be wrong, a mark, a way to the whole picture."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Sequence
from functools import partial

import pyarrow as pa
import streamlit as st
from PIL import Image

from core import LabError
from core.datasets.pictures import read_picture
from core.evaluation.draw import draw_crop
from core.evaluation.findings.label_errors import LabelError, LabelErrorKind, label_errors
from core.evaluation.selection import Selection
from core.evaluation.table import table_metadata
from core.runs.marks import Mark, Marks, marks_to_coco
from core.runs.schema import Run
from ui.choose.address import Query
from ui.choose.run_picker import TableKey
from ui.choose.widget_value import set_widget_value
from ui.gallery.paging import current_page, page_count
from ui.server import cache, services
from ui.text import plain

PER_PAGE = 12
ACROSS = 4
SIDE = 220  # pixels of a cut-out
LOWEST = 0.5  # a less confident prediction says little about a label
PAGE = "label errors page"


@st.cache_data(show_spinner=False, max_entries=16)
def _label_errors(key: TableKey, score: float, _table: pa.Table) -> list[LabelError]:
    return label_errors(_table, score)


def show_label_errors(
    run: Run, table: pa.Table, key: TableKey, score: float, classes: Sequence[str] | None,
    go_to_errors: Callable[[Query], None], mend: Callable[[LabelError], None] | None = None,
) -> None:  # fmt: skip
    """Show a page of the likeliest label errors from `score` on.

    key           names the table
    classes       the chosen ones; None: all
    go_to_errors  opens a query on Errors
    mend          corrects the labels as the model suggests, a callback; None: they cannot be corrected
    """
    score = max(score, LOWEST)
    shown = [
        e for e in _label_errors(key, score, table) if classes is None or {e.predicted, e.annotated} & set(classes)
    ]
    marks = Marks(services.store())
    marked = {m.key for m in marks.all(run.id)}
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.caption(
            f"{len(shown)} places where predictions with score {score:.2f} or more contradict the labels, "
            "the likeliest first. Correct those that are wrong, here or one by one; or mark them for another tool."
        )
        if (
            shown
            and mend
            and st.button(
                "One by one",
                key="walk",
                icon=":material/view_carousel:",
                help="Opens them on Errors in this order: a accepts what the model says, → goes on.",
            )
        ):
            go_to_errors({"view": "labels", **Selection(score, tuple(classes or ())).to_query()})
        offer_marks(run, marks.all(run.id), table)
    if not shown:
        st.info("No confident prediction contradicts the labels: lower the score to see less likely cases.")
        return
    pages = page_count(shown, PER_PAGE)
    first = (current_page(PAGE, pages) - 1) * PER_PAGE
    columns = st.columns(ACROSS, gap="small")
    for i, label_error in enumerate(shown[first : first + PER_PAGE]):
        with columns[i % ACROSS].container(border=True):
            _card(run, label_error, marked, score, go_to_errors, mend)
    if pages > 1:
        st.pagination(pages, key=PAGE)


def _card(
    run: Run, label_error: LabelError, marked: set[str], score: float, go_to_errors: Callable[[Query], None],
    mend: Callable[[LabelError], None] | None,
) -> None:  # fmt: skip
    mark = Mark.of(label_error)
    kind = label_error.kind
    st.image(_as_address(_cut_out(run, label_error)), alt=f"{kind.label}: {_in_words(label_error)}")
    st.markdown(f"**{plain(kind.label)}** · {plain(_in_words(label_error))}", help=plain(kind.description))
    if mend:
        st.button(plain(_REMEDIES[kind].format(label_error.predicted)), key=f"mend {mark.key}", width="stretch",
                  icon=":material/build:", on_click=mend, args=(label_error,))  # fmt: skip
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        key = f"mark {run.id} {mark.key}"
        set_widget_value(key, mark.key in marked)
        st.checkbox("Mark", key=key, on_change=partial(_toggle, run.id, mark, key))
        if st.button("Show", key=f"show {mark.key}", icon=":material/image_search:",
                     help="The whole picture, with all its boxes."):  # fmt: skip
            go_to_errors(Selection(score, images=(label_error.image_id,)).to_query())


_REMEDIES = {
    LabelErrorKind.MISSING: "Add this {}",
    LabelErrorKind.WRONG: "Make it a {}",
    LabelErrorKind.PLACE: "Take this box",
    LabelErrorKind.DUPLICATE: "Delete this label",
}


def _toggle(run_id: str, mark: Mark, key: str) -> None:
    marks = Marks(services.store())
    if st.session_state[key]:
        marks.add(run_id, mark)
    else:
        marks.remove(run_id, mark.key)


def _in_words(label_error: LabelError) -> str:
    predicted = f"{label_error.predicted} {label_error.score or 0.0:.2f}"
    overlap = f"IoU {label_error.iou or 0.0:.2f}"
    return {
        LabelErrorKind.MISSING: f"{predicted}, nothing annotated",
        LabelErrorKind.PLACE: f"{predicted}, {overlap} with its label",
        LabelErrorKind.DUPLICATE: f"{label_error.annotated} on {label_error.predicted}, {overlap}",
    }.get(label_error.kind, f"{predicted}, annotated {label_error.annotated}")


def _cut_out(run: Run, label_error: LabelError) -> Image.Image:
    """Draw the picture around the prediction, red, and the annotation, green; grey where the picture is gone.

    Of a duplicate its box is red, and all labels beside it green.
    """
    split = cache.validation_images(run)
    try:
        image = read_picture(*cache.validation_image(run, label_error.image_id))
    except LabError:
        known = split.image_by_id.get(label_error.image_id, {"width": SIDE, "height": SIDE})
        image = Image.new("RGB", (int(known["width"]), int(known["height"])), "#98a2b3")
    corners = ("x1", "y1", "x2", "y2")
    row = {"kind": "detection", "error": label_error.kind.value, "iscrowd": False, "crowd_only": False}
    rows = [row | dict(zip(corners, label_error.box, strict=True))]
    shows_all = label_error.kind is LabelErrorKind.DUPLICATE  # the other label, too
    for annotation in split.annotations_by_image.get(label_error.image_id, []):
        if shows_all or annotation["id"] == label_error.gt_id:
            x, y, w, h = annotation["bbox"]
            ground_truth = {"kind": "ground_truth", "error": None, "iscrowd": False, "crowd_only": False}
            rows.append(ground_truth | {"x1": x, "y1": y, "x2": x + w, "y2": y + h})
    return draw_crop(image, rows, label_error.box, SIDE)


def _as_address(image: Image.Image) -> str:
    """Return the picture as a `data:` address; one of Streamlit's is gone once the tab is left, asked for or not."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90)
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"


def offer_marks(run: Run, marks: list[Mark], table: pa.Table) -> None:
    """Offer the run's marks as a file for an annotation tool, if there are any."""
    if not marks:
        return
    coco = marks_to_coco(marks, cache.validation_images(run), table_metadata(table))
    st.download_button(
        f"Download {len(marks)} mark{'s' * (len(marks) > 1)} (COCO JSON)", json.dumps(coco, indent=1),
        f"marks-{run.id}.json", "application/json", key="marks", on_click="ignore", icon=":material/download:",
    )  # fmt: skip
