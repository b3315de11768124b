"""The form of a training, in the sidebar: made from `TrainConfig`'s fields, so that a new setting needs no line here.

In: the run store and the session, where each widget's value lies under `FIELD` + its field's name, also while another
page is shown. Out: a `TrainConfig`.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import Field, dataclass, fields
from math import floor, log10, prod
from typing import Any

import streamlit as st

from core import ConfigError, DataError, ModelError, lab_root
from core.config import STARTER, STARTERS, TrainConfig
from core.config_diff import value_text
from core.datasets.demo import BUILT_IN
from core.datasets.folder.totals import summarize_problems
from core.detr.pretrained import (
    check_weights,
    copied_and_fresh,
    download_words,
    expected_classes,
    family_of,
    fits_first,
    known_classes,
    preset_config,
)
from core.presets import PRESETS
from core.runs.schema import Run
from core.runs.store import RunStore
from core.training.doctor.plan import Plan
from core.training.doctor.settings import Judgement, judge
from ui.choose import built_in, data_source, model_picker, pickers
from ui.choose.widget_value import set_widget_value
from ui.refusal import show_refusal
from ui.server import cache
from ui.text import Markup, join_names, plain
from ui.train.augment import held, pick_augmentation
from ui.train.drawing import Drawing
from ui.train.fit import follow_model, keep_preset, preset_for, show_fit
from ui.train.tracking import pick_trackers

FIELD = "setting "
FIRST_PRESET = "Built-in demo"  # for a model of which too little is known
DRAWING_FAILED = "drawing failed"  # in the session: the turn before told so, and this one does not try again
WITH_OWN_WIDGET = ("data", "classes", "model", "trackers")  # of no preset, and of no link
FIRST_SETTINGS = ("epochs", "minutes", "batch_size", "lr")
GROUPS = {
    "length": "Length", "optimizer": "Optimizer", "weights": "Weights", "image": "Images", "data": "Data",
    "machine": "Machine",
}  # fmt: skip


@dataclass(frozen=True)
class TrainingData:
    """What the form knows of a data set: its number of training images and its class names; and its drawing, if any."""

    images: int
    names: tuple[str, ...]
    drawing: Drawing | None = None


@dataclass(frozen=True)
class Filled:
    """What the form holds.

    config     the settings; None, with the reason on the page, where they cannot be trained with
    judgement  what is to be said of them
    drawing    of built-in scenes that are not drawn yet: they are from now on, while the form can be filled
    """

    config: TrainConfig | None
    judgement: Judgement
    drawing: Drawing | None


def show_training_form(store: RunStore) -> Filled:
    """Show the form and return what it holds."""
    data = data_source.in_coco_layout(pickers.pick_data(store, FIELD + "data"))
    contents = _show_data(data) if data else None
    config, judgement = _show_settings(store, data, contents)
    return Filled(config, judgement, contents.drawing if contents else None)


def _show_settings(store: RunStore, data: str, contents: TrainingData | None) -> tuple[TrainConfig | None, Judgement]:
    names = contents.names if contents else ()
    classes, model = _pick_classes(names), model_picker.pick_model(store, FIELD + "model")
    has_model = bool(model) and _show_model(model, classes or names)
    values: dict[str, Any] = {"data": data, "classes": classes, "model": model}
    preset = _pick_preset(model)
    remarks = st.container()
    rest = {f.name: f for f in fields(TrainConfig) if f.name not in WITH_OWN_WIDGET}
    columns = st.columns(2)
    below = st.container()
    for i, name in enumerate(FIRST_SETTINGS):
        with columns[i % 2]:
            values[name] = _setting(rest.pop(name), preset)
    with st.expander("More settings", key="more settings"):
        for group, title in GROUPS.items():
            st.markdown(f"**{plain(title)}**")
            for field in [f for f in rest.values() if f.metadata["group"] == group]:
                values[field.name] = _setting(field, preset)
        values["trackers"] = pick_trackers(FIELD + "trackers")
    if not (data and model):  # not typed yet
        return None, Judgement()
    try:
        config = TrainConfig(**values)
    except ConfigError as error:
        st.error(plain(error))
        return None, Judgement()
    if config.minutes:
        below.caption(
            f"By minutes: about {config.minutes:g} from start to end; how many epochs that are follows from the speed."
        )
    if (config.accumulate, config.processes) != (1, 1):
        factors = (config.likely_batch_size, config.accumulate, config.processes)
        below.caption(f"{prod(factors):,} images a step ({' × '.join(f'{factor:d}' for factor in factors)})")
    if not (contents and has_model):
        return None, Judgement()
    plan = Plan.of(config, contents.images, classes or names, bool(built_in.built_in_at(data)), lab_root())
    judgement = judge(plan)
    with remarks:
        for sentence in judgement.asks:
            st.caption(Markup(f":red[:material/error:] {plain(sentence)}"))
        for sentence in judgement.warns:
            st.caption(Markup(f":orange[:material/warning:] {plain(sentence)}"))
        show_fit(model, bool(judgement.asks), fill_settings)
    return config, judgement


def show_back_to_preset() -> None:
    """Show a button that undoes all changes to the preset's settings, if there are any."""
    if _differs(chosen_preset()):
        st.button("Back to the preset", key="back to preset", type="tertiary", icon=":material/undo:",
                  on_click=fill_settings)  # fmt: skip


