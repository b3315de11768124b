"""The choice of slices: on which images, by all that is known of them; Errors, Results and Compare share it.

In: `ImageAttributes` and the session, where a link or a click on a chart puts slices. Out: the chosen ones, and a
detection table with their images alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import streamlit as st

from core.datasets.attributes.attribute import ImageAttributes, Slice
from core.evaluation.selection import table_of_images
from ui.choose.run_picker import TableKey
from ui.choose.widget_value import set_widget_value


def pick_slices(attributes: ImageAttributes, key: str) -> tuple[Slice, ...]:
    """Show the choice of slices, which lies in the session under `key`; return the chosen ones.

    Those of another data set are dropped. Nothing is shown where nothing is known of the images.
    """
    options = [(one.name, value) for one in attributes.attributes for value in one.values]
    set_widget_value(key, list(attributes.known(st.session_state.get(key, ()))))
    if options:
        st.multiselect("Slice", options, format_func=slice_name, key=key, placeholder="All images",
                       persist_state="session", help="Only images of these slices: of one attribute any of them, of "
                       "several attributes one of each. **Slices** on Results compares them.")  # fmt: skip
    return tuple(st.session_state[key])


def slice_name(one: Slice) -> str:
    """Return a slice in words."""
    return f"{one[0]}: {one[1]}"


def sliced(
    key: TableKey, table: pa.Table, attributes: ImageAttributes, slices: Sequence[Slice]
) -> tuple[TableKey, pa.Table]:
    """Return a detection table with the images of the slices alone, and a key that names it; itself without slices."""
    if not slices:
        return key, table
    run_id, epoch, created, labels = key
    key = run_id, epoch, created, f"{labels}|{attributes.stamp}|{slices!r}"
    return key, _sliced(key, tuple(slices), table, attributes)


@st.cache_resource(show_spinner=False, max_entries=8)
def _sliced(key: TableKey, slices: tuple[Slice, ...], _table: pa.Table, _attributes: ImageAttributes) -> pa.Table:
    return table_of_images(_table, _attributes.images_of(slices))
