"""The sections of Results: each answers one question with its charts, some also with a sentence, a table or a button.

In: what the page shows, `Shown`. The charts and sentences come from `core.charts.sections`; what several sessions ask
for is computed once.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import streamlit as st

from core import RunError
from core.charts.compare.differences import differences
from core.charts.sections import SECTIONS, View, verdicts
from core.evaluation.findings.bootstrap import Intervals, bootstrap
from core.evaluation.findings.curves import coco_figures
from core.evaluation.findings.images import per_image_figures
from core.evaluation.findings.threshold_curve import threshold_curve
from core.evaluation.selection import Selection
from ui.charts.component import show_chart, show_charts
from ui.charts.tables import pick_images, show_class_metrics, show_coco_metrics
from ui.choose.run_picker import TableKey
from ui.choose.score import set_score
from ui.results.shown import Classes, Shown
from ui.results.slices import show_slices, show_worst_below
from ui.server import cache
from ui.text import plain

HARD, EASY = "Hardest images", "Easiest images"
IMAGES_LISTED = 48


def show_section(name: str, shown: Shown) -> None:
    """Show a section: its question, its sentences and its charts."""
    st.caption(SECTIONS[name].question)
    if sentences := sentences_of(shown.key, name, shown.view.score, shown.view.classes, shown.view):
        st.markdown("\n".join(f"- {plain(sentence)}" for sentence in sentences))
    if name in SPECIAL:
        SPECIAL[name](shown)
    else:
        show_charts(shown.charts(name), shown.open_boxes)


def show_metrics(shown: Shown) -> None:
    """Show COCO's twelve metrics beside the baseline's, and by class; the intervals, which take long, come last."""
    worst_slice, place = st.container(), st.empty()
    place.skeleton(height=470)
    show_charts(shown.charts("figures"), shown.open_boxes)
    show_class_metrics(shown.view.figures, shown.view.score)
    view, before = shown.view, shown.baseline
    try:
        intervals = intervals_of(shown.key, view.classes, before is not None, view.table, before)
    except RunError as error:  # the data set changed between the two evaluations
        st.warning(plain(error))
        before = None
        intervals = intervals_of(shown.key, view.classes, False, view.table, None)
    left, right = place.container().columns(2, gap="medium")
    with left:
        show_coco_metrics(intervals, coco_figures(before, view.classes) if before is not None else None)
    with right:
        show_chart(differences(intervals), "chart differences")
    show_worst_below(shown, worst_slice)


def show_curves(shown: Shown) -> None:
    """Show the curves, and a button that sets the score of the best F1."""
    view = shown.view
    best = threshold_curve(view.table, view.names).best
    with st.container(horizontal=True, vertical_alignment="center"):
        if best is None:
            st.caption("Nothing is found at any score.")
        else:
            st.button(f"Use score {best:.2f} everywhere", key="adopt", icon=":material/tune:", on_click=set_score,
                      args=(best,), disabled=abs(best - view.score) < 0.005,
                      help="The threshold with the highest F1, for this page and the gallery.")  # fmt: skip
            st.caption("The best F1 of " + (plain(view.names[0]) if view.classes else "all classes together") + ".")
    show_charts(shown.charts("curves"), shown.open_boxes)


def show_images(shown: Shown) -> None:
    """Show the charts of the images, and the hardest or easiest ones as a table, from which Errors can be opened."""
    show_charts(shown.charts("images"), shown.open_boxes)
    view = shown.view
    findings = per_image_figures(view.part, view.score)
    which = st.segmented_control("Which images", [HARD, EASY], default=HARD, required=True, key="which images",
                                 label_visibility="collapsed", persist_state="session")  # fmt: skip
    rows = findings.figures[:IMAGES_LISTED] if which == HARD else findings.easiest(IMAGES_LISTED)
    image_ids = pick_images(rows, cache.validation_images(shown.run), f"images {shown.run.id} {which}", which)
    if st.button(f"Show {'this image' if len(image_ids) == 1 else f'these {len(image_ids)} images'}",
                 key="show images", icon=":material/image_search:",
                 help="Choose rows on their left, or take all of them."):  # fmt: skip
        shown.go_to_errors(Selection(view.score, view.classes or (), images=tuple(image_ids)).to_query())


def show_confusion(shown: Shown) -> None:
    """Show the confusion matrix, in numbers or in percent of a row, of many classes the worst or all."""
    charts = shown.charts("confusion")
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        cells = st.segmented_control("Cells", ["Numbers", "Percent of a row"], default="Numbers", key="confusion cells",
                                     required=True, label_visibility="collapsed", persist_state="session")  # fmt: skip
        has_more = any(chart.on_request for chart in charts)
        is_whole = has_more and st.toggle("All classes", key="confusion all", persist_state="session")
    numbers, shares = [chart for chart in charts if chart.on_request == is_whole]
    show_charts([numbers if cells == "Numbers" else shares], shown.open_boxes)


# the sections that are more than their charts
SPECIAL: dict[str, Callable[[Shown], None]] = {
    "figures": show_metrics, "curves": show_curves, "confusion": show_confusion, "images": show_images,
    "slices": show_slices,
}  # fmt: skip


# Computed once for all sessions; `key` names the detection table


@st.cache_data(show_spinner=False, max_entries=64)
def sentences_of(key: TableKey, section: str, score: float, classes: Classes, _view: View) -> list[str]:
    """Return a section's sentence, if it has one; of Metrics, the sentences of all sections."""
    if section == "figures":
        return verdicts(_view)
    sentence = SECTIONS[section].verdict(_view)
    return [sentence] if sentence else []


@st.cache_data(show_spinner="Drawing the images anew, a thousand times …", max_entries=32)
def intervals_of(
    key: TableKey, classes: Classes, has_baseline: bool, _table: pa.Table, _baseline: pa.Table | None
) -> Intervals:
    """Return the intervals of all metrics and of their differences from the baseline."""
    return bootstrap(_table, _baseline, classes)
