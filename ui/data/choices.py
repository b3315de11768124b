"""The choices in the sidebar of Data: the classes, and whether fewer images are taken."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from core.datasets.split import CocoSplit
from core.datasets.subset import Subset
from core.labels import COCO_TEN

CLASSES, CLASSES_OF, FEWER = "data classes", "classes of", "data fewer"  # in the session
FIRST_CLASSES, ASKED_CLASSES = "first data classes", "asked data classes"  # before any choice, and as a link has them
TRAIN, VAL, EMPTY, SEED, NAME = (f"fewer {name}" for name in ("train", "val", "empty", "seed", "name"))


def class_names(splits: Mapping[str, CocoSplit]) -> list[str]:
    """Return the names of all categories, each once, in the order of the files."""
    return list(dict.fromkeys(c["name"] for split in splits.values() for c in split.categories))


def pick_classes(names: list[str], is_built_in: bool) -> list[str]:
    """Show the choice of classes and return the chosen ones, all if none is chosen.

    At first these are COCO_TEN if the user's data has them all and more, else all classes.
    """
    if st.session_state.get(CLASSES_OF) != names:
        st.session_state[CLASSES_OF] = names
        ten = [name for name in names if name in COCO_TEN]
        first = ten if len(ten) == len(COCO_TEN) < len(names) and not is_built_in else []
        asked = st.session_state.pop(ASKED_CLASSES, None)
        st.session_state[FIRST_CLASSES] = first
        st.session_state[CLASSES] = first if asked is None else [name for name in names if name in asked]
    chosen = st.multiselect("Classes", names, key=CLASSES, placeholder=f"All {len(names)} classes",
                            persist_state="session")  # fmt: skip
    if chosen and len(chosen) < len(names):
        st.caption(f"{len(chosen)} of {len(names)} classes; clear the box for all.")
    return [name for name in names if name in chosen] or names


def ask_for_classes(names: list[str]) -> None:
    """Choose these classes, of those that there are, before the widgets are made; an empty name stands for all."""
    st.session_state[ASKED_CLASSES] = names
    st.session_state.pop(CLASSES_OF, None)


def changed_classes() -> list[str] | None:
    """Return the chosen classes, none for all; None where they are those before any choice."""
    chosen = st.session_state.get(CLASSES)
    return None if chosen is None or chosen == st.session_state.get(FIRST_CLASSES) else list(chosen)


def pick_subset(classes: list[str]) -> tuple[Subset | None, str]:
    """Show how many images are taken; return the subset, None for all, and the name under which it may be kept.

    Raises DataError for numbers that are out of range.
    """
    with st.expander("Fewer images", key=FEWER):
        left, right = st.columns(2)
        train = left.number_input("Training", step=100, key=TRAIN, persist_state="session", help="0: all.")
        val = right.number_input("Validation", step=100, key=VAL, persist_state="session", help="0: all.")
        empty = st.slider("Without any of the classes", 0, 90, step=5, format="%d %%", key=EMPTY,
                          persist_state="session", help="This share of the images shows none of them.")  # fmt: skip
        seed = st.number_input("Seed", step=1, key=SEED, persist_state="session")
        name = st.text_input("Name", "part", key=NAME, persist_state="session",
                             help="Kept as a data set of its own under data/, its pictures linked.")  # fmt: skip
    if not (train or val or empty):
        return None, name
    return Subset(tuple(classes), train, val, empty / 100, seed), name


def take_all_images() -> None:
    """Set the choice back to all images, in a callback."""
    for key in (TRAIN, VAL, EMPTY):
        st.session_state[key] = 0
