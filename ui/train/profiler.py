"""The profile of a run's steps: the operators that took the most time, as bars and as a table, and the trace."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Literal, TypedDict

import streamlit as st

from core.files import read_bytes
from core.runs.schema import Run
from core.wording import cell, visible
from ui.server import services
from ui.text import plain

if TYPE_CHECKING:
    from plotly import graph_objects as go

BARS = 15
MOST_BYTES, MOST_TRACE_BYTES = 10_000_000, 2_000_000_000  # of the profile and of the trace
PERFETTO = "https://ui.perfetto.dev"
Part = Literal["cpu_ms", "gpu_ms"]
PARTS: tuple[Part, ...] = ("cpu_ms", "gpu_ms")


class Operator(TypedDict):
    """An operator with its calls and its self time, milliseconds of all profiled steps."""

    name: str
    calls: int
    cpu_ms: float
    gpu_ms: float


class Profile(TypedDict):
    """A profile: the number of steps and their operators."""

    steps: int
    operators: list[Operator]


def show_profile(run: Run) -> None:
    """Show bars, table and the trace's download in an expander; nothing while the run has no profile."""
    profile = read_profile(run)
    if not profile:
        return
    box = st.expander("Where the time goes", key=f"profile {run.id}", on_change="rerun", icon=":material/timer:")
    if not box.open:  # the chart's library is loaded by whoever looks at it
        return
    operators = profile["operators"]
    measured: list[Part] = [part for part in PARTS if any(o[part] for o in operators)]
    parts: list[Part] = measured or ["cpu_ms"]
    with box:
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            steps = plain(profile["steps"])
            st.caption(f"Self time of {steps} training steps, by operator; without that of what it calls.")
            _offer_trace(run)
        st.plotly_chart(_bars(operators[:BARS], parts), config={"displayModeBar": False}, key=f"bars {run.id}",
                        alt=f"Self time of the {BARS} costliest operators")  # fmt: skip
        names = [cell(visible(o["name"])) for o in operators]
        st.dataframe(
            [{"name": name, "calls": o["calls"], **{part: o[part] for part in parts}}
             for name, o in zip(names, operators, strict=True)],
            hide_index=True, alt="Operators with their calls and self times",
            column_config={
                "name": st.column_config.TextColumn("Operator", width="large"),
                "calls": st.column_config.NumberColumn("Calls", format="localized"),
                "cpu_ms": st.column_config.NumberColumn("CPU, ms", format="%.1f"),
                "gpu_ms": st.column_config.NumberColumn("GPU, ms", format="%.1f"),
            },
        )  # fmt: skip


def _offer_trace(run: Run) -> None:
    path = services.store().trace_path(run.id)
    if not services.file_stamp(path):
        return
    with st.container(horizontal=True, width="content", vertical_alignment="center"):
        # read at the click only: it may be large
        st.download_button("Download the trace", partial(read_bytes, path, MOST_TRACE_BYTES),
                           f"trace-{run.id}.json.gz", "application/gzip",
                           key="trace", on_click="ignore", icon=":material/download:")  # fmt: skip
        st.markdown(f"open it at [ui.perfetto.dev]({PERFETTO})")


def _bars(operators: list[Operator], parts: list[Part]) -> go.Figure:
    """Return a Plotly figure of horizontal bars, the costliest operator on top."""
    from plotly import graph_objects as go

    names = [_short(o["name"], i) for i, o in enumerate(operators)]
    titles: dict[Part, str] = {"cpu_ms": "CPU", "gpu_ms": "GPU"}
    theme = st.context.theme.type or "light"
    colors = st.get_option(f"theme.{theme}.chartCategoricalColors") or [None]
    bars = [
        go.Bar(y=names, x=[o[part] for o in operators], name=titles[part], orientation="h",
               marker_color=colors[i % len(colors)], hovertemplate="%{x:,.1f} ms")
        for i, part in enumerate(parts)
    ]  # fmt: skip
    figure = go.Figure(bars)
    figure.update_layout(
        height=110 + 28 * len(operators), margin={"l": 10, "r": 10, "t": 40, "b": 40}, showlegend=len(parts) > 1,
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 1.0, "xanchor": "right"},
    )  # fmt: skip
    figure.update_xaxes(title="self time, ms", rangemode="tozero")
    figure.update_yaxes(autorange="reversed", automargin=True, type="category")
    return figure


def _short(name: str, place: int) -> str:
    """Shorten an operator's name for the axis: kernels of a GPU have hundreds of characters; no two become one."""
    short = name if len(name) <= 42 else name[:41] + "…"
    return short.replace("&", "&amp;").replace("<", "&lt;") + "\u200b" * place


def read_profile(run: Run) -> Profile | None:
    """Return the profile, the costliest operator first; None if it is not there or half written."""
    try:
        profile = json.loads(read_bytes(services.store().profile_path(run.id), MOST_BYTES))
        operators: list[Operator] = [
            {"name": str(o["name"]), "calls": int(o["calls"]), "cpu_ms": float(o["cpu_ms"]),
             "gpu_ms": float(o["gpu_ms"] or 0.0)}
            for o in profile["operators"]
        ]  # fmt: skip
        operators.sort(key=lambda o: o["cpu_ms"] + o["gpu_ms"], reverse=True)
        return {"steps": int(profile["steps"]), "operators": operators} if operators else None
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
