"""The choice of a model to start from: a list, and a table of the released ones with what one chooses by.

In: the run store and the session. Out: the chosen model as a setting. Neither torch nor the network is asked.
"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core import lab_root
from core.config import RANDOM_MODELS, STARTER, STARTERS
from core.detr.pretrained import OFFERED, download_place, models_here
from core.detr.sources.hub import is_here
from core.detr.sources.released import COCO, FAMILIES, ReleasedModel
from core.runs.store import RunStore
from ui.choose.pickers import pick_or_type, relative_to_root, run_name, typed_model
from ui.text import Markup, plain

TABLE = "released models"  # the key of the table's choice in the session
RUN_CHECKPOINTS = ("best", "last")  # of a run, which is listed by its name


def pick_model(store: RunStore, key: str) -> str:
    """Show the models to start from, beside which a name or folder may be typed; return the chosen one as a setting."""
    names = dict(STARTERS)
    for run in (run for run in store.runs() if not run.is_damaged):
        folder = store.checkpoint(run.id, "best")
        if folder.is_dir():
            names[relative_to_root(folder)] = f"Best of {run_name(run)}"
    names |= folder_names() | released_names() | RANDOM_MODELS
    st.session_state.setdefault(key, STARTER)
    chosen = pick_or_type(
        "Model", names, key, "Another model …", "Checkpoint folder, or name on the hub",
        "What training starts from: one of these (✓ released and on this machine), a checkpoint's folder, or a name on "
        "the Hugging Face hub.",
    )  # fmt: skip
    if st.button("All released models", key="all models", type="tertiary", icon=":material/table_rows:"):
        _show_table(key)
    return typed_model(chosen)


def released_names() -> dict[str, str]:
    """Return the released models that can be used, family by family, with what a narrow list has room for."""
    return {
        name: f"{'✓ ' if is_here(name, lab_root()) else ''}AP {model.ap:.1f} · {name.partition('/')[2]}"
        f"{'' if model.data == COCO else f' · {model.data}'}"
        for name, model in OFFERED.items()
    }


def folder_names() -> dict[str, str]:
    """Return the folders of checkpoints/ that hold a model, but for those of runs and copies of released models."""
    folders = {path: path.split("/") for path in models_here(lab_root()) if path not in STARTERS}
    return {
        path: "/".join(parts[1:])
        for path, parts in folders.items()
        if "/".join(parts[1:]) not in OFFERED and not (len(parts) > 2 and parts[2] in RUN_CHECKPOINTS)
    }


def facts_of(name: str) -> Markup:
    """Return what one chooses a released model by, in one line; nothing for another model."""
    model = OFFERED.get(name)
    if model is None:
        return Markup("")
    return Markup(
        f"{plain(FAMILIES[model.family])} · {model.parameters:.1f} M parameters · AP {model.ap:.1f} on "
        f"{plain(model.data)} · pictures {plain(model.pictures)} · {plain(model.licence)}. "
    )


@st.dialog("Released models", width="large")
def _show_table(key: str) -> None:
    """Show what can be chosen by: a click on a row chooses its model, and closes the table."""
    models = list(OFFERED.values())

    def choose() -> None:
        rows = st.session_state[TABLE].selection.rows
        if rows:
            st.session_state[key] = models[rows[0]].name

    picked = st.dataframe(
        pd.DataFrame([_row(model) for model in models]), hide_index=True, on_select=choose, key=TABLE,
        selection_mode="single-row", alt="Released models", placeholder="",
        column_config={
            "M parameters": st.column_config.NumberColumn(format="%.1f"),
            "AP": st.column_config.NumberColumn(format="%.1f", help="As published, in percent"),
            "of": st.column_config.TextColumn(help="The data set whose classes it knows, and of which the AP is"),
            "pictures": st.column_config.TextColumn(
                help="Shortest and longest edge in pixels, or the square to which they are stretched"
            ),
            "here": st.column_config.CheckboxColumn(help="On this machine: nothing is downloaded"),
        },
    )  # fmt: skip
    if picked.selection.rows:
        st.rerun()
    st.caption(
        "Choose a row on its left. A model that is not here is downloaded when its training begins, to "
        f"{plain(download_place())}."
    )


def _row(model: ReleasedModel) -> dict[str, object]:
    return {
        "family": FAMILIES[model.family], "model": model.name, "M parameters": model.parameters, "AP": model.ap,
        "of": model.data, "pictures": model.pictures, "licence": model.licence, "MB": round(model.megabytes),
        "here": is_here(model.name, lab_root()),
    }  # fmt: skip
