"""config.json as the released models have it, whichever version of transformers wrote it."""

import json

import pytest

from core.detr.model_folder import read_config

TIMM = {"model_type": "timm_backbone", "backbone": "resnet50", "num_channels": 3, "out_indices": [1, 2, 3, 4]}
RESNET = {"model_type": "resnet", "out_features": ["stage4"]}
KWARGS = {"in_chans": 3, "out_indices": [1, 2, 3, 4]}


@pytest.mark.parametrize(
    ("kind", "described", "settings"),
    [
        ("detr", {}, {**TIMM, "output_stride": None}),
        ("detr", {"backbone": "resnet101"}, {**TIMM, "backbone": "resnet101", "output_stride": None}),
        ("detr", {"use_timm_backbone": True, "backbone_kwargs": KWARGS}, {**TIMM, "output_stride": None}),
        ("detr", {"backbone": "resnet50", "dilation": True}, {**TIMM, "output_stride": 16}),
        ("detr", {"use_timm_backbone": False, "backbone": None, "dilation": None, "backbone_config": RESNET}, RESNET),
        ("detr", {"use_timm_backbone": False}, RESNET),
        ("deformable_detr", {}, {**TIMM, "out_indices": [2, 3, 4], "output_stride": None}),
        ("deformable_detr", {"num_feature_levels": 1}, {**TIMM, "out_indices": [4], "output_stride": None}),
        ("conditional_detr", {"backbone_config": TIMM}, TIMM),
    ],
)
def test_the_backbone_is_understood_as_every_version_has_written_it(kind, described, settings, tmp_path):
    rest = {"classifier_dropout": 0.0, "scale_embedding": False, "num_hidden_layers": 6, "torch_dtype": "float32"}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind, **rest, **described}))
    config = read_config(tmp_path)
    assert config.backbone_settings() == settings and not set(rest) & set(config.settings())
