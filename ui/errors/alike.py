"""What is like a box, and the boxes of an area of the map, on Errors: what a link, a key or a click asked for.

In: the session, where a link, the gallery and the map put it. Out: the boxes, the most alike first, and a sentence on
them.
"""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa
import streamlit as st

from core import LabError
from core.datasets.coco.ids import to_id
from core.datasets.split import CocoSplit
from core.evaluation.alike.box_name import QUERY, TRUTH, BoxName, join_names, split_names
from core.evaluation.alike.likeness import LikeBoxes, Likeness, boxes_among, boxes_like
from core.evaluation.selection import Selection
from ui.choose.address import Address, Query, remember
from ui.choose.run_picker import EvaluatedModel
from ui.server import cache
from ui.text import plain

LIKE, AMONG = "boxes like", "boxes among"  # in the session: texts as in an address, "" for none
NAMES = ("like", "among")  # in an address


class Asked(NamedTuple):
    """What is asked for: boxes like this one, boxes among these."""

    like: BoxName | None
    among: tuple[BoxName, ...]

    def to_query(self) -> Query:
        """Return it for an address."""
        query: Query = {"like": str(self.like)} if self.like else {}
        return {**query, "among": join_names(self.among)} if self.among else query


def apply_address(address: Address) -> None:
    """Set what a link says."""
    for key, name in zip((LIKE, AMONG), NAMES, strict=True):
        remember(key, address.get(name, [""])[0])


def asked() -> Asked:
    """Return what is asked for."""
    like, among = (st.session_state.setdefault(key, "") for key in (LIKE, AMONG))
    return Asked(BoxName.from_text(like), split_names(among))


def take_gallery_box(gallery: str) -> None:
    """Ask for what is like the box that the gallery of that key says; a callback."""
    request = st.session_state[gallery].alike
    image_id, number = to_id(request["image"]), to_id(str(request["number"]))
    kind = QUERY if request["kind"] == QUERY else TRUTH
    if image_id is not None and number is not None:
        remember(LIKE, str(BoxName(kind, image_id, number)))
        remember(AMONG, "")


def why_not(viewed: EvaluatedModel, table: pa.Table) -> str:
    """Return why it cannot be said which boxes of the model's table are alike; "" where it can."""
    try:
        cache.likeness_of(viewed.table_key, viewed.run, viewed.evaluation, table)
    except LabError as error:
        return str(error)
    return ""


def pick_boxes(
    viewed: EvaluatedModel, table: pa.Table, wanted: Asked, selection: Selection, images: CocoSplit
) -> LikeBoxes | None:
    """Return the boxes that are asked for, with chips that take it back; None, saying why, where that cannot be."""
    _show_chips(wanted, images)
    try:
        likeness = cache.likeness_of(viewed.table_key, viewed.run, viewed.evaluation, table)
        key = (*viewed.table_key, images.json_path.stat().st_mtime_ns)
        return _boxes_of(key, wanted, selection, likeness, images)
    except LabError as error:
        st.warning(plain(error))
        return None


@st.cache_resource(show_spinner=False, max_entries=4)  # each holds on to its table
def _boxes_of(
    key: tuple[object, ...], wanted: Asked, selection: Selection, _likeness: Likeness, _images: CocoSplit
) -> LikeBoxes:
    names = {image_id: image["file_name"] for image_id, image in _images.image_by_id.items()}
    if wanted.like:
        return boxes_like(_likeness, wanted.like, selection, names, wanted.among)
    return boxes_among(_likeness, wanted.among, selection, names)


def _show_chips(wanted: Asked, images: CocoSplit) -> None:
    """Show what is asked for as buttons that take it back."""
    chips = {}
    if wanted.like:
        chips[LIKE] = f"Like {_in_words(wanted.like, images)}"
    if wanted.among:
        chips[AMONG] = f"An area of the map: {len(wanted.among):,} box{'es' if len(wanted.among) > 1 else ''}"
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        for key, text in chips.items():
            st.button(plain(text), key=f"drop {key}", icon=":material/close:", icon_position="right", type="primary",
                      help="Take this back.", on_click=remember, args=(key, ""))  # fmt: skip


def _in_words(box: BoxName, images: CocoSplit) -> str:
    image = images.image_by_id.get(box.image_id)
    kind = "query" if box.kind == QUERY else "object"
    return f"{kind} {box.number} on {image['file_name'] if image else f'image {box.image_id}'}"


def sentence_on(shown: LikeBoxes, first: int, last: int) -> str:
    """Say how alike the boxes from `first` up to `last` are, which a page shows; "" where there is nothing to say."""
    if shown.likeness is None or not len(part := shown.likeness[first:last]):
        return ""
    return f"most alike first, here {part[0]:.2f} to {part[-1]:.2f} (1: the same)"
