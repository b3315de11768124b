"""Watch it learn: the same few validation images at every evaluated epoch, with a scrubber over the run's curves.

In: a run. The gallery's scrubber and play button choose among the epochs in the browser; here is what they choose
from. While the run trains, a new epoch joins by itself, and whoever looks at an earlier one stays there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import streamlit as st

from core import RunError
from core.datasets.split import CocoSplit
from core.evaluation.selection import LOWEST_SCORE, Selection, visible
from core.runs.models import evaluated_models
from core.runs.schema import Evaluation, Run
from core.runs.watched import MOST, MOST_FRAMES, Frame, frames, read_frame, spread, watched_images, watched_of
from ui.gallery.columns import COLUMNS
from ui.gallery.component import Item, Model, page_data, show_page
from ui.server import services

KEY = "watch"  # of the component: its score is st.session_state[KEY].score
LOOK_SECONDS = 2.0  # between two looks for a new epoch


def show_watch(
    run: Run, table: pa.Table, images: CocoSplit, selection: Selection, on_score: Callable[[], None] = lambda: None
) -> None:
    """The watched images at each epoch, or what to do where there is one epoch only.

    table     of one of the run's models; where no images were watched, they are chosen from it
    images    the run's validation images
    on_score  a callback for the score slider; st.session_state[KEY].score is its value
    """
    state = _state(run.id)
    if run.is_live:
        _look_for_more(run.id, state)
    found = _frames(run.id, state)
    if len(found) < 2:
        st.info(_why_there_is_nothing(run))
        return
    shown = spread(found)
    ids = watched_of(shown) or watched_images(table, run.config.get("seed", 0))
    ids = tuple(image_id for image_id in ids if image_id in images.image_by_id)
    if not ids:
        st.info("None of the watched images is in the data set any more: put it back, or train again.")
        return
    names = _names(services.store().evaluations(run.id))
    marked = tuple((frame, services.stamp(frame.path), names.get(frame.epoch)) for frame in shown)
    data, unread = _page(run.id, marked, ids, selection, services.stamp(images.json_path), images)
    if unread:
        st.warning(unread, icon=":material/warning:")
    if data is None:
        return
    st.caption(_explanation(len(ids), [model["label"] for model in data["models"]], found))
    show_page(data, KEY, on_turn=lambda: None, on_score=on_score)


def _state(run_id: str) -> tuple:
    """What changes when there is something new to watch."""
    run, evaluations = services.store().get(run_id), services.store().evaluations(run_id)
    # an evaluation's losses are recorded in the moment after it, with a heartbeat
    is_recorded = bool(evaluations) and (run.heartbeat or 0) >= evaluations[-1].created
    return run.status.value, is_recorded, tuple((e.epoch, e.created) for e in evaluations)


@st.fragment(run_every=LOOK_SECONDS)
def _look_for_more(run_id: str, state: tuple) -> None:
    """Shows nothing; runs the page again once there is something new, and until then touches nothing of it."""
    try:
        is_new = _state(run_id) != state
    except RunError:  # the run was deleted meanwhile
        is_new = True
    if is_new:
        st.rerun()


@st.cache_resource(show_spinner=False, max_entries=8)
def _frames(run_id: str, state: tuple) -> list[Frame]:
    return frames(services.store(), run_id)


@st.cache_resource(show_spinner=False, max_entries=4)
def _page(
    run_id: str, marked: tuple[tuple[Frame, str, str | None], ...], ids: tuple[int, ...], selection: Selection,
    images_mark: str, _images: CocoSplit,
) -> tuple[dict | None, str]:  # fmt: skip
    """What the gallery shows, None if there is nothing, and a sentence on what could not be read.

    marked: every frame with its file's stamp and the name by which its model can be asked, if it can
    """
    models, shown, lost = [], [], []
    for frame, mark, name in marked:
        part = _part(frame.path, mark, ids, frame.is_whole)
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
def _part(path: Path, mark: str, ids: tuple[int, ...], is_whole: bool) -> pa.Table | None:
    """One epoch's rows of the images, those only that are ever drawn; None if they cannot be read."""
    try:
        part = read_frame(path, ids, is_whole, COLUMNS)
    except RunError:
        return None
    return part.filter(pa.array(visible(part, LOWEST_SCORE)))


def _names(evaluations: Sequence[Evaluation]) -> dict[int, str]:
    """By which names models of these epochs can still be asked."""
    kept = [e for e in evaluations if e.table]
    return {e.epoch: name for name, e in evaluated_models(kept).items()}


def _why_there_is_nothing(run: Run) -> str:
    if run.is_imported:
        return "Imported results are of one model only: train here, and every epoch can be watched."
    if run.is_live:
        return "The run has been evaluated only once so far: this view begins by itself after the next time."
    return (
        "This run was evaluated only once, so nothing can be seen to change: resume it, or train again with more "
        "epochs or a lower **Evaluate every n epochs**."
    )


def _explanation(images: int, labels: Sequence[str], found: Sequence[Frame]) -> str:
    """What is to be seen, in two sentences or three."""
    few = "validation image" if images == 1 else f"{images} validation images"
    text = (
        f"The same {few} after each of {len(labels)} evaluations, from {labels[0]} to {labels[-1]}. "
        "Move the slider or play it: the dots mark that moment in AP, `loss_ce` and `loss_bbox`."
    )
    if len(found) > MOST_FRAMES:
        text += f" These are spread over the {len(found)} that there are."
    if all(frame.is_whole for frame in found):
        text += " Of this run only the untouched, the best and the last model's boxes are kept."
    return text
