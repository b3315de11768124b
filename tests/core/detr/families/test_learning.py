"""Each family learns one batch, its new head and all that is before it."""

import pytest
import torch

from core.boxes import iou
from core.config import TrainConfig
from core.detr.detect import detect, forward
from core.detr.losses import LossNormalizers, set_losses, total
from core.detr.model import FAMILIES, load_model, parameter_groups
from core.labels import LabelMap
from tests.core.detr.released import SOFTMAX, released

CPU = torch.device("cpu")
TWO = LabelMap(("dog", "scooter"), (18, 200))
SIZE = 96, 64  # width, height
BOXES = torch.tensor([[[4, 4, 40, 36], [50, 20, 92, 60]], [[8, 24, 48, 60], [56, 4, 90, 30]]])  # xyxy of two images
MOST_STEPS, LOOK = 3000, 25  # steps, of which the slowest took 750 on one processor, more on another; between looks
RATES = dict.fromkeys(FAMILIES, 2e-3) | dict.fromkeys(SOFTMAX, 1e-3)


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
@pytest.mark.parametrize("kind", FAMILIES)
def test_one_batch_is_learned_by_heart(kind, batch, tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(0)  # of the rows that begin fresh, and of noise
        model, head = load_model(str(released(kind, tmp_path)), TWO, dropout=0.0)
        assert head.fresh == ("scooter",)
        rate, config = RATES[kind], model.loss_config
        groups = parameter_groups(model, TrainConfig(lr=rate, lr_backbone=rate, lr_head=rate, freeze="none"))
        optimizer = torch.optim.AdamW(groups)
        normalizers = LossNormalizers.of(batch["labels"], model.num_queries, config)
        for step in range(MOST_STEPS):
            for group in optimizer.param_groups:
                group["lr"] = rate * min(1, (step + 1) / 20)
            optimizer.zero_grad()
            layers = forward(model.train(), batch, CPU)
            total(set_losses(layers, batch["labels"], normalizers, config), config).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            if step % LOOK == LOOK - 1 and finds_everything(model, batch):
                return
    pytest.fail("it did not learn two pictures by heart")


def finds_everything(model, batch) -> bool:
    """Whether of each class the most confident box of a picture is its object's."""
    (detections,) = detect(model.eval(), [batch], CPU)
    for image, boxes in enumerate(BOXES.numpy()):
        for label, box in enumerate(boxes):
            of_class = (detections.image_id == image) & (detections.label == label)
            if not of_class.any():
                return False
            best = detections.boxes[of_class][detections.score[of_class].argmax()]
            if iou(best[None], box[None])[0, 0] <= 0.5:
                return False
    return True
