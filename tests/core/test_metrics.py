"""core/metrics.py: each tag once, and the names that others have for the same things."""

from dataclasses import fields

from core.evaluation.coco_eval import CocoFigures
from core.metrics import COCO, FAMILIES, GROUPS, LOSS_PARTS, METRICS, MOST_LAYERS


def test_each_tag_and_each_family_stands_there_once():
    tags = [metric.tag for metric in METRICS] + [family.prefix for family in FAMILIES]
    assert len(set(tags)) == len(tags)


def test_each_has_words():
    assert all(metric.label and metric.help.endswith(".") for metric in (*METRICS, *FAMILIES))


def test_the_figures_are_cocos():
    assert set(COCO) == {field.name for field in fields(CocoFigures)} - {"per_class"}


def test_a_group_has_a_tag_for_each_class_and_for_each_layer():
    assert GROUPS["classes"].tags(["car", "dog"]) == ["val/AP/car", "val/AP/dog"]
    layers = GROUPS["layers"].tags(["car"])
    assert len(layers) == 2 * len(LOSS_PARTS) * MOST_LAYERS
    assert {
        "train/loss_giou/layer12",
        "val/loss_ce/layer1",
    } <= set(layers)
