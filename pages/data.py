"""Data: what am I training on? A source, its classes, what is in it, its images, and what is wrong with it."""

import numpy as np
import streamlit as st

from core import DataError
from core.charts.chart import Chart
from core.charts.datasets.objects import counted as number_of
from core.charts.datasets.statistics import dataset_charts
from core.datasets.check import summarize_problems
from core.datasets.layouts import find_splits
from core.datasets.part import save_subset, take_subset
from core.datasets.problems import Severity
from core.datasets.split import SIZES, CocoSplit
from core.datasets.statistics import DatasetStatistics, dataset_statistics, images_with
from core.datasets.subset import Subset
from core.labels import COCO_TEN
from ui.charts.component import show_charts
from ui.choose import built_in, data_source
from ui.choose.pickers import relative_to_project
from ui.data import download
from ui.data.problems import known_problems, show_problems
from ui.gallery.samples import SampleImage, show_samples
from ui.server import cache, services
from ui.text import plain
from ui.train import form

CLASSES, FEWER, TAB = "data classes", "data fewer", "data view"
SPLIT, CLASS, OTHER, SIZE, SHUFFLE = (f"samples {what}" for what in ("split", "class", "with", "size", "shuffle"))
TABS = {"contents": "Contents", "images": "Images", "problems": "Problems"}
SPLITS = {"train": "Training", "val": "Validation"}
ANY = "(any)"
REFUSED, KEPT = "data refused", "data kept"


def open_images(key: str) -> None:
    """A chart's callback: the images that its bar or cell counts, on the tab Images."""
    wanted = dict(st.session_state[key].open)
    st.session_state[SPLIT] = wanted.get("split")
    st.session_state[CLASS] = wanted.get("class", ANY)
    st.session_state[OTHER] = wanted.get("with", ANY)
    st.session_state[SIZE] = wanted.get("size")
    st.session_state[TAB] = TABS["images"]


def class_names(splits: dict[str, CocoSplit]) -> list[str]:
    return list(dict.fromkeys(c["name"] for split in splits.values() for c in split.categories))


def pick_classes(names: list[str], built_in: bool) -> list[str]:
    """The chosen classes, at first the experiment's ten if the data of one's own has them all, else every class."""
    if st.session_state.get("classes of") != names:
        st.session_state["classes of"] = names
        ten = [name for name in names if name in COCO_TEN]
        st.session_state[CLASSES] = ten if len(ten) == len(COCO_TEN) < len(names) and not built_in else []
    chosen = st.multiselect("Classes", names, key=CLASSES, placeholder=f"All {len(names)} classes",
                            persist_state="session")  # fmt: skip
    if chosen and len(chosen) < len(names):
        st.caption(f"{len(chosen)} of {len(names)} classes; clear the box for all.")
    return [name for name in names if name in chosen] or names


def pick_fewer(classes: list[str]) -> tuple[Subset | None, str]:
    """A part of the images, if it is asked for, and the name under which it may be kept."""
    with st.expander("Fewer images", key=FEWER):
        left, right = st.columns(2)
        train = left.number_input("Training", step=100, key="fewer train", persist_state="session", help="0: all.")
        val = right.number_input("Validation", step=100, key="fewer val", persist_state="session", help="0: all.")
        empty = st.slider("Without any of the classes", 0, 90, step=5, format="%d %%", key="fewer empty",
                          persist_state="session", help="This share of the images shows none of them.")  # fmt: skip
        seed = st.number_input("Seed", step=1, key="fewer seed", persist_state="session")
        name = st.text_input("Name", "part", key="fewer name", persist_state="session",
                             help="Kept as a data set of its own under data/, its pictures linked.")  # fmt: skip
    if not (train or val or empty):
        return None, name
    return Subset(tuple(classes), train, val, empty / 100, seed), name


@st.cache_data(show_spinner=False, max_entries=16)
def counted(
    folder: str, stamps: tuple, classes: tuple[str, ...], subset: Subset | None, _splits: dict[str, CocoSplit]
) -> tuple[DatasetStatistics, list[Chart]]:
    found = dataset_statistics(_splits, classes)
    return found, dataset_charts(found)


@st.cache_resource(show_spinner=False, max_entries=4)
def part_of(folder: str, stamps: tuple, subset: Subset, _splits: dict[str, CocoSplit]) -> dict[str, CocoSplit]:
    return {name: take_subset(split, subset) for name, split in _splits.items()}


def train_on_this(folder, classes: list[str], names: list[str]) -> None:
    """Fills the form on Train with this data set, and goes there."""
    form.choose_data(relative_to_project(folder), [] if classes == names else classes)
    st.switch_page(services.TRAIN_PAGE)


def keep(splits: dict[str, CocoSplit], subset: Subset, name: str) -> None:
    """A button's callback: the fewer images as a data set of their own, which is then shown."""
    try:
        target = services.store().data_dir / download.checked_name(name)
        save_subset(splits, subset, target)
    except DataError as error:
        st.session_state[REFUSED] = plain(error)
        return
    for key in ("fewer train", "fewer val", "fewer empty"):
        st.session_state[key] = 0
    st.session_state[KEPT] = relative_to_project(target)
    data_source.choose_dataset(target)


