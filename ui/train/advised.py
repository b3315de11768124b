"""What the doctor advises, queued by one click: a run with those settings changed.

In: a run, and the rule of the doctor whose button was clicked. Out: the new run, or the error that says why not.
"""

from __future__ import annotations

import streamlit as st

from core import lab_root
from core.runs.advised.advised_run import advised_run
from core.runs.schema import Run
from core.training.typed_settings import check_typed
from ui.server import cache, services
from ui.text import plain
from ui.train.device import check_device


def queue_advised(run_id: str, rule: str) -> Run:
    """Queue a run with what was advised of another one, and say so; raises LabError where that cannot be done."""
    advised = advised_run(services.store(), run_id, rule, lab_root(), cache.images_of)
    check_typed(advised.config, lab_root(), cache.images_of)
    check_device(advised.config)
    run = services.jobs().submit(advised.config, advised.name, advised.notes)
    st.toast(f"Queued: {plain(advised.name)}", icon=":material/schedule:")
    return run
