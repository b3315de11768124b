"""The tab Images of Data: images with what the controls ask for, in random order.

The controls lie in the session, where a click on a chart sets them (`choose_images`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import streamlit as st

from core.datasets.split import SIZES, CocoSplit
from core.datasets.statistics import images_with
from ui.choose.slices import pick_slices
from ui.gallery.samples import SampleImage, show_samples
from ui.server.attributes import attributes_of_split

SPLIT, CLASS, OTHER, SIZE, SLICES, SHUFFLES = (
    f"samples {name}" for name in ("split", "class", "with", "size", "slices", "shuffle")
)
SPLITS = {"train": "Training", "val": "Validation"}
ANY = "(any)"


def choose_images(key: str) -> None:
    """Set the controls to the images that were clicked on in the chart of that key, in a callback."""
    target = dict(st.session_state[key].open)
    st.session_state[SPLIT] = target.get("split")
    st.session_state[CLASS] = target.get("class", ANY)
    st.session_state[OTHER] = target.get("with", ANY)
    st.session_state[SIZE] = target.get("size")
    st.session_state[SLICES] = []


def show_images(folder: Path, splits: Mapping[str, CocoSplit], classes: list[str]) -> None:
    """Show the controls and the images that have what they ask for."""
    names = [name for name in SPLITS if name in splits]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        split = st.segmented_control("Split", names, format_func=SPLITS.__getitem__, key=SPLIT,
                                     persist_state="session")  # fmt: skip
        options = [ANY, *classes]
        for key in (CLASS, OTHER):
            if st.session_state.get(key) not in options:
                st.session_state[key] = ANY
        name = st.selectbox("Class", options, key=CLASS, width=220, persist_state="session")
        other = st.selectbox("Together with", options, key=OTHER, width=220, persist_state="session")
        size = st.segmented_control("Object size", SIZES, key=SIZE, persist_state="session",
                                    help="COCO's sizes by area: small below 32², large from 96² pixels.")  # fmt: skip
        if st.button("Shuffle", key="shuffle", icon=":material/shuffle:"):
            st.session_state[SHUFFLES] = st.session_state.get(SHUFFLES, 0) + 1
        shown_slices = _pick_slices(splits, names, split, classes)
    wanted, wanted_beside = (None if value == ANY else value for value in (name, other))
    images = [
        SampleImage(shown, image_id)
        for shown in names
        if split in (None, shown)
        for image_id in images_with(splits[shown], classes, wanted, wanted_beside, size)
        if shown_slices is None or image_id in shown_slices
    ]
    order = np.random.default_rng(st.session_state.get(SHUFFLES, 0)).permutation(len(images)).tolist()
    st.caption(f"{len(images):,} of {sum(len(splits[name].images) for name in names):,} images")
    if images:
        show_samples(folder, splits, [images[place] for place in order], classes, "samples")
    else:
        st.info("No image has what is asked for: clear a choice above.")


def _pick_slices(
    splits: Mapping[str, CocoSplit], names: list[str], chosen: str | None, classes: list[str]
) -> set[int] | None:
    """Show the choice of slices where one split is chosen or there; return their images' ids, None for all.

    The ranges of numbers, as of brightness, are a split's own.
    """
    name = chosen or (names[0] if len(names) == 1 else None)
    if name is None or splits[name].is_broken:
        return None
    attributes = attributes_of_split(splits[name], tuple(classes))
    slices = pick_slices(attributes, SLICES)
    return attributes.images_of(slices) if slices else None
