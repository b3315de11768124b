"""Matching and losses of all decoder layers, forward and backward, against transformers' own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from transformers import DetrConfig
from transformers.loss.loss_for_object_detection import ForObjectDetectionLoss

from bench.material import threads
from bench.table import Bench, Figures, Row, take_turns
from core.detr.families.detr import Detr
from core.detr.input.batch import ImageTargets
from core.detr.losses import Layers, LossNormalizers, set_losses, total

CASES = (  # images, objects in each, queries
    (4, 5, 100), (4, 20, 100), (4, 60, 100), (4, 5, 300), (4, 20, 300), (4, 60, 300), (16, 8, 100), (16, 30, 100),
)  # fmt: skip
LAYERS, CLASSES = 6, 10
CONFIG = DetrConfig(num_labels=CLASSES, auxiliary_loss=True, decoder_layers=LAYERS)
MOST_APART = 1e-5


@dataclass(frozen=True)
class Answers:
    """Made-up answers of a DETR to a batch, which learn, and the batch's targets."""

    logits: torch.Tensor  # (L, B, Q, C + 1)
    boxes: torch.Tensor  # (L, B, Q, 4) cxcywh
    labels: list[ImageTargets]

    @classmethod
    def of(cls, images: int, objects: int, queries: int) -> Answers:
        random = torch.Generator().manual_seed(0)
        logits = torch.randn(LAYERS, images, queries, CLASSES + 1, generator=random)

        def boxes(*shape: int) -> torch.Tensor:
            return torch.rand(*shape, 4, generator=random) * 0.5 + 0.2

        labels: list[ImageTargets] = [
            {"class_labels": torch.randint(CLASSES, (objects,), generator=random), "boxes": boxes(objects)}
            for _ in range(images)
        ]
        return cls(logits.requires_grad_(), boxes(LAYERS, images, queries).requires_grad_(), labels)

    def take_gradients(self) -> torch.Tensor:
        """Return the gradients in one row, and forget them."""
        gradients = torch.cat([part.grad.flatten() for part in (self.logits, self.boxes)])
        self.logits.grad = self.boxes.grad = None
        return gradients


def ours(answers: Answers) -> torch.Tensor:
    config = Detr.loss_config_of(CONFIG)
    normalizers = LossNormalizers.of(answers.labels, answers.logits.shape[2], config)
    loss = total(set_losses(Layers(answers.logits, answers.boxes), answers.labels, normalizers, config), config)
    loss.backward()
    return loss.detach()


def theirs(answers: Answers) -> torch.Tensor:
    logits, boxes = answers.logits, answers.boxes
    loss = ForObjectDetectionLoss(logits[-1], answers.labels, logits.device, boxes[-1], CONFIG, logits, boxes)[0]
    loss.backward()
    return loss.detach()


def require_equal(answers: Answers) -> None:
    """Raise AssertionError unless both give the same loss and the same gradients."""
    values = [(side(answers), answers.take_gradients()) for side in (ours, theirs)]
    (loss, gradients), (their_loss, their_gradients) = values
    assert abs(loss - their_loss) <= MOST_APART * abs(their_loss), f"the losses are {loss} and {their_loss}"
    apart = float((gradients - their_gradients).abs().max())
    assert apart <= MOST_APART, f"the gradients are {apart:.1e} apart"


def measure_losses(images: int, objects: int, queries: int, bench: Bench) -> Figures:
    answers = Answers.of(images, objects, queries)
    with threads(1):
        require_equal(answers)
        return take_turns(lambda _: ours(answers), lambda _: theirs(answers), rounds=10 * bench.rounds)


ROWS = [
    Row(
        f"losses-{images}-{objects}-{queries}",
        f"matching and losses with backward, {images} images with {objects} objects, {queries} queries, one thread",
        partial(measure_losses, images, objects, queries),
        rival="transformers",
    )
    for images, objects, queries in CASES
]
