"""YOLOS: a plain ViT, which reads an image's patches together with detection tokens; those are the queries.

It has no decoder, and answers after its last layer alone. It also knows no padding: it sees whatever it is given as the
image, to whose size its position embeddings are interpolated. The published training shows it the padding of a batch,
so that its answer depends on the other images. Here an image is cut out of its batch, and read together with those of
its own size only: what it says of an image is the same in every batch, in training too. A size that is no multiple of
the patches' is resized to one, where transformers would leave the rest out.
Source: Fang et al. 2021.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.functional import interpolate
from transformers import PretrainedConfig, YolosForObjectDetection

from core.detr.attention import TokenAttention, hand_out_weights
from core.detr.class_loss import CrossEntropy
from core.detr.families.base import Detector, Part, in_float32
from core.detr.input.batch import ImageTargets
from core.detr.matching import Layers, LossConfig

EMBEDDINGS, BLOCKS = "vit.embeddings.", "vit.encoder.layer."


class Yolos(Detector):
    """hustvl/yolos-tiny and its like."""

    model_type = "yolos"
    model_class = YolosForObjectDetection
    has_no_object = True
    backbone_name = "vit"
    finest_map = 0
    head_modules = frozenset({"class_labels_classifier", "bbox_predictor"})
    class_modules = frozenset({"class_labels_classifier.layers.2"})
    undecayed = frozenset({"position_embeddings", "mid_position_embeddings", "cls_token", "detection_tokens"})
    whole_cells = True  # as in YOLOS's own datasets/transforms.py

    inner: YolosForObjectDetection

    def answer(
        self, values: torch.Tensor, pixel_mask: torch.Tensor | None, labels: Sequence[ImageTargets] | None = None
    ) -> Layers:
        """Return what the detection tokens say of the images; see `Detector.answer`."""
        if pixel_mask is None:
            states = self._read(values)
        else:
            by_size: dict[tuple[int, int], list[int]] = defaultdict(list)
            for image, size in enumerate(zip(*_sizes(pixel_mask).tolist(), strict=True)):
                by_size[size].append(image)
            parts = [self._read(values[images, :, :h, :w]) for (h, w), images in by_size.items()]
            order = [image for images in by_size.values() for image in images]
            states = torch.cat(parts)[torch.tensor(order, device=values.device).argsort()]
        logits = in_float32(self.inner.class_labels_classifier, states)
        boxes = in_float32(self.inner.bbox_predictor, states).sigmoid()
        return Layers(logits[None], boxes[None], states=states)

    def _read(self, values: torch.Tensor) -> torch.Tensor:
        """Return the states (B, Q, width) of the detection tokens for images of one size, without padding."""
        whole = [self._patches(side) * self.feature_stride() for side in values.shape[2:]]
        if whole != list(values.shape[2:]):
            values = interpolate(values, whole, mode="bilinear", antialias=True)
        states: torch.Tensor = self.inner.vit(values).last_hidden_state
        return states[:, -self.num_queries :]

    def _patches(self, side: int) -> int:
        return max(1, side // self.feature_stride())

    @property
    def num_queries(self) -> int:
        """How many detection tokens it has."""
        return int(self.inner.config.num_detection_tokens)

    @property
    def num_layers(self) -> int:
        """How many layers answer: the last."""
        return 1

    @property
    def stride(self) -> int:
        """The pixels to whose multiples its batches are padded: one image alone is not."""
        return self.feature_stride()

    def feature_stride(self) -> int:
        """Return the side of a patch in pixels."""
        side: Any = self.inner.config.patch_size
        return int(side)

    @contextmanager
    def record_attention(self) -> Iterator[TokenAttention]:
        """Record the self-attention of every block; see `Detector.record_attention`."""
        layers: Any = self.inner.vit.encoder.layer
        blocks: list[nn.Module] = [layer.attention.attention for layer in layers]
        weights = TokenAttention(self.num_queries)

        def keep_mask(_: nn.Module, inputs: tuple[Any, ...]) -> None:
            pixels, pixel_mask = inputs[:2]
            mask = torch.zeros([side // self.feature_stride() for side in pixels.shape[2:]], dtype=torch.bool)
            rows, columns = pixels.shape[2:] if pixel_mask is None else _sizes(pixel_mask)[:, 0].tolist()
            mask[: self._patches(rows), : self._patches(columns)] = True
            weights.masks.append(mask)

        handle = self.register_forward_pre_hook(keep_mask)
        try:
            with hand_out_weights(weights, self.inner.config, blocks, blocks[-1]):
                yield weights
        finally:
            handle.remove()

    @classmethod
    def loss_config_of(cls, config: PretrainedConfig) -> LossConfig:
        """Return the numbers of YOLOS's loss, which is DETR's."""
        return LossConfig.of(config, CrossEntropy(config.eos_coefficient))

    def part_of(self, parameter_name: str) -> Part:
        """Return the part that a parameter belongs to: the ViT is the backbone, the detection tokens are not."""
        return "transformer" if parameter_name.endswith("detection_tokens") else super().part_of(parameter_name)

    def is_stem(self, parameter_name: str) -> bool:
        """Check whether a parameter is of the first convolution, which makes patches of pixels."""
        return parameter_name.startswith(f"{EMBEDDINGS}patch_embeddings.")

    def layers_above(self, parameter_name: str) -> int:
        """Return how many of the ViT's layers are above a parameter, its embeddings below all of them."""
        if self.part_of(parameter_name) != "backbone" or parameter_name.startswith("vit.layernorm."):
            return 0
        layers = int(self.inner.config.num_hidden_layers)
        if not parameter_name.startswith(BLOCKS):
            return layers
        return layers - 1 - int(parameter_name.removeprefix(BLOCKS).partition(".")[0])

    def map_class_outputs(self, replace: Callable[[nn.Linear], nn.Linear]) -> None:
        """Replace the last layer of the class head."""
        layers: Any = self.inner.class_labels_classifier.layers
        layers[-1] = replace(layers[-1])


def _sizes(pixel_mask: torch.Tensor) -> torch.Tensor:
    """Return (2, B): the height and the width of each image on a mask (B, H, W)."""
    return torch.stack([pixel_mask.any(2).sum(1), pixel_mask.any(1).sum(1)])
