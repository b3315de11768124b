"""Train while the chosen scenes are still being drawn: how far that is, and the training that waits for them.

In: the task that draws, and the settings of a training. Out: a run in the queue, once all are drawn. The training waits
in the server, whatever tabs come and go. Only one waits; an app that is ended meanwhile has forgotten it, as it has
drawn nothing.
"""

from __future__ import annotations

from collections.abc import Generator

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core import DataError, RunError, lab_root
from core.config import TrainConfig
from core.datasets.demo import BuiltInDataset
from core.training.typed_settings import check_typed
from ui.server import cache, services
from ui.server.background import LOOK_SECONDS, Task, background_tasks
from ui.text import plain

NAME = "train when drawn"


class Drawing:
    """Scenes that are being drawn, and the place in the form that says how far that is."""

    def __init__(self, scenes: BuiltInDataset, task: Task) -> None:
        """Say how far it is, at the place where this is called."""
        self.scenes, self.task, self._place = scenes, task, st.empty()
        self.show()

    def show(self) -> None:
        """Show it in as many lines as there will be once all are drawn, so that nothing below is moved."""
        done, total = self.task.latest or (0, self.scenes.train + self.scenes.val)
        count = f"Drawing the scenes, once: {done:,} of {total:,} … "
        self._place.caption(count + plain(self.scenes.sentence))


class Waiting:
    """The training that waits for its scenes, or has failed to begin."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self._place: DeltaGenerator | None = None

    def show_here(self) -> None:
        """Say so at this place of the page, with a button that takes it back."""
        self._place = st.empty()
        self.show()
        st.button("Cancel", key="cancel waiting", icon=":material/close:", on_click=self.task.stop)

    def show(self) -> None:
        """Show how far its scenes are."""
        done, total = self.task.latest or (0, 1)
        if self._place:
            self._place.progress(done / total, "The training begins as soon as the scenes are drawn.")


def begin_when_drawn(config: TrainConfig, drawing: Task) -> None:
    """Queue a training as soon as its data are drawn; raises RunError if another one waits for that."""
    if waiting_training():
        raise RunError("A training waits for the scenes to be drawn already: click again once it has begun.")
    background_tasks().start(NAME, lambda: _submit(config, drawing), "The training could not be queued")


def _submit(config: TrainConfig, drawing: Task) -> Generator[tuple[int, int], None, None]:
    yield from drawing.progress()
    if drawing.error:
        raise DataError(drawing.error)
    if drawing.stopped:  # the server ends
        return
    yield drawing.latest  # the last moment at which it can be taken back
    check_typed(config, lab_root(), cache.images_of)
    services.jobs().submit(config)


def waiting_training() -> Waiting | None:
    """Return the training that waits, if there is one."""
    task = background_tasks().find(NAME)
    return Waiting(task) if task and (task.error or (task.is_running and not task.stopped)) else None


def follow(drawing: Drawing | None, waiting: Waiting | None) -> str:
    """Show how far the scenes are until one of the two has ended; return a sentence if it failed, else ""."""
    shown = [one for one in (drawing, waiting) if one]
    for _ in shown[0].task.progress() if shown else ():
        for one in shown:
            one.show()
        if not all(one.task.is_running for one in shown):
            break
    if drawing and waiting and drawing.task.error:
        waiting.task.join(LOOK_SECONDS)  # it fails with it
    for one in shown:
        background_tasks().forget(one.task.name)
    return next((one.task.error for one in shown if one.task.error), "")
