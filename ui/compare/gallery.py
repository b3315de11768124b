"""The pictures of a comparison: images or single boxes with what changed, each with the boxes of both models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, overload

import numpy as np
import pyarrow as pa
import streamlit as st

from core import LabError
from core.datasets.split import CocoSplit
from core.evaluation.findings.changes import FIXED_OR_BROKEN, Change, Changes, changed_images, changed_objects
from core.evaluation.ordering import ObjectCrops
from core.evaluation.selection import Selection
from core.evaluation.table import integers
from core.runs.evaluated.images import why_no_model
from ui.choose.address import remember
from ui.choose.run_picker import EvaluatedModel
from ui.choose.score import current_iou, take_gallery_iou
from ui.compare.filters import CHANGE, CLICKS, PAGE, ChangeFilter, pick_layout, take_score
from ui.gallery import component as gallery
from ui.gallery.paging import PER_PAGE, page_count, page_of, turn_page
from ui.server import cache, scripts
from ui.text import Markup, join_names, plain

SHOWN, GALLERY = "compare shown", "compare gallery"

_scroll_here = scripts.component("here", "ui/compare/scroll_here.js", html='<div class="dl-here">\n</div>')


def show_gallery(changes: Changes, chosen: ChangeFilter, before: EvaluatedModel, after: EvaluatedModel) -> None:
    """Show the kinds of change with their numbers, and the pictures of the chosen one."""
    _scroll_here(key="here", data={"asked": st.session_state.get(CLICKS, 0)})
    _show_kinds(changes, chosen)
    try:
        split = cache.validation_images(after.run)
    except LabError as error:
        st.error(plain(error))
        return
    bar = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center")
    with bar:
        layout, view = pick_layout()
    items, image_ids = _items(changes, chosen, split, view)
    if not items:
        _show_nothing(changes, chosen)
        return
    shown, pages = (chosen, changes.scores, view, before.table_key, after.table_key), page_count(items)
    page = page_of(PAGE, SHOWN, shown, pages, keep=SHOWN not in st.session_state)
    with bar:
        st.caption(_numbers(changes, chosen, image_ids), width="content")
        st.pagination(pages, key=PAGE, max_visible_pages=5, width=300, persist_state="session")
    models = [
        _model("Before", before, changes.before)._replace(score=changes.scores[0]),
        _model("After", after, changes.after),
    ]
    source = f"/api/image/{after.run.id}"
    data = gallery.page_data(split, source, items, page, PER_PAGE, models, Selection(changes.scores[1]), layout)
    _highlight(data, changes, chosen)
    gallery.show_page(data, GALLERY, partial(turn_page, PAGE, GALLERY), partial(take_score, GALLERY),
                      iou=current_iou(), on_iou=partial(take_gallery_iou, GALLERY))  # fmt: skip


def _show_kinds(changes: Changes, chosen: ChangeFilter) -> None:
    """Show a button for each kind of change with its number among the chosen classes and sizes."""
    numbers = {change: changes.number(change, chosen.classes, chosen.sizes) for change in Change}
    moved = sum(numbers[change] for change in FIXED_OR_BROKEN)
    kinds: list[tuple[Change | None, str, str]] = [
        (None, f"Fixed or broken · {moved:,}", "Objects that only one of the two found."),
        *((change, f"{change.label} · {numbers[change]:,}", change.description) for change in Change),
    ]
    with st.container(horizontal=True, gap="small"):
        for change, text, description in kinds:
            st.button(plain(text), key=f"change {change.value if change else 'any'}", help=plain(description),
                      type="primary" if change is chosen.change else "secondary", on_click=remember,
                      args=(CHANGE, change.value if change else None))  # fmt: skip


def _items(changes: Changes, chosen: ChangeFilter, split: CocoSplit, view: str) -> tuple[gallery.Items, list[int]]:
    """Return the items of the gallery and the ids of their images, without images that the data set lost."""
    filters = (changes, chosen.kinds, chosen.classes, chosen.sizes)
    image_ids = [image_id for image_id in changed_images(*filters) if image_id in split.image_by_id]
    if view == "images" or not image_ids:
        return [gallery.Item(image_id) for image_id in image_ids], image_ids
    objects = changed_objects(*filters)
    is_known = np.isin(objects.table["image_id"].to_numpy()[objects.rows], image_ids)
    objects = ObjectCrops(objects.table, objects.rows[is_known])
    return objects if chosen.is_about_objects else CropsOnly(objects), image_ids


@dataclass(frozen=True)
class CropsOnly(Sequence[gallery.Item]):
    """Parts of images without the box that each is about: a query's number is another box in each of the models."""

    objects: ObjectCrops

    def __len__(self) -> int:
        return len(self.objects)

    @overload
    def __getitem__(self, place: int) -> gallery.Item: ...
    @overload
    def __getitem__(self, place: slice) -> list[gallery.Item]: ...
    def __getitem__(self, place: int | slice) -> gallery.Item | list[gallery.Item]:
        if isinstance(place, slice):
            return [gallery.Item(box.image_id, box.crop) for box in self.objects[place]]
        return gallery.Item(*self.objects[place][:2])


