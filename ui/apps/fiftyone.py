"""Open in FiftyOne, on Results and Errors: a model's images with their boxes, and the way back of what is tagged there.

One process serves every run; each model of a run is a dataset of its own in FiftyOne.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

import streamlit as st

from core.apps.side_app import FIFTYONE
from core.runs.schema import Run
from ui.apps.panel import Opening, Steps, open_app, show_panel
from ui.choose.run_picker import EvaluatedModel
from ui.server.background import background_tasks
from ui.server.side_apps import side_apps
from ui.text import plain

HELP = (
    "The pictures where they lie, with labels, predictions, error types and all that is known of the images; marked "
    "images have the tag marked there."
)
BACK = "Images tagged marked there become marks of this run, and other tags become slices."


def show_fiftyone(viewed: EvaluatedModel, score: float, image_ids: Collection[int] | None, key: str) -> None:
    """Show the panel for a model's images, all of them if `image_ids` is None, with predictions from a score."""
    run, epoch = viewed.run, viewed.evaluation.epoch
    request = {
        "ask": "open", "run": run.id, "epoch": epoch, "score": score, "corrected": bool(viewed.labels),
        "images": None if image_ids is None else list(image_ids),
    }  # fmt: skip
    name = f"fiftyone {run.id} {epoch}"
    end, is_none = partial(_bring_back, run, epoch), image_ids is not None and not image_ids
    opening = Opening(FIFTYONE, name, request, HELP, end=end, disabled=is_none)
    show_panel(opening, key, partial(_offer_more, opening, run, epoch, key))


def _bring_back(run: Run, epoch: int) -> Steps:
    """Bring back what was tagged in the dataset of a model; yields words. Raises LabError."""
    request = {"ask": "tags", "run": run.id, "epoch": epoch}
    return (yield from side_apps().process_of(FIFTYONE).ask(request))


def _offer_more(opening: Opening, run: Run, epoch: int, key: str) -> None:
    """Show the buttons that bring there what is chosen here now, and the tags back; and what came back."""
    st.button("Show what is chosen now", key=f"{key} update", icon=":material/sync:", width="stretch",
              help="Opens these images there, with this score, and marks as they are now.", on_click=open_app,
              args=(opening,), disabled=opening.disabled)  # fmt: skip
    name = _tags_name(run, epoch)
    task = background_tasks().find(name)
    if task and task.is_running:
        _wait_for_tags(name)
        return
    st.button("Bring tags back", key=f"{key} tags", icon=":material/sell:", help=plain(BACK), width="stretch",
              on_click=_start_tags, args=(run, epoch))  # fmt: skip
    if task and task.error:
        st.error(plain(task.error), icon=":material/error:")
    elif task and task.result:
        st.caption(plain(task.result["sentence"]))


def _tags_name(run: Run, epoch: int) -> str:
    return f"fiftyone tags {run.id} {epoch}"


def _start_tags(run: Run, epoch: int) -> None:
    make = partial(_bring_back, run, epoch)
    background_tasks().start(_tags_name(run, epoch), make, "The tags could not be brought back")


@st.fragment(run_every=0.5)
def _wait_for_tags(name: str) -> None:
    """Wait for the tags, and run the page again, which then shows the marks."""
    task = background_tasks().find(name)
    if task is None or not task.is_running:
        st.rerun()
    st.caption("Bringing tags back …")
