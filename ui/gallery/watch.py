"""Watch it learn: the same few validation images at every evaluated epoch, with a scrubber over the run's curves.

In: a run. Out: the gallery with one frame for each epoch, among which scrubber and play button choose in the browser.
While the run trains, a new epoch is added by itself, and the epoch that is looked at stays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import streamlit as st

from core import RunError
from core.datasets.split import CocoSplit
from core.evaluation.selection import LOWEST_SCORE, Selection
from core.evaluation.threshold import visible
from core.runs.models import evaluated_models
from core.runs.schema import Evaluation, Run
from core.runs.watched import MOST, MOST_FRAMES, Frame, frames, read_frame, spread, watched_images, watched_of
from ui.choose.score import current_iou, take_gallery_iou
from ui.gallery.columns import COLUMNS
from ui.gallery.component import Item, Model, page_data, show_page
from ui.server import services
from ui.text import Markup, plain

KEY = "watch"  # of the component: its score is st.session_state[KEY].score
LOOK_SECONDS = 2.0  # between two looks for a new epoch


def show_watch(
    run: Run, table: pa.Table, images: CocoSplit, selection: Selection, on_score: Callable[[], None] = lambda: None
) -> None:
    """Show the watched images at each epoch, or what to do where there is only one epoch.

    table     the detection table of one of the run's models: where no images were watched, they are chosen from it
    images    the run's validation images
    on_score  a callback of the score slider, whose value is st.session_state[KEY].score
    """
    state = _state(run.id)
    if run.is_live:
        _rerun_on_new_epoch(run.id, state)
    every_frame = _frames(run.id, state)
    if len(every_frame) < 2:
        st.info(_why_nothing_to_watch(run))
        return
    shown = spread(every_frame)
    ids = watched_of(shown) or watched_images(table, run.config.get("seed", 0))
    ids = tuple(image_id for image_id in ids if image_id in images.image_by_id)
    if not ids:
        st.info("None of the watched images is in the data set any more: put it back, or train again.")
        return
    names = _names(services.store().evaluations(run.id))
    stamped = tuple((frame, services.file_stamp(frame.path), names.get(frame.epoch)) for frame in shown)
    data, unread = _page(run.id, stamped, ids, selection, services.file_stamp(images.json_path), images)
    if unread:
        st.warning(plain(unread), icon=":material/warning:")
    if data is None:
        return
    st.caption(_explanation(len(ids), [model["label"] for model in data["models"]], every_frame))
    show_page(
        data, KEY, on_turn=lambda: None, on_score=on_score, iou=current_iou(), on_iou=partial(take_gallery_iou, KEY)
    )


def _state(run_id: str) -> tuple[Any, ...]:
    """Return what changes when there is a new epoch to watch."""
    run, evaluations = services.store().get(run_id), services.store().evaluations(run_id)
    return run.status.value, tuple((e.epoch, e.created) for e in evaluations)


@st.fragment(run_every=LOOK_SECONDS)
def _rerun_on_new_epoch(run_id: str, state: tuple[Any, ...]) -> None:
    """Run the page again once there is a new epoch; show nothing."""
    try:
        is_new = _state(run_id) != state
    except RunError:  # the run was deleted meanwhile
        is_new = True
    if is_new:
        st.rerun()


@st.cache_resource(show_spinner=False, max_entries=8)
def _frames(run_id: str, state: tuple[Any, ...]) -> list[Frame]:
    return frames(services.store(), run_id)


@st.cache_resource(show_spinner=False, max_entries=4)
def _page(
    run_id: str, stamped: tuple[tuple[Frame, str, str | None], ...], ids: tuple[int, ...], selection: Selection,
    images_stamp: str, _images: CocoSplit,
) -> tuple[dict[str, Any] | None, str]:  # fmt: skip
    """Return the gallery's page, None if no frame can be read, and a sentence on the frames that cannot.

    stamped: every frame with its file's stamp, and the name by which its model can explain a box, if it can.
    """
    models, shown, lost = [], [], []
    for frame, stamp, name in stamped:
        part = _part(frame.path, stamp, ids, frame.is_whole)
        if part is None:
            lost.append(frame.label)
        else:
            models.append(Model(frame.label, part, name and f"/api/why/{run_id}/{name}"))
            shown.append(frame.to_dict())
    unread = f"Left out, since their boxes are damaged or gone: {', '.join(lost)}." if lost else ""
    if not models:
        return None, unread
    items = [Item(image_id) for image_id in ids]
    source = f"/api/image/{run_id}"
    return page_data(_images, source, items, 1, MOST, models, selection, "frames", shown), unread


@st.cache_resource(show_spinner=False, max_entries=3 * MOST_FRAMES)
def _part(path: Path, stamp: str, ids: tuple[int, ...], is_whole: bool) -> pa.Table | None:
    """Return one epoch's rows of the images, from LOWEST_SCORE on; None if they cannot be read."""
    try:
        part = read_frame(path, ids, is_whole, COLUMNS)
    except RunError:
        return None
    return part.filter(pa.array(visible(part, LOWEST_SCORE)))


def _names(evaluations: Sequence[Evaluation]) -> dict[int, str]:
    """Return the names, by epoch, of the models whose checkpoints are kept."""
    kept = [e for e in evaluations if e.table]
    return {e.epoch: name for name, e in evaluated_models(kept).items()}


def _why_nothing_to_watch(run: Run) -> Markup:
    if run.is_imported:
        origin = plain(run.origin.capitalize())
        return Markup(f"{origin} results are of one model only: train here, and every epoch can be watched.")
    if run.is_live:
        return Markup("The run has been evaluated only once so far: this view begins by itself after the next time.")
    return Markup(
        "This run was evaluated only once, so nothing can be seen to change: resume it, or train again with more "
        "epochs or a lower **Evaluate every n epochs**."
    )


def _explanation(images: int, labels: Sequence[str], every_frame: Sequence[Frame]) -> Markup:
    """Say in two or three sentences what is shown."""
    few = "validation image" if images == 1 else f"{images:,} validation images"
    text = (
        f"The same {few} after each of {len(labels)} evaluations, from {plain(labels[0])} to {plain(labels[-1])}. "
        "Move the slider or play it: the dots mark that moment in AP, `loss_ce` and `loss_bbox`."
    )
    if len(every_frame) > MOST_FRAMES:
        text += f" These are spread over the {len(every_frame):,} that there are."
    if all(frame.is_whole for frame in every_frame):
        text += " Of this run only the boxes of the baseline, the best and the last model are kept."
    return Markup(text)
