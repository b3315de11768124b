"""Data: what does a training see? A source, its classes, its statistics, its images, and what is wrong with it."""

from pathlib import Path

import streamlit as st

from core import DataError
from core.charts.chart import Chart
from core.charts.datasets.bars_and_labels import counted as number_of
from core.charts.datasets.statistics import dataset_charts
from core.datasets.folder.totals import summarize_problems
from core.datasets.layouts import find_splits
from core.datasets.part import save_subset, take_subset
from core.datasets.problems import Severity
from core.datasets.split import CocoSplit
from core.datasets.statistics import DatasetStatistics, dataset_statistics
from core.datasets.subset import Subset
from ui.charts.component import show_charts
from ui.choose import built_in, data_source
from ui.choose.pickers import relative_to_root
from ui.data import choices, download, draft
from ui.data.images import SPLITS, choose_images, show_images
from ui.data.problems import known_problems, show_problems
from ui.server import cache, services
from ui.server.going import open_page
from ui.text import plain
from ui.train import form

TAB, REFUSED, KEPT = "data view", "data refused", "data kept"  # in the session
TABS = {"contents": "Contents", "images": "Images", "problems": "Problems"}


def open_images(key: str) -> None:
    """Show the images that were clicked on in the chart of that key, on the tab Images; a callback."""
    choose_images(key)
    st.session_state[TAB] = TABS["images"]


@st.cache_data(show_spinner=False, max_entries=16)
def statistics_of(
    folder: str, stamps: cache.Stamps, classes: tuple[str, ...], subset: Subset | None, _splits: dict[str, CocoSplit]
) -> tuple[DatasetStatistics, list[Chart]]:
    """Return what is in the splits, and its charts."""
    statistics = dataset_statistics(_splits, classes)
    return statistics, dataset_charts(statistics)


@st.cache_resource(show_spinner=False, max_entries=4)
def subset_of(folder: str, stamps: cache.Stamps, subset: Subset, _splits: dict[str, CocoSplit]) -> dict[str, CocoSplit]:
    """Return the splits with the subset's images."""
    return {name: take_subset(split, subset) for name, split in _splits.items()}


def train_on_this(folder: Path) -> None:
    """Fill the form on Train with this data set, and go there."""
    form.choose_data(relative_to_root(folder), [] if classes == names else classes)
    open_page(services.TRAIN_PAGE)


def keep_subset(splits: dict[str, CocoSplit], subset: Subset, name: str) -> None:
    """Save the subset as a data set of its own, and show that; a callback."""
    try:
        target = services.store().data_dir / download.checked_name(name)
        save_subset(splits, subset, target)
    except DataError as error:
        st.session_state[REFUSED] = str(error)
        return
    choices.take_all_images()
    st.session_state[KEPT] = relative_to_root(target)
    data_source.choose_dataset(target)


def show_head() -> None:
    """Show the numbers of each split, and a summary of the problems."""
    for column, (name, split) in zip(st.columns(2), statistics.splits.items(), strict=False):
        with column.container(border=True, gap=None):
            images, objects = number_of(split.images, "image"), number_of(split.n, "object")
            st.markdown(f"**{SPLITS[name]}** · {plain(images)} · {plain(objects)}")
            crowds = f", {number_of(int(split.crowds.sum()), 'crowd')}" if split.crowds.any() else ""
            if alone := split.images - split.with_objects - split.empty:
                crowds += f" (nothing else in {number_of(alone, 'image')})"
            shown = number_of(split.with_objects, "image")
            st.caption(plain(f"{shown} with objects of the classes, {split.empty:,} without{crowds}"))
    if find_splits(folder)["train" if "train" in whole else "val"].shared:
        st.caption("One annotation file: about a fifth of its images were drawn for validation, every class in both "
                   "parts.")  # fmt: skip
    if summary := summarize_problems(problems):
        st.caption(f"{plain(summary[0].upper() + summary[1:])}. See Problems.")


def show_tabs() -> None:
    """Show the tabs, of which only the open one is computed."""
    for name, tab in zip(TABS, st.tabs(list(TABS.values()), key=TAB, on_change="rerun"), strict=True):
        if not tab.open:
            continue
        with tab:
            if name == "contents":
                if is_fatal:
                    st.warning("The data cannot be trained on as it is: see Problems.")
                show_charts(charts, open_images)
            elif name == "images":
                show_images(folder, splits, classes)
            else:
                show_problems(folder, whole, problems, picture_check)


draft.take_draft()
if done := download.finished_download():
    data_source.choose_dataset(done)
picked = data_source.pick_source()
scenes = picked and built_in.built_in_at(picked)
if problem := built_in.draw_built_in_data(scenes) if scenes else "":
    st.error(plain(problem))
if data_source.is_new_subset():
    draft.write_draft()
    download.show_download_form()
    st.stop()
if picked is None:
    draft.write_draft()
    st.title("Data")
    st.info("Choose a folder on the left: COCO, YOLO, Pascal VOC, or a tool's export. Its files are never changed.")
    st.stop()
if (coco_folder := data_source.coco_folder(picked)) is None:
    st.stop()
folder: Path = coco_folder
try:
    with st.spinner("Reading the annotations …", show_time=True):
        whole = cache.splits_of(folder)
except DataError as error:
    st.error(plain(error), icon=":material/error:")
    st.stop()
if any(split.is_broken for split in whole.values()):
    st.error(f"{plain(folder)} cannot be read as it is: correct its annotation file.", icon=":material/error:")
    show_problems(folder, whole, *known_problems(folder, whole))
    st.stop()
stamps = cache.data_stamps(folder)
names = choices.class_names(whole)
if not names:
    st.error(f"{plain(folder)} lists no categories: add the classes to its annotation file.")
    st.stop()

with st.sidebar:
    classes = choices.pick_classes(names, bool(built_in.built_in_at(folder)))
    problems, picture_check = known_problems(folder, whole, tuple(classes))
    try:
        subset, name = choices.pick_subset(classes)
        splits = subset_of(str(folder), stamps, subset, whole) if subset else whole
        statistics, charts = statistics_of(str(folder), stamps, tuple(classes), subset, splits)
    except DataError as error:
        st.error(plain(error))
        st.stop()
    draft.write_draft()
    if subset:
        st.button("Keep as a data set", key="keep", icon=":material/save:", width="stretch", on_click=keep_subset,
                  args=(whole, subset, name))  # fmt: skip
    if refusal := st.session_state.pop(REFUSED, None):
        st.error(plain(refusal))
    is_fatal = any(p.kind.severity is Severity.FATAL for p in problems)
    is_short = len(statistics.splits) < len(SPLITS) or not all(split.n for split in statistics.splits.values())
    if st.button("Train on this", key="train on this", type="primary", icon=":material/model_training:",
                 width="stretch", disabled=is_fatal or is_short or subset is not None,
                 help="Keep the fewer images as a data set first." if subset else
                      "Training and validation need objects of the classes." if is_short else None):  # fmt: skip
        train_on_this(folder)
show_head()
if kept := st.session_state.pop(KEPT, None):
    st.toast(f"Kept as {plain(kept)}.", icon=":material/save:")
show_tabs()
