"""The model that an evaluation names, opened on its device for images of its size; of several, their average.

In: an `EvaluationConfig`. Out: a `LoadedModel`.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch

from core import ModelError, RunError
from core.detr.device import choose_device
from core.inference.evaluation.config import EvaluationConfig
from core.inference.evaluation.names import run_of
from core.inference.model_cache import LoadedModel, ModelCache, Place
from core.runs.evaluated.images import why_no_model
from core.runs.store import RunStore


def open_model(store: RunStore, config: EvaluationConfig) -> LoadedModel:
    """Open the model that the settings name, on their device, for images of their size.

    Raises ModelError if it cannot be read, or does not take that size; RunError for a run or model that is gone.
    """
    place = Place(lambda: choose_device(config.device), config.precision)
    models = ModelCache(store, len(config.model), place)
    loaded = [models.get(*run) if (run := run_of(name)) else models.open(name) for name in config.model]
    return _sized(loaded[0] if len(loaded) == 1 else average(loaded), config.size)


def asked_model(models: ModelCache, run_id: str, model: str = "best") -> LoadedModel:
    """Return a model of a run, or of an evaluation the one that was evaluated, at its size, from those kept loaded.

    Raises RunError for a run that there is not, or none of whose models can be asked, and ModelError as `ModelCache`.
    """
    run = models.store.get(run_id)
    if reason := why_no_model(run):
        raise RunError(reason)
    if not run.is_evaluation:
        return models.get(run_id, model)
    config = EvaluationConfig.from_dict(run.config["evaluation"])
    (name,) = config.model
    return _sized(models.get(*named) if (named := run_of(name)) else models.open(name), config.size)


def _sized(loaded: LoadedModel, size: int) -> LoadedModel:
    if not size:
        return loaded
    if loaded.fixed_size:
        width, height = loaded.fixed_size
        raise ModelError(
            f"This ONNX file takes pictures of {width} × {height} pixels alone: leave the size out, take tiles, or "
            "evaluate the checkpoint that it was made of."
        )
    if loaded.square:
        return replace(loaded, shortest_edge=size, longest_edge=size)
    longest = round(loaded.longest_edge * size / loaded.shortest_edge)
    return replace(loaded, shortest_edge=size, longest_edge=longest)


def average(models: Sequence[LoadedModel]) -> LoadedModel:
    """Return the first model with the average of all models' weights; what is no float is the first one's.

    Source: Wortsman et al., "Model soups: averaging weights of multiple fine-tuned models improves accuracy without
    increasing inference time", ICML 2022, arXiv 2203.05482. Raises ModelError if they do not fit together.
    """
    first = models[0]
    states = [one.detector.state_dict() for one in models]
    shapes = [{name: tensor.shape for name, tensor in state.items()} for state in states]
    if any(one != shapes[0] for one in shapes):
        raise ModelError("The models cannot be averaged: they are of different shapes; take those of one architecture.")
    if any(one.label_map.names != first.label_map.names for one in models):
        raise ModelError("The models cannot be averaged: they have different classes, or the same in another order.")
    mean: dict[str, torch.Tensor] = {}
    for name, tensor in states[0].items():
        mean[name] = tensor
        if tensor.is_floating_point():
            mean[name] = torch.stack([state[name].cpu().double() for state in states]).mean(0).to(tensor.dtype)
    detector = copy.deepcopy(first.detector)
    detector.load_state_dict(mean)
    return replace(first, model=detector)
