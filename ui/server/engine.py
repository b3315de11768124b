"""The app's engine: the one process from which its trainings, and what answers with models, are forked.

It begins with the server, imports in the background, and keeps the memory of what is imported: once for all of them.
"""

from __future__ import annotations

import streamlit as st

from core.engine.engine import Engine

# what its children need; torch, whose import takes time from the app (`core/engine/server.py`), when that has begun
WARM = (
    "scipy.optimize", "pandas", "pyarrow.parquet", "sympy", "tensorboard.compat.proto.event_pb2",
    "tensorboard.summary.writer.record_writer", "torch", "core.cli.main", "core.runs.drive", "core.training.train",
    "core.training.typed_settings", "core.inference.predict", "core.detr.explain",
)  # fmt: skip


@st.cache_resource(show_spinner=False)
def engine() -> Engine:
    """Return the one engine of this server; without `begin` it starts new programs."""
    return Engine(WARM)
