"""The choice of a model on Predict: of any run, the starter, a published one, or one that is typed.

In: the run store and what the session remembers. Out: a `ModelChoice`, which `ui/predict/answers.py` asks.
"""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from core.config import STARTERS
from core.detr.pretrained import OFFERED
from core.runs.evaluated.images import onnx_file_of
from core.runs.models import RunModel
from core.runs.schema import Run
from core.runs.store import RunStore
from ui.choose.model_picker import folder_names, released_names
from ui.choose.pickers import pick_or_type, run_name, typed_model
from ui.choose.run_picker import MODEL, RUN
from ui.server import services

PICKER = "predict model"  # in the session, on Predict


@dataclass(frozen=True)
class ModelChoice:
    """A model to ask.

    model   "best", "last" or "untouched" of the run; without a run a checkpoint's folder or a name on the hub
    label   what users read
    stamp   changes with the weights, where they may change
    """

    model: str
    run_id: str | None
    label: str
    stamp: str = ""

    @property
    def name(self) -> str:
        """The model as an evaluation's settings name it."""
        return f"{self.run_id}:{self.model}" if self.run_id else self.model

    @property
    def key(self) -> str:
        """Name the model and its weights: another key for other weights."""
        return f"{self.run_id} {self.model} {self.stamp}"


def pick_model(store: RunStore, key: str = PICKER) -> ModelChoice | None:
    """Show the models, beside which any other may be typed; return the chosen one, None while none is typed."""
    choices = model_choices(store)
    st.session_state.setdefault(key, first_choice(choices))
    names = {value: choice.label for value, choice in choices.items()} | released_names()
    chosen = pick_or_type(
        "Model", names, key, "Another model …", "Checkpoint folder, ONNX file, or name on the hub",
        "Of a run, the starter, a published one, a checkpoint's folder, or a name on the Hugging Face hub.",
    )  # fmt: skip
    if not chosen or chosen in choices:
        return choices.get(chosen)
    model = typed_model(chosen)
    return ModelChoice(model, None, model)


def model_choices(store: RunStore) -> dict[str, ModelChoice]:
    """Return every model that can be asked, the newest run's first, by a value that stays while a run trains."""
    choices: dict[str, ModelChoice] = {}
    for run in store.runs():
        choices |= {f"{run.id}/{choice.model}": choice for choice in _choices_of_run(store, run)}
    choices |= {name: ModelChoice(name, None, label) for name, label in STARTERS.items()}
    return choices | {name: ModelChoice(name, None, name) for name in (*folder_names(), *OFFERED)}


def first_choice(choices: dict[str, ModelChoice]) -> str:
    """Return the model last looked at on another page, or else the newest run's best, or else the first."""
    viewed = f"{st.session_state.get(RUN)}/{st.session_state.get(MODEL)}"
    return viewed if viewed in choices else next(iter(choices))


def _choices_of_run(store: RunStore, run: Run) -> list[ModelChoice]:
    """Return a run's best model, its last one if that is of another epoch, and its baseline; of an ONNX file itself."""
    if run.is_damaged:
        return []
    if run.is_imported:
        file = onnx_file_of(run)
        stamp = services.file_stamp(file) if file else ""
        return [ModelChoice(RunModel.BASELINE, run.id, f"ONNX file of {run_name(run)}", stamp)] if stamp else []
    stamps = {
        name: services.file_stamp(store.checkpoint(run.id, name) / "model.safetensors") for name in ("best", "last")
    }
    if run.best_epoch and run.best_epoch == run.epoch and stamps["best"]:
        stamps["last"] = ""
    kept = [name for name, stamp in stamps.items() if stamp]
    if kept and run.label_map:
        kept.append(RunModel.BASELINE.value)
    return [
        ModelChoice(name, run.id, f"{RunModel(name).label} of {run_name(run)}", stamps.get(name, "")) for name in kept
    ]
