"""The download of an export that a background task has written into a run's folder, whichever page asked for it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import streamlit as st

from core import LabError
from core.files import read_bytes

MOST_BYTES = 500_000_000  # Streamlit holds a whole download in memory; a larger file is fetched from where it lies


def offer_download(path: Path, size: int, key: str) -> None:
    """Show the button that downloads a zip of `size` bytes, or of a larger one where it lies."""
    if size > MOST_BYTES:
        st.caption("It is too large for a download in the browser. It lies at")
        st.code(str(path), language=None, wrap_lines=True)
    else:
        st.download_button("Download", partial(_read, path), path.name, "application/zip", key=key, on_click="ignore",
                           type="primary", width="stretch", icon=":material/download:")  # fmt: skip


def _read(path: Path) -> bytes:
    """Return the file's bytes at the click on its download; raises LabError if it was replaced or deleted."""
    try:
        return read_bytes(path, MOST_BYTES)
    except OSError:
        raise LabError("The export is gone: make it again.") from None
