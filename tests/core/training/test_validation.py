"""core/training/validation.py, and the metrics of steps and evaluations in a whole training."""

import math

from core.metrics import CURVES, FAMILIES, METRICS
from core.training.events import (
    Measured,
    StepDone,
)
from tests.core.training.chosen_events import evaluations


def test_every_tag_has_its_words(whole):
    tags = {tag for p in whole[0] if isinstance(p, Measured) for tag in p.metrics}
    known = {metric.tag for metric in METRICS}
    unknown = {tag for tag in tags - known if not any(family.name(tag) for family in FAMILIES)}
    assert not unknown
    of_detr = [loss for loss in CURVES if not loss.optional or loss.name == "loss_ce"]
    assert {metric.tag for loss in CURVES for metric in (loss.train, loss.val)} & tags == {
        metric.tag for loss in of_detr for metric in (loss.train, loss.val)
    }


def test_an_evaluation_has_every_query_of_every_image(whole, street):
    measured = evaluations(whole[0])
    assert len(measured) == 3
    for progress in measured:
        assert len(progress.detections) == 6 * 30 and len(set(progress.detections.image_id)) == 6
        assert {f"val/{name}" for name in ("loss", "loss_ce", "loss_bbox", "loss_giou", "AP")} <= set(progress.metrics)
        assert progress.metrics["val/AP"] == progress.figures.AP


def test_an_evaluation_has_the_losses_of_every_layer_and_the_last_ones_are_the_models(whole):
    for progress in evaluations(whole[0]):
        for name in ("loss_ce", "loss_bbox", "loss_giou"):
            layers = sorted(tag for tag in progress.metrics if tag.startswith(f"val/{name}/layer"))
            assert len(layers) == 3 and progress.metrics[layers[-1]] == progress.metrics[f"val/{name}"]
        assert 0 <= progress.metrics["val/class_error"] <= 100 and progress.metrics["val/cardinality_error"] >= 0


def test_every_figure_of_a_step_is_a_number(whole):
    for progress in (p for p in whole[0] if isinstance(p, Measured)):
        assert all(math.isfinite(value) for value in progress.metrics.values())
        if isinstance(progress, StepDone):
            assert {"train/loss", "train/grad_norm", "train/lr_backbone", "train/wait"} <= set(progress.metrics)
            assert 0 <= progress.metrics["train/wait"] <= 1


def test_an_evaluation_says_how_much_is_predicted(whole):
    for progress in evaluations(whole[0]):
        scores, labels = progress.detections.score, progress.detections.label
        assert progress.metrics["val/predicted"] == (scores >= 0.3).sum() / 6
        by_class = [progress.metrics[f"val/predicted/{name}"] for name in progress.label_map.names]
        assert by_class == [((labels == i) & (scores >= 0.3)).sum() for i in range(10)]
        objects = [a for a in progress.ground_truth["annotations"] if not a["iscrowd"]]
        assert progress.metrics["val/truths"] == len(objects) / 6
