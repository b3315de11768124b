"""The pictures behind a comparison: images or single boxes with what changed, in both models' eyes.

Which change, classes and sizes are asked for lies in the session, where the charts' clicks put it; a link sets it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import streamlit as st

from core import LabError
from core.datasets.split import SIZES, CocoSplit
from core.evaluation.findings.changes import MOVED, OF_OBJECTS, Change, Changes, changed_images, changed_objects
from core.evaluation.ordering import Objects
from core.evaluation.selection import Selection
from core.evaluation.table import integers
from ui.choose.run_picker import EvaluatedModel, remember
from ui.choose.score import SCORE, clamp_score, pick_score, take_gallery_score
from ui.gallery import component as gallery
from ui.gallery.paging import PER_PAGE, page_count, page_of, turn_page
from ui.server import cache, scripts
from ui.text import listed

# in the session
CHANGE, CLASSES, SIZE, AS, LAYOUT, PAGE, SHOWN = (
    "change", "compare classes", "compare sizes", "compare as", "compare layout", "compare page", "compare shown"
)  # fmt: skip
VISITS = "compare visits"  # how often a click on a chart led here
GALLERY, ANY = "compare gallery", "any"
VIEWS = {"images": "Images", "objects": "Objects"}
LAYOUTS = {"beside": "Side by side", "over": "One over the other"}
NAMES = ("score", "change", "class", "size", "as", "layout", "page")  # in an address

_here = st.components.v2.component(
    "here",
    html='<div class="dl-here">\n</div>',
    js=scripts.loader("ui/compare/scroll_here.js"),
)


class Asked(NamedTuple):
    """What is asked for: a change, or None for all that is fixed or broken; of classes and sizes, or of all."""

    change: Change | None
    classes: tuple[str, ...]
    sizes: tuple[str, ...]

    @property
    def kinds(self) -> tuple[Change, ...]:
        return (self.change,) if self.change else MOVED


def take_click(key: str) -> None:
    """A chart's callback: what was clicked on is shown below."""
    target = dict(st.session_state[key].open)
    remember(CHANGE, target["change"])
    remember(CLASSES, [target["class"]] if "class" in target else [])
    remember(SIZE, [target["size"]] if "size" in target else [])
    remember(VISITS, st.session_state.get(VISITS, 0) + 1)


def follow(address: Mapping[str, list[str]], classes: Sequence[str]) -> None:
    """Sets all that is shown as a link says."""
    linked = Selection.from_query(address, classes)
    values = {name: address.get(name, [""])[0] for name in NAMES}
    remember(SCORE, clamp_score(linked.score))
    remember(CLASSES, list(linked.classes))
    remember(SIZE, list(linked.sizes))
    remember(CHANGE, values["change"] if values["change"] in set(Change) else None)
    remember(AS, values["as"] if values["as"] in VIEWS else "images")
    remember(LAYOUT, values["layout"] if values["layout"] in LAYOUTS else "beside")
    remember(PAGE, int(values["page"]) if values["page"].isdecimal() and len(values["page"]) < 9 else 1)


def pick_filters(classes: Sequence[str]) -> tuple[float, Asked]:
    """The sidebar's widgets: the score that counts, and of which classes and sizes pictures are shown."""
    words = "Predictions below it do not count: what only they found is wrong. AP counts all."
    score = pick_score("Count from score", words)
    known = [name for name in st.session_state.get(CLASSES, []) if name in classes]
    st.session_state[CLASSES] = known  # others are of another data set
    st.multiselect("Class", classes, key=CLASSES, placeholder="All classes", persist_state="session",
                   help="Of which classes pictures are shown.")  # fmt: skip
    sizes = st.pills("Object size", SIZES, selection_mode="multi", key=SIZE, persist_state="session", width="stretch",
                     help="COCO's sizes by area: small below 32², large from 96² pixels.")  # fmt: skip
    change = st.session_state.get(CHANGE)
    asked = Asked(Change(change) if change else None, tuple(st.session_state[CLASSES]), tuple(sizes))
    return score, asked


def query_of(score: float, asked: Asked) -> dict[str, str | list[str]]:
    """For an address; what is as at first is left out."""
    query = Selection(score, asked.classes, sizes=asked.sizes).to_query()
    query |= {"change": asked.change.value} if asked.change else {}
    for key, name, default in ((AS, "as", "images"), (LAYOUT, "layout", "beside"), (PAGE, "page", 1)):
        value = st.session_state.get(key, default)
        query |= {name: str(value)} if value != default else {}
    return query


def show_gallery(found: Changes, asked: Asked, before: EvaluatedModel, after: EvaluatedModel) -> None:
    """The kinds of change with their numbers, and the pictures of the one asked for."""
    _here(key="here", data={"asked": st.session_state.get(VISITS, 0)})
    _show_kinds(found, asked)
    try:
        split = cache.validation_images(after.run)
    except LabError as error:
        st.error(str(error))
        return
    bar = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center")
    layout, view = _pick_look(bar)
    items, ids = _items(found, asked, split, view)
    if not items:
        _say_nothing(found, asked)
        return
    shown, pages = (asked, found.score, view, before.mark, after.mark), page_count(items)
    page = page_of(PAGE, SHOWN, shown, pages, keep=SHOWN not in st.session_state)
    with bar:
        st.caption(_counted(found, asked, ids), width="content")
        st.pagination(pages, key=PAGE, max_visible_pages=5, width=300,
                      persist_state="session")  # fmt: skip
    models = [_model("Before", before, found.before), _model("After", after, found.after)]
    source = f"/api/image/{after.run.id}"
    data = gallery.page_data(split, source, items, page, PER_PAGE, models, Selection(found.score), layout)
    _light(data, found, asked)
    gallery.show_page(data, GALLERY, partial(turn_page, PAGE, GALLERY), partial(take_gallery_score, GALLERY))


