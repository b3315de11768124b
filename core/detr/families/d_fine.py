"""D-FINE: RT-DETR whose boxes have distributions of their edges, which each layer makes finer.

transformers' own loss is not the one that the models were published with: there boxes and edges learn from the matches
of all answers, united, and the box head before the first layer's distributions learns, too. So it is made here
(`distributions.py`), of the decoder's states: heads and boxes are computed again as the decoder does, in float32.

Source: Peng et al. 2024 (Peterande/D-FINE).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import torch
from transformers import DFineForObjectDetection, PretrainedConfig
from transformers.models.d_fine.modeling_d_fine import distance2bbox, weighting_function

from core.detr.distributions import DistributionLoss
from core.detr.families.base import inverse_sigmoid
from core.detr.families.rt_detr import RTDetrV2
from core.detr.matching import Layers, LossConfig


class DFine(RTDetrV2):
    """ustc-community/dfine-small-coco and its like."""

    model_type = "d_fine"
    model_class: ClassVar[Any] = DFineForObjectDetection
    head_modules = RTDetrV2.head_modules | {"pre_bbox_head", "lqe_layers"}
    constants = frozenset({"reg_scale", "up"})

    def layers_of(self, decoded: Any) -> Layers:
        """Return what the layers say of all of a decoder's queries, in float32; see `RTDetrV2.layers_of`.

        Source: dfine_decoder.py, TransformerDecoder.forward.
        """
        decoder = self.inner.model.decoder
        with torch.autocast(decoded.init_reference_points.device.type, enabled=False):
            chosen = decoded.init_reference_points.float().sigmoid()  # by the encoder, without a gradient
            states = decoded.intermediate_hidden_states.float().unbind(0)  # (B, Q, width) of each layer
            first_boxes = (decoder.pre_bbox_head(states[0]) + inverse_sigmoid(chosen)).sigmoid()
            scores = [head(of_layer) for head, of_layer in zip(decoder.class_embed, states, strict=True)]
            steps = weighting_function(decoder.max_num_bins, decoder.up, decoder.reg_scale)
            references = first_boxes.detach()
            logits, boxes, corners = [], [], []
            before, edges = torch.zeros_like(states[0]), 0.0
            for layer, of_layer in enumerate(states):
                edges = decoder.bbox_embed[layer](of_layer + before) + edges
                corners.append(edges)
                boxes.append(distance2bbox(references, decoder.integral(edges, steps), decoder.reg_scale))
                logits.append(decoder.lqe_layers[layer](scores[layer], edges))
                before = of_layer.detach()
        return Layers(
            torch.stack(logits),
            torch.stack(boxes),
            before=Layers(scores[0][None], first_boxes[None]),
            corners=torch.stack(corners),
            references=references,
            states=states[-1],
        )

    @classmethod
    def loss_config_of(cls, config: PretrainedConfig) -> LossConfig:
        """Return the numbers of D-FINE's loss: RT-DETR's, and two for distributions of edges."""
        edges = DistributionLoss(
            config.weight_loss_fgl, config.weight_loss_ddf, config.max_num_bins, config.reg_scale, config.up
        )
        return replace(super().loss_config_of(config), edges=edges, united=True)
