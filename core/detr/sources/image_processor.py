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
# sigmoids. It need not be the one that transformers' own table names: all are told the pictures' size and statistics.
PROCESSORS = {
    "detr": "DetrImageProcessor",
    "table-transformer": "DetrImageProcessor",
    "yolos": "YolosImageProcessor",
    "conditional_detr": "ConditionalDetrImageProcessor",
    "dab-detr": "ConditionalDetrImageProcessor",
    "deformable_detr": "DeformableDetrImageProcessor",
    "lw_detr": "DeformableDetrImageProcessor",
    "rf_detr": "DeformableDetrImageProcessor",  # its own does not antialias
    "rt_detr": "RTDetrImageProcessor",
    "rt_detr_v2": "RTDetrImageProcessor",
    "d_fine": "RTDetrImageProcessor",
    "deimv2": "RTDetrImageProcessor",
}


def image_processor(
    model_type: str, config: TrainConfig, mean: Sequence[float] = MEAN, std: Sequence[float] = STD
) -> dict[str, Any]:
    """Return the settings of the image processor of a model of this type, trained with the edges of `config`.

    mean, std  of the pixels of its pictures, each in [0, 1]
    """
    return {
        "image_processor_type": PROCESSORS[model_type],
        "format": "coco_detection",
        "do_resize": True,
        "size": {"shortest_edge": config.shortest_edge, "longest_edge": config.longest_edge},
        "resample": BILINEAR,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": (tuple(mean), tuple(std)) != ((0, 0, 0), (1, 1, 1)),
        "image_mean": list(mean),
        "image_std": list(std),
        "do_pad": True,  # pictures of one batch, with a mask
    }


def write_image_processor(folder: Path, model_type: str, config: TrainConfig) -> None:
    """Write `image_processor` into a model's folder; raises OSError."""
    settings = image_processor(model_type, config)
    (folder / PROCESSOR).write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