def _numbers(changes: Changes, chosen: ChangeFilter, image_ids: list[int]) -> Markup:
    n = sum(changes.number(change, chosen.classes, chosen.sizes) for change in chosen.kinds)
    subject = "object" if chosen.is_about_objects else "false alarm"
    images = f"{len(image_ids):,} image{'' if len(image_ids) == 1 else 's'}"
    return Markup(f"{n:,} {subject}{'' if n == 1 else 's'} on {images}")


def _show_nothing(changes: Changes, chosen: ChangeFilter) -> None:
    change = plain(chosen.change.label.lower()) if chosen.change else "fixed or broken"
    subjects = [plain(" ".join(chosen.sizes)), join_names(chosen.classes)]
    subject = " ".join(part for part in subjects if part)
    st.info(f"Nothing is {change}{' of ' * bool(subject)}{subject} at {plain(changes.from_scores)}: choose another "
            "change, class or size. AP counts predictions of every score, and so may change where no object "
            "does.")  # fmt: skip


def _model(place: str, model: EvaluatedModel, table: pa.Table) -> gallery.Model:
    """Return a model for the gallery; `place` is "Before" or "After": a run's name is too long beside every box."""
    run, epoch = model.run, model.evaluation.epoch
    name = run.origin if run.is_imported else f"epoch {epoch}" if epoch else "baseline"
    why = None if why_no_model(run) else f"/api/why/{run.id}/{model.model}"
    shown_epoch = None if run.is_imported else epoch
    return gallery.Model(f"{place} · {name}", table, why, f"/api/boxes/{run.id}", shown_epoch)


def _highlight(data: dict[str, Any], changes: Changes, chosen: ChangeFilter) -> None:
    """Add to a page's columns (`ui/gallery/columns.py`) which boxes it is about; the others are drawn dim.

    These are the changed objects and the predictions that match or point to them, in both models; or the false alarms,
    in the model that makes them.
    """
    rows = {change: changes.chosen(change, chosen.classes, chosen.sizes) for change in chosen.kinds}
    if chosen.is_about_objects:
        ids = np.concatenate([integers(changes.after, "gt_id")[change_rows] for change_rows in rows.values()])
        texts = set(map(str, ids.tolist()))  # as they go to the browser
        for model in data["models"]:
            for kind, column in (("truths", "id"), ("predictions", "gt")):
                model[kind]["chosen"] = np.array([one in texts for one in model[kind][column].tolist()], dtype=bool)
        return
    change = chosen.kinds[0]
    table, maker = changes.table_of(change), 0 if change is Change.GONE else 1
    images, queries = table["image_id"].to_numpy()[rows[change]], integers(table, "query")[rows[change]]
    pairs = set(zip(images.tolist(), queries.tolist(), strict=True))
    shown = [int(image["id"]) for image in data["images"]]
    for m, model in enumerate(data["models"]):
        predictions = model["predictions"]
        places = np.repeat(np.arange(len(shown)), predictions["n"])
        model["truths"]["chosen"] = np.zeros(len(model["truths"]["id"]), bool)
        predictions["chosen"] = np.array(
            [m == maker and (shown[place], query) in pairs
             for place, query in zip(places.tolist(), predictions["query"].tolist(), strict=True)], dtype=bool,
        )  # fmt: skip
