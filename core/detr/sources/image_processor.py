"""What preprocessor_config.json says of a model's pictures, so that transformers shows it those that the lab does.

In: a model's type and the settings of its training. Out: the settings of one of transformers' image processors, whose
pixels, and whose way from logits to boxes, are the lab's. Without torch, because an export is offered by a page.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.config import TrainConfig

PROCESSOR = "preprocessor_config.json"
# ImageNet's statistics, as in every released DETR (preprocessor_config.json of facebook/detr-resnet-50)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BILINEAR = 2  # of PIL's filters
# The image processor that reads a model's answers as the lab does: a softmax without "no object", or the highest of all
# sigmoids, a hundred or as many as there are queries. It is the family's own; but RF-DETR's does not antialias.
PROCESSORS = {
    "detr": "DetrImageProcessor",
    "table-transformer": "DetrImageProcessor",
    "yolos": "YolosImageProcessor",
    "conditional_detr": "ConditionalDetrImageProcessor",
    "dab-detr": "ConditionalDetrImageProcessor",
    "deformable_detr": "DeformableDetrImageProcessor",
    "lw_detr": "DeformableDetrImageProcessor",
    "rf_detr": "RTDetrImageProcessor",
    "rt_detr": "RTDetrImageProcessor",
    "rt_detr_v2": "RTDetrImageProcessor",
    "d_fine": "RTDetrImageProcessor",
    "deimv2": "RTDetrImageProcessor",
}


def image_processor(
    model_type: str, config: TrainConfig, mean: Sequence[float] = MEAN, std: Sequence[float] = STD
) -> dict[str, Any]:
    """Return the settings of the image processor of a model of this type, trained on pictures as `config` says.

    mean, std  by which pixels in [0, 1] are shifted and divided
    """
    edge = config.longest_edge
    edges = {"shortest_edge": config.shortest_edge, "longest_edge": edge}
    return {
        "image_processor_type": PROCESSORS[model_type],
        "format": "coco_detection",
        "do_resize": True,
        "size": {"height": edge, "width": edge} if config.square else edges,
        "resample": BILINEAR,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": (tuple(mean), tuple(std)) != ((0, 0, 0), (1, 1, 1)),
        "image_mean": list(mean),
        "image_std": list(std),
        "do_pad": True,  # pictures of one batch, with a mask
    }


def write_image_processor(
    folder: Path, model_type: str, config: TrainConfig, mean: Sequence[float] = MEAN, std: Sequence[float] = STD
) -> None:
    """Write `image_processor` into a model's folder; raises OSError."""
    settings = image_processor(model_type, config, mean, std)
    (folder / PROCESSOR).write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
