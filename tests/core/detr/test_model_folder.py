"""config.json as the released models have it, whichever version of transformers wrote it."""

import json

import pytest

from core import ModelError
from core.detr.model_folder import read_config
from core.detr.processor import read_picture_settings

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
    rest = {"classifier_dropout": 0.0, "scale_embedding": False, "torch_dtype": "float32"}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind, **rest, **described}))
    config = read_config(tmp_path)
    assert config.backbone_settings() == settings and not set(rest) & set(config.settings())


@pytest.mark.parametrize(
    ("size", "edges"),
    [
        ({"shortest_edge": 800, "longest_edge": 1333}, (800, 1333)),
        ({"max_height": 480, "max_width": 480}, (480, 480)),  # transformers' guide to fine-tuning
        ({"max_height": 600, "max_width": 1000}, (600, 1000)),
        ({"height": 640, "width": 640}, (640, 640)),
        ({"shortest_edge": None, "longest_edge": None, "height": 640, "width": 480}, (480, 640)),
        ({"shortest_edge": 800}, (800, None)),
        ({}, (None, None)),
        (None, (None, None)),
    ],
)
def test_sizes_of_pictures_are_read_in_every_form(size, edges, tmp_path):
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"size": size}))
    read = read_picture_settings(tmp_path)
    assert (read.get("shortest_edge"), read.get("longest_edge")) == edges


def test_a_file_that_somebody_edited_is_read_with_its_mark_and_refused_by_its_place(tmp_path):
    text = json.dumps({"model_type": "detr"})
    (tmp_path / "config.json").write_bytes(b"\xef\xbb\xbf" + text.encode())  # as Windows' editors write it
    assert read_config(tmp_path).model_type == "detr"
    (tmp_path / "config.json").write_text(text[:-1] + ",}")
    with pytest.raises(ModelError, match=r"config\.json: not valid JSON from byte 2\d on\): correct it there, or copy"):
        read_config(tmp_path)


@pytest.mark.parametrize("name", ["DetrForSegmentation", "DetrModel"])  # facebook/detr-resnet-50-panoptic is the first
def test_a_model_of_another_task_is_refused_by_its_settings(name, tmp_path):
    """So before its weights are fetched, which would lack what a detector has."""
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "detr", "architectures": [name]}))
    with pytest.raises(ModelError, match=f"owner/panoptic is a {name}, but only models for object detection"):
        read_config(tmp_path, "owner/panoptic")