def _differs(preset: TrainConfig) -> bool:
    """Check whether the form's settings are others than these."""
    names = [f.name for f in fields(TrainConfig) if f.name not in WITH_OWN_WIDGET]
    return any(st.session_state[FIELD + name] != held(getattr(preset, name)) for name in names)


def choose_data(data: str, classes: list[str]) -> None:
    """Choose a data set and classes, none for all, before the form is shown."""
    st.session_state[FIELD + "data"] = data
    st.session_state[FIELD + "classes"] = classes


def fill_from(run: Run) -> None:
    """Fill the form with the run's settings, those that this version knows; a callback."""
    try:
        values = TrainConfig.from_dict(run.config).to_dict()
    except ConfigError:  # from another version
        values = {f.name: run.config[f.name] for f in fields(TrainConfig) if f.name in run.config}
    for name, value in values.items():
        st.session_state[FIELD + name] = held(value)
    keep_preset(values.get("model", ""))


def _show_data(data: str) -> TrainingData | None:
    """Say what is in the data set and return it; None, with the reason, if it cannot be read."""
    scenes = built_in.built_in_at(data)
    if scenes and st.session_state.pop(DRAWING_FAILED, False):  # the page says why; the next turn tries again
        return None
    if scenes and (task := built_in.start_drawing(scenes)):
        return TrainingData(scenes.train, scenes.names, Drawing(scenes, task))
    try:
        train, val = (cache.images_of(data, name) for name in ("train", "val"))
    except DataError as error:
        st.error(plain(error))
        return None
    images = " + ".join(f"{len(part.images):,} {plain(part.name)}" for part in (train, val))
    objects = sum(int((~part.columns.crowd).sum()) for part in (train, val))
    st.caption(" ".join([f"{images} images, {objects:,} objects.", *([plain(scenes.sentence)] if scenes else [])]))
    if summary := summarize_problems([*train.problems, *val.problems]):
        st.caption(f"{plain(summary[0].upper() + summary[1:])}; see Data.")
    return TrainingData(len(train.images), tuple(c["name"] for c in train.categories))


def _pick_classes(names: tuple[str, ...]) -> tuple[str, ...]:
    set_widget_value(FIELD + "classes", [c for c in st.session_state.get(FIELD + "classes", []) if c in names])
    return tuple(
        st.multiselect(
            "Classes", names, key=FIELD + "classes", placeholder=f"All {len(names) or ''} classes",
            help=plain(_field("classes").metadata["help"]), persist_state="session",
        )
    )  # fmt: skip


def _show_model(model: str, names: tuple[str, ...]) -> bool:
    """Say which classes are copied from the model and which start fresh; return False, with the reason, without one."""
    try:
        known = known_classes(model, lab_root())
        check_weights(model, lab_root())
    except ModelError as error:
        show_refusal(error)
        return False
    facts = model_picker.facts_of(model)
    later = f"{plain(download_words(model))} " if known is None else ""
    expected = expected_classes(model) if known is None else known
    if expected is None:
        st.caption(facts + later + "The classes that it knows by name are copied from it.")
    else:
        st.caption(facts + later + _copied_or_fresh(*copied_and_fresh(names, expected)))
    return True