def show_head(found: DatasetStatistics) -> None:
    for column, (name, one) in zip(st.columns(2), found.splits.items(), strict=False):
        with column.container(border=True, gap=None):
            st.markdown(f"**{SPLITS[name]}** · {number_of(one.images, 'image')} · {number_of(one.n, 'object')}")
            crowds = f", {number_of(int(one.crowds.sum()), 'crowd')}" if one.crowds.any() else ""
            if alone := one.images - one.with_objects - one.empty:
                crowds += f" (nothing else in {number_of(alone, 'image')})"
            filled = number_of(one.with_objects, "image")
            st.caption(f"{filled} with objects of the classes, {one.empty:,} without{crowds}")


def show_images() -> None:
    """Images with what the controls ask for, drawn at random."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        names = [name for name in SPLITS if name in splits]
        split = st.segmented_control("Split", names, format_func=SPLITS.get, key=SPLIT, persist_state="session")
        options = [ANY, *classes]
        for key in (CLASS, OTHER):
            if st.session_state.get(key) not in options:
                st.session_state[key] = ANY
        name = st.selectbox("Class", options, key=CLASS, width=220, persist_state="session")
        other = st.selectbox("Together with", options, key=OTHER, width=220, persist_state="session")
        size = st.segmented_control("Object size", SIZES, key=SIZE, persist_state="session",
                                    help="COCO's sizes by area: small below 32², large from 96² pixels.")  # fmt: skip
        if st.button("Shuffle", key="shuffle", icon=":material/shuffle:"):
            st.session_state[SHUFFLE] = st.session_state.get(SHUFFLE, 0) + 1
    asked = [None if value == ANY else value for value in (name, other)]
    shown = [
        SampleImage(s, i) for s in names if split in (None, s) for i in images_with(splits[s], classes, *asked, size)
    ]
    order = np.random.default_rng(st.session_state.get(SHUFFLE, 0)).permutation(len(shown)).tolist()
    shown = [shown[place] for place in order]
    st.caption(f"{len(shown):,} of {sum(len(splits[s].images) for s in names):,} images")
    if shown:
        show_samples(folder, splits, shown, classes, "samples")
    else:
        st.info("No image has what is asked for: clear a choice above.")


def show_tabs() -> None:
    urgent = sum(p.kind.severity is Severity.FATAL for p in problems)
    titles = list(TABS.values())
    for title, tab in zip(titles, st.tabs(titles, key=TAB, on_change="rerun"), strict=True):
        if not tab.open:
            continue
        with tab:
            if title == TABS["contents"]:
                if urgent:
                    st.warning("The data cannot be trained on as it is: see Problems.")
                show_charts(charts, open_images)
            elif title == TABS["images"]:
                show_images()
            else:
                show_problems(folder, whole, problems, task)


if done := download.finished():
    data_source.choose_dataset(done)
picked = data_source.pick_source()
scenes = picked and built_in.built_in_at(picked)
if problem := built_in.draw_built_in_data(scenes) if scenes else "":
    st.error(problem)
if data_source.is_new_subset():
    download.download_form()
    st.stop()
if picked is None:
    st.title("Data")
    st.info("Choose a folder on the left: COCO, YOLO or Pascal VOC. Its files are never changed.")
    st.stop()
folder = data_source.coco_folder(picked)
if folder is None:
    st.stop()
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
names = class_names(whole)
if not names:
    st.error(f"{plain(folder)} lists no categories: add the classes to its annotation file.")
    st.stop()
with st.sidebar:
    classes = pick_classes(names, bool(built_in.built_in_at(folder)))
    problems, task = known_problems(folder, whole, tuple(classes))
    try:
        subset, name = pick_fewer(classes)
        splits = part_of(str(folder), stamps, subset, whole) if subset else whole
        found, charts = counted(str(folder), stamps, tuple(classes), subset, splits)
    except DataError as error:
        st.error(plain(error))
        st.stop()
    if subset:
        st.button("Keep as a data set", key="keep", icon=":material/save:", width="stretch", on_click=keep,
                  args=(whole, subset, name))  # fmt: skip
    if refusal := st.session_state.pop(REFUSED, None):
        st.error(refusal)
    fatal = any(p.kind.severity is Severity.FATAL for p in problems)
    is_short = len(found.splits) < len(SPLITS) or not all(one.n for one in found.splits.values())
    if st.button("Train on this", key="train on this", type="primary", icon=":material/model_training:",
                 width="stretch", disabled=fatal or is_short or subset is not None,
                 help="Keep the fewer images as a data set first." if subset else
                      "Training and validation need objects of the classes." if is_short else None):  # fmt: skip
        train_on_this(folder, classes, names)
show_head(found)
if find_splits(folder)["train" if "train" in whole else "val"].shared:
    st.caption("One annotation file: about a fifth of its images were drawn for validation, every class in both parts.")
if said := summarize_problems(problems):
    st.caption(f"{plain(said[0].upper() + said[1:])}. See Problems.")
if kept := st.session_state.pop(KEPT, None):
    st.toast(f"Kept as {plain(kept)}.", icon=":material/save:")
show_tabs()
