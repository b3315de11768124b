"""The problems of a data set on Data: a list, and at a click on one the images that have it."""

from __future__ import annotations

import zlib
from pathlib import Path

import streamlit as st

from core.datasets.check import check_boxes, check_classes, check_pictures_and_leaks
from core.datasets.folder.totals import Totals, count_totals
from core.datasets.problems import Problem, Severity, sort_by_severity
from core.datasets.split import CocoSplit
from ui.gallery.samples import SampleImage, show_samples
from ui.server import cache
from ui.server.background import Task, background_tasks
from ui.text import plain

AT_ONCE = 10_000  # pictures that are checked without a click
SIGNS = {
    Severity.FATAL: "✕ fatal", Severity.DROPPED: "left out", Severity.REPAIRED: "repaired", Severity.NOTED: "look at",
}  # fmt: skip
MOST_DETAILS = 30  # examples in words


@st.cache_data(show_spinner=False, max_entries=8)
def box_problems(folder: Path, stamps: cache.Stamps, _splits: dict[str, CocoSplit]) -> list[Problem]:
    """Return the problems of the boxes."""
    return check_boxes(_splits)


@st.cache_data(show_spinner=False, max_entries=8)
def _totals(
    folder: Path, stamps: cache.Stamps, counts: tuple, _splits: dict[str, CocoSplit], _problems: list[Problem]
) -> Totals:
    """Return how much of the data is used; `counts` are those of the problems."""
    return count_totals(_splits, _problems)


def picture_check(folder: Path, splits: dict[str, CocoSplit], start: bool) -> Task | None:
    """Return the task that checks all pictures, which is started if it is to be; None if it was never started."""
    stamp = zlib.crc32(repr(cache.data_stamps(folder)).encode())
    name = f"look at {folder} {stamp:08x}"
    task = background_tasks().find(name)
    if task is None and start:
        task = background_tasks().start(
            name, lambda: check_pictures_and_leaks(splits), f"The pictures of {folder} could not be looked at"
        )
    return task


def known_problems(
    folder: Path, splits: dict[str, CocoSplit], classes: tuple[str, ...] | None = None
) -> tuple[list[Problem], Task | None]:
    """Return the problems that are known so far, and the task that checks the pictures.

    classes: rare classes are a problem only among these; None: among all.
    """
    count = sum(len(split.images) for split in splits.values())
    task = picture_check(folder, splits, start=count <= AT_ONCE)
    of_labels = [*box_problems(folder, cache.data_stamps(folder), splits), *check_classes(splits, classes)]
    of_pictures = task.result if task and not task.is_running and task.result else []
    return sort_by_severity(dict.fromkeys([*of_labels, *of_pictures])), task


def show_problems(folder: Path, splits: dict[str, CocoSplit], problems: list[Problem], task: Task | None) -> None:
    """Show the state of the check of the pictures, the problems, and examples of the chosen one."""
    if task and not task.is_running and not set(task.result or ()) <= set(problems):
        st.rerun()  # it has ended since the problems were put together
    _show_picture_check(folder, splits, task)
    counts = tuple((p.kind.key, p.split, p.count) for p in problems)
    for sentence in _totals(folder, cache.data_stamps(folder), counts, splits, problems).sentences:
        st.markdown(plain(sentence))
    if problems:
        chosen = _pick_problem(folder, problems)
        if chosen:
            _show_examples(folder, splits, chosen)
    elif task and not task.is_running and not task.error:
        st.success("Nothing is wrong: every box and every picture can be used.", icon=":material/check_circle:")


def _show_picture_check(folder: Path, splits: dict[str, CocoSplit], task: Task | None) -> None:
    """Show the button that starts the check of all pictures, how far it is, or the button that repeats it."""
    count = sum(len(split.images) for split in splits.values())
    if task is None:
        st.caption(f"The labels were checked. Missing, broken and repeated pictures are found by looking at all "
                   f"{count:,} of them; a training does so, too.")  # fmt: skip
        if st.button("Look at the pictures", key="look at pictures", icon=":material/image_search:"):
            picture_check(folder, splits, start=True)
            st.rerun()
    elif task.is_running:
        _show_progress(task.name)
    else:
        if task.error:
            st.error(plain(task.error))
        st.button("Look at the pictures again", key="look again", type="tertiary", icon=":material/refresh:",
                  on_click=background_tasks().forget, args=(task.name,),
                  help="If pictures were replaced meanwhile.")  # fmt: skip


def _pick_problem(folder: Path, problems: list[Problem]) -> Problem | None:
    """Show the problems as a table and return the chosen one."""
    st.caption("What is left out or repaired is so for the training only: your files are never changed. "
               "Choose a row to see the images.")  # fmt: skip
    rows = {
        "": [SIGNS[p.kind.severity] for p in problems],
        "Split": [{"train": "training", "val": "validation"}.get(p.split, "both") for p in problems],
        "Problem": [p.kind.counted(p.count) for p in problems],
        "What is done, or to do": [p.kind.advice for p in problems],
        "Count": [p.count for p in problems],
    }
    stamp = zlib.crc32(repr([(p.kind.key, p.split, p.count) for p in problems]).encode())
    chosen = st.dataframe(
        rows, hide_index=True, on_select="rerun", selection_mode="single-row", key=f"problems {folder} {stamp:08x}",
        column_config={
            **{name: st.column_config.TextColumn(width="small") for name in ("", "Split")},
            "Problem": st.column_config.TextColumn(width="large"),
            "Count": st.column_config.NumberColumn(format="localized", width="small"),
        },
    ).selection.rows  # fmt: skip
    return problems[chosen[0]] if chosen and chosen[0] < len(problems) else None


@st.fragment(run_every=1.0)
def _show_progress(name: str) -> None:
    """Show how far the check is; run the page again at its end."""
    task = background_tasks().find(name)
    if task is None or not task.is_running:
        st.rerun()
    done, total = task.latest or (0, 1)
    st.progress(done / max(total, 1), f"Looking at the pictures: {done:,} of {total:,}")


def _show_examples(folder: Path, splits: dict[str, CocoSplit], problem: Problem) -> None:
    """Show the images of a problem with its boxes highlighted; in words where there is no image to show."""
    st.markdown(f"**{plain(problem.kind.counted(problem.count))}**")
    seen: dict[tuple[str, int], SampleImage] = {}
    sound = {name: split for name, split in splits.items() if not split.is_broken}
    # a file of both splits has its problems of the training split, though the image may be in the other one
    names = sorted(sound, key=lambda name: name != (problem.split or "val"))
    for example in problem.examples:
        for name in names:
            if (image_id := example.image_id) is not None and image_id in sound[name].image_by_id:
                before = seen.get((name, image_id), SampleImage(name, image_id))
                boxes = tuple(dict.fromkeys([*before.boxes, *example.annotation_ids]))
                seen[name, image_id] = SampleImage(name, image_id, boxes)
                break
    if details := [plain(e.detail) for e in problem.examples[:MOST_DETAILS]]:
        more = problem.count - len(details)
        with st.expander(f"In words: {details[0]}", expanded=not seen):
            st.markdown("\n".join(f"- {d}" for d in details) + (f"\n- … and {more:,} more" if more > 0 else ""))
    if seen:
        classes = list(dict.fromkeys(c["name"] for split in sound.values() for c in split.categories))
        key = f"problem images {problem.kind.key} {problem.split}"
        show_samples(folder, sound, list(seen.values()), classes, key)
