"""The problems of a data set on the Data page: a list, and at a click the images where one is."""

from __future__ import annotations

import zlib
from pathlib import Path

import streamlit as st

from core.datasets.check import check_boxes, check_classes, check_pictures_and_leaks
from core.datasets.problems import Problem, Severity, sort_by_severity
from core.datasets.split import CocoSplit
from ui.gallery.samples import SampleImage, show_samples
from ui.server import cache
from ui.server.background import Task, background_tasks
from ui.text import plain

AT_ONCE = 10_000  # pictures that are looked at without being asked to
MARKS = {
    Severity.FATAL: "✕ fatal", Severity.DROPPED: "left out", Severity.REPAIRED: "repaired", Severity.NOTED: "look at",
}  # fmt: skip
ROWS_SHOWN = 30  # examples in words


@st.cache_data(show_spinner=False, max_entries=8)
def box_problems(folder: Path, stamps: tuple, _splits: dict[str, CocoSplit]) -> list[Problem]:
    return check_boxes(_splits)


def picture_task(folder: Path, splits: dict[str, CocoSplit], begin: bool) -> Task | None:
    """The look at all pictures, begun if it is to be; None if nobody has asked for it yet."""
    mark = zlib.crc32(repr(cache.data_stamps(folder)).encode())
    name = f"look at {folder} {mark:08x}"
    task = background_tasks().find(name)
    if task is None and begin:
        task = background_tasks().start(
            name, lambda: check_pictures_and_leaks(splits), f"The pictures of {folder} could not be looked at"
        )
    return task


def known_problems(
    folder: Path, splits: dict[str, CocoSplit], classes: tuple[str, ...] | None = None
) -> tuple[list[Problem], Task | None]:
    """What is known so far, of rare classes among `classes` only, and the task that looks at the pictures."""
    count = sum(len(split.images) for split in splits.values())
    task = picture_task(folder, splits, begin=count <= AT_ONCE)
    labels = [*box_problems(folder, cache.data_stamps(folder), splits), *check_classes(splits, classes)]
    pictures = task.result if task and not task.is_running and task.result else []
    return sort_by_severity(dict.fromkeys([*labels, *pictures])), task


def show_problems(folder: Path, splits: dict[str, CocoSplit], problems: list[Problem], task: Task | None) -> None:
    count = sum(len(split.images) for split in splits.values())
    if task is None:
        st.caption(f"The labels were checked. Missing, broken and repeated pictures are found by looking at all "
                   f"{count:,} of them; a training does so, too.")  # fmt: skip
        if st.button("Look at the pictures", key="look at pictures", icon=":material/image_search:"):
            picture_task(folder, splits, begin=True)
            st.rerun()
    elif task.is_running:
        _watch(task.name)
    else:
        if task.error:
            st.error(plain(task.error))
        st.button("Look at the pictures again", key="look again", type="tertiary", icon=":material/refresh:",
                  on_click=background_tasks().forget, args=(task.name,),
                  help="If pictures were replaced meanwhile.")  # fmt: skip
    if not problems:
        if task and not task.is_running and not task.error:
            st.success("Nothing is wrong: every box and every picture can be used.", icon=":material/check_circle:")
        return
    st.caption("What is left out or repaired is so for the training only: your files are never changed. "
               "Choose a row to see the images.")  # fmt: skip
    rows = {
        "": [MARKS[p.kind.severity] for p in problems],
        "Split": [{"train": "training", "val": "validation"}.get(p.split, "both") for p in problems],
        "Problem": [p.kind.counted(p.count) for p in problems],
        "What is done, or to do": [p.kind.advice for p in problems],
        "Count": [p.count for p in problems],
    }
    mark = zlib.crc32(repr([(p.kind.key, p.split, p.count) for p in problems]).encode())
    chosen = st.dataframe(
        rows, hide_index=True, on_select="rerun", selection_mode="single-row", key=f"problems {folder} {mark:08x}",
        column_config={
            **{name: st.column_config.TextColumn(width="small") for name in ("", "Split")},
            "Problem": st.column_config.TextColumn(width="large"),
            "Count": st.column_config.NumberColumn(format="localized", width="small"),
        },
    ).selection.rows  # fmt: skip
    if chosen and chosen[0] < len(problems):
        _show_examples(folder, splits, problems[chosen[0]])


@st.fragment(run_every=1.0)
def _watch(name: str) -> None:
    task = background_tasks().find(name)
    if task is None or not task.is_running:
        st.rerun()
    done, total = task.latest or (0, 1)
    st.progress(done / max(total, 1), f"Looking at the pictures: {done:,} of {total:,}")


def _show_examples(folder: Path, splits: dict[str, CocoSplit], problem: Problem) -> None:
    """Its images with the boxes brought out; in words where there is no image to show."""
    st.markdown(f"**{plain(problem.kind.counted(problem.count))}**")
    seen: dict[tuple, SampleImage] = {}
    sound = {name: split for name, split in splits.items() if not split.is_broken}
    # a file of both splits tells its problems of the training split, though the image may be in the other one
    names = sorted(sound, key=lambda name: name != (problem.split or "val"))
    for example in problem.examples:
        for name in names:
            if example.image_id in sound[name].image_by_id:
                before = seen.get((name, example.image_id), SampleImage(name, example.image_id))
                boxes = tuple(dict.fromkeys([*before.boxes, *example.annotation_ids]))
                seen[name, example.image_id] = SampleImage(name, example.image_id, boxes)
                break
    if details := [plain(e.detail) for e in problem.examples[:ROWS_SHOWN]]:
        more = problem.count - len(details)
        with st.expander(f"In words: {details[0]}", expanded=not seen):
            st.markdown("\n".join(f"- {d}" for d in details) + (f"\n- … and {more:,} more" if more > 0 else ""))
    if seen:
        classes = list(dict.fromkeys(c["name"] for split in sound.values() for c in split.categories))
        key = f"problem images {problem.kind.key} {problem.split}"
        show_samples(folder, sound, list(seen.values()), classes, key)
