"""Each family learns one batch, its new head and all that is before it."""

import pytest
import torch

from core.config import TrainConfig
from core.detr.detect import forward
from core.detr.losses import LossNormalizers, set_losses, total
from core.detr.model import load_model, parameter_groups
from core.labels import LabelMap
from tests.core.detr.released import released

CPU = torch.device("cpu")
TWO = LabelMap(("dog", "scooter"), (18, 200))
SIZE = 96, 64  # width, height
BOXES = torch.tensor([[[4, 4, 40, 36], [50, 20, 92, 60]], [[8, 24, 48, 60], [56, 4, 90, 30]]])  # xyxy of two images
STEPS = {"yolos": 30, "table-transformer": 50, "dab-detr": 80}


@pytest.fixture
def batch():
    """Two dark pictures, in each a light dog and a black scooter."""
    pixels = torch.randint(60, 80, (2, 3, SIZE[1], SIZE[0]), dtype=torch.uint8, generator=torch.Generator())
    for image, boxes in enumerate(BOXES.tolist()):
        for (x1, y1, x2, y2), shade in zip(boxes, (200, 20), strict=True):
            pixels[image, :, y1:y2, x1:x2] = shade
    centres, sides = (BOXES[..., :2] + BOXES[..., 2:]) / 2, BOXES[..., 2:] - BOXES[..., :2]
    shares = torch.cat([centres, sides], -1) / torch.tensor([*SIZE, *SIZE])
    labels = [{"class_labels": torch.tensor([0, 1]), "boxes": boxes} for boxes in shares]
    return {"pixel_values": pixels, "pixel_mask": torch.ones(2, SIZE[1], SIZE[0], dtype=torch.bool), "padded": False,
            "labels": labels, "image_id": [0, 1], "size": [SIZE, SIZE]}  # fmt: skip


@pytest.mark.few(1)
@pytest.mark.parametrize("kind", STEPS)
def test_one_batch_is_learned(kind, batch, tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(0)  # of the rows that begin fresh
        model, head = load_model(str(released(kind, tmp_path)), TWO, dropout=0.0)
    assert head.fresh == ("scooter",)
    rate, config, losses = 6e-3, model.loss_config, []
    groups = parameter_groups(model.train(), TrainConfig(lr=rate, lr_backbone=rate, lr_head=rate, freeze="none"))
    optimizer, normalizers = torch.optim.AdamW(groups), LossNormalizers.of(batch["labels"], model.num_queries, config)
    for _ in range(STEPS[kind]):
        optimizer.zero_grad()
        loss = total(set_losses(forward(model, batch, CPU), batch["labels"], normalizers, config), config)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
