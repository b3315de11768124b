"""The curves of the chosen runs: which metric, by what, how smooth; `curves.js` fetches and draws them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from core.metrics import METRICS
from core.runs.many.figures import recorded_tags
from core.runs.schema import Run
from core.wording import short, visible
from ui.choose import pickers
from ui.choose.address import Address, Query, remember
from ui.server import scripts, services

METRIC, BY, SMOOTHING, LOG = "runs metric", "runs by", "runs smoothing", "runs log"  # in the session
NAMES = ("metric", "by", "smooth", "log")  # in an address
UNITS = {"step": "By step", "epoch": "By epoch", "minutes": "By minutes"}
MOST_SMOOTHING = 0.99
MOST_RUNS = 12  # drawn over each other: more cannot be told apart
KNOWN = {metric.tag: metric for metric in METRICS}
SETS = {"train": "training", "val": "validation"}
HERE = Path(__file__).parent

_component = scripts.component(
    "run_curves",
    "ui/runs/curves.js",
    html='<div class="dl-run-curves">\n</div>',
    css=(HERE / "curves.css").read_text(encoding="utf-8"),
    isolate_styles=False,  # Plotly writes its styles into the page
)


def apply_address(address: Address) -> None:
    """Set what a link says of the curves; what it does not say is as at first."""
    metric, by, smoothing, log = (address.get(name, [""])[0] for name in NAMES)
    remember(METRIC, metric)
    remember(BY, by if by in UNITS else "step")
    remember(SMOOTHING, min(int(smoothing), 99) / 100 if smoothing.isdecimal() and len(smoothing) < 4 else 0.0)
    remember(LOG, log == "1")


def query_of() -> Query:
    """Return what an address says of the curves; defaults are left out."""
    query: Query = {"metric": metric} if (metric := st.session_state.get(METRIC)) else {}
    query |= {"by": by} if (by := st.session_state.get(BY, "step")) != "step" else {}
    query |= {"smooth": f"{100 * keep:.0f}"} if (keep := st.session_state.get(SMOOTHING, 0.0)) else {}
    return query | ({"log": "1"} if st.session_state.get(LOG) else {})


def show_curves(chosen: Sequence[Run]) -> None:
    """Show the curves of these runs, the first MOST_RUNS of them."""
    st.markdown("##### Curves")
    runs = [run for run in chosen if not run.is_damaged][:MOST_RUNS]
    key = tuple((run.id, min(run.step or 0, 100), run.epoch or 0 if run.is_live else -1) for run in runs)
    if not (tags := _tags(key)):
        st.caption("None of the chosen runs has recorded anything: imported results have no training.")
        return
    if st.session_state.get(METRIC) not in tags:
        st.session_state[METRIC] = tags[0]
    for name, default in ((BY, "step"), (SMOOTHING, 0.0), (LOG, False)):
        st.session_state.setdefault(name, default)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        tag = st.selectbox("Metric", tags, format_func=metric_label, key=METRIC, persist_state="session", width=420)
        by = st.segmented_control("Horizontal axis", list(UNITS), format_func=UNITS.__getitem__, key=BY,
                                  required=True, persist_state="session",
                                  help="Minutes count from the first record, with pauses.")  # fmt: skip
        keep = st.slider("Smoothing", 0.0, MOST_SMOOTHING, step=0.01, key=SMOOTHING, persist_state="session",
                         width=260,
                         help="How much of the mean before stays in the next, as TensorBoard's: an exponential mean, "
                         "unbiased at its start.")  # fmt: skip
        is_log = st.toggle("Logarithmic", key=LOG, persist_state="session")
    if len(chosen) > len(runs):
        st.caption(f"Drawn are the first {len(runs):d} of {len(chosen):d} runs.")
    metric = KNOWN.get(tag)
    names = Counter(pickers.run_name(run) for run in runs)
    lines = [
        {"id": run.id, "name": name if names[name] == 1 else f"{name} · {run.id[-4:]}"}
        for run in runs
        for name in [pickers.run_name(run)]
    ]
    data = {
        "runs": lines, "tag": tag, "title": metric_label(tag), "unit": metric.unit if metric else "",
        "scale": metric.scale if metric else 1, "by": by, "smoothing": keep, "log": is_log,
    }  # fmt: skip
    _component(key="run curves", data=data)


def metric_label(tag: str) -> str:
    """Return what a tag is called: a metric's label and on which images, or the tag itself."""
    if not (metric := KNOWN.get(tag)):
        return short(visible(tag), 60)
    images = SETS[tag.partition("/")[0]]
    return metric.label if images in metric.label or tag.count("/") > 1 else f"{metric.label}, {images}"


@st.cache_data(show_spinner=False, max_entries=64)
def _tags(key: tuple[tuple[str, int, int], ...]) -> list[str]:
    """Return what the runs have recorded; `key` has their ids and how far they are."""
    return recorded_tags(services.store(), [run_id for run_id, *_ in key])
