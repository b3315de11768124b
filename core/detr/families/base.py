"""`Detector`: what every model family tells the rest of DETR Lab, around a model of transformers that stays as it is.

In: pictures as tensors. Out: `Layers`, the answers of all decoder layers. A family is one subclass, in a file of its
own and in `model.FAMILIES`: it says how the model answers, how its scores and losses are made, which parameters belong
to which part, and which rows of its outputs belong to a class. Nothing else asks what kind of model it has.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from core.detr.attention import AttentionRecord
from core.detr.families.class_outputs import ClassOutput, new_class_embedding
from core.detr.families.padding import PaddingGuard
from core.detr.families.stages import stages_above
from core.detr.input.batch import STRIDE, ImageTargets
from core.detr.matching import Layers, LossConfig
from core.detr.pretrained import class_rows, copied_and_fresh
from core.detr.processor import Normalization
from core.detr.queries.groups import QueryGroups, QueryInputs, grouped
from core.labels import LabelMap

Part = Literal["backbone", "transformer", "offsets", "head"]
TOP_K = 100  # detections of an image where each class is a sigmoid of its own (post_process_object_detection, top_k)
PRIOR_PROBABILITY = 0.01  # of a fresh class whose score is a sigmoid (RetinaNet; Deformable DETR does so too)
STEM = ("conv1.", "bn1.", "layer1.", "embedder.", "encoder.stages.0.")  # of timm's and of transformers' ResNets


@dataclass(frozen=True)
class Head:
    """How the classes of a new head began: `copied` from the loaded one by name, or `fresh` (random)."""

    copied: tuple[str, ...]
    fresh: tuple[str, ...]


class Detector(nn.Module, ABC):
    """A model of one family: `inner` is transformers' own, which is loaded, trained and saved untouched.

    model_type     of its config.json: the family's name
    model_class    transformers' class of `inner`
    has_no_object  whether scores are a softmax with "no object" as its last row, or a sigmoid of each class
    backbone_name  where the backbone is in `inner`
    projections    names of the modules between backbone and transformer that mix the cells of a feature map
    finest_map     which of the backbone's feature maps is the finest that the transformer reads
    head_modules   names of modules whose parameters are the head: class and box outputs
    class_modules  names of those among them that are class outputs, with a row for each class
    published      the publication's numbers of matching and losses by their names in config.json, which count where
                   that does not state its own; transformers' defaults for the others are the publication's, too
    offset_modules names of modules that say where deformable attention looks; they learn with a lower rate
    constants      names of parameters that are saved with the others, but never learn
    undecayed      names of modules and parameters without weight decay, beside what has one dimension
    usual_normalization  of its pixels, where the model's own folder does not say it
    whole_cells    whether the sides of its pictures are cut down to multiples of its stride
    query_inputs   of its decoder, for groups of queries in training; None where it cannot have such
    groups         of queries that it has in training, where a setting asks for them
    """

    model_type: ClassVar[str]
    model_class: ClassVar[type[PreTrainedModel]]
    has_no_object: ClassVar[bool]
    backbone_name: str = "model.backbone"
    projections: ClassVar[tuple[str, ...]] = ()
    finest_map: ClassVar[int]
    head_modules: ClassVar[frozenset[str]]
    class_modules: ClassVar[frozenset[str]]
    published: ClassVar[dict[str, float]] = {}
    offset_modules: ClassVar[frozenset[str]] = frozenset()
    constants: ClassVar[frozenset[str]] = frozenset()
    undecayed: ClassVar[frozenset[str]] = frozenset()
    usual_normalization: Normalization = Normalization()
    whole_cells: ClassVar[bool] = False
    query_inputs: ClassVar[QueryInputs | None] = None
    groups: QueryGroups | None = None

    inner: PreTrainedModel
    pixel_scale: torch.Tensor
    pixel_shift: torch.Tensor

    def __init__(self, inner: PreTrainedModel, normalization: Normalization | None = None) -> None:
        super().__init__()
        self.inner = inner.requires_grad_(True)  # `parameter_groups` decides about this
        self.training = inner.training
        self.padding = PaddingGuard(self.backbone, *map(inner.get_submodule, self.projections))
        self.normalization = normalization or self.usual_normalization
        mean, std = torch.tensor(self.normalization.mean), torch.tensor(self.normalization.std)
        self.register_buffer("pixel_scale", 1 / (255 * std), persistent=False)
        self.register_buffer("pixel_shift", -mean / std, persistent=False)

    def train(self, mode: bool = True) -> Detector:
        """Set the mode of all modules, but leave a backbone that does not learn as it is in an evaluation."""
        super().train(mode)
        if mode and not any(parameter.requires_grad for parameter in self.backbone.parameters()):
            self.backbone.eval()
        return self

    # How it answers

    def forward(
        self,
        pixel_values: torch.Tensor,
        pixel_mask: torch.Tensor | None = None,
        labels: Sequence[ImageTargets] | None = None,
    ) -> Layers:
        """Return what every decoder layer says of B images, in float32, also under autocast.

        pixel_values (B, 3, H, W) and pixel_mask (B, H, W) as in a Batch; the mask is None where nothing is padded. With
        the images' `labels`, in training, a model that is trained by denoising also tells of those queries.
        """
        values = self.normalize(pixel_values, pixel_mask)
        if not (self.training and self.groups):
            return self.answer(values, pixel_mask, labels)
        with grouped(self.inner.model, self.groups, self.multiply_queries):
            return replace(self.answer(values, pixel_mask, labels), groups=self.groups.count)

    def multiply_queries(self, arguments: dict[str, Any]) -> dict[str, torch.Tensor]:
        """Return those of the decoder's arguments that have a row for each query, with rows for all groups."""
        assert self.groups and self.query_inputs
        return self.groups.multiply(arguments, self.query_inputs)

    def normalize(self, pixel_values: torch.Tensor, pixel_mask: torch.Tensor | None = None) -> torch.Tensor:
        """Return pixels (B, 3, H, W) as the backbone reads them: float32, shifted and scaled, 0 where padded."""
        pixels = pixel_values.permute(0, 2, 3, 1)  # as they lie in memory: a row of them is one row of numbers
        rows = pixels.reshape(*pixels.shape[:2], -1).float()
        scale, shift = (numbers.repeat(pixels.shape[2]) for numbers in (self.pixel_scale, self.pixel_shift))
        values = rows.mul_(scale).add_(shift).view(pixels.shape).permute(0, 3, 1, 2)
        return values if pixel_mask is None else values.masked_fill_(~pixel_mask[:, None], 0.0)

    @abstractmethod
    def answer(
        self, values: torch.Tensor, pixel_mask: torch.Tensor | None, labels: Sequence[ImageTargets] | None = None
    ) -> Layers:
        """Return what `forward` does, of normalised pixels (B, 3, H, W)."""

    @property
    def backbone(self) -> nn.Module:
        """The backbone in `inner`; it takes pixels and their mask, and gives a list of (feature map, mask)."""
        return self.inner.get_submodule(self.backbone_name)

    @property
    def num_queries(self) -> int:
        """How many object queries it has: the most boxes that it can give for an image."""
        return int(self.inner.config.num_queries)

    @property
    def top_k(self) -> int:
        """How many detections it gives for an image at most, where each class is a sigmoid of its own."""
        return TOP_K

    @property
    def num_layers(self) -> int:
        """How many decoder layers answer: the L of Layers."""
        return int(self.inner.config.decoder_layers)

    @property
    def stride(self) -> int:
        """The pixels to whose multiples its batches are padded."""
        return STRIDE

    @property
    def smallest_side(self) -> int:
        """The sides of the smallest square picture that it can answer for, in pixels."""
        return self.stride

    def feature_stride(self) -> int:
        """Return the pixels of the model's input for each cell of the finest feature map it reads, in width."""
        side, device = 256, self.inner.device
        with torch.inference_mode():
            maps = self.backbone(torch.zeros(1, 3, side, side, device=device), torch.ones(1, side, side, device=device))
            features: torch.Tensor = maps[self.finest_map][0]
        return round(side / features.shape[-1])

    @abstractmethod
    def record_attention(self) -> AbstractContextManager[AttentionRecord[Any]]:
        """Record, within the context, the attention weights of a forward pass with one image."""

    # Scores and losses

    @classmethod
    @abstractmethod
    def loss_config_of(cls, config: PretrainedConfig) -> LossConfig:
        """Return the numbers of matching and losses that a model's config states."""

    @property
    def loss_config(self) -> LossConfig:
        """The numbers of matching and losses of this model."""
        return self.loss_config_of(self.inner.config)

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the probabilities (…, C) of logits (…, C): of each class, and last of "no object" if it has that."""
        return logits.softmax(-1) if self.has_no_object else logits.sigmoid()

    def class_scores(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the scores (…, N) of the classes alone, as a detection has them."""
        probabilities = self.probabilities(logits)
        return probabilities[..., :-1] if self.has_no_object else probabilities

    # Parameters

    def part_of(self, parameter_name: str) -> Part:
        """Return the part of the model that a parameter of `inner` belongs to."""
        if parameter_name.startswith(f"{self.backbone_name}."):
            return "backbone"
        modules = set(parameter_name.split("."))
        if self.head_modules & modules:
            return "head"
        return "offsets" if self.offset_modules & modules else "transformer"

    def is_stem(self, parameter_name: str) -> bool:
        """Check whether a parameter is of the backbone's first convolution or stage, which DETR's recipe freezes."""
        if self.part_of(parameter_name) != "backbone":
            return False
        name = parameter_name.removeprefix(f"{self.backbone_name}.")
        return name.removeprefix("conv_encoder.").removeprefix("model.").removeprefix("_backbone.").startswith(STEM)

    def layers_above(self, parameter_name: str) -> int:
        """Return how many of the backbone's layers are above a parameter: stages, if it is no vision transformer.

        0 for any other parameter: so often its rate is multiplied by the setting `layer_decay`.
        Source: Clark et al. 2020 (ELECTRA); Bao et al. 2021 (BEiT), optim_factory.py: get_num_layer_for_vit.
        """
        return stages_above(self.backbone, self.backbone_name).get(parameter_name, 0)

    # Class outputs

    @abstractmethod
    def map_class_outputs(self, replace: Callable[[nn.Linear], nn.Linear]) -> None:
        """Put `replace(output)` in the place of each class output of `inner`."""

    def map_class_embeddings(self, replace: Callable[[nn.Embedding], nn.Embedding]) -> None:
        """Put `replace(embedding)` in the place of each of `inner` that has a row for each class, and one for none."""

    def replace_head(self, label_map: LabelMap) -> Head:
        """Give the model outputs for the classes of `label_map`.

        Rows of classes that it knows by name, and that of "no object", are copied, so that a pretrained model starts
        where its training ended, and not from nothing; its other classes are dropped. Fresh rows come from torch's
        generator.
        """
        config = self.inner.config
        known = class_rows({int(row): name for row, name in (config.id2label or {}).items()})
        copied = {row: known[name] for row, name in enumerate(label_map.names) if name in known}
        self.map_class_outputs(lambda old: self._new_class_output(old, label_map, copied))
        self.map_class_embeddings(lambda old: new_class_embedding(old, label_map, copied))
        self.name_classes(label_map)
        config.num_labels = len(label_map)
        return Head(*copied_and_fresh(label_map.names, known))

    def name_classes(self, label_map: LabelMap) -> None:
        """Call the classes of the outputs as `label_map` does, which has as many, in the same order."""
        self.inner.config.id2label, self.inner.config.label2id = label_map.id2label, label_map.label2id

    def _new_class_output(self, old: nn.Linear, label_map: LabelMap, copied: dict[int, int]) -> nn.Linear:
        """Return a class output whose row r is the old one's row `copied[r]`; the other rows are fresh."""
        new = ClassOutput(old.in_features, len(label_map) + self.has_no_object)
        if self.has_no_object:
            copied = {**copied, label_map.no_object: old.out_features - 1}
        else:
            nn.init.constant_(new.bias, math.log(PRIOR_PROBABILITY / (1 - PRIOR_PROBABILITY)))
        with torch.no_grad():
            for row, source in copied.items():
                new.weight[row] = old.weight[source]
                new.bias[row] = old.bias[source]
        return new

    def save_pretrained(self, folder: Path) -> None:
        """Write transformers' folder of `inner`: config.json and model.safetensors."""
        self.inner.save_pretrained(folder)


def in_float32(head: nn.Module, states: torch.Tensor) -> torch.Tensor:
    """Return a head's output in float32, whatever the rest of the model is computed in.

    A coordinate in bfloat16 would be 2 or 3 of 800 pixels off.
    """
    with torch.autocast(states.device.type, enabled=False):
        output: torch.Tensor = head(states.float())
    return output


def inverse_sigmoid(values: torch.Tensor, eps: float = 1e-5) -> torch.Tensor:
    """Return the logit of `values`, at least `eps` from 0 and 1, as transformers does: torch's ends in other digits."""
    values = values.clamp(min=0, max=1)
    return torch.log(values.clamp(min=eps) / (1 - values).clamp(min=eps))
