"""What every decoder layer of a DETR says, computed as the model was trained.

transformers' DETR and Conditional DETR answer for the inner layers only with `config.auxiliary_loss`. But that switch
also changes the model: each layer then reads the normalised output of the one before, where the published models
normalise only what goes to the heads (facebookresearch/detr, transformer.py: TransformerDecoder). Switched on for a
released checkpoint, it spoils what that has learned. So a model keeps the decoder that its own config asks for, and
where this one does not hand out the layers' states, `DecoderTap` takes them beside it.
"""

from __future__ import annotations

import copy

import torch
from transformers import DeformableDetrForObjectDetection, PreTrainedModel


class DecoderTap:
    """Keeps the decoder layers' outputs and hands them out as the published models do: normalised, beside the way."""

    def __init__(self, decoder):
        self._states: list[torch.Tensor] = []
        decoder.register_forward_pre_hook(lambda *_: self._states.clear())
        for layer in decoder.layers:
            layer.register_forward_hook(self._keep)
        decoder.register_forward_hook(self._hand_out)

    def _keep(self, _, __, output) -> None:
        self._states.append(output)

    def _hand_out(self, decoder, _, output):
        output.intermediate_hidden_states = torch.stack([decoder.layernorm(state) for state in self._states])
        self._states.clear()
        return output


def hand_out_layers(model: PreTrainedModel) -> None:
    """Let a call with `labels` return every layer's (logits, boxes) as `auxiliary_outputs`, and compute no loss."""
    model.loss_function = _layers
    if isinstance(model, DeformableDetrForObjectDetection):  # it answers for all layers in any case
        return
    decoder = model.model.decoder
    decoder.config = copy.copy(model.config)  # what `trained_with_auxiliary` tells
    if not decoder.config.auxiliary_loss:
        DecoderTap(decoder)
    model.config.auxiliary_loss = True  # the heads are to answer for every layer


def trained_with_auxiliary(model: PreTrainedModel) -> bool:
    """What the checkpoint's config says of `auxiliary_loss`, so how it is to be run anywhere."""
    return model.model.decoder.config.auxiliary_loss


def _layers(logits, labels, device, boxes, config, layers_logits, layers_boxes, **_):
    # the last layer's state is normalised once more on its way to the model's own answer, which is the one that counts
    pairs = (layers_logits, logits), (layers_boxes, boxes)
    return None, None, tuple(torch.cat([layers[:-1], last[None]]) for layers, last in pairs)
