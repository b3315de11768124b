"""What if the model saw other pictures: larger, smaller or in tiles; what each gains and takes, on Results.

In: the model that Results shows. Out: a chart of what was tried, and evaluations of what is to be tried.
"""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import streamlit as st

from core import ConfigError, LabError
from core.charts.compare.inputs import Tried, inputs_chart
from core.evaluation.table import table_metadata
from core.inference.evaluation.config import EvaluationConfig
from core.inference.evaluation.tried import suggested_inputs, tried_inputs
from core.runs.evaluated.images import data_of, onnx_file_of
from core.runs.schema import Run
from core.wording import cell
from ui.charts.component import show_chart
from ui.choose.address import remember
from ui.choose.run_picker import RUN, EvaluatedModel
from ui.results.evaluate_model import pick_inputs
from ui.results.evaluations import begin_evaluations, compare_query
from ui.server import cache, services
from ui.server.going import open_page
from ui.text import plain

INPUTS = "what if"


def show_what_if(viewed: EvaluatedModel) -> None:
    """Show the tab."""
    st.caption("Do larger pictures, smaller ones or tiles help this model, without any training, and at what price?")
    config = evaluation_of(viewed)
    if config is None:
        st.info("Of this run only results are here, no model that could see other pictures.")
        return
    tried = tried_inputs(services.store(), config)
    if tried:
        _show_tried(tried, viewed)
    offered = suggested_inputs(_trained_size(viewed.run))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        inputs = pick_inputs(INPUTS, offered[:-1], offered)
        try:
            configs = [config.with_input(text) for text in inputs]
        except ConfigError as error:
            st.error(plain(error))
            return
        st.button(f"Evaluate {len(configs)}" if configs else "Evaluate", key="begin what if", type="primary",
                  disabled=not configs, on_click=begin_evaluations, args=(configs, viewed),
                  help="On the same images, one after the other, each as a run of its own.")  # fmt: skip


def evaluation_of(viewed: EvaluatedModel) -> EvaluationConfig | None:
    """Return the settings of an evaluation of this model on its own images, as it was trained; None without a model."""
    run = viewed.run
    try:
        if run.is_evaluation:
            return replace(EvaluationConfig.from_dict(run.config["evaluation"]), size=0, tiles=1)
        if run.is_imported:  # an earlier version kept an evaluated ONNX file so
            file = onnx_file_of(run)
            return EvaluationConfig((str(file),), data_of(run) or "") if file else None
        return EvaluationConfig((f"{run.id}:{viewed.model}",), data_of(run) or "")
    except ConfigError:  # of another version
        return None


def _trained_size(run: Run) -> int | None:
    name = "longest_edge" if run.config.get("square") else "shortest_edge"
    size = run.config.get(name)
    return size if isinstance(size, int) else None


def _show_tried(tried: dict[str, tuple[Run, Tried]], viewed: EvaluatedModel) -> None:
    tried = dict(sorted(tried.items(), key=lambda item: item[1][1].milliseconds or 0.0))
    try:
        evaluation = services.store().evaluations(next(iter(tried.values()))[0].id)[0]
        images = len(table_metadata(cache.table_of(evaluation)).image_ids)
    except (LabError, IndexError):
        images = 0
    show_chart(inputs_chart([one for _, one in tried.values()], images), "chart inputs")
    rows = [
        {
            "Input": cell(one.words),
            **{name: None if (value := one.figures.get(name)) is None else 100 * value for name in FIGURES},
            "Milliseconds an image": one.milliseconds, "Run": cell(run.name),
        }
        for run, one in tried.values()
    ]  # fmt: skip
    formats = {name: st.column_config.NumberColumn(format="%.1f") for name in FIGURES}
    formats["Milliseconds an image"] = st.column_config.NumberColumn(format="%.0f")
    title = "What each input gains, and what it takes"
    chosen = st.dataframe(pd.DataFrame(rows), hide_index=True, on_select="rerun", selection_mode="single-row",
                          key="tried", alt=title, column_config=formats)  # fmt: skip
    picked = [list(tried.values())[row][0] for row in chosen.selection.rows if row < len(tried)]
    with st.container(horizontal=True):
        if st.button("Compare with this model", key="compare tried", icon=":material/compare:", disabled=not picked,
                     help="Choose a row on its left."):  # fmt: skip
            open_page(services.COMPARE_PAGE, compare_query(picked[0], viewed))
        st.button("Look at it", key="open tried", icon=":material/query_stats:", disabled=not picked,
                  on_click=lambda: remember(RUN, picked[0].id), help="Choose a row on its left.")  # fmt: skip


FIGURES = ("AP", "AP50", "APs", "APm", "APl")