def _copied_or_fresh(copied: tuple[str, ...], fresh: tuple[str, ...]) -> Markup:
    """Return in a sentence how the chosen classes start."""
    if copied and fresh:
        return Markup(f"Copied from the model: {join_names(copied)}; fresh: {join_names(fresh)}.")
    names = copied or fresh
    classes = f"all {len(names):,} classes" if len(names) > 1 else join_names(names)
    return Markup(f"{'Copied from the model' if copied else 'Fresh'}: {classes}." if names else "")


def _pick_preset(model: str) -> TrainConfig:
    """Show the presets, those of the model's family first, each of which fills the form; return the settings of one."""
    family = None
    with suppress(ModelError):  # the form says so
        family = family_of(model, lab_root()) if model and model not in STARTERS else None
    names = fits_first(family)
    if FIELD + FIRST_SETTINGS[0] not in st.session_state or st.session_state["preset"] not in names:
        st.session_state["preset"] = preset_for(model) or FIRST_PRESET
        fill_settings()
        keep_preset(model)
    follow_model(
        model, lambda before: _differs(preset_config(st.session_state["preset"], before, lab_root())), fill_settings
    )
    name = st.selectbox("Preset", names, key="preset", on_change=_take_preset, persist_state="session")
    st.caption(PRESETS[name].description)
    return chosen_preset()


def chosen_preset() -> TrainConfig:
    """Return the settings of the preset that is chosen, for the model that is."""
    return preset_config(st.session_state["preset"], pickers.picked(FIELD + "model"), lab_root())


def fresh_choices() -> dict[str, str]:
    """Return the data set and the model of a fresh form with the chosen preset: a story's, or the first ones."""
    preset = PRESETS[st.session_state["preset"]]
    scenes = next((one for one in BUILT_IN if one.folder == preset.data), BUILT_IN[0])
    return {"data": pickers.relative_to_root(built_in.built_in_folder(scenes)), "model": preset.model or STARTER}


def _take_preset() -> None:
    """Fill the form as the chosen preset says; a callback."""
    if PRESETS[st.session_state["preset"]].model:
        st.session_state.update({FIELD + name: value for name, value in fresh_choices().items()})
    fill_settings()
    keep_preset(pickers.picked(FIELD + "model"))


def fill_settings() -> None:
    """Fill the form with the settings of the preset that is chosen, for the model that is; also a callback."""
    config = chosen_preset()
    for field in fields(TrainConfig):
        if field.name not in WITH_OWN_WIDGET:
            st.session_state[FIELD + field.name] = held(getattr(config, field.name))


def _field(name: str) -> Field[Any]:
    return next(f for f in fields(TrainConfig) if f.name == name)


def _setting(field: Field[Any], preset: TrainConfig) -> Any:
    """Show a setting's widget, whose label names the preset's value where it is another, and return its value."""
    key, meta, preset_value = FIELD + field.name, field.metadata, getattr(preset, field.name)
    label, explanation = plain(meta["label"]), plain(meta["help"])
    if st.session_state.get(key, held(preset_value)) != held(preset_value):
        value = _number(preset_value) if isinstance(preset_value, float) else value_text(preset_value)
        label = Markup(f"{label} :gray[· preset {plain(value)}]")
    is_moot = field.name == "epochs" and bool(st.session_state.get(FIELD + "minutes"))
    common: dict[str, Any] = {"key": key, "persist_state": "session", "disabled": is_moot}
    if isinstance(field.default, bool):
        return st.toggle(label, help=explanation, **common)
    if isinstance(field.default, tuple):
        return pick_augmentation(key, label, explanation)
    if "choices" in meta:
        return st.selectbox(label, meta["choices"], help=explanation, **common)
    # no limits here: the browser would keep a number beyond them to itself, and Train would run with the one before
    if isinstance(field.default, float):
        step = meta.get("step") or (10.0 ** floor(log10(preset_value)) if preset_value else 1e-6)
        return st.number_input(label, step=step, format="%g", help=explanation, **common)
    if isinstance(field.default, int):
        return st.number_input(label, step=1, help=explanation, **common)
    return st.text_input(label, help=explanation, **common)


def _number(value: float) -> str:
    """Write a number as the number fields do: 0.00001, not 1e-05."""
    return f"{value:.9f}".rstrip("0").rstrip(".")
