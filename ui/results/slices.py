"""The tab Slices of Results: AP and errors by all that is known of the images, and the worst slice that is no noise.

In: what the page shows, `Shown`. The comparisons take a while on thousands of images, so they come last and are kept
for all sessions; the pictures are measured in the background.
"""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.charts.sections import SECTIONS, View
from core.evaluation.findings.slices import SliceAP, SliceCounts, Slices, slice_counts, take_slices, verdict
from core.evaluation.selection import Selection
from core.evaluation.table import ErrorType
from core.keep_result import KeepResult
from core.wording import cell, visible
from ui.charts.component import show_charts
from ui.charts.tables import percent
from ui.results.shown import Shown
from ui.server.attributes import attributes_of, start_measuring
from ui.server.background import background_tasks
from ui.text import plain

KEPT = 32  # comparisons


def show_slices(shown: Shown) -> None:
    """Show the worst slice, the charts and a table of all slices."""
    task = start_measuring(shown.run)
    is_running = task is not None and task.is_running  # asked before what is known is read: it may end meanwhile
    shown = replace(shown, attributes=attributes_of(shown.run, shown.view.table))
    if task and is_running:
        _show_measuring(task.name)
    elif task and task.error:
        st.warning(plain(task.error), icon=":material/warning:")
    slices = _slices_of(shown, st.empty())
    view = replace(shown.view, slices=slices)
    show_worst(slices, shown)
    show_charts(SECTIONS["slices"].charts(view), shown.open_boxes)
    if slices.slices:
        _show_table(slices, view)
    else:
        st.info("A CSV beside the data says more of the images: a column **file_name**, and one for each thing that "
                "you know, such as camera or weather.")  # fmt: skip
    for note in slices.notes:
        st.caption(plain(note))


@st.fragment(run_every=1.0)
def _show_measuring(name: str) -> None:
    """Show how many pictures are measured, if any is to be; run the page again at the end."""
    task = background_tasks().find(name)
    if task is None or not task.is_running:
        st.rerun()
    done, total = task.latest or (0, 0)
    if total:
        st.progress(done / total, f"Measuring brightness and sharpness, once: {done:,} of {total:,} pictures")


def show_worst_below(shown: Shown, place: DeltaGenerator) -> None:
    """Name the worst slice in `place`, once it is known; for a tab that shows other things."""
    slices = _slices_of(shown, place.empty())
    with place.container():
        show_worst(slices, shown)


def show_worst(slices: Slices, shown: Shown) -> None:
    """Say which slice is the worst that is no noise, with a button that opens its images on Errors."""
    sentence, worst = verdict(slices), slices.worst
    if not sentence:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"- {plain(sentence)}")
        if worst and st.button("Show its images", key="worst slice", icon=":material/image_search:",
                               help="The images of this slice on Errors, the worst first."):  # fmt: skip
            shown.go_to_errors(_query(worst, shown.view))


def _query(one: SliceAP, view: View) -> dict[str, str | list[str]]:
    return Selection(view.score, view.classes or (), slices=(one.key,)).to_query()


def _slices_of(shown: Shown, place: DeltaGenerator) -> Slices:
    """Return the evaluated slices, which are computed once for all sessions; show in `place` how far that is."""
    kept, view = _kept(), shown.view
    name = (shown.key, view.classes, shown.attributes.stamp)
    if name not in kept:
        work = KeepResult(take_slices(view.table, shown.attributes, view.classes))
        for done, total in work:
            if total:
                place.progress(done / total, f"Comparing each slice with the other images: {done:,} of {total:,} …")
        while len(kept) >= KEPT:
            kept.pop(next(iter(kept)), None)
        kept[name] = work.result
        place.empty()
    return kept[name]


@st.cache_resource(show_spinner=False)
def _kept() -> dict[tuple[object, ...], Slices]:
    return {}


def _show_table(slices: Slices, view: View) -> None:
    """Show every slice with its numbers, of which a row's head sorts."""
    counts = slice_counts(view.table, slices, view.score)
    rows = [_row(one, counted) for one, counted in zip(slices.slices, counts, strict=True)]
    shares = ("AP", "AP50", "Recall", "AP elsewhere", "Difference", "Low", "High")
    formats = {name: "%+.1f" if name in shares[4:] else "%.1f" for name in shares}
    st.markdown("##### All slices")
    st.dataframe(
        pd.DataFrame(rows).astype(dict.fromkeys(shares, float)), hide_index=True, alt="Metrics by slice",
        column_config={name: st.column_config.NumberColumn(format=form) for name, form in formats.items()},
    )  # fmt: skip
    st.caption(f"Percent; recall and errors from score {view.score:.2f}. An interval that leaves 0 out is no noise: "
               f"all {slices.compared:,} hold together in 95 % of cases.")  # fmt: skip


def _row(one: SliceAP, counted: SliceCounts) -> dict[str, object]:
    return {
        "Attribute": cell(visible(one.attribute)), "Slice": cell(visible(one.value)), "Images": one.images,
        "Objects": counted.objects, "AP": percent(one.AP), "AP elsewhere": percent(one.elsewhere),
        "Difference": percent(one.difference.value), "Low": percent(one.difference.low),
        "High": percent(one.difference.high), "AP50": percent(one.AP50), "Recall": percent(counted.recall),
        **{kind.label: counted.errors[kind] for kind in ErrorType},
    }  # fmt: skip
