"""How many images a forward pass has where the settings leave it open: as many as fit into the GPU's memory.

In: a model that is not trained yet, and the data. Out: settings with a batch size, and a sentence that says why. The
worst batch is tried, with the memory that the optimizer will take: images as large as any, with as many objects.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from core.config import PLAIN_BATCH, TrainConfig
from core.detr.families.base import Detector
from core.detr.input.batch import Batch, Collator, Sample
from core.detr.input.dataset import DetectionDataset
from core.training.distributed import ProcessGroup
from core.training.step import Stepper

MOST = 64  # images that are tried


def with_batch_size(
    config: TrainConfig, model: Detector, data: DetectionDataset, device: torch.device, processes: ProcessGroup
) -> tuple[TrainConfig, str]:
    """Return the settings with a batch size, the same in all processes, and what there is to say of it.

    Settings that state one stay as they are. Raises ConfigError if not even one image fits.
    """
    if config.batch_size:
        return config, ""
    if device.type != "cuda":
        return replace(config, batch_size=PLAIN_BATCH), f" Batch size {PLAIN_BATCH}: there is no GPU's memory to fill."
    most = 2 ** (min(MOST, len(data)).bit_length() - 1)
    batch = worst_batch(data, most)
    stepper = Stepper(model, replace(config, batch_size=most), 1, device, processes)
    moments = [torch.empty_like(parameter) for parameter in stepper.parameters for _ in range(2)]
    stepper.try_out([batch])  # which halves what does not fit
    del moments
    torch.cuda.empty_cache()
    size = min(processes.all_gather(stepper.images_per_pass))
    height, width = batch["pixel_values"].shape[2:]
    tried = f"{width} × {height} with {len(batch['labels'][0]['boxes'])} objects each"
    beyond = f"{2 * size} do not fit" if size < most else "more were not tried"
    return replace(config, batch_size=size), (
        f" Batch size {size}, by images of {tried}: {beyond}. The learning rates stay as they are set."
    )


def worst_batch(data: DetectionDataset, images: int) -> Batch:
    """Return a batch of so many images, each as wide, as high and with as many objects as any of the data.

    With several sizes for each picture, the largest counts.
    """
    sizes = [data.largest_size(index) for index in range(len(data))]
    targets = [data.targets(image) for image in data.split.images]
    boxes = max((len(one["boxes"]) for one in targets), default=0)
    sample: Sample = {
        "pixel_values": torch.zeros(3, max(h for _, h in sizes), max(w for w, _ in sizes), dtype=torch.uint8),
        "labels": {
            "class_labels": torch.zeros(boxes, dtype=torch.int64),
            "boxes": torch.full((boxes, 4), 0.5),
        },
        "image_id": 0,
        "size": (1, 1),
    }
    return Collator(data.stride)([sample] * images)