def _show_kinds(found: Changes, asked: Asked) -> None:
    """A button for each change with its number among these classes and sizes, which filters by it."""
    number = {change: found.number(change, asked.classes, asked.sizes) for change in Change}
    choices = [
        (None, f"Fixed or broken · {sum(number[c] for c in MOVED):,}", "Objects that only one of the two found.")
    ]
    choices += [(c, f"{c.label} · {number[c]:,}", c.description) for c in Change]
    with st.container(horizontal=True, gap="small"):
        for change, text, description in choices:
            st.button(text, key=f"change {change.value if change else ANY}", help=description,
                      type="primary" if change is asked.change else "secondary", on_click=remember,
                      args=(CHANGE, change.value if change else None))  # fmt: skip


def _pick_look(bar) -> tuple[str, str]:
    """How pictures are shown, and what: (one of LAYOUTS, one of VIEWS)."""
    for key, first in ((LAYOUT, "beside"), (AS, "images")):
        st.session_state.setdefault(key, first)
    with bar:
        layout = st.segmented_control("Layout", list(LAYOUTS), format_func=LAYOUTS.get, key=LAYOUT, required=True,
                                      label_visibility="collapsed", persist_state="session")  # fmt: skip
        view = st.segmented_control("View", list(VIEWS), format_func=VIEWS.get, key=AS, required=True,
                                    label_visibility="collapsed", persist_state="session")  # fmt: skip
    return layout, view


def _items(found: Changes, asked: Asked, split: CocoSplit, view: str) -> tuple[Sequence, list[int]]:
    """What the gallery lists, and the images that it is on; an image that the data set lost is left out."""
    how = (found, asked.kinds, asked.classes, asked.sizes)
    ids = [image_id for image_id in changed_images(*how) if image_id in split.image_by_id]
    if view == "images" or not ids:
        return [gallery.Item(image_id) for image_id in ids], ids
    objects = changed_objects(*how)
    there = np.isin(objects.table["image_id"].to_numpy()[objects.rows], ids)
    objects = Objects(objects.table, objects.rows[there])
    return objects if set(asked.kinds) <= set(OF_OBJECTS) else Unlit(objects), ids


@dataclass(frozen=True)
class Unlit(Sequence):
    """Parts of images with nothing lit: a query's number means another box in each of the two models."""

    objects: Objects

    def __len__(self) -> int:
        return len(self.objects)

    def __getitem__(self, place):
        if isinstance(place, slice):
            return [gallery.Item(one.image_id, one.crop) for one in self.objects[place]]
        return gallery.Item(*self.objects[place][:2])


def _counted(found: Changes, asked: Asked, ids: list[int]) -> str:
    n = sum(found.number(change, asked.classes, asked.sizes) for change in asked.kinds)
    what = "object" if set(asked.kinds) <= set(OF_OBJECTS) else "false alarm"
    return f"{n:,} {what}{'' if n == 1 else 's'} on {len(ids):,} image{'' if len(ids) == 1 else 's'}"


def _say_nothing(found: Changes, asked: Asked) -> None:
    what = asked.change.label.lower() if asked.change else "fixed or broken"
    of = " ".join([*asked.sizes, listed(asked.classes)]).strip()
    st.info(f"Nothing is {what}{f' of {of}' if of else ''} at score {found.score:.2f}: choose another change, class or "
            "size. AP counts predictions of every score, and so may change where no object does.")  # fmt: skip


def _model(word: str, one: EvaluatedModel, table) -> gallery.Model:
    """`word`: "Before" or "After", since a run's name is too long beside every box."""
    if one.run.is_imported:
        return gallery.Model(f"{word} · imported", table, None, f"/api/boxes/{one.run.id}")
    epoch = one.evaluation.epoch
    label = f"{word} · epoch {epoch}" if epoch else f"{word} · untouched"
    return gallery.Model(label, table, f"/api/why/{one.run.id}/{one.model}", f"/api/boxes/{one.run.id}", epoch)


def _light(data: dict, found: Changes, asked: Asked) -> None:
    """Adds to a page's columns (`ui/gallery/columns.py`) which boxes it is about, so that all others step back.

    Of objects those objects and whatever found or points to them, in both models; of false alarms those of their model.
    """
    wanted = {kind: found.chosen(kind, asked.classes, asked.sizes) for kind in asked.kinds}
    if set(asked.kinds) <= set(OF_OBJECTS):
        ids = np.concatenate([integers(found.after, "gt_id")[rows] for rows in wanted.values()])
        for model in data["models"]:
            truths, predictions = model["truths"], model["predictions"]
            truths["chosen"] = np.isin(truths["id"], ids)
            predictions["chosen"] = np.isin(predictions["gt"], ids)  # NaN is none
        return
    kind = asked.kinds[0]
    table, own = found.table_of(kind), 0 if kind is Change.GONE else 1
    images, queries = table["image_id"].to_numpy()[wanted[kind]], integers(table, "query")[wanted[kind]]
    pairs = set(zip(images.tolist(), queries.tolist(), strict=True))
    shown = [image["id"] for image in data["images"]]
    for m, model in enumerate(data["models"]):
        truths, predictions = model["truths"], model["predictions"]
        places = np.repeat(np.arange(len(shown)), predictions["n"])
        truths["chosen"] = np.zeros(len(truths["id"]), bool)
        predictions["chosen"] = np.array(
            [m == own and (shown[place], query) in pairs
             for place, query in zip(places.tolist(), predictions["query"].tolist(), strict=True)], dtype=bool,
        )  # fmt: skip
