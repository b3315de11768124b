"""Named sets of settings: what to begin with, for a model and data of some kind.

Those of a family are its published recipe, as far as the settings can say it; the description has what they cannot.
A story also names its model and its built-in data set: an experiment in one choice, which docs/stories.md tells.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from core.config import MULTI_SCALE_STARTER, RANDOM_MULTI_SCALE, TrainConfig


@dataclass(frozen=True)
class Preset:
    """A named set of changes to the defaults, with a sentence on when to take it.

    families  whose recipe it is, as their config.json's `model_type`; the size of pictures is then the chosen model's
              (`core.detr.pretrained.preset_config`). None: it is of no family
    data, model  of a story: its built-in data set, by the folder's name, and its model
    """

    name: str
    description: str
    changes: dict[str, Any]
    families: tuple[str, ...] = ()
    data: str = ""
    model: str = ""

    def apply(self, config: TrainConfig | None = None) -> TrainConfig:
        """Return the defaults with this preset's changes, and with the data, model and classes of `config`.

        Without `config` those of a story are its own.
        """
        defaults = TrainConfig()
        if config:
            defaults = TrainConfig(data=config.data, model=config.model, classes=config.classes)
        elif self.model:
            defaults = TrainConfig(data=f"data/{self.data}", model=self.model)
        return replace(defaults, **self.changes)


# of all families below, where nothing else is said; AdamW, weight decay 1e-4 and clip 0.1 are the defaults
_SHARED = {"augment": ("flip", "scale and crop"), "dropout": 0.0, "freeze": "none"}
_COLOURED = {"augment": ("flip", "scale and crop", "colour")}  # where a recipe distorts colours
_SQUARE = {"shortest_edge": 640, "longest_edge": 640, "square": True}
_DEMO = {
    # a new light is first of all another look of things: the backbone has the most to learn; what the transformer knows
    # is worth keeping. The average of the weights does what falling rates do, from the first epoch on
    # (docs/measurements.md)
    "epochs": 10, "batch_size": 8, "lr": 2e-5, "lr_backbone": 2e-4, "lr_head": 2e-5, "schedule": "constant",
    "ema": 0.998, "class_targets": "matching-aware", "shortest_edge": 192, "longest_edge": 256, "freeze": "none",
    "dropout": 0.0, "workers": 0,
    # 1.7 times as fast as one on two cores at rest, and as fast while a browser takes one of them by half
    "threads": 2,
}  # fmt: skip
_NEW_CLASS = {
    # by day the backbone has nothing to learn; a fresh row has all, and of few images (docs/measurements.md)
    **_DEMO, "lr": 6e-5, "lr_backbone": 2.5e-5, "lr_head": 6e-5, "lr_fresh": 2e-3, "repeat_fresh": 4.0,
    "schedule": "cosine", "ema": 0.0,
}  # fmt: skip
_OWN_PICTURES = {
    # nothing looks as the starter knows it: all have to move, in small steps of larger images
    **_DEMO, "minutes": 15.0, "batch_size": 4, "lr": 2e-4, "lr_backbone": 4e-4, "lr_head": 2e-4, "shortest_edge": 240,
    "longest_edge": 320,
}  # fmt: skip
FAMILY_PRESETS = (
    Preset(  # rfdetr/config.py: TrainConfig, and util/get_param_dicts.py, of roboflow/rf-detr 1.4.1
        "RF-DETR",
        "Its package's fine-tuning: 16 images a step, EMA 0.993, rates that stay. Not here: sizes that change from "
        "step to step.",
        {
            # 0.7 for each component away from the heads: the decoder's rate is 1e-4 · 0.7, the backbone's 1.5e-4 · 0.7²
            "epochs": 100, "accumulate": 4, "lr": 7e-5, "lr_backbone": 7.35e-5, "lr_head": 1e-4, "ema": 0.993,
            "layer_decay": 0.8, **_SHARED, **_SQUARE,
        },
        ("rf_detr",),
    ),
    Preset(  # configs/dfine/custom/objects365/dfine_hgnetv2_l_obj2custom.yml of Peterande/D-FINE
        "D-FINE",
        "Its fine-tuning of L on other data: 32 images a step, 2.5e-4, EMA 0.9999. The backbone's rate is 1.25e-4 for "
        "S (64 epochs), 2.5e-5 for M (56), 2.5e-6 for X; N has 8e-4 and 4e-4. Not here: zoom-out, sizes that "
        "change, plain pictures at the end.",
        {
            "epochs": 36, "batch_size": 8, "accumulate": 4, "lr": 2.5e-4, "lr_backbone": 1.25e-5, "lr_head": 2.5e-4,
            "weight_decay": 1.25e-4, "ema": 0.9999, **_SHARED, **_COLOURED, **_SQUARE, "freeze": "stem",
        },
        ("d_fine",),
    ),
    Preset(  # rtdetrv2_pytorch/configs/rtdetrv2/rtdetrv2_r50vd_6x_coco.yml and its includes, of lyuwenyu/RT-DETR
        "RT-DETRv2",
        "Its own for R50: 16 images a step, 1e-4, EMA 0.9999, 2,000 steps of warm-up. The backbone's rate is 1e-4 for "
        "R18, 5e-5 for R34 (both 120 epochs), 1e-6 for R101. Not here: zoom-out, sizes that change, plain "
        "pictures at the end.",
        {
            "epochs": 72, "accumulate": 4, "lr": 1e-4, "lr_backbone": 1e-5, "lr_head": 1e-4, "warmup_steps": 2000,
            "ema": 0.9999, **_SHARED, **_COLOURED, **_SQUARE, "freeze": "stem",
        },
        ("rt_detr_v2",),
    ),
    Preset(  # rtdetr_pytorch/configs/rtdetr/rtdetr_r50vd_6x_coco.yml and its includes, of lyuwenyu/RT-DETR
        "RT-DETR",
        "Its own for R50: 16 images a step, 1e-4, backbone 1e-5, EMA 0.9999. Not here: zoom-out.",
        {
            "epochs": 72, "accumulate": 4, "lr": 1e-4, "lr_backbone": 1e-5, "lr_head": 1e-4, "ema": 0.9999, **_SHARED,
            **_COLOURED, **_SQUARE, "freeze": "stem",
        },
        ("rt_detr",),
    ),
    Preset(  # configs/deimv2/deimv2_hgnetv2_n_coco.yml, configs/base/, of Intellindust-AI-Lab/DEIMv2
        "DEIMv2",
        "Its own for N: 32 images a step, 8e-4, EMA 0.9999, 2,000 steps of warm-up; Pico has twice the rates, 128 "
        "images and 500 epochs. Not here: mosaic, mixup, copied objects, zoom-out.",
        {
            "epochs": 160, "batch_size": 8, "accumulate": 4, "lr": 8e-4, "lr_backbone": 4e-4, "lr_head": 8e-4,
            "warmup_steps": 2000, "ema": 0.9999, **_SHARED, **_COLOURED, **_SQUARE,
        },
        ("deimv2",),
    ),
    Preset(  # scripts/lwdetr_small_coco_train.sh, main.py, of Atten4Vis/LW-DETR
        "LW-DETR",
        "Its fine-tuning on COCO: 32 images a step, EMA 0.9997. XL has 16 images, weight decay 1e-3 and other rates. "
        "Not here: sizes that change from step to step.",
        {
            # made of the same decays as RF-DETR's
            "epochs": 60, "batch_size": 8, "accumulate": 4, "lr": 7e-5, "lr_backbone": 7.35e-5, "lr_head": 1e-4,
            "ema": 0.9997, "layer_decay": 0.8, **_SHARED, **_SQUARE,
        },
        ("lw_detr",),
    ),
    Preset(  # README.md and main.py of IDEA-Research/DAB-DETR
        "DAB-DETR",
        "Its own: 16 images a step, 1e-4, backbone 1e-5, scale jitter and crops, the rate falls at the end.",
        {
            "epochs": 50, "accumulate": 4, "lr": 1e-4, "lr_backbone": 1e-5, "schedule": "step", **_SHARED,
            "freeze": "stem",
        },
        ("dab-detr",),
    ),
    Preset(  # main.py and configs/r50_deformable_detr.sh of fundamentalvision/Deformable-DETR
        "Deformable DETR",
        "Its own: 32 images a step, 2e-4, backbone 2e-5, scale jitter and crops, the rate falls at the end. Not here: "
        "a tenth of the rate for sampling offsets and reference points.",
        {
            "epochs": 50, "batch_size": 4, "accumulate": 8, "lr": 2e-4, "lr_backbone": 2e-5, "lr_head": 2e-4,
            "schedule": "step", "augment": ("flip", "scale and crop"),
        },
        ("deformable_detr",),
    ),
    Preset(  # README.md (YOLOS-S) and main.py of hustvl/YOLOS
        "YOLOS",
        "Its own for S: 8 images a step, 2.5e-5 for all weights, falling to 0; Ti has 16 images, 5e-5 and 300 epochs.",
        {
            "epochs": 150, "accumulate": 2, "lr": 2.5e-5, "lr_backbone": 2.5e-5, "lr_head": 2.5e-5,
            "schedule": "cosine", **_SHARED,
        },
        ("yolos",),
    ),
    Preset(  # src/detection_config.json of microsoft/table-transformer
        "Table Transformer",
        "Its own for finding tables: 2 images a step, 5e-5, backbone 1e-5; the rate falls to 0 instead of by a tenth "
        "an epoch. Not here: its crops around tables.",
        {
            "epochs": 20, "batch_size": 2, "lr": 5e-5, "lr_backbone": 1e-5, "lr_head": 5e-5, "schedule": "cosine",
            "shortest_edge": 800, "longest_edge": 800, "augment": ("flip", "scale and crop"),
        },
        ("table-transformer",),
    ),
)  # fmt: skip
PRESETS = {
    p.name: p
    for p in (
        Preset(
            "Experiment",
            "Batch 4, learning rate 1e-5, AdamW, 10 epochs: fine-tunes facebook/detr-resnet-50 on photographs.",
            {},
        ),
        Preset(
            "Quick look",
            "Two epochs on small images with the backbone frozen: does the data work, is it worth a whole training?",
            {"epochs": 2, "lr": 5e-5, "freeze": "backbone", "shortest_edge": 480, "longest_edge": 640},
        ),
        Preset(
            "Full recipe",
            "DETR's own: 16 images a step, 1e-4, backbone 1e-5, scale jitter and crops, the rate falls at the end.",
            {
                "epochs": 50, "accumulate": 4, "lr": 1e-4, "lr_backbone": 1e-5, "schedule": "step",
                "augment": ("flip", "scale and crop"), "early_stopping": 15,
            },
            ("detr", "conditional_detr"),  # main.py of facebookresearch/detr and of Atten4Vis/ConditionalDETR
        ),
        Preset(
            "Built-in demo",
            "For the starter models on 256-pixel street scenes: their backbone learns fast, the rest keeps what it "
            "knows, and the average of the weights is the model.",
            _DEMO,
        ),
        Preset(
            "New class",
            "The demo where some classes are new to the starter and others are not: lower rates spare what it knows, "
            "the new ones learn faster, and their images come more often.",
            _NEW_CLASS,
        ),
        Preset(
            "Own pictures",
            "For the starter models on pictures that are not drawn, without a GPU, in 15 minutes; the multi-scale one "
            "comes further. Where pictures have no top, mirror them upside down, too.",
            _OWN_PICTURES,
        ),
        Preset(
            "Small objects",
            "The demo with the multi-scale starter, for as many minutes: it finds small objects that DETR misses.",
            {**_DEMO, "epochs": 5},
            data="street",
            model=MULTI_SCALE_STARTER,
        ),
        Preset(
            "From nothing",
            "From random weights: high rates, images that begin small. A small RT-DETRv2 so learns the drawn street by "
            "day, in 15 to 25 minutes, while you watch; a DETR takes far longer.",
            {
                # of as many pictures it learns far more in small batches: what counts from nothing is steps
                "epochs": 7, "batch_size": 8, "lr": 5e-4, "lr_backbone": 5e-4, "lr_head": 5e-4, "clip": 1.0,
                "warmup_steps": 200, "schedule": "step", "shortest_edge": 192, "longest_edge": 256, "start_size": 0.5,
                "freeze": "none", "dropout": 0.0, "workers": 0, "threads": 2,
            },
            data="street-by-day",
            model=RANDOM_MULTI_SCALE,
        ),
        *FAMILY_PRESETS,
    )
}  # fmt: skip
